"""Image size and channels, chosen from the data and said.

Size: up to 256 images, evenly spaced over the names, are looked at by their headers. Where all are squares
of one size, at most 128, that size is taken and nothing is resized. Else the median of the shorter sides,
but at most 64. Channels: 1 where all the headers say grey, else 3; arrays keep the channels they have.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.images.decode import Header, header
from augmap.images.listing import Labelled, Listing, UnreadableError

LOOKED_AT = 256
LARGEST_NATIVE = 128
"""Largest size at which images are taken as they are: 4 times the arithmetic of 64."""
PHOTO_SIZE = 64
"""For photos of any size: a CPU sees each of 10,000 often enough in 20 minutes; details are lost."""


def choose(listing: Listing, image_size: int | None, channels: int | None) -> tuple[Preprocessing, list[str]]:
    """Return the preprocessing for a source, and a sentence for each thing that was chosen.

    Raises
    ------
    InputError
        When no image can be read at all, or what is asked for cannot be had.
    """
    notes: list[str] = []
    heads = [] if image_size is not None and channels is not None else list(_look(listing))
    if image_size is None:
        image_size, sentence = _size(heads)
        notes.append(sentence)
    if channels is None:
        most = max(h.channels for h in heads)
        channels = most
        if most == 1:
            notes.append("all images looked at are grey: 1 channel")
    if image_size < 1:
        raise InputError(f"image size must be at least 1, got {image_size}")
    return Preprocessing(image_size=image_size, channels=channels), notes


def _size(heads: list[Header]) -> tuple[int, str]:
    sizes = {(h.width, h.height) for h in heads}
    shorter = int(np.median([min(h.width, h.height) for h in heads]))
    if len(sizes) == 1 and heads[0].width == heads[0].height <= LARGEST_NATIVE:
        return shorter, f"images are {shorter} x {shorter} and taken as they are"
    size = max(1, min(shorter, PHOTO_SIZE))
    seen = f"{heads[0].width} x {heads[0].height}" if len(sizes) == 1 else f"of {len(sizes)} sizes"
    return (
        size,
        f"images are {seen}, shorter side {shorter} in the median: resized to {size} x {size} (--image-size)",
    )


def _look(listing: Listing) -> Iterator[Header]:
    """Yield headers from all over the source; when none of these can be read, from the first that can."""
    if listing.array is not None:
        _, height, width, depth = listing.array.shape
        yield Header(width, height, depth)
        return
    if listing.peek is not None:
        payloads = iter(listing.peek(LOOKED_AT))
    else:
        n = len(listing)
        spread = np.unique(np.linspace(0, n - 1, min(n, LOOKED_AT)).astype(int)).tolist()
        payloads = (p for p in (_read(listing, i) for i in spread) if p is not None)
    found = False
    for head in _headers(payloads):
        found = True
        yield head
    if not found:
        rest = (p for p in (_read(listing, i) for i in _order(listing)) if p is not None)
        for head in _headers(rest):
            yield head
            return
        raise InputError(
            f"{listing.source}: none of its {len(listing)} files can be read as an image, "
            f"first {listing.names[0]!r} ({_reason(listing)})"
        )


def _headers(payloads: Iterator[object]) -> Iterator[Header]:
    for payload in payloads:
        try:
            yield header(payload)
        except UnreadableError:
            continue


def _read(listing: Listing, i: int) -> object:
    try:
        payload = listing.read(i)
    except UnreadableError:
        return None
    return payload.payload if isinstance(payload, Labelled) else payload


def _order(listing: Listing) -> list[int]:
    positions = listing.positions
    return list(range(len(listing))) if positions is None else np.argsort(positions, kind="stable").tolist()


def _reason(listing: Listing) -> str:
    try:
        header(listing.read(_order(listing)[0]))
    except UnreadableError as error:
        return str(error)
    return "unreadable"
