"""Nearest neighbours, exact, in blocks of bounded memory. Numpy only."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from augmap.errors import InputError

Metric = Literal["euclidean", "cosine"]
Progress = Callable[[int, int], None]

_TREE_UP_TO = 4
"""Dimensions up to which a k-d tree beats comparing everything."""
_BLOCK_ENTRIES = 2**25
"""Similarities held at a time: 128 MiB."""
_GROUP = 64
"""Columns that share one maximum, see :func:`_largest`."""
_WHAT = "the search for neighbours"


def nearest(
    points: Float[np.ndarray, "n d"],
    k: int,
    *,
    queries: Float[np.ndarray, "q d"] | None = None,
    metric: Metric = "euclidean",
    progress: Progress | None = None,
) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
    """Return the ``k`` nearest points of each query, nearest first.

    Parameters
    ----------
    points : (n, d) float array
    k : int
        At most ``n``; at most ``n - 1`` without ``queries``.
    queries : (q, d) float array, optional
        By default the points themselves, each of which is then left out of its own neighbours.
        A query that coincides with a point counts it.
    metric : {"euclidean", "cosine"}
        The cosine distance is 1 - cos; a row of zeros is at distance 1 from everything.
    progress : callable, optional
        Called with queries done and queries in all.

    Returns
    -------
    indices : (q, k) int64 array
    distances : (q, k) float32 array

    Raises
    ------
    InputError
        ``k`` is out of range, an unknown metric, no table of numbers, or a number is not finite.

    Notes
    -----
    Up to 4 dimensions a k-d tree for Euclidean distances. Else matrix products in float32 of rows that were
    centred before, in their own precision: exact but for neighbours whose squared distances differ by less
    than about 1e-7 of the squared spread of the data.
    """
    check_metric(metric)
    itself = queries is None
    x = numbers(points, _WHAT)
    most = len(x) - itself
    if not 1 <= k <= most:
        raise InputError(f"the number of neighbours must lie in [1, {most}] for {len(x)} images, got {k}")
    x = finite(floats(x), _WHAT)
    q = x if queries is None else finite(floats(numbers(queries, _WHAT)), _WHAT)
    if metric == "cosine":
        x, q = unit(x), unit(q)
    elif x.shape[1] <= _TREE_UP_TO:
        return _tree(x, q, k, itself)
    else:
        centre = x.mean(0)
        x, q = x - centre, q - centre
    # not sooner: far from the origin float32 would lose what tells rows apart
    x, q = x.astype(np.float32, copy=False), q.astype(np.float32, copy=False)
    squares = np.einsum("ij,ij->i", x, x)
    block = max(1, _BLOCK_ENTRIES // max(len(x), 1))
    indices = np.empty((len(q), k), np.int64)
    similar = np.empty((len(q), k), np.float32)
    with ThreadPoolExecutor(2) as pool:  # choosing from one block overlaps with multiplying the next

        def choose(start: int, s: np.ndarray) -> None:
            rows = slice(start, start + len(s))
            indices[rows], similar[rows] = _largest(s, k)

        waiting = None
        for start in range(0, len(q), block):
            s = q[start : start + block] @ x.T
            if metric == "euclidean":
                s -= squares / 2  # -d²/2 up to a term of the query alone
            if itself:
                s[np.arange(len(s)), np.arange(start, start + len(s))] = -np.inf
            if waiting is not None:
                waiting.result()
            waiting = pool.submit(choose, start, s)
            if progress:
                progress(min(start + block, len(q)), len(q))
        if waiting is not None:
            waiting.result()
    if metric == "cosine":
        return indices, np.maximum(1 - similar, 0)
    own = np.einsum("ij,ij->i", q, q)
    return indices, np.sqrt(np.maximum(own[:, None] - 2 * similar, 0))


def without_self(neighbours: Int[np.ndarray, "q k1"], rows: Int[np.ndarray, " q"]) -> Int[np.ndarray, "q k"]:
    """Drop each query's own row from its neighbours, or the last of them where it is not among them.

    Among copies an image need not come first in its own list of ``k + 1``, or be in it at all.
    """
    own = neighbours == rows[:, None]
    own[~own.any(1), -1] = True
    return neighbours[~own].reshape(len(neighbours), -1)


def check_metric(metric: str) -> None:
    """Refuse a distance that is not one of :data:`Metric`."""
    if metric not in get_args(Metric):
        raise InputError(f"metric must be one of {', '.join(get_args(Metric))}; got {metric!r}")


def numbers(x: Any, what: str) -> np.ndarray:
    """Return what must be numbers of shape (n, d) as an array.

    Raises
    ------
    InputError
        It is something else; ``what`` needs it.
    """
    x = np.asarray(x)
    if x.ndim != 2 or not x.shape[1] or x.dtype.kind not in "biuf":
        raise InputError(f"{what} needs numbers of shape (n, d), got {x.dtype} {x.shape}")
    return x


def floats(x: np.ndarray) -> np.ndarray:
    """Return numbers in their own precision, or in float32 where that is less."""
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)


def finite(x: np.ndarray, what: str) -> np.ndarray:
    """Return rows in which float32 holds every number; refuse others, by the name of what needs them."""
    good = np.isfinite(x.astype(np.float32, copy=False)).all(1)
    if not good.all():
        raise InputError(f"{what} takes no NaN or infinity: {(~good).sum()} of {len(x)} rows are not finite")
    return x


def unit(x: np.ndarray) -> np.ndarray:
    """Return rows of length 1; a row of zeros stays."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)


def _tree(x: np.ndarray, q: np.ndarray, k: int, itself: bool) -> tuple[np.ndarray, np.ndarray]:
    distances, indices = cKDTree(x).query(q, k=np.arange(1, k + itself + 1), workers=-1)
    if itself:
        # a point's own row need not come first where points coincide: drop it where it stands, else the last
        own = indices == np.arange(len(q))[:, None]
        own[~own.any(1), -1] = True
        indices, distances = (a[~own].reshape(len(q), k) for a in (indices, distances))
    return indices.astype(np.int64), distances.astype(np.float32)


def _largest(s: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and values of the ``k`` largest entries of each row, largest first.

    The k largest lie in the k groups with the largest maxima, so that one pass over the row finds them.
    """
    rows, n = s.shape
    groups = n // _GROUP
    if groups > 2 * k:
        whole = groups * _GROUP
        top = s[:, :whole].reshape(rows, _GROUP, groups).max(1)
        best = np.argpartition(top, groups - k, axis=1)[:, groups - k :]
        members = best[:, :, None] + np.arange(_GROUP) * groups  # (rows, k, group)
        rest = np.broadcast_to(np.arange(whole, n), (rows, n - whole))
        candidates = np.concatenate([members.reshape(rows, -1), rest], axis=1)
        values = np.take_along_axis(s, candidates, 1)
    else:
        candidates, values = np.broadcast_to(np.arange(n), s.shape), s
    m = values.shape[1]
    chosen = np.argpartition(values, m - k, axis=1)[:, m - k :]
    found = np.take_along_axis(values, chosen, 1)
    order = np.argsort(-found, axis=1, kind="stable")
    columns = np.take_along_axis(np.take_along_axis(candidates, chosen, 1), order, 1)
    return columns, np.take_along_axis(found, order, 1)
