"""Positions that a method of layout found, and the map that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.imageset import ImageSet
from augmap.items import Items

MATRIX_BYTES = 2 << 30
"""Largest matrix of float32 that is made for a library which takes its data whole; it copies it once more."""

_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each row of a data matrix lies on the map, and how that was found."""

    positions: Float[np.ndarray, "n d"]
    settings: Mapping[str, Any]
    """What the result depends on, as it was really used."""
    versions: Mapping[str, str]
    """Of the libraries that did the work."""


def to_map(
    images: ImageSet, layout: Layout, method: str, features: np.ndarray | None = None, **info: Any
) -> ImageMap:
    """Return the map of a layout. It has no encoder, so it takes no new images, and says so."""
    return ImageMap(
        positions=layout.positions,
        items=Items(images.names, images.splits, {k: np.array(v) for k, v in images.labels.items()}),
        features=features,
        preprocessing=images.preprocessing,
        info={
            "method": method,
            "source": images.source,
            "root": images.root,
            "fingerprint": images.fingerprint,
            "settings": dict(layout.settings),
            "versions": dict(layout.versions),
            **info,
        },
        skipped=[(s.name, s.reason) for s in images.skipped],
    )


def matrix(pixels: np.ndarray) -> Float[np.ndarray, "n p"]:
    """Return images as rows of float32 in [0, 1], all in memory.

    Raises
    ------
    InputError
        That would take more than :data:`MATRIX_BYTES`.
    """
    n, p = len(pixels), int(np.prod(pixels.shape[1:]))
    if 4 * n * p > MATRIX_BYTES:
        raise InputError(
            f"{n} images of {p} numbers take {4 * n * p / 1e9:.1f} GB in memory, at most "
            f"{MATRIX_BYTES / 1e9:.1f} GB is used: give --pca 50, or a smaller --image-size"
        )
    rows = np.empty((n, p), np.float32)
    for start, block in blocks(pixels):
        rows[start : start + len(block)] = block
    return rows


def blocks(x: np.ndarray) -> Iterator[tuple[int, Float[np.ndarray, "b p"]]]:
    """Return the rows of an array as float32, some at a time, with the number of the first."""
    size = max(1, _BLOCK_BYTES // max(4 * int(np.prod(x.shape[1:])), 1))
    for start in range(0, len(x), size):
        block = np.asarray(x[start : start + size]).reshape(len(x[start : start + size]), -1)
        yield start, block.astype(np.float32) / np.float32(255 if x.dtype == np.uint8 else 1)


def library(module: str, package: str, extra: str) -> tuple[ModuleType, str]:
    """Import an optional library; return it with its version.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        return import_module(module), version(package)
    except ImportError as error:
        raise InputError(f"{package} is not installed ({error}): pip install 'augmap[{extra}]'") from error
