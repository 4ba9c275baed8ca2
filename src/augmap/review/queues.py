"""What is to be looked at: queues of entries, one entry an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from augmap.imagemap import ImageMap
from augmap.review.clusters import Level
from augmap.review.disagreement import Disagreement
from augmap.review.duplicates import Duplicates, Group
from augmap.review.islands import Island
from augmap.review.outliers import Outliers

QUEUES = ("duplicates", "outliers", "disagreement", "uncertain", "islands", "clusters")
"""In the order of ``summary.md``."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An image to look at.

    Parameters
    ----------
    row : int
    rank : int
        Place in its queue, 1 first; images of a group share it.
    group : int, optional
        Number of its group, from 1, where the queue has groups.
    score : float
        What ranks it; NaN where there is no number.
    tag : str
        A word for it.
    reason : str
        A sentence for the reader.
    caption : str
        A few words below its picture.
    """

    row: int
    rank: int
    group: int | None = None
    score: float
    tag: str = ""
    reason: str = ""
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Entries that are to be looked at for one reason.

    Parameters
    ----------
    name : str
        One of :data:`QUEUES`.
    entries : list of Entry
    titles : dict of int to str
        A line above each group, where there are groups.
    found : str
        A sentence: how many there are, and how they were found.
    beyond : int
        Images (or groups) that were found and are not in the queue, because it was cut.
    """

    name: str
    entries: list[Entry]
    titles: dict[int, str] = field(default_factory=dict)
    found: str
    beyond: int = 0


def duplicates_queue(m: ImageMap, found: Duplicates) -> Queue:
    """Every group of copies, the surest and largest first."""
    labels = m.labels
    entries, titles = [], {}
    for number, group in enumerate(found.groups, start=1):
        mixed = _mixed(labels, group)
        titles[number] = _title(number, group, mixed)
        first = m.names[group.rows[0]]
        for place, (row, alike, kind) in enumerate(zip(group.rows, group.alike, group.kinds, strict=True)):
            how = {
                "exact": "same pixels as another of its group",
                "copy": f"likeness {alike:.2f}",
                "mirrored": f"mirrored, likeness {alike:.2f}",
                "features": "alike to the encoder, not pixel by pixel",
            }[kind]
            about = "most typical of its group" if place == 0 else f"copy of {first}"
            reason = f"{about}; {how}; {len(group.rows)} images"
            reason += f", {_splits(group)}: leaks" if group.leaks else ""
            reason += f"; labels differ: {mixed}" if mixed else ""
            caption = {"exact": "same pixels", "features": "features"}.get(kind, f"{alike:.2f}")
            entries.append(
                Entry(
                    row=int(row), rank=number, group=number, score=float(alike), tag=kind, reason=reason,
                    caption=caption,
                )
            )  # fmt: skip
    images = sum(len(g.rows) for g in found.groups)
    leaks = [g for g in found.groups if g.leaks]
    sentence = f"{_count(len(found.groups), 'group')} of copies, {images:,} images"
    if leaks:
        held_out = sum(n for g in leaks for s, n in g.splits.items() if s != "train")
        sentence += (
            f"; across splits {_count(len(leaks), 'group')}, with {_count(held_out, 'image')} outside train"
        )
    sentence += f"; {_count(len(_exact(found)), 'group')} with equal pixels. " + _bounds(found)
    return Queue(name="duplicates", entries=entries, titles=titles, found=sentence)


def outliers_queue(m: ImageMap, found: Outliers, top: int, at_least: float = 3.0) -> Queue:
    """Images far from others, the farthest first."""
    rows, beyond = _top(found.score, found.score >= at_least, top)
    entries = []
    for rank, row in enumerate(rows, start=1):
        parts = [f"{found.map[row]:+.1f} between neighbours on the map"]
        if found.features is not None:
            parts.insert(0, f"{found.features[row]:+.1f} in the features")
        far = found.features is not None and found.features[row] >= found.map[row]
        entries.append(
            Entry(
                row=row, rank=rank, score=float(found.score[row]), tag="far" if far else "between",
                reason="robust standard deviations from usual: " + ", ".join(parts),
                caption=f"{found.score[row]:.1f}",
            )
        )  # fmt: skip
    total = len(rows) + beyond
    sentence = (
        f"{_count(total, 'image')} of {m.n:,} with a score of {at_least:g} or more: far from everything in "
        "the features (far), or in sparser surroundings than their neighbours on the map (between)."
    )
    return Queue(name="outliers", entries=entries, found=sentence, beyond=beyond)


def disagreement_queue(m: ImageMap, found: Disagreement, top: int, spaces: str) -> Queue:
    """Images whose neighbours all prefer one other label, the most unanimous first."""
    asked = found.agreed & (found.score > 0)
    rows, beyond = _top(np.nan_to_num(found.score, nan=-2), asked, top)
    labels = m.labels
    assert labels is not None
    entries = [
        Entry(
            row=row, rank=rank, score=float(found.score[row]), tag=str(found.suggested[row]),
            reason=f"labelled {labels[row]}, its neighbours say {found.suggested[row]} "
            f"(lead {found.score[row]:.0%} of the votes)",
            caption=f"{labels[row]} → {found.suggested[row]}  {found.score[row]:.0%}",
        )
        for rank, row in enumerate(rows, start=1)
    ]  # fmt: skip
    sentence = (
        f"{_count(len(rows) + beyond, 'image')} of {int((~np.isnan(found.score)).sum()):,} whose neighbours "
        f"({spaces}) prefer one other label. Many are the map's mistakes, not the label's: look first."
    )
    return Queue(name="disagreement", entries=entries, found=sentence, beyond=beyond)


