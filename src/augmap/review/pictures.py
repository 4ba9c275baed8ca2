"""The pictures that are looked at: the map's own images where they can be opened, else its thumbnails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.imageset import ImageSet, digest_rows, fingerprint
from augmap.images.open import open_images
from augmap.images.recorded import recorded_source

Progress = Callable[[int, int], None]

EDGE = 32
"""Pixels: edge of the grey pictures that are compared."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images of a map, row by row.

    Parameters
    ----------
    read : callable
        ``read(rows)`` returns uint8 (k, s, s, 3) for k row numbers.
    order : (n,) int array
        The order in which reading all of them is cheapest.
    root : str, optional
        The folder that the names are relative to, when the originals are files.
    pixels : uint8 array of shape (n, s, s, c), optional
        All of them as the map was made from them; None where only thumbnails are there.
    digests : uint8 array of shape (n, 16), optional
        Of ``pixels``: equal rows are equal images.
    """

    read: Callable[[np.ndarray], np.ndarray]
    order: Int[np.ndarray, " n"]
    root: str | None = None
    pixels: Any = None
    digests: UInt8[np.ndarray, "n 16"] | None = None


def open_pictures(
    m: ImageMap,
    images: Any = None,
    *,
    cache: str | Path | None = None,
    progress: Progress | None = None,
    max_pixels: int | None = None,
) -> tuple[Pictures | None, str]:
    """Open the images of a map, or else its thumbnails; return them with a sentence that says which and why.

    Parameters
    ----------
    images : optional
        Where the images are; by default where the map's record says. What is given must be the images of
        the map: it is an error when they differ. Of the record's place that is only noted.

    Raises
    ------
    InputError
        ``images`` cannot be opened, or holds other images.
    """
    source = images
    if images is None:
        try:
            source = recorded_source(m.info, m.names, cache=cache)
        except InputError as error:
            return _thumbnails(m, f"{error}; give --images")
    try:
        if m.preprocessing is None and not isinstance(source, ImageSet):
            raise InputError(f"{source}: the map does not say how its pictures were brought to one size")
        opened = (
            source
            if isinstance(source, ImageSet)
            else open_images(
                source,
                preprocessing=m.preprocessing,
                cache=cache,
                progress=progress,
                max_pixels=max_pixels,
            )
        )
        return from_set(m, opened), f"pixels of {opened.source}"
    except InputError as error:
        if images is not None:
            raise
        return _thumbnails(m, " ".join(str(error).split()))


def from_set(m: ImageMap, opened: ImageSet) -> Pictures:
    """Return the pictures of a map from an open set, which may hold more images in another order.

    Raises
    ------
    InputError
        Images of the map are missing, or their pixels are not those that the map was made from.
    """
    index = {name: i for i, name in enumerate(opened.names)}
    if missing := opened.missing(m.names):
        raise InputError(
            f"{opened.source}: {len(missing):,} of the map's {m.n:,} images are not there, first "
            f"{missing[0]}; give the images that the map was made from"
        )
    rows = np.array([index[name] for name in m.names], dtype=np.int64)
    digests = opened.digests[rows]
    known = m.info.get("fingerprint")
    if known is not None and fingerprint(opened.pixels.shape[1:], m.names, digests) != known:
        raise InputError(
            f"{opened.source}: the images changed since the map was made, though the names are the same; "
            "give the images that the map was made from"
        )
    every = np.array_equal(rows, np.arange(len(opened)))
    pixels = opened.pixels if every else _Rows(opened.pixels, rows)
    return Pictures(lambda r: _rgb(np.asarray(pixels[r])), np.argsort(rows), opened.root, pixels, digests)


def from_pixels(pixels: UInt8[np.ndarray, "n s s c"]) -> Pictures:
    """Return the pictures of an array, one image a row."""
    return Pictures(
        lambda r: _rgb(np.asarray(pixels[r])), np.arange(len(pixels)), None, pixels, digest_rows(pixels)
    )


def small_grey(pictures: Pictures, progress: Progress | None = None) -> UInt8[np.ndarray, "n s s"]:
    """Return all pictures in grey at :data:`EDGE` x EDGE pixels; 60,000 take 61 MB."""
    n = len(pictures.order)
    out = np.empty((n, EDGE, EDGE), np.uint8)
    for start in range(0, n, _BLOCK):
        rows = pictures.order[start : start + _BLOCK]
        grey = np.rint(pictures.read(rows) @ _LUMA).astype(np.uint8)
        if grey.shape[1:] != (EDGE, EDGE):
            grey = np.stack(
                [np.asarray(Image.fromarray(g).resize((EDGE, EDGE), Image.Resampling.LANCZOS)) for g in grey]
            )
        out[rows] = grey
        if progress:
            progress(min(start + _BLOCK, n), n)
    return out


class _Rows:
    """Some rows of an array, in another order, without copying it."""

    def __init__(self, array: np.ndarray, rows: np.ndarray) -> None:
        self._array, self._rows = array, rows
        self.shape = (len(rows), *array.shape[1:])
        self.dtype = array.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        return self._array[self._rows[key]]


def _thumbnails(m: ImageMap, why: str) -> tuple[Pictures | None, str]:
    if m.thumbs is None:
        return None, f"no pictures: {why}; the map has no thumbnails"
    thumbs = m.thumbs
    return Pictures(thumbs.images, np.argsort(thumbs.slots, kind="stable")), f"thumbnails: {why}"


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1].repeat(3, -1)
