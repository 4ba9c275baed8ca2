"""In what maps differ that should be alike when they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from augmap.evaluate.score import Measures
from augmap.imagemap import ImageMap
from augmap.report.columns import SPLIT

_SETTINGS = ("ks", "seed")


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """One map of several, as far as it matters whether it may be held beside them."""

    name: str
    map: ImageMap
    measures: Measures


def differences(maps: Sequence[Compared]) -> list[str]:
    """Return a sentence for each way in which the maps are not of one kind; none where all is well.

    Each map is held against the first: number, names and content of the images, label columns and the
    labels of shared images, and how the numbers were measured.
    """
    first, *others = maps
    found = _images(first, others) + _columns(first, others) + _labels(first, others)
    return found + _measured(maps)


def _images(first: Compared, others: Sequence[Compared]) -> list[str]:
    found, mine = [], set(first.map.names)
    if len({m.map.n for m in (first, *others)}) > 1:
        counts = ", ".join(f"{m.name} {m.map.n:,}" for m in (first, *others))
        found.append(f"The maps hold different numbers of images ({counts}); scores depend on it.")
    unlike: dict[tuple[int, int], list[str]] = {}
    changed = []
    for other in others:
        theirs = set(other.map.names)
        if theirs != mine:
            unlike.setdefault((len(theirs & mine), other.map.n), []).append(other.name)
        elif _differ(first.map.info.get("fingerprint"), other.map.info.get("fingerprint")):
            changed.append(other.name)
    for (shared, n), names in unlike.items():
        found.append(
            f"Of other images than {first.name}: {', '.join(names)} ({shared:,} of {n:,} shared by name)."
        )
    if changed:
        found.append(
            f"Of images named as those of {first.name}, but with another fingerprint (pixels or their size "
            f"differ): {', '.join(changed)}."
        )
    return found


def _columns(first: Compared, others: Sequence[Compared]) -> list[str]:
    mine = list(first.map.items.labels)
    unlike: dict[str, list[str]] = {}
    for other in others:
        if set(other.map.items.labels) != set(mine):
            unlike.setdefault(_list(other.map.items.labels), []).append(other.name)
    return [
        f"{first.name} has the label columns {_list(mine)}; others: {', '.join(names)} {columns}."
        for columns, names in unlike.items()
    ]


def _labels(first: Compared, others: Sequence[Compared]) -> list[str]:
    found, rows = [], {name: i for i, name in enumerate(first.map.names)}
    for other in others:
        pairs = [(i, rows[name]) for i, name in enumerate(other.map.names) if name in rows]
        here, there = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        for column, labels in other.map.items.labels.items():
            theirs = first.map.items.labels.get(column)
            unlike = 0 if theirs is None else int((labels[here] != theirs[there]).sum())
            if unlike:
                found.append(
                    f"{other.name} and {first.name} disagree on {column} of {unlike:,} of "
                    f"{len(pairs):,} shared images."
                )
    return found


def _measured(maps: Sequence[Compared]) -> list[str]:
    """Scores of one key whose splits differ, and settings of the measurement that differ."""
    ways: dict[Any, dict[str, list[str]]] = {}
    for m in maps:
        for score in m.measures.scores:
            if score.metric in SPLIT:
                ways.setdefault(score.key, {}).setdefault(score.detail.split(";")[0], []).append(m.name)
    alike: dict[str, list[Any]] = {}  # one sentence for all that differ between the same maps
    for key, by_detail in ways.items():
        if len(by_detail) > 1:
            alike.setdefault(" | ".join(map(", ".join, by_detail.values())), []).append(key)
    found = []
    for who, keys in alike.items():
        how = " | ".join(detail or "not said" for detail in ways[keys[0]])
        what = ", ".join(dict.fromkeys(key[0] for key in keys))
        found.append(f"Labels were split differently for {what}, in {who}: {how}.")
    for name in _SETTINGS:
        if _differ(*(m.measures.settings.get(name) for m in maps)):
            values = ", ".join(f"{m.name} {m.measures.settings.get(name)}" for m in maps)
            found.append(f"Measured differently: {name} is {values}.")
    return found


def _differ(*values: Any) -> bool:
    """Whether those that are known differ."""
    known = [v for v in values if v is not None]
    return any(v != known[0] for v in known)


def _list(names: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(names) or "none"
