"""Looking after a run: losses, listeners, checkpoints, the wish to stop, the end of the time."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from augmap.errors import TrainingError
from augmap.method.control import Control
from augmap.method.threads import Threads
from augmap.stage import Stage

LOOK_EVERY = 10
"""Steps between looks at the loss, so that a GPU is not kept waiting for the host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How training stands; handed to every listener after each step."""

    stage: str
    stage_number: int
    """From 0."""
    stages: int
    step: int
    """Steps of this stage which are done."""
    steps: int
    epoch: float
    loss: float
    """Mean over the last looked-at steps, nats; NaN before the first look."""
    learning_rate: float
    views_per_second: float
    """Over the time since the last look, on all processes."""
    seconds: float
    """Since training began, resumed parts included."""
    seconds_left: float
    """Of this stage, at this pace."""


Listener = Callable[[Report], None]
Keep = Callable[[int, Sequence[float], bool], None]


class Stopped(Exception):  # noqa: N818 - it is not an error
    """Training ended on a wish to stop, behind a checkpoint."""


class Stop:
    """A wish to stop, from Ctrl-C, SIGTERM or the program.

    Parameters
    ----------
    shared : event, optional
        Of another process; its wish counts here as well.
    """

    def __init__(self, shared: Any = None) -> None:
        self._asked, self._shared = False, shared

    def __call__(self) -> None:
        """Ask for a checkpoint and an end after the step in progress."""
        # not shared.set(): a signal may come while this very process holds the event's lock
        self._asked = True

    @property
    def wanted(self) -> bool:
        """Whether somebody has asked."""
        return self._asked or (self._shared is not None and self._shared.is_set())

    @contextmanager
    def on_signals(self) -> Iterator[Stop]:
        """Turn SIGINT and SIGTERM into the wish; a second one ends the process as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

        def ask(number: int, _frame: Any) -> None:
            self()
            signal.signal(number, before[number])

        for number in before:
            signal.signal(number, ask)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(eq=False)
