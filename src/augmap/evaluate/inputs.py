"""What a metric is given, held together where it enters: rows of numbers, and the labels that are theirs."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import numpy as np

from augmap.errors import InputError
from augmap.items import label_column
from augmap.neighbors import numbers


def paired(x: Any, labels: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers (n, d) and the labels (n,) of their rows as arrays, ``""`` where not known.

    Raises
    ------
    InputError
        ``x`` is not (n, d) numbers, or ``labels`` of another length.
    """
    x, labels = numbers(x, what), label_column(labels)
    if labels.shape != (len(x),):
        raise InputError(f"{what} needs a label for each of {len(x)} images, got shape {labels.shape}")
    return x, labels


def labelled(x: Any, labels: Any, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return which images have a label, their rows of ``x``, the labels' names, and their numbers.

    Raises
    ------
    InputError
        What :func:`paired` refuses, or fewer than two labels.
    """
    x, labels = paired(x, labels, what)
    known = labels != ""
    names, codes = np.unique(labels[known], return_inverse=True)
    if len(names) < 2:
        raise InputError(f"{what} needs at least two labels, got {len(names)}")
    return known, x if known.all() else x[known], names, codes


def same_images(positions: Sized, features: Sized) -> None:
    """Refuse a map and features of different numbers of images."""
    if len(positions) != len(features):
        raise InputError(
            f"positions have {len(positions)} rows, features {len(features)}; give one row an image in both"
        )
