"""A comparison as one HTML file that needs nothing but itself: no script, no request, no font."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from itertools import count
from pathlib import PurePath
from typing import Any

import augmap
from augmap.evaluate.score import Score
from augmap.report import figures, words
from augmap.report.columns import columns
from augmap.report.compare import Comparison, Entry
from augmap.report.figures import letter
from augmap.report.html import cell, table, tag, text
from augmap.report.score_tables import glossary, score_tables

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
MOST_ACROSS = 12
"""Labels, or maps, that stand beside one another in a table of single labels."""
MOST_LABELS = 100
"""Labels that such a table lists."""
MOST_MATRIX = 20
"""Labels up to which a confusion matrix is drawn."""

Number = Callable[[], int]


def page(c: Comparison, *, title: str | None = None, made: str) -> str:
    """Return the report.

    Parameters
    ----------
    title : str, optional
        By default what is compared.
    made : str
        The day, which is the only thing in the page that does not follow from the maps.
    """
    table_number, figure_number = (_counter() for _ in range(2))
    names = [e.name for e in c.entries]
    title = title or f"{len(names)} maps of images, compared"
    body = [
        tag("h1", text(title)),
        tag("p", _lead(c), class_="lead"),
        _warnings(c.warnings),
        figures.maps(c, figure_number()),
        tag("h2", "Scores"),
        *(
            [
                tag("p", _how_to_read(c), class_="lead"),
                score_tables(c.columns, names, table_number),
                glossary(c.columns),
            ]
            if c.columns
            else []
        ),
        tag("p", _left_out(c), class_="note") if _left_out(c) else "",
        tag("h2", "Methods"),
        _methods(c.entries),
        tag("h2", "Settings and times"),
        _settings(c.entries, table_number()),
        _by_label(c, table_number, figure_number),
        tag("footer", f"Made {text(made)} by augmap {augmap.__version__}, augmap compare."),
    ]
    style = resources.files("augmap.report").joinpath("style.css").read_text("utf-8")
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"{tag('title', text(title))}\n<style>\n{style}</style>"
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n'
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _counter() -> Number:
    numbers = count(1)
    return lambda: next(numbers)


def _lead(c: Comparison) -> str:
    sizes = sorted({e.facts.n for e in c.entries})
    images = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    labels = f", {len(c.colours):,} labels" if c.colours else ", no labels"
    # of a path only its end: where it lay on somebody's disk is nothing for a reader
    sources = list(dict.fromkeys(PurePath(e.facts.source).name for e in c.entries if e.facts.source))
    of = f" ({text(', '.join(sources))})" if 0 < len(sources) <= 3 else ""
    return f"{len(c.entries)} maps of {images} images{labels}{of}."


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    items = "".join(tag("li", text(w)) for w in warnings)
    return tag(
        "div", tag("p", "The maps are not alike in all that matters.") + tag("ul", items), class_="warnings"
    )


def _how_to_read(c: Comparison) -> str:
    arrows = "↑ more is better, ↓ less is better."
    bold = (
        "<strong>Bold</strong>: the best of its column, together with all that are written the same; "
        "nothing is bold where all are equal."
    )
    if any(x.aside for column in c.columns for x in column.cells):
        bold += (
            " <em>Slanted</em>: no rival of the others, and never bold; a map of other dimensions than they, "
            "or one whose training saw the labels."
        )
    return f"{arrows} {bold} ± is the standard deviation over random splits; – is a score that a map lacks."


def _left_out(c: Comparison) -> str:
    """Say which metrics no map has a score of, and why."""
    measured = {column.key[0] for column in c.columns}
    reasons: dict[str, list[str]] = {}
    for e in c.entries:
        for name, why in (e.measures.settings.get("left_out") or {}).items():
            if name in words.METRICS and name not in measured:
                reasons.setdefault(str(why), []).append(words.head(name))
    said = "; ".join(f"{', '.join(dict.fromkeys(heads))} ({why})" for why, heads in reasons.items())
    if said:
        return text(f"Measured of no map: {said}.")
    return "" if c.columns else "Nothing was measured."


def _methods(entries: Sequence[Entry]) -> str:
    parts = []
    for i, e in enumerate(entries):
        m = e.method
        trained = {True: "Labels were used to make it.", False: "No labels were used to make it."}
        said = [
            m.sentence,
            "Parametric: new images can be placed."
            if m.parametric
            else "Not parametric: new images cannot be placed.",
            trained.get(m.labels, "Whether labels were used is not known."),
        ]
        parts.append(tag("dt", f"{letter(i)} {text(e.name)} <span>{text(m.name)}</span>"))
        parts.append(tag("dd", text(" ".join(said)) + (f" <em>{text(m.source)}.</em>" if m.source else "")))
        how = [*e.facts.stages, _flat(e.facts.settings)]
        if e.facts.features_seconds is not None:
            how.append(f"training of the features {e.facts.features_seconds / 60:,.1f} min")
        if any(how):
            parts.append(tag("dd", text("; ".join(filter(None, how)) + ".")))
    return tag("dl", "".join(parts), class_="methods")


def _flat(settings: Mapping[str, Any]) -> str:
    def said(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:.4g}"
        return " + ".join(map(said, value)) if isinstance(value, list | tuple) else str(value)

    return ", ".join(f"{k.replace('_', ' ')} {said(v)}" for k, v in settings.items() if v is not None)


def _settings(entries: Sequence[Entry], number: int) -> str:
    """What differs between the maps as columns, what is the same for all in one line."""
    facts = [e.facts for e in entries]

    def of(unit: Callable[[Any], Any], written: str = "{}") -> list[str]:
        return ["" if (x := unit(f)) is None else written.format(x) for f in facts]

    every = {
        "images": of(lambda f: f.n, "{:,}"),
        "dimensions": of(lambda f: f.dim),
        "features": of(lambda f: f.features, "{:,}"),
        "image edge, px": of(lambda f: f.image_size),
        "encoder": of(lambda f: f.backbone),
        "batch": of(lambda f: f.batch_size, "{:,}"),
        "precision": of(lambda f: f.precision),
        "epochs": of(lambda f: f.epochs, "{:,.1f}"),
        "seed": of(lambda f: f.seed),
        "views/s": of(lambda f: f.views_per_second, "{:,.0f}"),
        "time, min": of(lambda f: None if f.seconds is None else f.seconds / 60, "{:,.1f}"),
        "data": of(lambda f: f.fingerprint and f.fingerprint.split(":")[-1][:10]),
    }
    shown = {k: v for k, v in every.items() if any(v) and (len(set(v)) > 1 or k in ("images", "time, min"))}
    same = [f"{k} {v[0]}" for k, v in every.items() if k not in shown and any(v)]
    rows = [
        [text(e.name), *(cell(text(v[i]) or "–", class_=None if v[i] else "none") for v in shown.values())]
        for i, e in enumerate(entries)
    ]
    notes = [text("The same for all: " + ", ".join(same) + ".")] if same else []
    notes.append(_versions(entries))
    notes.append(
        "Epochs: passes over the images, all stages. Data: beginning of the fingerprint of the images."
    )
    notes.append("–: not recorded, or the method has no such setting.")
    caption = f"<b>Table {number}.</b> How the maps were made."
    return table(["", *map(text, shown)], rows, caption=caption, notes=[n for n in notes if n])


def _versions(entries: Sequence[Entry]) -> str:
    """What the maps were made with; of whom, where it is not the same for all."""
    users: dict[str, tuple[str, ...]] = {}
    for e in entries:
        for name, version in e.facts.versions.items():
            users[f"{name} {version}"] = (*users.get(f"{name} {version}", ()), e.name)
    alike: dict[tuple[str, ...], list[str]] = {}
    for what, who in users.items():
        alike.setdefault(who, []).append(what)
    said = [
        ", ".join(what) + ("" if len(who) == len(entries) else f" ({', '.join(who)})")
        for who, what in alike.items()
    ]
    return text("Made with " + "; ".join(said) + ".") if said else ""


def _by_label(c: Comparison, table_number: Number, figure_number: Number) -> str:
    """Accuracy of each label, and which labels are taken for which, where that was measured."""
    parts = []
    per_class = [e.measures.tables.get("per_class") or {} for e in c.entries]
    for label in dict.fromkeys(column for found in per_class for column in found):
        parts.append(_per_class(c, label, table_number()))
        confusions = [(e.measures.tables.get("confusion") or {}).get(label) for e in c.entries]
        if any(m and len(m["labels"]) <= MOST_MATRIX for m in confusions):
            parts.append(_confusions(c, label, confusions, figure_number()))
    return tag("h2", "Single labels") + "".join(parts) if parts else ""


def _per_class(c: Comparison, label: str, number: int) -> str:
    tables = [(e.measures.tables.get("per_class") or {}).get(label) or {} for e in c.entries]
    kinds = list(dict.fromkeys(k for t in tables for k in t))
    every = len(kinds)
    if every > MOST_LABELS:
        size = {k: max(t[k]["n"] for t in tables if k in t) for k in kinds}
        kept = set(sorted(kinds, key=lambda k: -size[k])[:MOST_LABELS])
        kinds = [k for k in kinds if k in kept]
    scores = [
        [
            Score(metric="knn", space="map", value=t[k]["accuracy"], column=label, setting=k)
            for k in kinds
            if k in t
        ]
        for t in tables
    ]
    found = {column.key[3]: column for column in columns(scores, [{} for _ in tables], c.aside)}
    cells = {
        k: [cell(x.text, best=x.best, class_="aside" if x.aside else None) for x in found[k].cells]
        for k in kinds
    }
    names = [text(e.name) for e in c.entries]
    if len(kinds) <= MOST_ACROSS:
        head, rows = (
            ["", *map(text, kinds)],
            [[n, *(cells[k][i] for k in kinds)] for i, n in enumerate(names)],
        )
    else:
        head, rows = ["", *names], [[text(k), *cells[k]] for k in kinds]
    few = "" if every == len(kinds) else f" The {len(kinds)} of {every:,} labels with most test images."
    caption = (
        f"<b>Table {number}.</b> kNN accuracy on the map for each label of <em>{text(label)}</em>, %.{few}"
    )
    return table(head, rows, caption=caption, class_="long" if len(rows) > 30 else "")


def _confusions(c: Comparison, label: str, found: Sequence[Any], number: int) -> str:
    drawn = "".join(
        tag(
            "figure",
            figures.confusion(matrix) + tag("figcaption", f"<b>{letter(i)} {text(e.name)}</b>"),
        )
        for i, (e, matrix) in enumerate(zip(c.entries, found, strict=True))
        if matrix and len(matrix["labels"]) <= MOST_MATRIX
    )
    caption = (
        f"<b>Figure {number}.</b> Which label of <em>{text(label)}</em> the neighbours on the map vote for "
        "(column), by the label of the image (row), % of the row; below 0.5 % left empty."
    )
    grid = tag("div", drawn, class_="maps", style="--columns:3")
    return grid + tag("p", caption, class_="caption")