def uncertain_queue(m: ImageMap, spread: np.ndarray, top: int, verdict: str) -> Queue:
    """Images whose augmented views scatter most, beside the spacing of their surroundings."""
    rows, _ = _top(spread, spread > np.median(spread), top)
    entries = [
        Entry(
            row=row, rank=rank, score=float(spread[row]), tag="spread",
            reason=f"its augmented views scatter {spread[row]:.1f} times as far as its neighbours lie",
            caption=f"× {spread[row]:.1f}",
        )
        for rank, row in enumerate(rows, start=1)
    ]  # fmt: skip
    sentence = (
        f"The {_count(len(rows), 'image')} whose views scatter most, of {m.n:,}; the median is "
        f"{np.median(spread):.1f} times the distance to neighbours. {verdict}"
    )
    return Queue(name="uncertain", entries=entries, found=sentence, beyond=0)


def islands_queue(m: ImageMap, found: list[Island], top: int) -> Queue:
    """Small clusters that lie apart, image by image."""
    entries, titles = [], {}
    for number, island in enumerate(found[:top], start=1):
        makeup = _makeup(m.labels, island.rows)
        titles[number] = (
            f"island {number}: {_count(len(island.rows), 'image')}{makeup}; "
            f"the gap is {island.isolation:.0f} times the spacing inside"
        )
        entries += [
            Entry(
                row=int(row), rank=number, group=number, score=float(island.isolation), tag="island",
                reason=f"one of {len(island.rows)} images apart from all others, gap {island.isolation:.1f} "
                "times their spacing",
            )
            for row in island.rows
        ]  # fmt: skip
    images = sum(len(i.rows) for i in found)
    sentence = (
        f"{_count(len(found), 'island')} with {images:,} images: small clusters with a gap of at least 5 "
        "times the distance between their own images."
    )
    return Queue(
        name="islands", entries=entries, titles=titles, found=sentence, beyond=max(0, len(found) - top)
    )


def clusters_queue(m: ImageMap, levels: Sequence[Level]) -> Queue:
    """The most typical image of each region: what the map consists of, at a glance."""
    entries, titles = [], {}
    for number, level in enumerate(levels, start=1):
        inside = int((level.assignment >= 0).sum())
        titles[number] = (
            f"{level.name}: {_count(len(level.regions), 'region')} of at least {level.min_cluster_size} "
            f"images, {inside / max(m.n, 1):.0%} of all images"
        )
        for region in level.regions:
            mostly = f"{region.label} {region.share:.0%}" if region.label is not None else ""
            entries.append(
                Entry(
                    row=region.medoid, rank=region.id + 1, group=number, score=float(region.size),
                    tag=level.name,
                    reason=f"most typical of {region.size:,} images" + (f", {mostly}" if mostly else ""),
                    caption=f"{region.size:,}" + (f"  {mostly}" if mostly else ""),
                )
            )  # fmt: skip
    sentence = (
        "; ".join(f"{level.name} {_count(len(level.regions), 'region')}" for level in levels) or "no clusters"
    )
    return Queue(name="clusters", entries=entries, titles=titles, found=f"HDBSCAN on the map: {sentence}.")


def _top(scores: np.ndarray, which: np.ndarray, top: int) -> tuple[list[int], int]:
    rows = np.flatnonzero(which)
    rows = rows[np.lexsort((rows, -scores[rows]))]
    return rows[:top].tolist(), max(0, len(rows) - top)


def _exact(found: Duplicates) -> list[Group]:
    return [g for g in found.groups if "exact" in g.kinds]


def _bounds(found: Duplicates) -> str:
    parts = []
    if "likeness" in found.thresholds:
        parts.append(f"likeness from {found.thresholds['likeness']:.2f}")
    if "features_alone" in found.thresholds:
        parts.append(
            f"by the features alone below a cosine distance of {found.thresholds['features_alone']:.2g}"
        )
    where = "; bounds found from the data: " if parts else ""
    return f"{found.compared:,} pairs were looked at{where}{', '.join(parts)}."


def _title(number: int, group: Group, mixed: str) -> str:
    words = [f"group {number}: {len(group.rows)} images"]
    if group.splits:
        words.append(_splits(group))
    if mixed:
        words.append(f"labels differ: {mixed}")
    return "; ".join(words)


def _splits(group: Group) -> str:
    return " and ".join(f"{n} {s}" for s, n in sorted(group.splits.items(), reverse=True))


def _mixed(labels: np.ndarray | None, group: Group) -> str:
    names = sorted({str(labels[r]) for r in group.rows} - {""}) if labels is not None else []
    return ", ".join(names[:4]) if len(names) > 1 else ""


def _makeup(labels: np.ndarray | None, rows: np.ndarray) -> str:
    if labels is None:
        return ""
    names, counts = np.unique(labels[rows], return_counts=True)
    best = int(counts.argmax())
    return f", {counts[best] / len(rows):.0%} {names[best]}" if names[best] else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"
