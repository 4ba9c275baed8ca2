"""Trustworthiness and continuity: are neighbours on the map neighbours in the features, and the reverse?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from augmap.errors import InputError
from augmap.evaluate.inputs import same_images
from augmap.neighbors import Metric, Progress, check_metric, finite, floats, nearest, numbers, unit

_DIFFERENCES_UP_TO = 4
"""Dimensions up to which distances are sums of squared differences, which lose nothing."""
_BLOCK_ENTRIES = 2**24
"""Similarities held at a time: 64 MiB."""
_SHOW = 256
"""Images between two calls of a progress."""


def trustworthiness(
    positions: Float[np.ndarray, "n d"],
    features: Float[np.ndarray, "n f"],
    *,
    k: int = 15,
    metric: Metric = "cosine",
    progress: Progress | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Return the trustworthiness of each image's neighbourhood on the map, in [0, 1]; its mean is the map's.

    .. math:: T_i = 1 - \frac{2}{k (2n - 3k - 1)} \sum_{j \in N_k(i)} \max(0, r(i, j) - k)

    with the ``k`` nearest images :math:`N_k(i)` on the map and the rank :math:`r(i, j)` of image ``j``
    among the neighbours of ``i`` in the features, 1 for the nearest.

    Parameters
    ----------
    k : int
        Below ``n / 2``.
    metric : {"cosine", "euclidean"}
        In feature space; on the map it is Euclidean.

    Raises
    ------
    InputError
        ``k`` is out of range, an unknown metric, a number is not finite, or positions and features are not of
        the same images.

    References
    ----------
    Venna & Kaski, ICANN 2001
    """
    same_images(positions, features)
    check_k(k, len(positions))
    near, _ = nearest(positions, k)
    return rank_score(neighbour_ranks(features, near, metric=metric, progress=progress))


def continuity(
    positions: Float[np.ndarray, "n d"],
    features: Float[np.ndarray, "n f"],
    *,
    k: int = 15,
    metric: Metric = "cosine",
    progress: Progress | None = None,
) -> Float[np.ndarray, " n"]:
    """Return the continuity of each image: its trustworthiness with map and features exchanged.

    What lies near in the features must lie near on the map. Parameters and errors as for
    :func:`trustworthiness`.
    """
    same_images(positions, features)
    check_k(k, len(positions))
    near, _ = nearest(features, k, metric=metric)
    return rank_score(neighbour_ranks(positions, near, progress=progress))


def neighbour_ranks(
    x: Float[np.ndarray, "n d"],
    neighbours: Int[np.ndarray, "n k"],
    *,
    metric: Metric = "euclidean",
    progress: Progress | None = None,
) -> Float[np.ndarray, "n k"]:
    """Return the rank in ``x`` of each of the given neighbours of each image: 1 for the nearest.

    Equal distances share the mean of their ranks, so that a map that collapsed to a point has ranks of
    ``n / 2``. Exact, in blocks: time grows as n², memory as n times a constant.

    Notes
    -----
    From 5 dimensions on distances are matrix products in float32 of rows that were centred or normalised in
    their own precision: ranks are exact but for images whose squared distances differ by less than about 1e-7
    of the squared spread.
    """
    n, k = neighbours.shape
    ranks = np.empty((n, k))
    for i, far in enumerate(_rows(x, metric)):
        far[i] = np.inf  # an image is no neighbour of itself
        for column, mine in enumerate(far[neighbours[i]]):
            nearer = np.count_nonzero(far < mine)
            ranks[i, column] = nearer + (1 + np.count_nonzero(far == mine)) / 2
        if progress and ((i + 1) % _SHOW == 0 or i + 1 == n):
            progress(i + 1, n)
    return ranks


def rank_score(ranks: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    """Return 1 less the scaled excess of ranks over ``k``: the formula of :func:`trustworthiness`."""
    n, k = ranks.shape
    return 1 - 2 / (k * (2 * n - 3 * k - 1)) * np.maximum(ranks - k, 0).sum(1)


def chance(n: int, k: int) -> float:
    """Return the expected trustworthiness of a random map: 0.5 for few neighbours of many images."""
    return 1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1))


def check_k(k: int, n: int) -> None:
    """See that the scale of the formula is positive and its range [0, 1]."""
    if not 1 <= k < n / 2:
        raise InputError(f"k must lie in [1, n / 2) for trustworthiness of {n} images, got {k}")


def _rows(x: Float[np.ndarray, "n d"], metric: Metric) -> Iterator[Float[np.ndarray, " n"]]:
    """Yield, for each row, what grows with the distance to every row; the array may be written to."""
    check_metric(metric)
    x = finite(floats(numbers(x, "the ranking of neighbours")), "the ranking of neighbours")
    n, d = x.shape
    if metric == "euclidean" and d <= _DIFFERENCES_UP_TO:
        columns = np.ascontiguousarray(x.T)
        for i in range(n):
            far = np.zeros(n, x.dtype)
            for column in columns:
                difference = column - column[i]
                difference *= difference
                far += difference
            yield far
        return
    x = unit(x) if metric == "cosine" else x - x.mean(0)
    x = x.astype(np.float32, copy=False)
    half = np.einsum("ij,ij->i", x, x) / 2 if metric == "euclidean" else np.zeros(n, np.float32)
    block = max(1, _BLOCK_ENTRIES // n)
    for start in range(0, n, block):
        yield from half - x[start : start + block] @ x.T
