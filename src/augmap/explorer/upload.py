"""An image that a browser sends: bounded in bytes and pixels before anything looks at it closely."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from augmap.config import Preprocessing
from augmap.images.decode import FORMATS, decode, pillow_limits
from augmap.images.listing import UnreadableError

MAX_BYTES = 20 * 10**6
MAX_PIXELS = 50 * 10**6
SECONDS = 20.0
"""Time that one image may take to be decoded and placed."""

one_at_a_time = threading.Lock()
"""Held while an upload is decoded: a decoded image may take 200 MB."""


class RefusedError(Exception):
    """The upload is not taken; ``status`` is the answer's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, eq=False)
class Upload:
    """An uploaded image, ready for the encoder.

    Parameters
    ----------
    pixels : uint8 array of shape (s, s, c)
        Made as training made them.
    size : (width, height)
        Of the file, in pixels.
    """

    pixels: np.ndarray
    size: tuple[int, int]


async def read_body(chunks: AsyncIterator[bytes], limit: int = MAX_BYTES) -> bytes:
    """Read a request's body, counting: what a client says of its length is not trusted.

    Raises
    ------
    RefusedError
        Longer than ``limit``.
    """
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise RefusedError(413, f"larger than {limit / 1e6:g} MB")
        parts.append(chunk)
    return b"".join(parts)


def open_upload(data: bytes, preprocessing: Preprocessing) -> Upload:
    """Decode an image by the rules of training, in memory alone.

    The header is looked at first. Of several frames the first counts.

    Raises
    ------
    RefusedError
        No image of a kind that is taken, too many pixels, or damaged.
    """
    if not data:
        raise RefusedError(415, "empty: no image arrived")
    with one_at_a_time, pillow_limits(MAX_PIXELS):
        try:
            with Image.open(io.BytesIO(data), formats=[f for f in FORMATS if f in Image.OPEN]) as image:
                size = image.size
        except Image.DecompressionBombError:
            raise RefusedError(413, f"more than {MAX_PIXELS / 1e6:g} million pixels") from None
        except Exception:  # decoders of foreign bytes raise anything
            raise RefusedError(
                415, "not an image of a kind that is taken (JPEG, PNG, WebP, GIF, ...)"
            ) from None
        if size[0] * size[1] > MAX_PIXELS:
            raise RefusedError(413, f"{size[0]} x {size[1]} pixels, more than {MAX_PIXELS / 1e6:g} million")
        try:
            return Upload(decode(data, preprocessing, MAX_PIXELS), size)
        except UnreadableError as error:
            raise RefusedError(422, str(error).replace("--max-pixels", "is taken")) from None


def as_data_url(pixels: np.ndarray) -> str:
    """Return an array (s, s, c) as a PNG in a ``data:`` address; of more than 3 channels the first three."""
    shown = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
