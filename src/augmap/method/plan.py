"""A time budget is a planner that writes a configuration: shares of the time become steps."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from augmap.config import Stage
from augmap.errors import InputError

Clock = Callable[[], float]

LATE = 1.02
"""A stage that takes this much longer than it was given ends early, so that the map is ready in time."""


@dataclass(eq=False)
class Planner:
    """Divides the time that is left among the stages, before each of them.

    Parameters
    ----------
    seconds : float
        When the saved map is wanted, counted from ``started``.
    started : float
        Reading of the clock when the work began, decoding included.
    clock : callable
        Seconds, never going back.
    reserve : float
        Seconds for what follows training: projection, thumbnails, saving.
    plans : list of dict
        One record for each decision, in plain JSON types; saved with the map.
    """

    seconds: float
    started: float
    clock: Clock = time.monotonic
    reserve: float = 0.0
    plans: list[dict] = field(default_factory=list)

    def left(self) -> float:
        """Seconds left for training."""
        return self.seconds - self.reserve - (self.clock() - self.started)

    def lay_out(self, stages: tuple[Stage, ...], first: int, step_seconds: float, per_epoch: float) -> Stage:
        """Return stage ``first`` with a number of steps; the shares of those behind it keep their time.

        Parameters
        ----------
        stages : tuple of Stage
            All stages; from ``first`` on each has a share.
        step_seconds : float
            Measured seconds of one step of stage ``first``.
        per_epoch : float
            Steps that see every image once.
        """
        stage = stages[first]
        assert stage.share is not None
        shares = sum(s.share or 0.0 for s in stages[first:])
        left = self.left()
        given = left * stage.share / shares
        steps = int(given / step_seconds)
        if stage.max_epochs is not None:
            steps = min(steps, round(stage.max_epochs * per_epoch))
        if steps < 1 and first == 0:
            raise InputError(
                f"a budget of {self.seconds:.0f} s is too short: {max(left, 0):.0f} s are left for training and "
                f"one step takes {step_seconds:.1f} s; give more time, smaller images or fewer of them"
            )
        steps = max(1, steps)
        self.plans.append(
            {
                "stage": stage.name,
                "at_seconds": round(self.clock() - self.started, 2),
                "left_seconds": round(left, 2),
                "reserve_seconds": round(self.reserve, 2),
                "step_seconds": round(step_seconds, 5),
                "steps": steps,
            }
        )
        warmup = min(stage.warmup_epochs, steps / per_epoch / 10)
        return dataclasses.replace(stage, share=None, steps=steps, warmup_epochs=warmup)

    def deadline(self, stages: tuple[Stage, ...], first: int) -> float:
        """Clock reading at which stage ``first`` ends even if it has steps left.

        The stages behind it have not been laid out yet, so they still carry their shares.
        """
        behind = sum(s.share or 0.0 for s in stages[first + 1 :])
        end = self.started + self.seconds - self.reserve
        if not behind:
            return end + (LATE - 1) * self.seconds
        steps, seconds = self.plans[-1]["steps"], self.plans[-1]["step_seconds"]
        return self.clock() + LATE * steps * seconds + (LATE - 1) * self.seconds

    @property
    def ready_in(self) -> float:
        """Seconds until the map is wanted."""
        return self.seconds - (self.clock() - self.started)
