"""One image of any kind -> uint8 (s, s, c).

The rules, in the order in which they are applied:

1. The header is looked at first: more than ``max_pixels`` pixels are never decoded. Of several frames, the
   first.
2. EXIF rotation is applied, once.
3. Alpha, in whatever form, is laid over white. Palettes, CMYK and other colour spaces become RGB.
4. Grey of 16 bits is scaled to 8: a picture whose largest value is at most 4095 is taken as 12-bit (cameras
   of microscopes write these) and divided by 4095, any other by 65535, and rounded. Floats in [0, 1] are
   multiplied by 255; other floats and 32-bit integers are stretched from their lowest to their highest
   value. (Pillow's own conversion clips all of them at 255. PNG of 3 x 16 bits: Pillow keeps the high
   bytes.)
5. The central square is cut out (the offset rounded down) and resized with an antialiasing filter, which is
   the same as scaling the shorter side to ``image_size`` and cutting the centre: nothing is stretched.
6. Colour to one channel is Rec. 601 luma; grey to three channels is three times the same.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, UnidentifiedImageError

from augmap.config import Preprocessing
from augmap.images.listing import Payload, UnreadableError
from augmap.images.mark import is_marked
from augmap.images.rows import row_pixels, row_shape
from augmap.images.square import FILTERS, square

MAX_PIXELS = 178_956_970
"""Default of ``max_pixels``: where Pillow itself speaks of a decompression bomb; 512 MiB as RGB."""
# No EPS, PDF or WMF: Pillow starts other programs for these. (MPO, the JPEG of some phones, comes with JPEG.)
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "AVIF", "HEIF"]
_guard = threading.Lock()
_guarded: list[contextlib.ExitStack] = []
_GREY = {"1", "L", "LA", "La", "I", "F"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what makes the picture upright."""
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevx", b"mif1", b"msf1")


@dataclass(frozen=True)
class Header:
    """What a file says about its image before it is decoded."""

    width: int
    height: int
    channels: int


def decode(payload: Payload, preprocessing: Preprocessing, max_pixels: int) -> UInt8[np.ndarray, "s s c"]:
    """Return one image as a square of ``uint8``, by the rules above.

    Raises
    ------
    UnreadableError
        With the reason, when a file or its content is to blame.
    InputError
        When an array is not what augmap takes.
    """
    if isinstance(payload, np.ndarray):
        return row_pixels(payload, preprocessing)
    with _reasons(payload), _opened(payload) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise UnreadableError(f"{width} x {height} pixels, more than --max-pixels {max_pixels}")
        return pixels_of(image, preprocessing)


def header(payload: Payload) -> Header:
    """Return size and channels of one image without decoding it; raises as :func:`decode`."""
    if isinstance(payload, np.ndarray):
        height, width, channels = row_shape(payload)
        return Header(width, height, channels)
    with _reasons(payload), _opened(payload) as image:
        return Header(*image.size, 1 if _is_grey(image) else 3)