class Watch:
    """What happens beside the steps.

    Parameters
    ----------
    fabric : Fabric
        For agreeing with the other processes.
    listeners : sequence of callables
        Called with a :class:`Report` after every step, on the first process.
    keep_every : float, optional
        Seconds between checkpoints; there is one at the end of each stage too, also where that comes early,
        before a graph is made or the map. None: none at all.
    """

    fabric: Fabric
    listeners: Sequence[Listener]
    keep_every: float | None
    stop: Stop
    log: list[dict[str, Any]]
    before: float = 0.0
    """Seconds of training before this process began."""
    control: Control | None = None
    """Wishes to hold, or to end a stage early; of a run in one process."""
    check: Callable[[], None] = lambda: None
    """Raises on a wish to stop; for what takes long between the steps."""
    threads: Threads = field(default_factory=lambda: Threads([torch.get_num_threads()]))
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _kept: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._kept = self.clock()

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return self.before + self.clock() - self._began

    @property
    def keep_due(self) -> bool:
        """Whether it is time for a checkpoint: now and then, and before a run is held."""
        if self.control is not None and self.control.paused:
            return True
        return self.keep_every is not None and self.clock() - self._kept >= self.keep_every

    def kept(self) -> None:
        """Take note that a checkpoint was written."""
        self._kept = self.clock()


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One stage as it is run: its place among the stages and its length."""

    stage: Stage
    number: int
    stages: int
    steps: int
    per_epoch: float
    batch: int
    start: int = 0
    """Steps done before this process began."""
    losses: Sequence[float] = ()
    """Losses of the epoch that was under way then."""
    deadline: float | None = None
    """Clock reading at which the stage ends early."""


class StageWatch:
    """The watch over one stage: call :meth:`after` with each step's loss.

    Parameters
    ----------
    keep : callable
        Writes a checkpoint; called with the steps done, the losses of the epoch under way, and whether the
        stage has ended.
    """

    def __init__(self, watch: Watch, span: Span, keep: Keep = lambda done, losses, ended: None) -> None:
        self.watch, self.span, self._keep = watch, span, keep
        self.done = self._looked = span.start
        self._time = self._stepped = watch.clock()
        self._step = self._spent = 0.0
        self._new: list[Tensor] = []
        self._epoch = list(span.losses)
        self._epoch_began = (span.start, self._time)
        self._loss, self._pace = math.nan, math.nan

    def after(self, step: int, loss: Tensor, rate: float) -> bool:
        """Take note of a finished step; return whether the stage ends here.

        Raises
        ------
        TrainingError
            The loss is not finite. The last checkpoint is kept.
        Stopped
            Somebody asked for an end; a checkpoint was written.
        """
        watch, span = self.watch, self.span
        self.done = step + 1
        self._new.append(loss.detach())
        last = self.done >= span.steps
        epoch_ended = last or math.floor(self.done / span.per_epoch) > math.floor(step / span.per_epoch)
        now = watch.clock()
        self._step, self._stepped = now - self._stepped, now
        self._spent += self._step if step > span.start else 0.0
        watch.threads.after(self._step, span.stage.name, self.done)
        late = span.deadline is not None and now + self._until_asked() > span.deadline
        control = watch.control
        late = late or (control is not None and control.finishing)
        held = control is not None and control.paused
        # nobody else to agree with
        hurried = watch.fabric.world_size == 1 and (watch.stop.wanted or late or held)
        if not (epoch_ended or hurried or self.done - self._looked >= LOOK_EVERY):
            self._tell(rate)
            self._stepped = watch.clock()  # what listeners take is not the step's
            return False
        self._look()
        self._spent += watch.clock() - now if step > span.start else 0.0  # a GPU is waited for here
        stop, late, keep = self._agreed(watch.stop.wanted, late, watch.keep_due)
        if epoch_ended or late:
            self._log_epoch(rate)
        self._tell(rate)
        ended = last or late
        if stop or keep or (ended and watch.keep_every is not None):
            self._keep(self.done, self._epoch, ended)
            watch.kept()
        if stop:
            raise Stopped
        if control is not None and held:
            self._hold(control)
        self._stepped = watch.clock()  # what a checkpoint takes, or a pause, is not the step's
        return ended

    @property
    def pace(self) -> float | None:
        """Mean seconds of a step, checkpoints and pauses left out; None while there are too few."""
        steps = self.done - self.span.start - 1  # the first one prepares
        return self._spent / steps if steps >= LOOK_EVERY else None

    def _hold(self, control: Control) -> None:
        """Wait until the run may go on; the checkpoint is written already."""
        control.hold(lambda: self.watch.stop.wanted)
        if self.watch.stop.wanted:
            self._keep(self.done, self._epoch, False)
            raise Stopped

    def _until_asked(self) -> float:
        """Seconds until the stage could end next: after one step, with other processes at the next look."""
        steps = 1 if self.watch.fabric.world_size == 1 else LOOK_EVERY
        return steps * max(self._step, 0.0 if math.isnan(self._pace) else self._pace)

    def _look(self) -> None:
        losses = torch.stack(self._new)
        if self.watch.fabric.world_size > 1:
            losses = self.watch.fabric.all_reduce(losses, reduce_op="mean")
        values = losses.tolist()
        now = self.watch.clock()
        self._pace = (now - self._time) / len(values)
        self._time, self._looked, self._new = now, self.done, []
        if not all(map(math.isfinite, values)):
            raise TrainingError(
                f"stage {self.span.stage.name}: the loss is no longer finite near step {self.done} of "
                f"{self.span.steps} (learning rate {self.span.stage.lr:g}); the last checkpoint is kept: "
                "use a lower rate or float32"
            )
        self._epoch += values
        self._loss = sum(values) / len(values)

    def _agreed(self, *wishes: bool) -> tuple[bool, ...]:
        """What any process wishes, all do."""
        fabric = self.watch.fabric
        if fabric.world_size == 1:
            return wishes
        flags = torch.tensor(wishes, dtype=torch.float32, device=fabric.device)
        return tuple(bool(f) for f in fabric.all_reduce(flags, reduce_op="sum") > 0)

    def _tell(self, rate: float) -> None:
        if not (self.watch.listeners and self.watch.fabric.is_global_zero):
            return
        span = self.span
        report = Report(
            stage=span.stage.name,
            stage_number=span.number,
            stages=span.stages,
            step=self.done,
            steps=span.steps,
            epoch=self.done / span.per_epoch,
            loss=self._loss,
            learning_rate=rate,
            views_per_second=span.stage.views * span.batch / self._pace if self._pace else math.nan,
            seconds=self.watch.seconds,
            seconds_left=(span.steps - self.done) * self._pace,
        )
        for listener in self.watch.listeners:
            listener(report)

    def _log_epoch(self, rate: float) -> None:
        began, since = self._epoch_began
        now = self.watch.clock()
        views = self.span.stage.views * self.span.batch * (self.done - began)
        self.watch.log.append(
            {
                "stage": self.span.stage.name,
                "epoch": round(self.done / self.span.per_epoch, 4),
                "step": self.done,
                "loss": round(sum(self._epoch) / len(self._epoch), 6),
                "learning_rate": rate,
                "views_per_second": round(views / max(now - since, 1e-9), 1),
                "seconds": round(self.watch.seconds, 2),
            }
        )
        self._epoch, self._epoch_began = [], (self.done, now)
