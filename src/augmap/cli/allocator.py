"""Keep large buffers between training steps: a setting of the C library's allocator.

glibc takes every large buffer from the system and gives it back when it is freed. A training step frees and
takes the same hundreds of megabytes again and again, and each time the system has to clear the pages and to
map them one by one: on two CPU cores this took a seventh of a step (``docs/performance.md``). Freed buffers
are therefore kept for the next step. They still go back when the process ends; the highest use of memory
hardly changes, because training needs it all in every step.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Mapping

# numbers of the options in glibc's malloc.h, which mallopt(3) describes
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
LARGEST = 2**31 - 1
"""What a C int holds."""
SETTINGS = ((TRIM_THRESHOLD, LARGEST), (TOP_PAD, 64 * 2**20), (MMAP_THRESHOLD, 2**30))
"""Bytes that may stay free at the end of the heap; by which it grows; from which a buffer is mapped alone."""
OLD_MMAP_THRESHOLD = 32 * 2**20
"""The most that older versions of glibc take for the last of them."""


def keep_buffers(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell glibc's allocator to keep what is freed; elsewhere, and where the user has set it, do nothing.

    Parameters
    ----------
    environment : mapping
        A variable ``MALLOC_...`` or ``GLIBC_TUNABLES`` in it is the user's own wish, which stays.

    Returns
    -------
    bool
        Whether the allocator took it.
    """
    own = "GLIBC_TUNABLES" in environment or any(name.startswith("MALLOC_") for name in environment)
    if own or sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    taken = [bool(mallopt(option, value)) for option, value in SETTINGS]
    if not taken[-1]:
        taken[-1] = bool(mallopt(MMAP_THRESHOLD, OLD_MMAP_THRESHOLD))
    return all(taken)
