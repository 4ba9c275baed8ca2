"""Decode all images of a listing with threads, in blocks, into a sink: an array in memory or a file."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.images.decode import decode, pillow_limits
from augmap.images.imageset import DIGEST_BYTES, digest
from augmap.images.listing import Labelled, Listing, Payload, UnreadableError

BLOCK = 32  # images a task; 2 tasks a worker are under way, so that few undecoded images are in memory
Progress = Callable[[int, int], None]


class Sink(Protocol):
    """Takes rows as they are decoded; row ``i`` may come before row ``i - 1``."""

    def put(self, rows: list[int], pixels: UInt8[np.ndarray, "k s s c"]) -> None: ...


@dataclass
class Filled:
    """What is known after all images were tried: digests of each row, and what failed."""

    digests: UInt8[np.ndarray, "n 16"]
    failures: dict[int, str] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)


@dataclass
class _Block:
    rows: list[int]
    pixels: np.ndarray
    digests: np.ndarray
    failures: dict[int, str]
    labels: dict[int, str]


def fill(
    listing: Listing,
    preprocessing: Preprocessing,
    sink: Sink,
    *,
    max_pixels: int,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Filled:
    """Decode every image once and give it to ``sink``; failures are collected, not raised.

    ``sink`` and ``progress`` are called from the calling thread only.
    """
    n = len(listing)
    filled = Filled(np.zeros((n, DIGEST_BYTES), np.uint8))
    order = list(range(n))
    if listing.positions is not None:
        order = np.argsort(listing.positions, kind="stable").tolist()
    done = 0
    pending: deque[Future[_Block]] = deque()

    def collect() -> None:
        nonlocal done
        block = pending.popleft().result()
        if block.rows:
            sink.put(block.rows, block.pixels)
            filled.digests[block.rows] = block.digests
        filled.failures.update(block.failures)
        filled.labels.update(block.labels)
        done += len(block.rows) + len(block.failures)
        if progress is not None:
            progress(done, n)

    workers = workers or cpus()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="augmap-decode")
    try:
        with pillow_limits(max_pixels):
            for start in range(0, n, BLOCK):
                rows = order[start : start + BLOCK]
                ahead = None if listing.positions is None else [_try_read(listing, i) for i in rows]
                pending.append(pool.submit(_decode_block, listing, rows, ahead, preprocessing, max_pixels))
                if len(pending) > 2 * workers:
                    collect()
            while pending:
                collect()
            pool.shutdown()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return filled


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _decode_block(
    listing: Listing,
    rows: list[int],
    ahead: list[Payload | UnreadableError] | None,
    preprocessing: Preprocessing,
    max_pixels: int,
) -> _Block:
    size, channels = preprocessing.image_size, preprocessing.channels
    pixels = np.empty((len(rows), size, size, channels), np.uint8)
    good: list[int] = []
    digests: list[bytes] = []
    failures: dict[int, str] = {}
    labels: dict[int, str] = {}
    for k, i in enumerate(rows):
        try:
            payload = _try_read(listing, i) if ahead is None else ahead[k]
            if isinstance(payload, UnreadableError):
                raise payload
            if isinstance(payload, Labelled):
                payload, labels[i] = payload.payload, payload.label
            pixels[len(good)] = decode(payload, preprocessing, max_pixels)
        except UnreadableError as error:
            failures[i] = str(error)
        except InputError as error:
            raise InputError(f"{listing.source}, image {listing.names[i]!r}: {error}") from None
        else:
            digests.append(digest(pixels[len(good)]))
            good.append(i)
    of_block = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)
    return _Block(good, pixels[: len(good)], of_block, failures, labels)


def _try_read(listing: Listing, i: int) -> Payload | UnreadableError:
    try:
        return listing.read(i)
    except UnreadableError as error:
        return error
