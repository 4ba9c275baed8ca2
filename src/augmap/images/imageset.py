"""What goes in: :class:`ImageSet`, the images of a run as one array of squares with their names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int, UInt8

from augmap.config import Preprocessing

DIGEST_BYTES = 16
"""BLAKE2b with 128 bits: two of 10^9 images share one by chance with probability 10^-21."""
_CHUNK = 1024


@dataclass(frozen=True)
class Skipped:
    """A file that is not on the map, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name!r} ({self.reason})"


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSet:
    """``n`` images of one size with their names, splits and labels.

    Parameters
    ----------
    pixels : uint8 array of shape (n, s, s, c)
        A read-only memory map of a pixel store, or an array in memory.
    names, splits : lists of n str
    labels : dict of lists of n str
        Label columns; ``label`` comes first. Empty when nothing is known.
    preprocessing : Preprocessing
        How the pixels were made; what new images must go through.
    digests : uint8 array of shape (n, 16)
        BLAKE2b of each image's pixels; equal rows are equal images.
    fingerprint : str
        SHA-256 of names, order, shape and pixels, in hexadecimal: which images these are, wherever they lie.
    source : str
        What was opened, as the user would write it.
    root : str or None
        The folder that the names are relative to, when the originals are files.
    skipped : list of Skipped
    notes : list of str
        What was decided on the way, a sentence each, to be shown to the user.
    """

    pixels: UInt8[np.ndarray, "n s s c"]
    names: list[str]
    splits: list[str]
    labels: dict[str, list[str]]
    preprocessing: Preprocessing
    digests: UInt8[np.ndarray, "n 16"]
    fingerprint: str
    source: str
    root: str | None = None
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, indices: Sequence[int] | Int[np.ndarray, " k"]) -> ImageSet:
        """Return the images at ``indices``, in this order; their pixels are copied into memory."""
        rows = np.asarray(indices, dtype=np.intp)
        names = [self.names[i] for i in rows]
        digests = self.digests[rows]
        return ImageSet(
            pixels=np.ascontiguousarray(self.pixels[rows]),
            names=names,
            splits=[self.splits[i] for i in rows],
            labels={k: [v[i] for i in rows] for k, v in self.labels.items()},
            preprocessing=self.preprocessing,
            digests=digests,
            fingerprint=fingerprint(self.pixels.shape[1:], names, digests),
            source=self.source,
            root=self.root,
            skipped=self.skipped,
            notes=self.notes,
        )

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return those of the names, as text, that are not among the images, with the reason where one is
        known."""
        there, reasons = set(self.names), {s.name: s for s in self.skipped}
        return [str(reasons.get(name, repr(name))) for name in names if name not in there]


def digest(pixels: np.ndarray) -> bytes:
    """Return the 16-byte digest of one image."""
    return hashlib.blake2b(np.ascontiguousarray(pixels), digest_size=DIGEST_BYTES).digest()


def digest_rows(pixels: UInt8[np.ndarray, "n s s c"], workers: int = 1) -> UInt8[np.ndarray, "n 16"]:
    """Return the digest of each image of an array that may be larger than the memory."""

    def rows(start: int) -> bytes:
        return b"".join(digest(row) for row in pixels[start : start + _CHUNK])

    starts = range(0, len(pixels), _CHUNK)
    if workers > 1 and len(starts) > 1:
        with ThreadPoolExecutor(workers) as pool:
            blocks = list(pool.map(rows, starts))
    else:
        blocks = [rows(start) for start in starts]
    return np.frombuffer(b"".join(blocks), np.uint8).reshape(-1, DIGEST_BYTES)


def fingerprint(shape: tuple[int, ...], names: Sequence[str], digests: UInt8[np.ndarray, "n 16"]) -> str:
    """Return the SHA-256 that tells one set of images from another: shape, names, order, pixels."""
    h = hashlib.sha256(repr(tuple(int(x) for x in shape)).encode())
    for name in names:
        h.update(name.encode("utf-8", "surrogateescape") + b"\0")
    h.update(np.ascontiguousarray(digests).tobytes())
    return h.hexdigest()
