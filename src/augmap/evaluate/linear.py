"""Linear accuracy: how often a linear classifier on positions or features names the label."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from augmap.errors import InputError
from augmap.evaluate.inputs import paired
from augmap.evaluate.splits import few_enough, label_splits, mean_and_sd
from augmap.neighbors import Progress, finite, floats

MAX_ITERATIONS = 1000
"""Steps of L-BFGS; standardised features need 50 to 300."""


@dataclass(frozen=True, kw_only=True)
class LinearAccuracy:
    """Share of held-out images that a linear classifier names rightly."""

    accuracy: float
    """In [0, 1]; the mean over splits."""
    sd: float
    """Standard deviation over splits; NaN for a single one."""
    n_train: int
    n_test: int
    split: str
    """``official``, or ``stratified`` with the number of random splits."""
    converged: bool
    """Whether the optimum was reached within :data:`MAX_ITERATIONS` on every split."""


def linear_accuracy(
    x: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    splits: Sequence[str] = (),
    *,
    repeats: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> LinearAccuracy:
    """Fit a multinomial logistic regression to the training images and ask it about the test images.

    Parameters
    ----------
    x : (n, d) float array
        Positions or features. Columns are standardised by the training images.
    labels, splits, repeats, seed
        As for :func:`augmap.evaluate.knn.knn_accuracy`.
    progress : callable, optional
        Called with splits done and in all.

    Raises
    ------
    InputError
        Fewer than two labels, a label with a single image, more than ``MAX_LABELS``, ``repeats`` out of
        range, a number that is not finite, or labels or splits for other images.

    Notes
    -----
    The paper fits the same model with the SAGA solver. The penalty (0.5 |w|², scikit-learn's) makes the
    optimum unique, so that any solver that converges finds it; L-BFGS does so in a fraction of the time.
    """
    x, labels = paired(x, labels, "linear accuracy")
    parted = label_splits(labels, splits, repeats=repeats, seed=seed, what="linear accuracy")
    few_enough(len(parted.names), "linear accuracy")
    if any(len(np.unique(parted.codes[train])) < 2 for train, _ in parted.pairs):
        raise InputError("linear accuracy needs two labels among the training images")
    x = finite(floats(x)[parted.rows], "linear accuracy")
    shares, converged = [], True
    for number, (train, test) in enumerate(parted.pairs):
        mean, scale = x[train].mean(0, dtype=np.float64), x[train].std(0, dtype=np.float64)
        scale[scale == 0] = 1  # a unit that never fires says nothing, and must not divide by zero
        a, b = (((x[rows] - mean) / scale).astype(np.float32) for rows in (train, test))
        judge = LogisticRegression(max_iter=MAX_ITERATIONS)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", ConvergenceWarning)
            warnings.filterwarnings(
                "ignore", "The number of unique classes", UserWarning
            )  # few images a label
            judge.fit(a, parted.codes[train])
        converged &= not any(issubclass(w.category, ConvergenceWarning) for w in said)
        shares.append(float((judge.predict(b) == parted.codes[test]).mean()))
        if progress:
            progress(number + 1, len(parted.pairs))
    accuracy, sd = mean_and_sd(shares)
    n_train, n_test = parted.sizes
    return LinearAccuracy(
        accuracy=accuracy, sd=sd, n_train=n_train, n_test=n_test, split=parted.how, converged=converged
    )
