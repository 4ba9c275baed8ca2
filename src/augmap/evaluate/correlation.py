"""Rank correlation of distances: are images that are far apart in the features far apart on the map?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import spearmanr

from augmap.errors import InputError
from augmap.evaluate.inputs import same_images
from augmap.fields import a_seed
from augmap.neighbors import Metric, Progress, check_metric, numbers

PAIRS = 200_000
"""Random pairs looked at; the standard error of the correlation is then below 0.0023."""
_BLOCK = 16_384


def distance_correlation(
    positions: Float[np.ndarray, "n d"],
    features: Float[np.ndarray, "n f"],
    *,
    pairs: int = PAIRS,
    metric: Metric = "cosine",
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[float, int]:
    """Return Spearman's rank correlation of the two distances of pairs of images, and the number of pairs.

    Parameters
    ----------
    pairs : int
        Drawn with replacement; all of them where there are not more.
    metric : {"cosine", "euclidean"}
        In feature space; on the map it is Euclidean.
    progress : callable, optional
        Called with pairs done and in all.

    Returns
    -------
    correlation : float in [-1, 1]
        0 for a random map.
    pairs : int

    Raises
    ------
    InputError
        Fewer than three images, all distances on a side are equal, an unknown metric, a seed out of range, or
        positions and features are not of the same images.
    """
    check_metric(metric)
    a_seed(seed)
    same_images(positions, features)
    z, h = (numbers(x, "the correlation of distances") for x in (positions, features))
    n = len(z)
    if n < 3 or pairs < 2:
        raise InputError(f"the correlation of distances needs 3 images and 2 pairs, got {n} and {pairs}")
    first, second = _pairs(n, pairs, seed)
    on_map, apart = np.empty(len(first)), np.empty(len(first))
    for start in range(0, len(first), _BLOCK):
        part = slice(start, start + _BLOCK)
        on_map[part] = _distances(z, first[part], second[part], "euclidean")
        apart[part] = _distances(h, first[part], second[part], metric)
        if progress:
            progress(min(start + _BLOCK, len(first)), len(first))
    for name, found in (("on the map", on_map), ("in the features", apart)):
        if not np.isfinite(found).all() or np.ptp(found) == 0:
            raise InputError(f"distances {name} are all equal, or not finite: they have no rank correlation")
    return float(spearmanr(on_map, apart).statistic), len(first)


def _pairs(n: int, pairs: int, seed: int) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    if n * (n - 1) // 2 <= pairs:
        return np.triu_indices(n, 1)
    rng = np.random.default_rng(seed)
    first = rng.integers(0, n, pairs)
    second = (first + rng.integers(1, n, pairs)) % n  # any image but the first
    return first, second


def _distances(x: np.ndarray, first: np.ndarray, second: np.ndarray, metric: Metric) -> np.ndarray:
    a, b = x[first].astype(np.float64), x[second].astype(np.float64)
    if metric == "euclidean":
        return np.sqrt(((a - b) ** 2).sum(1))
    norms = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return 1 - (a * b).sum(1) / np.where(norms > 0, norms, 1)
