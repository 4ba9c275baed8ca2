"""kNN accuracy: how often the neighbours of an image know its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from sklearn.model_selection import StratifiedShuffleSplit

from augmap.errors import InputError
from augmap.neighbors import Metric, nearest

K = 15
"""Neighbours that vote; the paper's number."""


@dataclass(frozen=True, kw_only=True)
class KnnAccuracy:
    """Share of held-out images whose neighbours name their label."""

    accuracy: float
    """In [0, 1]; the mean over splits."""
    sd: float
    """Standard deviation over splits; NaN for a single one."""
    k: int
    n_train: int
    n_test: int
    split: str
    """``official``, or ``stratified`` with the number of random splits."""


def knn_accuracy(
    x: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    splits: Sequence[str] = (),
    *,
    k: int = K,
    metric: Metric = "euclidean",
    repeats: int = 5,
    seed: int = 0,
) -> KnnAccuracy:
    """Classify each test image by the vote of its ``k`` nearest training images.

    Parameters
    ----------
    x : (n, d) float array
        Positions or features.
    labels : (n,) array of str
        Images with ``""`` are left out.
    splits : sequence of n str, optional
        Where both ``train`` and ``test`` occur, that is the split; otherwise ``repeats`` random splits, 5/6
        to 1/6, stratified by label: the paper's 50,000 to 10,000.
    k : int
        Ties go to the label that comes first in sorted order, as in scikit-learn.

    Raises
    ------
    InputError
        Fewer than two labels, a label with a single image, or ``k`` out of range.
    """
    labels = np.asarray(labels, dtype=str)
    known = labels != ""
    names, codes = np.unique(labels[known], return_inverse=True)
    x = np.asarray(x)[known]
    if len(names) < 2:
        raise InputError(f"kNN accuracy needs at least two labels, got {len(names)}")
    parts = np.asarray(splits, dtype=str)[known] if len(splits) else np.full(len(x), "")
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test")
    if len(train) and len(test):
        pairs, how = [(train, test)], "official"
    else:
        rarest = np.bincount(codes).min()
        if rarest < 2:
            raise InputError(
                f"label {str(names[np.bincount(codes).argmin()])!r} has one image; at least 2 are needed"
            )
        drawn = StratifiedShuffleSplit(repeats, test_size=max(1 / 6, len(names) / len(x)), random_state=seed)
        pairs, how = list(drawn.split(x, codes)), f"stratified, {repeats} random splits"
    found = [float((_vote(x[a], codes[a], x[b], k, metric, len(names)) == codes[b]).mean()) for a, b in pairs]
    return KnnAccuracy(
        accuracy=float(np.mean(found)),
        sd=float(np.std(found, ddof=1)) if len(found) > 1 else float("nan"),
        k=k,
        n_train=len(pairs[0][0]),
        n_test=len(pairs[0][1]),
        split=how,
    )


def _vote(
    x: np.ndarray, codes: Int[np.ndarray, " n"], queries: np.ndarray, k: int, metric: Metric, labels: int
) -> Int[np.ndarray, " q"]:
    neighbours = codes[nearest(x, k, queries=queries, metric=metric)[0]]  # (q, k)
    votes = np.zeros((len(queries), labels), np.int32)
    for column in neighbours.T:
        votes[np.arange(len(queries)), column] += 1
    return votes.argmax(1)
