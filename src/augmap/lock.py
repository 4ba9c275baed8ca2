"""One writer of a folder at a time, of this process and of others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from augmap.errors import InputError, cannot

LOCK = ".lock"
"""Empty file in the folder; it stays there, since who waits for it holds it open."""
PATIENCE = 60.0
"""Seconds that a writer waits for another one."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the right to write into a folder: no other writer is between its reading and its writing.

    Raises
    ------
    InputError
        Another writer does not end, or the folder may not be written.
    """
    lock = FileLock(folder / LOCK, timeout=PATIENCE, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: another augmap has been writing here for {PATIENCE:.0f} s; try again when it is done"
        ) from None
    except OSError as error:
        raise cannot(
            error,
            f"{folder}: cannot be written ({error.strerror}); make room or choose another place with -o",
        ) from error
    try:
        yield
    finally:
        lock.release()
