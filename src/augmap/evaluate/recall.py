"""Neighbour recall: which share of an image's neighbours in the features are its neighbours on the map."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from augmap.errors import InputError
from augmap.evaluate.inputs import same_images
from augmap.items import row_numbers
from augmap.neighbors import Metric, nearest, numbers, without_self


def neighbor_recall(
    positions: Float[np.ndarray, "n d"],
    features: Float[np.ndarray, "n f"],
    *,
    k: int = 15,
    rows: np.ndarray | None = None,
    metric: Metric = "cosine",
) -> Float[np.ndarray, " q"]:
    """Return the recall of each image, in [0, 1]: neighbours shared by map and features, of ``k``.

    Parameters
    ----------
    k : int
        Below ``n``. A random map has a mean of k / (n - 1).
    rows : array of q int, or (n,) mask, optional
        Images to look at, among all; by default every one.
    metric : {"cosine", "euclidean"}
        In feature space; on the map it is Euclidean.

    Raises
    ------
    InputError
        ``k`` or a row is out of range, positions and features are not of the same images, an unknown metric,
        or a number is not finite.
    """
    same_images(positions, features)
    n = len(positions)
    if not 1 <= k <= n - 1:
        raise InputError(f"k of neighbour recall must lie in [1, {n - 1}] for {n} images, got {k}")
    rows = np.arange(n) if rows is None else row_numbers(rows, n)
    near = {}
    for name, x, how in (("map", positions, "euclidean"), ("features", features, metric)):
        x = numbers(x, "neighbour recall")
        found, _ = nearest(x, k + 1, queries=x[rows], metric=how)
        near[name] = without_self(found, rows)
    return shared(near["map"], near["features"])


def shared(a: Int[np.ndarray, "q k"], b: Int[np.ndarray, "q k"]) -> Float[np.ndarray, " q"]:
    """Return the share of each row of ``a`` that is also in that row of ``b``; rows hold no image twice."""
    both = np.sort(np.concatenate([a, b], axis=1), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(1) / a.shape[1]
