"""What somebody who watches a run may ask of it: to hold, to go on, to end early and keep the map."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Control:
    """Wishes of another thread, and a clock that stands still while the run is held.

    Parameters
    ----------
    clock : callable
        Seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._paused = self._finishing = False
        self._held = 0.0
        self._since: float | None = None

    def pause(self) -> None:
        """Ask for a checkpoint and a halt after the step in progress."""
        self._set(paused=True)

    def resume(self) -> None:
        """Ask to go on."""
        self._set(paused=False)

    def finish(self) -> None:
        """Ask that this stage ends and those behind it are cut short, so that there is a map soon."""
        self._set(finishing=True)

    @property
    def paused(self) -> bool:
        """Whether the run is to hold."""
        return self._paused

    @property
    def finishing(self) -> bool:
        """Whether an early end has been asked for and not yet :meth:`taken`."""
        return self._finishing

    def taken(self) -> bool:
        """Return whether an early end was asked for, and forget it: the stage in progress has ended."""
        asked = self._finishing
        self._set(finishing=False)
        return asked

    def hold(self, stopped: Callable[[], bool]) -> None:
        """Wait until the run may go on, or ``stopped`` says that it is to stop altogether."""
        with self._changed:
            if not self._paused:
                return
            self._since = self._clock()
            try:
                # in short waits: Ctrl-C only sets a flag, which nobody signals here
                while self._paused and not stopped():
                    self._changed.wait(0.05)
            finally:
                self._held += self._clock() - self._since
                self._since = None

    def clock(self) -> float:
        """Seconds, without those that the run was held: a budget does not run out over lunch."""
        since = self._since
        return (self._clock() if since is None else since) - self._held

    def _set(self, *, paused: bool | None = None, finishing: bool | None = None) -> None:
        with self._changed:
            self._paused = self._paused if paused is None else paused
            self._finishing = self._finishing if finishing is None else finishing
            self._changed.notify_all()
