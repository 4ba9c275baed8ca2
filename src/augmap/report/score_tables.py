"""Scores as tables: maps are rows, metrics are columns, cut into parts that fit on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from augmap.report import words
from augmap.report.columns import SPLIT, Cell, Column, blocks
from augmap.report.html import cell, table, tag, text

REFERENCES = {"by chance": ("majority", "chance", "random map", "shuffled"), "at most": ("ceiling",)}
"""Rows of reference, and the numbers beside a score that they show."""
OWN = {"effective_neighbors": "n eff.", "linear_parameters": "parameters of linear"}
"""Short names of numbers that are the map's own."""

Number = Callable[[], int]
"""Counts the tables of a page."""


def score_tables(columns: Sequence[Column], names: Sequence[str], number: Number) -> str:
    """Return all scores, a table for each place and label column."""
    return "".join(_table(block, names, number()) for block in blocks(columns))


def glossary(columns: Sequence[Column]) -> str:
    """Return what each metric is, once."""
    metrics = dict.fromkeys(column.key[0] for column in columns)
    known = [(words.head(m), words.definition(m)) for m in metrics if words.definition(m)]
    return tag("p", "; ".join(f"<b>{head}</b>: {what}" for head, what in known) + ".", class_="note")


def _table(block: Sequence[Column], names: Sequence[str], number: int) -> str:
    _, space, label, _ = block[0].key
    about = words.space(space)
    about = (
        about[0].upper() + about[1:] + (f", against the labels in <em>{text(label)}</em>" if label else "")
    )
    reasons: dict[str, str] = {}  # reason -> its mark
    rows = [
        [tag("span", text(name)), *(_cell(column.cells[i], column, reasons) for column in block)]
        for i, name in enumerate(names)
    ]
    notes = [*(f"–<sup>{mark}</sup> {text(why)}." for why, mark in reasons.items()), _details(block, names)]
    return table(
        ["", *(_head(column) for column in block)],
        rows,
        beneath=_references(block),
        caption=f"<b>Table {number}.</b> {about}.",
        notes=[n for n in notes if n],
        class_="scores",
    )


def _head(column: Column) -> str:
    metric, _, _, setting = column.key
    arrow = {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
    unit = ", %" if column.percent else ""
    small = f"<small>{text(setting)}</small>" if setting else ""
    return f"{text(words.head(metric))}{unit}{arrow}{small}"


def _cell(found: Cell, column: Column, reasons: dict[str, str]) -> str:
    if found.score is None:
        mark = reasons.setdefault(found.reason, _letter(len(reasons)))
        return cell(f"–<sup>{mark}</sup>", class_="none")
    same = _same(column)
    own = [f"{OWN.get(k, k)} {v}" for k, v in found.beside.items() if k not in same]
    below = [f"± {found.spread}"] * bool(found.spread) + own + [found.aside] * bool(found.aside)
    number = f"<strong>{found.text}</strong>" if found.best else found.text
    small = "".join(f"<small>{text(part)}</small>" for part in below)
    return cell(number + small, class_="aside" if found.aside else None)


def _same(column: Column) -> dict[str, str]:
    """What values are to be read against, where that is written the same for all maps."""
    every = [c.beside for c in column.cells if c.score is not None]
    return {name: v for name, v in every[0].items() if all(other.get(name) == v for other in every)}


def _references(block: Sequence[Column]) -> list[list[str]]:
    """Rows below the maps: what chance gives, and what can be had at most."""
    rows = []
    for title, names in REFERENCES.items():
        found = [next((v for k, v in _same(c).items() if k in names), "") for c in block]
        if any(found):
            rows.append([title, *(cell(text(value)) for value in found)])
    return rows


def _details(block: Sequence[Column], names: Sequence[str]) -> str:
    """How the numbers were measured: once where it is the same for all maps."""
    alike: dict[str, list[str]] = {}
    for column in block:
        metric = column.key[0]
        details = {n: c.score.detail for n, c in zip(names, column.cells, strict=True) if c.score is not None}
        if (
            len(set(details.values())) > 1 and metric not in SPLIT
        ):  # what differs is results, and stands in cells
            parts = [d.split(", ") for d in details.values()]
            details = dict.fromkeys(details, ", ".join(p for p in parts[0] if all(p in o for o in parts)))
        for name, detail in details.items():
            who = words.head(metric) + (f" of {name}" if len(set(details.values())) > 1 else "")
            alike.setdefault(detail, []).append(who)
    said = [
        f"{', '.join(dict.fromkeys(who))}: {detail.replace('->', '→')}"
        for detail, who in alike.items()
        if detail
    ]
    return text("; ".join(said) + ".") if said else ""


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else f"{number}"
