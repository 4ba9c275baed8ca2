"""Scores of several maps as columns of a table, the best of each marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from augmap.evaluate.score import Score

MOST = 8
"""Columns that fit on a page beside the names of the maps."""

SHARES = (*("knn", "linear", "gcn", "purity", "superclass", "neighbor_recall", "agreement"),)
"""Metrics that are shares of images or of neighbours: written in per cent."""

COUNTS = ("parameters", "linear_parameters", "clusters", "effective_neighbors")
"""Numbers beside a score that are no shares."""

SPLIT = ("knn", "linear", "gcn")
"""Metrics whose detail says how labels were split; the detail of others may hold results."""

Key = tuple[str, str, str | None, str]
Aside = Callable[[int, Key], str]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one map scores, or why it does not."""

    score: Score | None = None
    reason: str = ""
    """Why there is no score; empty where there is one."""
    best: bool = False
    aside: str = ""
    """Why the score takes no part in which is the best; empty where it does."""

    @property
    def text(self) -> str:
        """The number as it is written; ``–`` where there is none."""
        return "–" if self.score is None else _number(self.score.value, self.score.metric)

    @property
    def beside(self) -> dict[str, str]:
        """The numbers that the value is to be read against, as they are written."""
        if self.score is None:
            return {}
        return {name: _number(x, self.score.metric, name) for name, x in self.score.beside.items()}

    @property
    def spread(self) -> str:
        """The standard deviation as it is written; empty where there is none."""
        has = self.score is not None and self.score.sd is not None
        return _number(self.score.sd, self.score.metric) if has else ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One metric, measured in one place with one setting, for each map."""

    key: Key
    higher_is_better: bool | None
    cells: list[Cell]

    @property
    def percent(self) -> bool:
        """Whether the numbers are written in per cent."""
        return self.key[0] in SHARES

    @property
    def best(self) -> list[int]:
        """Rows that are marked."""
        return [i for i, cell in enumerate(self.cells) if cell.best]


def columns(
    scores: Sequence[Sequence[Score]], missing: Sequence[dict[Key, str]], aside: Aside = lambda i, key: ""
) -> list[Column]:
    """Line up the scores of each map.

    A score is the best of its column when it is written the same as the best one: 54.21 % and 54.24 % are
    both 54.2 %, and a reader who sees two equal numbers should not see one of them marked. Where all that
    have a score have the same, none is marked.

    Parameters
    ----------
    scores : for each map, what was measured
    missing : for each map, the reason why it lacks a score, by its key
    aside : callable, optional
        Why a map, by its number, takes no part in which is the best of a key; empty where it does.

    Returns
    -------
    Columns in the order in which their scores first occur.
    """
    by_key = [{s.key: s for s in of_map} for of_map in scores]
    keys = list(dict.fromkeys(s.key for of_map in scores for s in of_map))
    return [_column(key, [found.get(key) for found in by_key], missing, aside) for key in keys]


def blocks(every: Sequence[Column]) -> list[list[Column]]:
    """Cut columns into tables: one for each place and label column, none wider than :data:`MOST`.

    Columns of one metric stay together where they can.
    """
    places: dict[tuple[str, str | None], list[Column]] = {}
    for column in every:
        places.setdefault((column.key[1], column.key[2]), []).append(column)
    return [block for there in places.values() for block in _cut(there)]


def _column(key: Key, scores: list[Score | None], missing: Sequence[dict[Key, str]], aside: Aside) -> Column:
    direction = next(s for s in scores if s is not None).higher_is_better
    rivals = {i: s for i, s in enumerate(scores) if s is not None and not aside(i, key)}
    marked: set[int] = set()
    if direction is not None and rivals:
        written = {i: _number(s.value, s.metric) for i, s in rivals.items()}
        top = (max if direction else min)(rivals.values(), key=lambda s: s.value)
        marked = {i for i, text in written.items() if text == _number(top.value, top.metric)}
        if len(marked) == len(written):
            marked = set()
    cells = [
        Cell(reason=missing[i].get(key, "not measured"))
        if s is None
        else Cell(score=s, best=i in marked, aside=aside(i, key))
        for i, s in enumerate(scores)
    ]
    return Column(key=key, higher_is_better=direction, cells=cells)


def _cut(there: list[Column]) -> list[list[Column]]:
    """Parts of about the same width, cut between metrics where there is a place to cut."""
    parts: list[list[Column]] = [[]]
    for _, group in groupby(there, key=lambda c: c.key[0]):
        together = list(group)
        while together:
            room = MOST - len(parts[-1])
            if len(together) > room and parts[-1] and len(together) <= MOST:
                parts.append([])
                room = MOST
            parts[-1] += together[:room]
            together = together[room:]
            if together:
                parts.append([])
    return parts


def _number(value: float, metric: str, name: str = "") -> str:
    """Return per cent with one decimal for a share, else three decimals; four digits of what is counted."""
    if name in COUNTS:
        return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"
    if metric in SHARES or name == "noise":
        return f"{100 * value:.1f}"
    written = f"{value:.2f}" if name == "shuffled" else f"{value:.3f}"  # its noise is in the third decimal
    return written.removeprefix("-") if float(written) == 0 else written.replace("-", "−")
