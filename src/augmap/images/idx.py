"""idx files, as MNIST and its relatives come: ``train-images-idx3-ubyte[.gz]`` beside
``train-labels-idx1-ubyte[.gz]``."""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from augmap.errors import InputError
from augmap.images.arrays import list_array
from augmap.images.listing import Listing

_FILE = re.compile(r"(?P<split>.*?)[-_.]?images[-_.]idx(?P<axes>[34])[-_.]ubyte(\.gz)?")
_SPLIT = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
MAX_GZ_BYTES = 4 << 30
"""Most that a .gz may unpack to; a larger file can be memory-mapped once it is unpacked."""


def find_idx(names: set[str]) -> list[str]:
    """Return those of the file names that are idx files of images: train before the others."""
    found = [n for n in names if _FILE.fullmatch(n)]
    return sorted(found, key=lambda n: (not n.startswith("train"), n))


def is_idx(path: str | os.PathLike[str]) -> bool:
    """Return whether a file begins as an idx file of bytes with 3 or 4 axes."""
    try:
        with _open(os.fspath(path)) as file:
            return file.read(4) in (b"\0\0\x08\x03", b"\0\0\x08\x04")
    except (OSError, EOFError, zlib.error):
        return False


def list_idx(path: str | os.PathLike[str], classes: list[str] | None = None) -> Listing:
    """List the images of one idx file, with the labels of the file beside it."""
    path = Path(path)
    array = read_idx(path)
    match = _FILE.fullmatch(path.name)
    prefix = match["split"] if match else ""
    beside = [
        path.with_name(re.sub(r"images([-_.])idx\d", r"labels\1idx1", path.name).removesuffix(".gz") + e)
        for e in ("", ".gz")
    ]
    labels = next((p for p in beside if p != path and p.is_file()), None)
    values = None if labels is None else read_idx(labels)
    return list_array(
        array,
        labels={} if values is None else {"label": values.astype(np.int64)},
        classes=classes,
        split=_SPLIT.get(prefix, ""),
        source=str(path),
        stamp=f"{path.stat().st_size} {path.stat().st_mtime_ns}",
    )


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Return an idx file of bytes as an array; memory-mapped when it is not compressed."""
    path = os.fspath(path)
    try:
        with _open(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08":
                raise InputError(f"{path}: not an idx file of bytes (it begins with {head.hex(' ')!r})")
            sizes = file.read(4 * head[3])
            shape = struct.unpack(f">{head[3]}I", sizes)
            expected = math.prod(shape)
            offset = 4 + len(sizes)
            if not path.endswith(".gz"):
                if os.path.getsize(path) != offset + expected:
                    raise InputError(
                        f"{path}: cut short or too long for its shape {shape}; download it again"
                    )
                return (
                    np.memmap(path, np.uint8, "r", offset, shape) if expected else np.zeros(shape, np.uint8)
                )
            if expected > MAX_GZ_BYTES:
                raise InputError(
                    f"{path}: unpacks to {expected} bytes; run gunzip first, then it can be mapped"
                )
            data = file.read(expected + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise InputError(f"{path}: cannot be read as an idx file ({error}); download it again") from None
    if len(data) != expected:
        raise InputError(f"{path}: cut short or too long for its shape {shape}; download it again")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _open(path: str) -> IO[bytes]:
    return gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")  # type: ignore[return-value]
