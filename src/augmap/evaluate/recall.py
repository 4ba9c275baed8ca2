"""Neighbour recall: which share of an image's neighbours in the features are its neighbours on the map."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from augmap.neighbors import Metric, nearest, without_self


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
    rows : array of q int, optional
        Images to look at, among all; by default every one. A random map has a mean of k / (n - 1).
    metric : {"cosine", "euclidean"}
        In feature space; on the map it is Euclidean.
    """
    rows = np.arange(len(positions)) if rows is None else np.asarray(rows)
    near = {}
    for name, x, how in (("map", positions, "euclidean"), ("features", features, metric)):
        found, _ = nearest(x, k + 1, queries=x[rows], metric=how)
        near[name] = without_self(found, rows)
    return shared(near["map"], near["features"])


def shared(a: Int[np.ndarray, "q k"], b: Int[np.ndarray, "q k"]) -> Float[np.ndarray, " q"]:
    """Return the share of each row of ``a`` that is also in that row of ``b``; rows hold no image twice."""
    both = np.sort(np.concatenate([a, b], axis=1), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(1) / a.shape[1]
