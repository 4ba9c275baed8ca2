"""The mark in a picture that augmap drew: in a folder of photos a plot of them is none."""

from __future__ import annotations

from PIL import Image
from PIL.PngImagePlugin import PngInfo

import augmap

MAKER = f"augmap {augmap.__version__}"
"""What stands under "Software" in the metadata."""


def mark() -> PngInfo:
    """Return the mark, as Pillow's ``pnginfo``."""
    found = PngInfo()
    found.add_text("Software", MAKER)
    return found


def is_marked(image: Image.Image) -> bool:
    """Whether some version of augmap drew it."""
    return str(image.info.get("Software", "")).startswith("augmap ")
