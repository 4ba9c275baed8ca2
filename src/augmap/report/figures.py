"""The pictures of a report: maps in a grid under one legend, and where labels are taken for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from augmap.plots.colours import LIGHT
from augmap.plots.names import shorten
from augmap.report.compare import Comparison, Entry
from augmap.report.html import tag, text

MOST_LEGEND = 120
"""Labels that a legend lists; more tell nobody anything."""
CELL = 20.0
"""Points of a cell of a confusion matrix."""
ACROSS = {1: 1, 2: 2, 4: 2}
"""Pictures in a row, by how many there are; else three, and four of more than nine."""


def maps(c: Comparison, number: int) -> str:
    """Return the pictures of all maps, their legend and their caption."""
    said = [_parts(e) for e in c.entries]
    drawn = [parts for e, parts in zip(c.entries, said, strict=True) if e.picture]
    common = [part for part in drawn[0] if all(part in parts for parts in drawn)] if drawn else []
    figures = "".join(
        _figure(i, e, [part for part in parts if part not in common])
        for i, (e, parts) in enumerate(zip(c.entries, said, strict=True))
    )
    turned = ""
    if c.onto is not None and len(drawn) > 1:
        turned = (
            f" Each map is turned, mirrored and scaled onto {text(c.onto)} by the images that both hold "
            "(Procrustes; r is the correlation, 1 for the same map) and fills its own frame. Distances and "
            "directions have no unit."
        )
    also = f" {text('; '.join(common))}." if common else ""
    caption = tag(
        "p", f"<b>Figure {number}.</b> The maps, one point an image.{turned}{also}", class_="caption"
    )
    n = len(c.entries)
    columns = ACROSS.get(n, 3 if n <= 9 else 4)
    grid = tag("div", figures, class_="maps", style=f"--columns:{columns}")
    return grid + legend(c) + caption


def legend(c: Comparison) -> str:
    """Return colours and labels, once for all pictures; nothing where there are none."""
    labels = [e.map.items.labels[c.color_by] for e in c.entries if c.color_by in e.map.items.labels]
    rows = list(c.colours.items())
    if not rows:
        return ""
    if len(rows) > MOST_LEGEND:
        return tag("p", f"{len(rows):,} labels, of which colour alone tells no single one.", class_="note")
    if any((column == "").any() for column in labels):
        rows.append(("not known", LIGHT.missing))
    items = "".join(tag("li", _dot(colour) + f"<span>{text(shorten(name))}</span>") for name, colour in rows)
    return tag("ul", items, class_="legend")


def confusion(table: Mapping[str, Any]) -> str:
    """Return a matrix as a picture: labels as rows, what neighbours vote for as columns, % of the row."""
    labels, counts = [str(x) for x in table["labels"]], table["counts"]
    n, left, top = len(labels), 62.0, 52.0
    parts = []
    for i, name in enumerate(labels):
        middle = round(top + (i + 0.5) * CELL, 1)
        short = text(shorten(name)[:14])
        parts.append(f'<text class="row" x="{left - 4}" y="{middle}">{short}</text>')
        x = round(left + (i + 0.5) * CELL, 1)
        parts.append(f'<text class="column" transform="translate({x} {top - 4}) rotate(-60)">{short}</text>')
        whole = sum(counts[i]) or 1
        for j, count in enumerate(counts[i]):
            share = count / whole
            if share < 0.005:
                continue
            at = f'x="{round(left + j * CELL, 1)}" y="{round(top + i * CELL, 1)}"'
            parts.append(f'<rect {at} width="{CELL}" height="{CELL}" opacity="{0.06 + 0.94 * share:.2f}"/>')
            on = " on" if share > 0.5 else ""
            x = round(left + (j + 0.5) * CELL, 1)
            parts.append(f'<text class="value{on}" x="{x}" y="{middle}">{100 * share:.0f}</text>')
    size = f"0 0 {left + n * CELL + 24} {top + n * CELL + 2}"
    return tag("svg", "".join(parts), viewBox=size, class_="heat", role="img")


def letter(i: int) -> str:
    """Return (a), (b), ... by which a map is called in figures."""
    return f"({chr(ord('a') + i)})" if i < 26 else f"({i + 1})"


def _parts(e: Entry) -> list[str]:
    """What must be said of a picture, one part each."""
    parts = [part.strip() for part in e.picture.caption.split("·")] if e.picture else []
    parts = [e.method.name, *parts]
    return parts + ([e.placed.note] if e.placed and e.placed.note else [])


def _figure(i: int, e: Entry, said: Sequence[str]) -> str:
    if e.picture is None:
        shown = tag("div", "A map of one dimension has no picture.", class_="nothing")
    else:
        shown = _picture(e)
    aligned = e.placed.aligned if e.placed else None
    if aligned is not None:
        how = f"r = {aligned.correlation:.2f}" if aligned.shared else "too few shared images to turn it by"
        said = [*said, how]
    caption = f"<b>{letter(i)} {text(e.name)}</b>" + (f"<br>{_kept(text('; '.join(said)))}" if said else "")
    return tag("figure", shown + tag("figcaption", caption))


def _kept(said: str) -> str:
    """Keep ``r = 0.98`` on one line."""
    return said.replace(" = ", "&nbsp;=&nbsp;")


def _picture(e: Entry) -> str:
    p = e.picture
    size = f"{p.side:g}"
    names = "".join(
        f'<text class="name" x="{n.x}" y="{n.y}" font-size="{n.size}" stroke-width="{0.28 * n.size:.1f}" '
        f'style="--light:{n.light};--dark:{n.dark}">{text(n.text)}</text>'
        for n in p.names
    )
    image = f'<image href="{p.uri}" width="{size}" height="{size}"/>'
    return tag(
        "svg",
        image + names,
        viewBox=f"0 0 {size} {size}",
        role="img",
        aria_label=f"map {e.name}: {p.caption}",
    )


def _dot(colour: str) -> str:
    return f'<svg viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill="{colour}"/></svg>'
