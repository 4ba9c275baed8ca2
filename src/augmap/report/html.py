"""The few pieces of HTML that a report is made of; nothing gets into them unescaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from augmap.plots.names import legible


def text(value: Any) -> str:
    """Return what a map says as text of a page: a name may hold anything, even bytes that are no UTF-8."""
    return html.escape(" ".join(legible(str(value)).split()))


def tag(name: str, content: str = "", **attributes: Any) -> str:
    """Return an element; its content is HTML, its attributes are escaped. ``class_`` is ``class``."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{content}</{name}>"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str,
    notes: Sequence[str] = (),
    beneath: Sequence[Sequence[str]] = (),
    class_: str = "",
) -> str:
    """Return a table with its caption above and its notes below; all parts are HTML.

    ``beneath`` are rows of reference, set apart from the others.

    ``head`` and each row begin with the cell that names the row; the cells of ``rows`` are whole ``td``.
    """
    first, *others = head
    top = tag("th", first, scope="col") + "".join(tag("th", cell, scope="col") for cell in others)

    def lines(of: Iterable[Sequence[str]]) -> str:
        return "".join(tag("tr", tag("th", name, scope="row") + "".join(cells)) for name, *cells in of)

    foot = tag("tfoot", lines(beneath)) if beneath else ""
    whole = tag("table", tag("thead", tag("tr", top)) + tag("tbody", lines(rows)) + foot)
    below = "".join(tag("p", note, class_="note") for note in notes)
    return tag(
        "div",
        tag("p", caption, class_="caption") + tag("div", whole, class_="scroll") + below,
        class_=f"table {class_}".strip(),
    )


def cell(content: str, *, best: bool = False, class_: str | None = None) -> str:
    """Return a cell; the best of its column is bold."""
    return tag("td", tag("strong", content) if best else content, class_=class_)
