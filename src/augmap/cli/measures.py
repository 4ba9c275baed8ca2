"""What was measured of a map, as a table for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from augmap.cli.words import count, duration
from augmap.plots.names import shorten

if TYPE_CHECKING:
    from augmap.evaluate.score import Measures, Score

TITLES = {
    "knn": "kNN accuracy",
    "linear": "linear accuracy",
    "gcn": "GCN accuracy",
    "purity": "purity",
    "superclass": "in the superclass",
    "silhouette": "silhouette",
    "kmeans_ari": "k-means ARI",
    "kmeans_ami": "k-means AMI",
    "hdbscan_ari": "HDBSCAN ARI",
    "hdbscan_ami": "HDBSCAN AMI",
    "rld": "RLD",
    "neighbor_recall": "neighbour recall",
    "trustworthiness": "trustworthiness",
    "continuity": "continuity",
    "distance_correlation": "distance correlation",
    "agreement": "agreement of views",
}
"""In the order of the table; the keys are the headings of docs/metrics.md."""
SHARES = {"knn", "linear", "gcn", "purity", "superclass", "neighbor_recall", "agreement"}
"""Metrics that are shares, and read as per cent."""
DOCS = "docs/metrics.md"
_CLASSES = 20
_BESIDE = {
    "others_inside": "of other labels",
    "others_chance": "by chance",
    "effective_neighbors": "neighbours",
    "same_label": "same label",
}


def lines(title: str, measures: Measures, *, without: str = "") -> Iterator[str]:
    """Yield the report: what was measured, with labels and without, per label, and what was left out.

    Parameters
    ----------
    without : str
        Why there were no pixels, or empty.
    """
    settings = measures.settings
    part = "" if settings["n"] == settings["of"] else f", a random {settings['n']:,} of them"
    yield f"{title}: {count(settings['of'], 'image')} in {settings['dim']}-D{part}"
    for column, labels in settings["columns"].items():
        scores = [s for s in measures.scores if s.column == column]
        if scores:
            yield ""
            yield f"with labels: {column} ({count(labels, 'label')})"
            yield from _table(scores, ("map", "features", "pixels"))
            yield from _per_class(measures.tables.get("per_class", {}).get(column, {}))
    if unlabelled := [s for s in measures.scores if s.column is None]:
        yield ""
        yield "without labels"
        yield from _table(unlabelled, list(dict.fromkeys(s.space for s in unlabelled)))
    yield ""
    for name, reason in settings["left_out"].items():
        yield f"not measured: {name}: {reason}"
    if without:
        yield f"without the images: {without}"
    longest = sorted(measures.seconds.items(), key=lambda entry: -entry[1])
    parts = ", ".join(f"{name} {duration(took)}" for name, took in longest if took >= 1)
    whole = duration(sum(measures.seconds.values()))
    yield f"took {whole}{f': {parts}' if parts else ''}; seed {settings['seed']}"
    yield f"what each number means: {DOCS}"


def value(score: Score) -> str:
    """Return the value with its spread: ``71.2 % ± 0.3`` or ``0.354``."""
    if score.metric in SHARES:
        spread = "" if score.sd is None else f" ± {100 * score.sd:.1f}"
        return f"{100 * score.value:.1f} %{spread}"
    return f"{score.value:z.3f}" + ("" if score.sd is None else f" ± {score.sd:.3f}")


def _table(scores: Sequence[Score], spaces: Sequence[str]) -> Iterator[str]:
    """One row a metric and setting, one column a space; what all rows share is not said in each."""
    order = {name: i for i, name in enumerate(TITLES)}
    rows: dict[tuple[str, str], dict[str, Score]] = {}
    for score in sorted(scores, key=lambda s: order[s.metric]):
        setting = ", ".join(t for t in score.setting.split(", ") if t not in _usual(score))
        rows.setdefault((score.metric, setting), {})[score.space] = score
    spaces = [s for s in spaces if any(s in row for row in rows.values())]
    head = ["", "", *spaces, "read it against"]
    cells = [head]
    for (metric, setting), row in rows.items():
        values = [value(row[s]) if s in row else "" for s in spaces]
        cells.append([TITLES[metric], setting, *values, _beside(row)])
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    right = range(2, 2 + len(spaces))
    for row in cells:
        text = (
            f"{c:>{w}}" if i in right else f"{c:{w}}"
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        yield ("  " + "  ".join(text)).rstrip()
    for detail, names in _details(scores).items():
        yield f"  {', '.join(names)}: {detail}"


def _usual(score: Score) -> tuple[str, ...]:
    """What a column of the table stands for without saying so: cosine, and unit length for RLD."""
    return ("cosine", "unit length") if score.space != "map" else ()


def _beside(row: Mapping[str, Score]) -> str:
    """What the values of a row are read against; where it differs by column, in the order of the columns."""
    names = dict.fromkeys(name for score in row.values() for name in score.beside)
    parts = []
    for name in names:
        numbers = [_number(name, s.beside[name]) for s in row.values() if name in s.beside]
        if name not in ("clusters", "noise") and set(numbers) != {"1.000"}:
            parts.append(f"{_BESIDE.get(name, name)} {' | '.join(dict.fromkeys(numbers))}")
    return ", ".join(parts)


def _number(name: str, x: float) -> str:
    if name in ("parameters", "linear_parameters", "effective_neighbors"):
        return f"{x:,.0f}"
    if name in ("ceiling", "shuffled", "random map"):
        return f"{x:z.3f}"  # no -0.000
    return f"{100 * x:.1f} %"


def _details(scores: Iterable[Score]) -> dict[str, list[str]]:
    """Return what was looked at, with the metrics that it holds for."""
    out: dict[str, list[str]] = {}
    for score in scores:
        names = out.setdefault(score.detail, [])
        if TITLES[score.metric] not in names:
            names.append(TITLES[score.metric])
    return out


def _per_class(table: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The labels whose neighbours know them least, and what these say instead."""
    if not table:
        return
    worst = sorted(table, key=lambda name: table[name]["accuracy"])[:_CLASSES]
    more = f", the {len(worst)} lowest of {len(table)}" if len(worst) < len(table) else ""
    yield f"  kNN accuracy on the map by label{more}"
    width = max(len(shorten(name)) for name in worst)
    for name in worst:
        entry = table[name]
        other = entry["confused_with"]
        taken = "" if other is None else f"  {100 * entry['confused']:5.1f} % taken for {shorten(other)}"
        yield f"    {shorten(name):{width}}  {100 * entry['accuracy']:5.1f} % of {entry['n']:,.0f}{taken}"
