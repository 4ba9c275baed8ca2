"""Labels as classes to learn: the one way in which a label reaches training."""

from __future__ import annotations

import hashlib

import numpy as np
from jaxtyping import Int

from augmap.errors import InputError
from augmap.images.imageset import ImageSet


def training_classes(images: ImageSet) -> Int[np.ndarray, " n"]:
    """Return the class of each image that may train, -1 for all others.

    An image without a label does not train. Where the images have splits, only those of ``train`` do: a
    label of ``test`` or ``val`` never trains, nor does that of an image in no split. Classes are the
    different labels of these images, in alphabetical order, numbered from 0.

    Raises
    ------
    InputError
        No image may train, or all of them have the same label.
    """
    found = images.labels.get("label", [])
    if not any(found):
        raise InputError(
            f"{images.source}: a supervised encoder trains on labels, and these images have none; "
            "give --labels FILE.csv, or one folder for each class"
        )
    splits, labels = np.array(images.splits, dtype=object), np.array(found, dtype=object)
    train = labels != ""
    if any(images.splits):
        train &= splits == "train"
    if not train.any():
        there = ", ".join(sorted(filter(None, set(images.splits))))
        raise InputError(
            f"{images.source}: only images of the split 'train' may train a supervised encoder, "
            f"and none of them has a label; splits found: {there}"
        )
    names, codes = np.unique(labels[train].astype(str), return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"{images.source}: a supervised encoder needs at least 2 different labels, "
            f"all {int(train.sum()):,} training images have {str(names[0])!r}"
        )
    classes = np.full(len(images), -1, np.int64)
    classes[train] = codes
    return classes


def fingerprint(classes: Int[np.ndarray, " n"]) -> str:
    """Return the SHA-256 that tells one set of training labels from another."""
    return hashlib.sha256(np.ascontiguousarray(classes, np.int64).tobytes()).hexdigest()
