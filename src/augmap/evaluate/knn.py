"""kNN accuracy: how often the neighbours of an image know its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from augmap.evaluate.inputs import paired
from augmap.evaluate.splits import LabelSplits, label_splits, mean_and_sd
from augmap.neighbors import Metric, Progress, floats, nearest

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
        Fewer than two labels, a label with a single image, ``k`` or ``repeats`` out of range, an unknown
        metric, a number that is not finite, or labels or splits for other images.
    """
    x, labels = paired(x, labels, "kNN accuracy")
    parted = label_splits(labels, splits, repeats=repeats, seed=seed, what="kNN accuracy")
    return accuracy_of(knn_votes(x, parted, [k], metric=metric)[k], parted, k)


def knn_votes(
    x: np.ndarray,
    parted: LabelSplits,
    ks: Sequence[int],
    *,
    metric: Metric = "euclidean",
    progress: Progress | None = None,
) -> dict[int, list[Int[np.ndarray, " b"]]]:
    """Return, for each ``k`` and each split, the label that the neighbours of each test image vote for.

    Parameters
    ----------
    x : (n, d) array of float or uint8
        All images; only the labelled ones are looked at.
    ks : sequence of int
        The neighbours are searched once, for the largest.
    progress : callable, optional
        Called with test images done and in all, over all splits.
    """
    votes: dict[int, list[np.ndarray]] = {k: [] for k in ks}
    total = sum(len(b) for _, b in parted.pairs)
    done = 0
    for train, test in parted.pairs:
        show = None if progress is None else partial(_shifted, progress, done, total)
        near, _ = nearest(
            floats(x[parted.rows[train]]),
            max(ks),
            queries=floats(x[parted.rows[test]]),
            metric=metric,
            progress=show,
        )
        for k in votes:
            votes[k].append(vote(parted.codes[train][near[:, :k]], len(parted.names)))
        done += len(test)
        if progress:
            progress(done, total)
    return votes


def accuracy_of(votes: Sequence[Int[np.ndarray, " b"]], parted: LabelSplits, k: int) -> KnnAccuracy:
    """Return the share of right votes, over splits."""
    shares = [float((v == y).mean()) for v, y in zip(votes, parted.test_labels(), strict=True)]
    accuracy, sd = mean_and_sd(shares)
    n_train, n_test = parted.sizes
    return KnnAccuracy(accuracy=accuracy, sd=sd, k=k, n_train=n_train, n_test=n_test, split=parted.how)


def confusion(votes: Sequence[Int[np.ndarray, " b"]], parted: LabelSplits) -> Int[np.ndarray, "c c"]:
    """Count test images by true label (row) and by the label voted for (column), added over splits."""
    c = len(parted.names)
    counts = np.zeros((c, c), np.int64)
    for voted, true in zip(votes, parted.test_labels(), strict=True):
        np.add.at(counts, (true, voted), 1)
    return counts


def vote(neighbours: Int[np.ndarray, "q k"], labels: int) -> Int[np.ndarray, " q"]:
    """Return the most frequent of the labels 0 to ``labels`` - 1 in each row; the first of equals."""
    # counted by sorting the few votes of a row, so that memory does not grow with the number of labels
    ordered = np.sort(neighbours, axis=1)
    q, k = ordered.shape
    assert ordered.max(initial=0) < labels
    starts = np.ones((q, k), bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    begin = np.maximum.accumulate(np.where(starts, np.arange(k), 0), axis=1)
    so_far = np.arange(k) - begin  # a label's count is one more than its last entry here
    best = so_far.max(1, keepdims=True)
    return ordered[np.arange(q), (so_far == best).argmax(1)]


def _shifted(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)
