"""The original of a row: where it lies, and what of it a browser may be given."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from augmap.errors import InputError
from augmap.images.decode import FORMATS, pillow_limits
from augmap.images.names import unescape

SHOWN = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
"""Kinds that browsers show, sent as they are; SVG, which can hold scripts, is none of them."""
MAX_BYTES = 256 * 2**20
MAX_PIXELS = 178_956_970


class GoneError(Exception):
    """There is no original to show; the message says why and what would help, and names no other folder."""


@dataclass(frozen=True)
class Picture:
    """Bytes of an image file and their media type."""

    data: bytes
    media_type: str


@dataclass(frozen=True)
class Originals:
    """The folder that the names of a map are relative to.

    Parameters
    ----------
    root : Path or None
        None: the images did not come from a folder, or it has gone.
    reason : str
        Why there is no root.
    """

    root: Path | None
    reason: str = ""

    def get(self, name: str) -> Picture:
        """Read the original of the image with this name.

        Raises
        ------
        GoneError
            It has moved, leads out of the folder, or is no image.
        """
        if self.root is None:
            raise GoneError(self.reason)
        try:
            root = self.root.resolve(strict=True)
            path = (root / os.fsdecode(unescape(name))).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise GoneError(f"original not found: {name}; if the images moved, {HOW}") from None
        if not path.is_relative_to(root):
            raise GoneError(f"{name}: leads out of the folder of images and is not shown")
        return read_picture(path, name)


HOW = "start with augmap explore MAP --images DIR"


def read_picture(path: Path, name: str) -> Picture:
    """Read an image file for a browser: as it is where browsers show its kind, else as PNG.

    Raises
    ------
    GoneError
        It cannot be read, or is no image.
    """
    try:
        if not path.is_file():
            raise GoneError(f"{name}: is not a file")
        if path.stat().st_size > MAX_BYTES:
            raise GoneError(f"{name}: larger than {MAX_BYTES >> 20} MiB, and not shown")
        data = path.read_bytes()
    except OSError as error:
        raise GoneError(f"{name}: cannot be read ({error.strerror})") from None
    try:
        with pillow_limits(MAX_PIXELS), Image.open(io.BytesIO(data), formats=_formats()) as image:
            if image.format in SHOWN:
                return Picture(data, SHOWN[image.format])
            if image.format == "MPO":  # the JPEG of some phones
                return Picture(data, "image/jpeg")
            return Picture(_png(image), "image/png")
    except Exception:  # decoders of foreign bytes raise anything
        raise GoneError(f"{name}: not an image that can be shown") from None


def find_root(
    source: str | None, images: Path | None, *, root: str | None = None, beside: Path | None = None
) -> Originals:
    """Return where the originals are: the folder the user names, else the one that the map records.

    Parameters
    ----------
    source : str, optional
        What the map was made from, as it was written then: a folder, or a glob, whose names are relative to
        the part before the first wildcard.
    images : path, optional
        What the user says.
    root : str, optional
        The folder of ``source``, absolute, where the map was made.
    beside : path, optional
        Folder that holds the map: both may have moved together. The working folder plays no part, a folder
        of the same name in it may be another one.

    Raises
    ------
    InputError
        ``images`` is no folder.
    """
    if images is not None:
        if not images.is_dir():
            raise InputError(
                f"--images {images}: no such folder; give the folder that the names are relative to"
            )
        return Originals(images)
    if not source:
        return Originals(None, f"this map does not say where its images are; {HOW}")
    if root and Path(root).is_dir():
        return Originals(Path(root))
    home = place = beside or Path()
    for part in Path(source).parts:
        if any(c in part for c in "*?[") and not (place / part).exists():
            break
        place /= part
    if place.is_dir() and place != home:
        return Originals(place)
    if place.suffix and place.is_file():
        return Originals(None, f"the images lie inside of {place.name}; only thumbnails are shown")
    return Originals(None, f"original not found: {source} is not there; if the images moved, {HOW}")


def _formats() -> list[str]:
    return [f for f in FORMATS if f in Image.OPEN]


def _png(image: Image.Image) -> bytes:
    image.load()
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
