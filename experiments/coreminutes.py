"""Run ``augmap`` with the processor's clock in place of the one on the wall.

    python experiments/coreminutes.py fit IMAGES -o MAP --budget 10m

Ten minutes are then ten minutes of two cores: twenty minutes of processor time, spent by one thread. A
budget planned and kept by that clock does not depend on what else the machine is doing, so that methods
can be compared although other work runs beside them. Nothing else of the command is changed.
"""

from __future__ import annotations

# whoever waits for threads keeps the clock on the wall, which these take when they are imported
import concurrent.futures  # noqa: F401
import multiprocessing  # noqa: F401
import os
import queue  # noqa: F401
import sys
import threading  # noqa: F401
import time

CORES = 2
"""Cores of the machine that a budget speaks of."""

# read by the libraries when they are imported, below
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def seconds() -> float:
    """Seconds that all threads of this process have computed, shared by the cores."""
    return time.process_time() / CORES


time.monotonic = time.perf_counter = seconds

if __name__ == "__main__":
    from augmap.cli.main import main

    sys.exit(main())
