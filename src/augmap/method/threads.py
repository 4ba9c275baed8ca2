"""How many CPU threads a step runs on: as many as are fastest beside whatever else the machine does.

The threads of a step wait for each other hundreds of times. Where another program holds one of the cores, one
of them is late by a slice of the system's time at each of these, and all cores together are many times slower
than a single one (``benchmarks/threads.py``). Nobody keeps a laptop free for a training, so the number is
measured before each stage and watched from then on.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

LOOK = 3
"""Steps that a pace is the median of."""
SLOWER = 1.2
"""How many times slower than fewer threads a number of threads may become before it is given up."""
HOPELESS = 3.0
"""A single step that takes this many times as long as with fewer threads is enough."""
PATIENCE = 1.0
"""Seconds that a step may take in any case: the first one also prepares its kernels."""
TRIAL_SECONDS = 2.0
"""What choosing may take where nothing else depends on the pace."""
WAITS = (60.0, 600.0)
"""Seconds until more threads are tried again: at first, and at most; they double with each trial in vain."""


def ladder(most: int) -> list[int]:
    """Return the numbers of threads to choose from: one, half of the most, and the most."""
    return sorted({1, max(1, most // 2), most})


class Threads:
    """PyTorch's number of threads during a run.

    Parameters
    ----------
    counts : sequence of int
        Numbers to choose from, ascending; with a single one nothing is ever changed.
    changes : sequence of dict
        Those of an interrupted run, whose last number is kept unless another one is clearly faster.
    say : callable, optional
        Told when another program makes fewer threads the better choice, once.
    clock : callable
        Seconds, never going back.

    Attributes
    ----------
    changes : list of dict
        Each number of threads with the stage and step that it began at; saved with the map, because the last
        bits of a result depend on it.
    """

    def __init__(
        self,
        counts: Sequence[int],
        *,
        changes: Sequence[Mapping[str, Any]] = (),
        say: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = list(counts)
        self.changes = [dict(change) for change in changes]
        self._say, self._clock = say, clock
        self._rung = len(self.counts) - 1
        self._resumed = self.free and bool(changes) and changes[-1]["threads"] in self.counts
        if self._resumed:
            self._rung = self.counts.index(changes[-1]["threads"])
            torch.set_num_threads(self.counts[self._rung])
        self._seconds = [math.inf] * len(self.counts)
        self._recent: deque[float] = deque(maxlen=LOOK)
        self._trial, self._again, self._wait = False, math.inf, WAITS[0]

    @property
    def free(self) -> bool:
        """Whether there is anything to choose."""
        return len(self.counts) > 1

    def settle(self, measure: Callable[..., float], seconds: float, stage: str, step: int) -> float:
        """Choose the number for a stage that goes on at ``step``; return the seconds of a step with it.

        Parameters
        ----------
        measure : callable
            Returns the seconds of a step. It gets ``seconds``, for which it may measure, and ``limit``: a
            step that takes longer than that ends the measurement.
        seconds : float
            For all measurements together.
        """
        seconds /= len(self.counts)
        if not self.free:
            return measure(seconds=seconds, limit=math.inf)
        for rung, count in enumerate(self.counts):
            torch.set_num_threads(count)
            best = min(self._seconds[:rung], default=math.inf)
            self._seconds[rung] = measure(seconds=seconds, limit=max(PATIENCE, HOPELESS * best))
        rung = int(np.argmin(self._seconds))
        if self._resumed and self._seconds[self._rung] < SLOWER * self._seconds[rung]:
            rung = self._rung
        self._resumed, self._trial, self._wait = False, False, WAITS[0]
        self._go(rung, stage, step)
        return self._seconds[rung]

    def after(self, seconds: float, stage: str, step: int) -> None:
        """Take note of what a step took; go to fewer threads where more are slow, and try more now and then.

        Parameters
        ----------
        seconds : float
            Of the step that is done.
        stage, step : str, int
            Where the run goes on, for the record.
        """
        if not self.free:
            return
        self._recent.append(seconds)
        fewer = self._seconds[self._rung - 1] if self._rung else math.inf
        if seconds > max(PATIENCE, HOPELESS * fewer):
            self._go(self._rung - 1, stage, step)
        elif len(self._recent) == LOOK:
            pace = self._seconds[self._rung] = float(np.median(self._recent))
            if pace > fewer * (1.0 if self._trial else SLOWER):
                self._go(self._rung - 1, stage, step)
            elif self._trial:
                self._trial, self._wait = False, WAITS[0]
                self._again = self._clock() + self._wait
            elif self._clock() >= self._again and self._rung + 1 < len(self.counts):
                self._go(self._rung + 1, stage, step)
                self._trial = True

    def _go(self, rung: int, stage: str, step: int) -> None:
        """Take another number of threads; after a trial in vain the next one has to wait twice as long."""
        if self._trial:
            self._trial, self._wait = False, min(2 * self._wait, WAITS[1])
        self._again = self._clock() + self._wait
        self._rung = rung
        self._recent.clear()
        count = self.counts[rung]
        torch.set_num_threads(count)
        if not self.changes or self.changes[-1]["threads"] != count:
            self.changes.append({"stage": stage, "step": step, "threads": count})
        if rung + 1 < len(self.counts) and self._say:
            self._say(
                f"training on {count} of {self.counts[-1]} threads: more are slower beside what else runs"
            )
            self._say = None