def pixels_of(image: Image.Image, preprocessing: Preprocessing) -> UInt8[np.ndarray, "s s c"]:
    """Return a PIL image as a square of ``uint8``; it has been opened but not loaded."""
    size, channels = preprocessing.image_size, preprocessing.channels
    # JPEG can be decoded at 1/2, 1/4, 1/8 of its size, averaged; twice the goal is left for our filter
    image.draft(None, (2 * size, 2 * size))
    image.load()
    image = _upright(image)
    image = _eight_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    mode = {1: "L", 3: "RGB"}[channels]
    if image.mode not in ("L", "RGB", "F"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode == "RGB" and mode == "L":
        image = image.convert("L")
    image = square(image, size, FILTERS[preprocessing.resize])
    if image.mode == "F":
        image = Image.fromarray(np.clip(np.rint(np.asarray(image)), 0, 255).astype(np.uint8))
    if image.mode != mode:
        image = image.convert(mode)
    return np.asarray(image).reshape(size, size, channels)


@contextlib.contextmanager
def pillow_limits(max_pixels: int) -> Iterator[None]:
    """Let Pillow's own guards agree with ``max_pixels``, also inside containers.

    These are settings of the whole process. The last of several callers to leave puts them back, so that
    two threads that open images at once cannot leave them changed.
    """
    with _guard:
        if not _guarded:
            Image.init()
            heic_ready()
            saved = contextlib.ExitStack()
            saved.callback(_set_guards, Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
            saved.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        else:
            saved = _guarded[-1]
        _guarded.append(saved)
        # Pillow raises above twice its limit and warns above it
        _set_guards((max_pixels + 1) // 2, False)
    try:
        yield
    finally:
        with _guard:
            _guarded.pop()
            if not _guarded:
                saved.close()


def heic_ready() -> bool:
    """Register HEIC with Pillow when pillow-heif is installed; return whether it is."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


@contextlib.contextmanager
def _opened(payload: Payload) -> Iterator[Image.Image]:
    if isinstance(payload, Image.Image):
        yield payload.copy()  # draft and load change an image in place, and this one is the user's
        return
    formats = [f for f in FORMATS if f in Image.OPEN]  # a Pillow may be built without some
    with contextlib.ExitStack() as stack:
        stream: IO[bytes] = open(payload, "rb") if isinstance(payload, str) else io.BytesIO(payload)  # noqa: SIM115
        file = stack.enter_context(stream)
        image = stack.enter_context(Image.open(file, formats=formats))
        if is_marked(image):
            raise UnreadableError("a plot or a sheet by augmap, not an image of yours")
        yield image


@contextlib.contextmanager
def _reasons(payload: Payload) -> Iterator[None]:
    """Turn whatever a decoder raises over a bad file into the reason why it is skipped."""
    try:
        yield
    except UnreadableError:
        raise
    except UnidentifiedImageError:
        raise UnreadableError(_unknown(payload)) from None
    except PermissionError:
        raise UnreadableError("permission denied") from None
    except FileNotFoundError:
        raise UnreadableError("file has gone") from None
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))  # Pillow looks at the header before we can
        raise UnreadableError(
            f"{found.group() if found else 'too many'} pixels, more than --max-pixels"
        ) from None
    except MemoryError:
        raise UnreadableError("not enough memory to decode it") from None
    except (
        Exception
    ) as error:  # decoders of foreign bytes raise anything: SyntaxError, struct.error, KeyError, ...
        raise UnreadableError(f"truncated or damaged ({_line(error)})") from None


def _set_guards(max_image_pixels: int | None, load_truncated: bool) -> None:
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max_image_pixels, load_truncated


def _unknown(payload: Payload) -> str:
    try:
        if isinstance(payload, str):
            with open(payload, "rb") as file:
                head = file.read(16)
        else:
            head = payload[:16]
    except OSError as error:
        return _line(error)
    if not head:
        return "empty file (0 bytes)"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return "HEIC: pip install augmap[heic]"
    return "not an image"


def _line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).splitlines()[0] if str(error) else ""
    return (text or type(error).__name__)[:120]


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P" and image.palette is not None and "transparency" not in image.info:
        palette = np.asarray(image.getpalette("RGB") or [0], np.int16)
        return len(palette) % 3 == 0 and bool((np.ptp(palette.reshape(-1, 3), axis=1) == 0).all())
    return image.mode in _GREY or image.mode.startswith("I;16")


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF rotation. (Of a TIFF Pillow has applied it itself, and has removed the tag.)

    Pillow's ``exif_transpose`` would write the whole EXIF anew, and fail over any odd entry in it.
    """
    try:
        turn = _TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:  # EXIF that cannot be read turns nothing
        return image
    return image if turn is None else image.transpose(turn)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return grey of more than 8 bits as mode F in 0..255, not yet rounded; other modes untouched."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise UnreadableError("holds values that are not finite")
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        top = 1.0 if low >= 0 and high <= 1 else None
    elif low >= 0 and high <= 65535:
        top = 4095.0 if high <= 4095 else 65535.0
    else:
        top = None
    if top is not None:
        scaled = values * (255.0 / top)
    else:
        scaled = (values - low) * (255.0 / (high - low if high > low else 1.0))
    return Image.fromarray(scaled.astype(np.float32))
