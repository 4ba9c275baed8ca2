"""The geometry of preprocessing: the central square, resized."""

from __future__ import annotations

from PIL import Image

FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def square(image: Image.Image, size: int, resample: Image.Resampling) -> Image.Image:
    """Return the central square of ``image``, resized to ``size``; equal sizes are copied bit by bit."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    if side == size:
        return image if width == height else image.crop(box)
    return image.resize((size, size), resample, box=box)
