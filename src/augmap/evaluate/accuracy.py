"""kNN accuracy as the closing line of a map tells it: in plain types, and None where labels are too few."""

from __future__ import annotations

from typing import Any

import numpy as np

from augmap.config import Config
from augmap.errors import InputError
from augmap.evaluate.knn import K, knn_accuracy


def accuracy(z: np.ndarray, labels: np.ndarray, splits: Any) -> dict[str, Any] | None:
    """Return the kNN accuracy with how it was taken, in plain types; None where labels are too few."""
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    labels = np.where(
        counts[codes] > 1, names[codes], ""
    )  # a label with one image has no neighbours to name it
    try:
        found = knn_accuracy(z, labels, splits, k=K)
    except InputError:  # too few labels to say anything: the other measures remain
        return None
    return {
        "accuracy": found.accuracy,
        "sd": None if np.isnan(found.sd) else found.sd,
        "k": found.k,
        "n_train": found.n_train,
        "n_test": found.n_test,
        "split": found.split,
    }


def taught(config: Config | None) -> bool:
    """Whether labels trained the encoder; only images of the split ``test`` are then new to it."""
    return config is not None and any(stage.loss == "cross_entropy" for stage in config.stages)
