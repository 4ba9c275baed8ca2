"""Which images a classifier learns from and which it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import StratifiedShuffleSplit

from augmap.errors import InputError
from augmap.fields import a_seed
from augmap.items import label_column

MAX_LABELS = 2000
"""Of linear classifiers and k-means: 60,000 images then need 0.5 GB and minutes."""
Pair = tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelSplits:
    """Labelled images as numbers, and one or more ways to part them into training and test images."""

    rows: Int[np.ndarray, " m"]
    """Images that have a label, among all."""
    names: np.ndarray
    """The labels, sorted."""
    codes: Int[np.ndarray, " m"]
    """Label of each of ``rows``, as an index into ``names``."""
    pairs: list[Pair]
    """Training and test images, as indices into ``rows``."""
    how: str
    """``official``, or ``stratified`` with the number of random splits."""

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of training and of test images."""
        return len(self.pairs[0][0]), len(self.pairs[0][1])

    @property
    def unasked(self) -> int:
        """Number of labels that no pair has a test image of."""
        return len(self.names) - len(np.unique(np.concatenate(self.test_labels())))

    def test_labels(self) -> list[Int[np.ndarray, " b"]]:
        """Return the true labels of the test images of each pair."""
        return [self.codes[b] for _, b in self.pairs]


def label_splits(
    labels: np.ndarray, splits: Sequence[str] = (), *, repeats: int = 5, seed: int = 0, what: str = "accuracy"
) -> LabelSplits:
    """Return how labelled images are parted.

    Parameters
    ----------
    labels : (n,) array of str
        Images with ``""`` are left out.
    splits : sequence of n str, optional
        Where ``train`` and ``test`` occur, and most of the images are in one of them, that is the split: a
        folder of that name among others says nothing. Otherwise ``repeats`` random splits, 5/6 to 1/6,
        stratified by label: the paper's 50,000 to 10,000. There are as many test images as labels at least,
        which need not be one of each: a rare label may have none, see :attr:`LabelSplits.unasked`.
    what : str
        What needs them, for the message of an error.

    Raises
    ------
    InputError
        A seed or number of repeats out of range, splits of another length, fewer than two labels, or, without
        an official split, a label with one image.
    """
    a_seed(seed)
    if repeats < 1:
        raise InputError(f"repeats must be at least 1, got {repeats}")
    labels = label_column(labels)
    if len(splits) not in (0, len(labels)):
        raise InputError(f"splits must have {len(labels)} entries, got {len(splits)}")
    rows = np.flatnonzero(labels != "")
    names, codes = np.unique(labels[rows], return_inverse=True)
    if len(names) < 2:
        raise InputError(f"{what} needs at least two labels with two images each, got {len(names)}")
    parts = np.asarray(splits, dtype=str)[rows] if len(splits) else np.full(len(rows), "")
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test")
    if len(train) and len(test) and len(train) + len(test) > len(rows) / 2:
        return LabelSplits(rows=rows, names=names, codes=codes, pairs=[(train, test)], how="official")
    counts = np.bincount(codes)
    if counts.min() < 2:
        raise InputError(f"label {str(names[counts.argmin()])!r} has one image; at least 2 are needed")
    share = max(1 / 6, len(names) / len(rows))
    drawn = StratifiedShuffleSplit(repeats, test_size=share, random_state=short_seed(seed))
    pairs = list(drawn.split(rows, codes))
    how = f"stratified, {repeats} random splits"
    return LabelSplits(rows=rows, names=names, codes=codes, pairs=pairs, how=how)


def short_seed(seed: int) -> int:
    """Return a seed of 32 bits, which is what scikit-learn takes: itself where it is short enough."""
    a_seed(seed)
    return seed if seed < 2**32 else int(np.random.SeedSequence(seed).generate_state(1)[0])


def few_enough(labels: int, what: str) -> None:
    """Refuse more labels than a metric can take whose time and memory grow with images times labels."""
    if labels > MAX_LABELS:
        raise InputError(f"{what} takes at most {MAX_LABELS:,} labels, got {labels:,}; give coarser ones")


def known_twice(labels: np.ndarray) -> np.ndarray:
    """Return the labels with ``""`` for those that a single image has: no other image can confirm them."""
    names, codes, counts = np.unique(label_column(labels), return_inverse=True, return_counts=True)
    return np.where(counts[codes] > 1, names[codes], "")


def mean_and_sd(shares: Sequence[float]) -> tuple[float, float]:
    """Return the mean over splits and its standard deviation, NaN for a single one."""
    return float(np.mean(shares)), float(np.std(shares, ddof=1)) if len(shares) > 1 else float("nan")
