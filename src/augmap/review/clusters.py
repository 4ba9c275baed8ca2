"""Clusters of the map at a few scales, each with its most typical image and, with labels, its make-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

Progress = Callable[[int, int], None]

FORMAT = 1
"""Of ``regions.json``."""
_SCALES = {"coarse": 1 / 60, "middle": 1 / 250, "fine": 1 / 1000}
"""Smallest cluster of each level, as a share of all images ..."""
_SMALLEST = {"coarse": 20, "middle": 10, "fine": 5}
"""... but at least so many."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Region:
    """A cluster.

    Parameters
    ----------
    id : int
        0 is the largest of its level.
    size : int
    medoid : int
        Row of its most typical image: nearest to the mean of its features, or to the middle of its place.
    x, y : float
        Where the medoid of its positions lies, on the map.
    makeup : dict of str to int
        Images of each label that is known, the most frequent first; empty without labels.
    splits : dict of str to int
        Images of each split that is known.
    """

    id: int
    size: int
    medoid: int
    x: float
    y: float
    makeup: dict[str, int]
    splits: dict[str, int]

    @property
    def label(self) -> str | None:
        """The most frequent label, or None."""
        return next(iter(self.makeup), None)

    @property
    def share(self) -> float | None:
        """Of the most frequent label among the images whose label is known."""
        return self.makeup[self.label] / sum(self.makeup.values()) if self.label is not None else None


@dataclass(frozen=True, eq=False, kw_only=True)
class Level:
    """The clusters at one scale.

    Parameters
    ----------
    assignment : (n,) int array
        Id of each image's region; -1 for those in none.
    """

    name: str
    min_cluster_size: int
    regions: list[Region]
    assignment: Int[np.ndarray, " n"]


def find_clusters(
    positions: Float[np.ndarray, "n d"],
    *,
    features: Float[np.ndarray, "n f"] | None = None,
    labels: np.ndarray | None = None,
    splits: np.ndarray | None = None,
    progress: Progress | None = None,
) -> list[Level]:
    """Cluster the map by HDBSCAN at three scales, coarse first.

    A scale that finds no more regions than a coarser one is left out, and one for which there are too few
    images. Regions of a finer level do not always lie inside one of a coarser level.

    References
    ----------
    Campello, Moulavi & Sander, "Density-based clustering based on hierarchical density estimates", 2013.
    """
    from sklearn.cluster import HDBSCAN

    n = len(positions)
    levels: list[Level] = []
    for done, (name, share) in enumerate(_SCALES.items()):
        least = max(_SMALLEST[name], round(share * n))
        if n >= 2 * least and (not levels or least < levels[-1].min_cluster_size):
            found = HDBSCAN(min_cluster_size=least, min_samples=5, copy=True).fit_predict(positions)
            level = _level(name, least, found, positions, features, labels, splits)
            if level.regions and (not levels or len(level.regions) > len(levels[-1].regions)):
                levels.append(level)
        if progress:
            progress(done + 1, len(_SCALES))
    return levels


def to_json(levels: list[Level], n: int) -> dict[str, Any]:
    """Return what ``regions.json`` holds, see ``docs/review.md``."""
    return {
        "format": FORMAT,
        "n": n,
        "levels": [
            {
                "name": level.name,
                "min_cluster_size": level.min_cluster_size,
                "regions": [
                    {
                        "id": r.id,
                        "medoid": r.medoid,
                        "size": r.size,
                        "x": r.x,
                        "y": r.y,
                        "label": r.label,
                        "share": None if r.share is None else round(r.share, 4),
                        "makeup": r.makeup,
                        "splits": r.splits,
                    }
                    for r in level.regions
                ],
                "assignment": level.assignment.tolist(),
            }
            for level in levels
        ],
    }


def _level(
    name: str,
    least: int,
    found: np.ndarray,
    positions: np.ndarray,
    features: np.ndarray | None,
    labels: np.ndarray | None,
    splits: np.ndarray | None,
) -> Level:
    ids, sizes = np.unique(found[found >= 0], return_counts=True)
    largest_first = ids[np.lexsort((ids, -sizes))]
    new = np.full(int(found.max(initial=-1)) + 2, -1)
    new[largest_first] = np.arange(len(ids))
    assignment = new[found]  # -1 reads the last entry, which is -1
    regions = []
    for i in range(len(ids)):
        rows = np.flatnonzero(assignment == i)
        middle = _nearest_to_mean(positions[rows])
        typical = middle if features is None else _nearest_to_mean(_unit(features[rows]))
        x, y = [*positions[rows[middle]].tolist(), 0.0][:2]
        regions.append(
            Region(
                id=i,
                size=len(rows),
                medoid=int(rows[typical]),
                x=x,
                y=y,
                makeup=_counts(labels, rows),
                splits=_counts(splits, rows),
            )
        )
    return Level(name=name, min_cluster_size=least, regions=regions, assignment=assignment)


def _nearest_to_mean(x: np.ndarray) -> int:
    x = x.astype(np.float64)
    return int(((x - x.mean(0)) ** 2).sum(1).argmin())


def _unit(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)


def _counts(values: np.ndarray | None, rows: np.ndarray) -> dict[str, int]:
    if values is None:
        return {}
    names, counts = np.unique(values[rows], return_counts=True)
    order = np.lexsort((names, -counts))
    return {str(names[i]): int(counts[i]) for i in order if names[i]}
