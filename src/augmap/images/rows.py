"""One image of an array -> uint8 (s, s, c): the rules of :mod:`augmap.images.decode` for numbers in
memory."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.images.square import FILTERS, square

_ROUNDING = 1e-6
"""What floats may lie outside of [0, 1]: a few steps of float32, as resizing leaves them; 1/4000 of a grey
level."""


def row_pixels(row: np.ndarray, preprocessing: Preprocessing) -> UInt8[np.ndarray, "s s c"]:
    """Return one image, an array (h, w) or (h, w, c) of uint8, bool or floats in [0, 1], as a square.

    Raises
    ------
    InputError
        When values or channels are not what augmap takes.
    """
    size = preprocessing.image_size
    row = row.reshape(row_shape(row))
    image = _channels(to_uint8(row), preprocessing.channels)
    if image.shape[:2] == (size, size):
        return np.ascontiguousarray(image)
    planes = [square(Image.fromarray(p), size, FILTERS[preprocessing.resize]) for p in _planes(image)]
    return np.stack([np.asarray(p) for p in planes], axis=2)


def row_shape(row: np.ndarray) -> tuple[int, int, int]:
    """Return height, width and channels of one image.

    Raises
    ------
    InputError
        When the array has not the shape of one.
    """
    if row.ndim not in (2, 3) or 0 in row.shape:
        raise InputError(f"an image must have shape (h, w) or (h, w, c), got {row.shape}")
    return (row.shape[0], row.shape[1], row.shape[2] if row.ndim == 3 else 1)


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Return values as uint8: floats in [0, 1] are multiplied by 255 and rounded, True is 255.

    Raises
    ------
    InputError
        Naming the range that was found and what to do about it.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind in "iu":
        raise InputError(
            f"images of {values.dtype} are not taken (values {values.min()}..{values.max()}): "
            "pass X.astype(numpy.uint8) if they lie in 0..255, else X / X.max()"
        )
    if values.dtype.kind != "f":
        raise InputError(f"images must be uint8 or floats in [0, 1], got {values.dtype}")
    if not values.size:
        return values.astype(np.uint8)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("an image holds NaN or infinite values: remove it, or pass numpy.nan_to_num(X)")
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise InputError(
            f"images of {values.dtype} must lie in [0, 1], got [{low:.8g}, {high:.8g}]: pass X / 255, "
            "X / X.max(), or (X - X.min()) / (X.max() - X.min()); do not normalise by mean and std"
        )
    return np.rint(values.astype(np.float32) * np.float32(255)).astype(np.uint8)


def _channels(image: UInt8[np.ndarray, "h w c"], channels: int) -> UInt8[np.ndarray, "h w k"]:
    have = image.shape[2]
    if have == channels:
        return image
    if have == 4 and channels in (1, 3):
        rgba = Image.fromarray(np.ascontiguousarray(image))
        rgb = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
        return _channels(np.asarray(rgb), channels)
    if have == 3 and channels == 1:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))[:, :, None]
    if have == 1 and channels == 3:
        return np.repeat(image, 3, axis=2)
    remedy = f"the ones you mean, X[..., :{channels}]" if have > channels else "images that have them"
    raise InputError(f"images have {have} channels, {channels} are asked for; pass {remedy}")


def _planes(image: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(image[:, :, k]) for k in range(image.shape[2])]
