"""Outliers: images far from everything in the features, or between the clusters of the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

K = 15
"""Neighbours that are looked at; the paper's number for kNN."""


@dataclass(frozen=True, eq=False)
class Outliers:
    """Scores of n images, all without unit and unbounded; 0 is usual, above 3 is rare.

    Parameters
    ----------
    score : (n,) float array
        Root of the sum of the squares of the positive parts of the other two.
    features : (n,) float array, optional
        How far its neighbours in the features are: log of the mean distance to 15, in robust standard
        deviations from the median over all images. None without features.
    map : (n,) float array
        How sparse its place on the map is beside that of its neighbours: log of the ratio of the mean
        distances to 15 neighbours (a local outlier factor), in the same units.
    """

    score: Float[np.ndarray, " n"]
    features: Float[np.ndarray, " n"] | None
    map: Float[np.ndarray, " n"]


def outliers(
    map_neighbours: Int[np.ndarray, "n k"],
    map_distances: Float[np.ndarray, "n k"],
    feature_distances: Float[np.ndarray, "n k"] | None = None,
) -> Outliers:
    """Score images by how far they lie from others.

    Parameters
    ----------
    map_neighbours, map_distances : (n, k) arrays
        The nearest on the map, see :func:`augmap.neighbors.nearest`.
    feature_distances : (n, k) float array, optional
        To the nearest in the features.

    References
    ----------
    Breunig et al., "LOF: Identifying density-based local outliers", SIGMOD 2000.
    """
    radius = map_distances.mean(1, dtype=np.float64)
    around = radius[map_neighbours].mean(1)
    on_map = robust(_log_ratio(radius, around))
    parts = [on_map]
    in_features = None
    if feature_distances is not None:
        in_features = robust(_log_ratio(feature_distances.mean(1, dtype=np.float64), 1.0))
        parts.append(in_features)
    score = np.sqrt(sum(np.maximum(part, 0) ** 2 for part in parts))
    return Outliers(score, in_features, on_map)


def robust(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return values in robust standard deviations (1.4826 times the median deviation) from their median."""
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    return (values - middle) / (spread if spread > 0 else 1.0)


def _log_ratio(above: np.ndarray, below: np.ndarray | float) -> np.ndarray:
    """log(above / below), where points that coincide count as very near."""
    tiny = 1e-9 * max(float(np.max(above)), 1e-30)
    return np.log(np.maximum(above, tiny)) - np.log(np.maximum(below, tiny))
