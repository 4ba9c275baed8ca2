"""What a person sees while they wait, on stderr: bars on a terminal, else a line now and then."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from io import TextIOBase
from types import TracebackType
from typing import TYPE_CHECKING

from augmap.cli.words import duration

if TYPE_CHECKING:
    from augmap.method.watch import Report

SHARE = 0.1
"""Without a terminal: a line each time this share of the work is done ..."""
SECONDS = 30.0
"""... or when this much time has passed since the last one."""
UNITS = {
    **dict.fromkeys(("layout", "t-SNE", "UMAP"), "step"),
    **dict.fromkeys(("duplicates: comparing", "duplicates: comparing, mirrored"), "pair"),
    "clusters": "scale",
}
"""What is counted under some titles; it is images under all others."""


class Progress:
    """One piece of work after another, each with its own bar (or its own lines).

    Use as a context manager, so that the bar is closed whatever happens::

        with Progress() as progress:
            open_images(source, progress=progress.counter("reading images"))

    Parameters
    ----------
    stream : text file, optional
        Where to write; None is the process's stderr, as it is then.
    clock : callable
        Seconds; for tests.
    """

    def __init__(self, stream: TextIOBase | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._work: _Bar | _Lines | None = None
        self._title: tuple[str, str] | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def counter(self, title: str, unit: str = "image") -> Callable[[int, int], None]:
        """Return a function of ``(done, total)`` for whoever works through ``total`` things."""
        return lambda done, total: self.update(title, done, total, unit=unit)

    def work(self, title: str) -> Callable[[int, int], None]:
        """Return a counter of what this work goes through: images, or what :data:`UNITS` says."""
        return self.counter(title, UNITS.get(title, "image"))

    def update(self, title: str, done: int, total: int, *, unit: str = "step", note: str = "") -> None:
        """Show that ``done`` of ``total`` units are done; a new ``title`` starts a new bar."""
        if self._title != (title, unit) or self._work is None:
            self.close()
            self._title = (title, unit)
            kind = _Bar if self._terminal else _Lines
            self._work = kind(title, unit, self._stream, self._clock)
        self._work.show(done, total, note)

    def listen(self, report: Report) -> None:
        """Listen to training: a listener of :func:`augmap.fit`, called after every step."""
        title = report.stage
        if report.stages > 1:
            title = f"{title} ({report.stage_number + 1} of {report.stages})"
        parts = [] if math.isnan(report.loss) else [f"loss {report.loss:.3f}"]
        if not math.isnan(report.views_per_second):
            left = "left" if report.stage_number + 1 == report.stages else "left in this stage"
            parts += [f"{report.views_per_second:,.0f} views/s", f"{duration(report.seconds_left)} {left}"]
        self.update(title, report.step, report.steps, unit="step", note=", ".join(parts))

    def say(self, line: str) -> None:
        """Write a line without tearing the bar."""
        if isinstance(self._work, _Bar):
            self._work.say(line)
        else:
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """End the bar in progress; it stays on the screen as it is."""
        if self._work is not None:
            self._work.close()
            self._work = self._title = None


class _Bar:
    """A bar of tqdm's."""

    def __init__(self, title: str, unit: str, stream: TextIOBase, clock: Callable[[], float]) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            desc=title,
            unit=f" {unit}s",
            file=stream,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f} % |{bar}| {n:,}/{total:,}{unit} {postfix}",
            total=1,
        )

    def show(self, done: int, total: int, note: str) -> None:
        self._bar.total = max(total, 1)
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.refresh()

    def say(self, line: str) -> None:
        self._bar.write(line, file=self._bar.fp)

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """Lines for a log file: the first, one every :data:`SHARE` or :data:`SECONDS`, and the last."""

    def __init__(self, title: str, unit: str, stream: TextIOBase, clock: Callable[[], float]) -> None:
        self._title, self._unit, self._stream, self._clock = title, unit, stream, clock
        self._share = 0.0
        self._time = clock()
        self._done = 0

    def show(self, done: int, total: int, note: str) -> None:
        share = done / max(total, 1)
        if done <= self._done or (
            share < 1 and share - self._share < SHARE and self._clock() - self._time < SECONDS
        ):
            return
        self._share, self._time, self._done = share, self._clock(), done
        line = f"{self._title}: {share:4.0%}, {done:,} of {total:,} {self._unit}s"
        print(", ".join([line, note] if note else [line]), file=self._stream, flush=True)

    def close(self) -> None:
        pass
