"""The mark in a picture that augmap drew: in a folder of photos a plot of them is none."""

from __future__ import annotations

from PIL import Image
from PIL.PngImagePlugin import PngInfo

import augmap

MAKER = f"augmap {augmap.__version__}"
"""What stands under "Software" in the metadata of a PNG, and in the comment of a GIF, which has no more."""


def mark() -> PngInfo:
    """Return the mark of a PNG, as Pillow's ``pnginfo``."""
    found = PngInfo()
    found.add_text("Software", MAKER)
    return found


def is_marked(image: Image.Image) -> bool:
    """Whether some version of augmap drew it."""
    words = image.info.get("comment" if image.format == "GIF" else "Software", "")
    text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
    return text.startswith("augmap ")
