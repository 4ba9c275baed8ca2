"""The pixel store: all decoded images of a source as one uint8 array (n, s, s, c), built once.

On disk it is a folder, named by its key, in the cache: ``pixels.npy`` (plain numpy, memory-mapped when it
is used), ``digests.npy`` and ``store.json``. It is written under a temporary name and renamed when it is
whole. The key is the SHA-256 of store version, place, preprocessing and, for each image, name, size and
modification time: nothing changed, same store. What was skipped is remembered with its reason; an image
that was only forbidden to read is tried again.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import itertools
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.images import cache as caches
from augmap.images.decode import heic_ready
from augmap.images.fill import Filled, Progress, cpus, fill
from augmap.images.imageset import DIGEST_BYTES, digest_rows
from augmap.images.listing import Listing
from augmap.images.names import escape

VERSION = 1
"""Raised when decoding changes: older stores are then built anew."""
IN_MEMORY_BYTES = 1 << 30
"""Images that no file stands for (a list, a data set) are kept in memory up to this size, else in a store."""
_COPY_BYTES = 32 << 20


@dataclass(frozen=True)
class Stored:
    """Pixels and digests of the images that could be read, and why the others could not.

    ``failures`` and ``labels`` go by row of the listing.
    """

    pixels: UInt8[np.ndarray, "n s s c"]
    digests: UInt8[np.ndarray, "n 16"]
    failures: dict[int, str]
    labels: dict[int, str]
    reused: bool = False


def stored(
    listing: Listing,
    preprocessing: Preprocessing,
    *,
    max_pixels: int,
    cache: str | os.PathLike[str] | None = None,
    store: bool = True,
    progress: Progress | None = None,
) -> Stored:
    """Return the pixels of all images of a listing: as they lie, from a store, or decoded now.

    Parameters
    ----------
    cache : path, optional
        Folder for stores; by default the user's.
    store : bool
        False keeps the pixels in memory and writes nothing.
    progress : callable, optional
        ``progress(done, total)`` in images, while decoding.

    Raises
    ------
    InputError
        When the store cannot be written, or an array is not one of images.
    """
    size, channels, n = preprocessing.image_size, preprocessing.channels, len(listing)
    if listing.array is not None and listing.array.shape[1:] == (size, size, channels):
        pixels = listing.array
        if not isinstance(pixels, np.memmap):
            pixels = np.ascontiguousarray(pixels)
        return Stored(pixels, digest_rows(pixels, cpus()), {}, {}, reused=True)
    if not store or (listing.stamps is None and n * size * size * channels <= IN_MEMORY_BYTES):
        sink = _MemorySink(n, preprocessing)
        filled = fill(listing, preprocessing, sink, max_pixels=max_pixels, progress=progress)
        good = [i for i in range(n) if i not in filled.failures]
        pixels = sink.pixels if len(good) == n else sink.pixels[good]
        return Stored(pixels, filled.digests[good], filled.failures, filled.labels)
    root = caches.cache_directory(cache)
    if listing.stamps is not None:
        folder = root / store_key(listing, preprocessing, max_pixels)
        if (found := _open(folder, n)) is not None:
            return found
    return _build(listing, preprocessing, max_pixels, root, progress)


def store_key(listing: Listing, preprocessing: Preprocessing, max_pixels: int) -> str:
    """Return the name of the store of a listing: the same as long as nothing changed."""
    place = listing.root or listing.source
    if os.path.lexists(place):
        # unpackers may set all times to 0, and equal sizes are common: names alone do not tell two sets apart
        place = escape(os.path.realpath(place))
    what = [VERSION, place, dataclasses.asdict(preprocessing), max_pixels, heic_ready()]
    h = hashlib.sha256(json.dumps(what, sort_keys=True).encode())
    for name, stamp in zip(listing.names, listing.stamps or [], strict=True):
        h.update(f"{name}\0{stamp}\0".encode("utf-8", "surrogateescape"))
    return h.hexdigest()[:40]


def _build(
    listing: Listing, preprocessing: Preprocessing, max_pixels: int, root: Path, progress: Progress | None
) -> Stored:
    need = len(listing) * preprocessing.image_size**2 * preprocessing.channels
    building = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
        if free < need:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        building = Path(tempfile.mkdtemp(prefix=caches.BUILDING, dir=root))
        with _FileSink(building / "pixels.npy", len(listing), preprocessing) as sink:
            filled = fill(listing, preprocessing, sink, max_pixels=max_pixels, progress=progress)
            good = np.array([i for i in range(len(listing)) if i not in filled.failures], np.intp)
            sink.finish(good)
        np.save(building / "digests.npy", filled.digests[good])
        folder = root / _final_name(listing, preprocessing, max_pixels, filled, good)
        _write_record(building, listing, preprocessing, filled, len(good))
        _publish(building, folder, len(listing))
    except OSError as error:
        raise InputError(
            f"the pixel store ({need / 1e6:.1f} MB) cannot be written to {root}: {error.strerror or error}; "
            "make room or choose another folder with --cache DIR"
        ) from None
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)
    found = _open(folder, len(listing), fresh=True)
    if found is None:
        raise InputError(
            f"{folder}: the pixel store has vanished or was damaged while it was written; try again"
        )
    caches.evict(root)
    return dataclasses.replace(found, labels=filled.labels, failures=filled.failures, reused=False)


def _open(folder: Path, n: int, fresh: bool = False) -> Stored | None:
    """Return the store in ``folder`` of a listing of ``n``, or None when there is no whole one to be used.

    Unless it is ``fresh``, one that lacks images that were forbidden to read is built again.
    """
    try:
        record = json.loads((folder / caches.RECORD).read_text("utf-8"))
        failures = {int(i): str(reason) for i, reason in record["failures"].items()}
        pixels = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
        digests = np.load(folder / "digests.npy", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None
    whole = (
        record.get("version") == VERSION
        and record.get("shape") == list(pixels.shape)
        and pixels.dtype == np.uint8
        and len(pixels) + len(failures) == n
        and digests.shape == (len(pixels), DIGEST_BYTES)
    )
    forbidden = any("permission" in reason for reason in failures.values())
    if not whole or (forbidden and not fresh):
        return None
    caches.use(folder)
    return Stored(pixels, digests, failures, {}, reused=True)


def _final_name(
    listing: Listing, preprocessing: Preprocessing, max_pixels: int, filled: Filled, good: np.ndarray
) -> str:
    if listing.stamps is not None:
        return store_key(listing, preprocessing, max_pixels)
    # nothing but the pixels tells these images from others
    return hashlib.sha256(repr(preprocessing).encode() + filled.digests[good].tobytes()).hexdigest()[:40]


def _write_record(
    folder: Path, listing: Listing, preprocessing: Preprocessing, filled: Filled, n: int
) -> None:
    size = preprocessing.image_size
    record = {
        "version": VERSION,
        "source": listing.source,
        "shape": [n, size, size, preprocessing.channels],
        "preprocessing": dataclasses.asdict(preprocessing),
        "failures": filled.failures,
    }
    (folder / caches.RECORD).write_text(json.dumps(record, indent=1), "utf-8", errors="backslashreplace")


def _publish(building: Path, folder: Path, n: int) -> None:
    """Give a finished store its name; where another process was faster, theirs is as good."""
    for path in building.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    building.chmod(0o755)
    if _open(folder, n) is None:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(building, folder)
    except OSError:
        if not folder.is_dir():
            raise


class _MemorySink:
    def __init__(self, n: int, preprocessing: Preprocessing) -> None:
        size = preprocessing.image_size
        self.pixels = np.zeros((n, size, size, preprocessing.channels), np.uint8)

    def put(self, rows: list[int], pixels: UInt8[np.ndarray, "k s s c"]) -> None:
        self.pixels[rows] = pixels


class _FileSink:
    """A .npy file that is written row by row, not through a memory map: a full disk is then an error, no
    crash."""

    def __init__(self, path: Path, n: int, preprocessing: Preprocessing) -> None:
        self.shape = (preprocessing.image_size, preprocessing.image_size, preprocessing.channels)
        self.row = int(np.prod(self.shape))
        self.header = len(_npy_header((n, *self.shape)))
        self.n = n
        self.file = open(path, "w+b")  # noqa: SIM115 - closed by __exit__
        self.file.write(_npy_header((n, *self.shape)))

    def __enter__(self) -> _FileSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def put(self, rows: list[int], pixels: UInt8[np.ndarray, "k s s c"]) -> None:
        starts = [0, *(k for k in range(1, len(rows)) if rows[k] != rows[k - 1] + 1), len(rows)]
        for a, b in itertools.pairwise(starts):
            self.file.seek(self.header + rows[a] * self.row)
            self.file.write(pixels[a:b].tobytes())

    def finish(self, good: np.ndarray) -> None:
        """Close the gaps of rows that failed, and write the true number into the header."""
        step = max(1, _COPY_BYTES // self.row)
        for start in range(0, len(good) if len(good) < self.n else 0, step):
            block = bytearray()
            for i in good[start : start + step]:
                self.file.seek(self.header + int(i) * self.row)
                block += self.file.read(self.row)
            self.file.seek(self.header + start * self.row)
            self.file.write(block)
        self.file.truncate(self.header + len(good) * self.row)
        header = _npy_header((len(good), *self.shape))
        assert len(header) == self.header
        self.file.seek(0)
        self.file.write(header)
        self.file.flush()


def _npy_header(shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return out.getvalue()
