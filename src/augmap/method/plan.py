"""A time budget is a planner that writes a configuration: shares of the time become steps."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lightning_fabric import Fabric

from augmap.errors import InputError
from augmap.method.schedule import stage_steps
from augmap.stage import Stage

Clock = Callable[[], float]

LATE = 1.02
"""A stage that takes this much longer than it was given ends early, so that the map is ready in time."""
PROBE_SECONDS, PROBE_SHARE = 10.0, 0.01
"""A measurement of the pace takes about this long, at most this share of the budget."""
MARGIN = 0.02
"""Share of the budget that is kept free for what nobody foresees."""
LEAST_STEPS, LEAST_SHARE = 150, 0.04
"""A stage behind the first gets so many steps also when the time is up, as far as this share pays for."""
REVIEW = 0.8
"""A stage whose rate is steady at first is planned again when so much of that part is over."""
TOLD = 0.05
"""Share of its steps by which a stage must become longer or shorter for the user to be told."""
HURRY = 0.25
"""After a wish for an early end, the stages that are left take this share of the time trained so far."""


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
    graph_seconds : list of float
        Seconds for making the graph of each stage, which it needs before it begins.
    say : callable
        Told when the time is too short for a map that shows much.
    plans : list of dict
        One record for each decision, in plain JSON types; saved with the map.
    """

    seconds: float
    started: float
    clock: Clock = time.monotonic
    reserve: float = 0.0
    graph_seconds: list[float] = field(default_factory=list)
    say: Callable[[str], None] = lambda line: None
    plans: list[dict] = field(default_factory=list)

    @property
    def probe_seconds(self) -> float:
        """Seconds that a measurement of the pace may take."""
        return min(PROBE_SECONDS, PROBE_SHARE * self.seconds)

    def left(self) -> float:
        """Seconds left for training."""
        return self.seconds * (1 - MARGIN) - self.reserve - (self.clock() - self.started)

    def laid_out(self, stage: Stage) -> bool:
        """Whether the length of a stage is what was planned last."""
        return bool(self.plans) and self.plans[-1]["stage"] == stage.name

    def lay_out(self, stages: Sequence[Stage], first: int, step_seconds: float, per_epoch: float) -> Stage:
        """Return stage ``first`` with a number of steps; the shares of those behind it keep their time.

        Parameters
        ----------
        stages : sequence of Stage
            All stages; from ``first`` on each has a share.
        step_seconds : float
            Measured seconds of one step of stage ``first``.
        per_epoch : float
            Steps that see every image once.

        Raises
        ------
        InputError
            Not a single step fits in.
        """
        stage = stages[first]
        assert stage.share is not None
        shares = sum(s.share or 0.0 for s in stages[first:])
        ahead = self._ahead(first)
        left = self.left() - ahead
        own = left * stage.share / shares
        steps = int(own / step_seconds)
        steps = max(steps, self._least(first, step_seconds))
        if stage.max_epochs is not None:
            steps = min(steps, round(stage.max_epochs * per_epoch))
        if steps < 1 and first == 0:
            raise InputError(
                f"a budget of {self.seconds:.0f} s is too short: {max(left, 0):.1f} s are left for training "
                f"and a step takes {step_seconds:.2g} s; give more time, smaller images or fewer of them"
            )
        steps = max(1, steps)
        self._warn(stage, first, own, steps, per_epoch)
        self._note(stage.name, left, step_seconds, steps, max(0.0, left - steps * step_seconds))
        warmup = min(stage.warmup_epochs, steps / per_epoch / 10)
        return dataclasses.replace(stage, share=None, steps=steps, warmup_epochs=warmup)

    def review(
        self, stages: Sequence[Stage], first: int, done: int, step_seconds: float, per_epoch: float
    ) -> Stage:
        """Return stage ``first``, laid out last and ``done`` steps long by now, with another number of steps.

        As many as fit in by the pace that it had; the stages behind it keep their time. What is done was
        done at the rates that the new length has too: it is not made so short that these had fallen.

        Parameters
        ----------
        step_seconds : float
            Seconds that one of the steps took.
        """
        stage, behind = stages[first], self.plans[-1]["behind_seconds"]
        assert stage.steps is not None
        left = self.left() - self._ahead(first)
        steps = max(done + int((left - behind) / step_seconds), self._least(first, step_seconds))
        if stage.max_epochs is not None:
            steps = min(steps, round(stage.max_epochs * per_epoch))
        steps = max(steps, math.ceil(done / stage.steady))
        if abs(steps - stage.steps) > TOLD * stage.steps:
            self.say(f"{stage.name}: {steps:,} steps in place of {stage.steps:,}, by its pace so far")
        self._note(stage.name, left + done * step_seconds, step_seconds, steps, behind)
        return dataclasses.replace(stage, steps=steps)

    def _warn(self, stage: Stage, first: int, own: float, steps: int, per_epoch: float) -> None:
        if steps < per_epoch and (stage.max_epochs is None or stage.max_epochs >= 1):
            which = "the first stage" if first == 0 else f"stage {stage.name!r}"
            self.say(
                f"warning: of {self.seconds:.0f} s {max(own, 0):.0f} are left for {which}, too few"
                " to see every image once: the map will show little; give more time or fewer images"
            )

    def _least(self, first: int, step_seconds: float) -> int:
        """Steps of a stage at least: a head without any would waste all that was learned before it."""
        return 0 if first == 0 else min(LEAST_STEPS, int(LEAST_SHARE * self.seconds / step_seconds))

    def _note(self, name: str, left: float, step_seconds: float, steps: int, behind: float) -> None:
        self.plans.append(
            {
                "stage": name,
                "at_seconds": round(self.clock() - self.started, 2),
                "left_seconds": round(left, 2),
                "behind_seconds": round(behind, 2),
                "reserve_seconds": round(self.reserve, 2),
                "step_seconds": round(step_seconds, 6),
                "steps": steps,
            }
        )

    def deadline(self, stages: Sequence[Stage], first: int, done: int = 0) -> float:
        """Clock reading by which stage ``first``, laid out last, ends even if it has steps left.

        The stages behind it have not been laid out yet, so they still carry their shares, and they keep the
        time that these were worth; what an interruption cost is this stage's.

        Parameters
        ----------
        done : int
            Steps of the stage that a resumed run has behind it.
        """
        grace = (LATE - 1) * self.seconds
        least = LEAST_SHARE * self.seconds if first > 0 else 0.0
        if not self.laid_out(stages[first]) or not any(s.share for s in stages[first + 1 :]):
            return self.clock() + max(least, self.left() + grace)
        plan = self.plans[-1]
        behind = plan["behind_seconds"]
        own = min(plan["steps"] * plan["step_seconds"], plan["left_seconds"])
        late = LATE * (plan["steps"] - done) * plan["step_seconds"] + grace
        room = self.left() - self._ahead(first) - behind + (LATE - 1) * own + grace
        return self.clock() + max(least, min(late, room))

    def _ahead(self, first: int) -> float:
        """Seconds that the stages behind ``first`` need before their first steps."""
        return sum(g + self.probe_seconds for g in self.graph_seconds[first + 1 :])


def review_step(stage: Stage) -> int | None:
    """Return after how many steps a stage is planned again; None where its steps depend on its length."""
    if stage.steps is None or stage.stop is not None or not stage.steady or stage.end_dim is not None:
        return None
    return None if stage.end_temperature is not None else round(REVIEW * stage.steady * stage.steps)


def shortened(stage: Stage, seconds: float, step_seconds: float, per_epoch: float) -> Stage:
    """Return a stage that takes about this long at most, its rate laid out for that.

    Parameters
    ----------
    stage : Stage
        With steps or epochs.
    step_seconds : float
        Measured seconds of one of its steps.
    per_epoch : float
        Steps that see every image once.
    """
    steps = min(stage.stop or stage_steps(stage, per_epoch), max(1, int(seconds / step_seconds)))
    warmup = min(stage.warmup_epochs, steps / per_epoch / 10)
    return dataclasses.replace(stage, epochs=None, steps=steps, stop=None, warmup_epochs=warmup)


def lay_out(
    planner: Planner,
    stages: Sequence[Stage],
    first: int,
    step_seconds: float,
    per_epoch: float,
    fabric: Fabric,
) -> Stage:
    """Let the first process lay out a stage and tell the others; if it cannot, all raise the same."""
    decided: tuple[Stage | InputError, list[dict]] | None = None
    if fabric.is_global_zero:
        try:
            decided = planner.lay_out(stages, first, step_seconds, per_epoch), planner.plans
        except InputError as error:
            decided = error, planner.plans
    stage, planner.plans[:] = fabric.broadcast(decided)
    if isinstance(stage, InputError):
        raise stage
    return stage


def review(
    planner: Planner,
    stages: Sequence[Stage],
    first: int,
    done: int,
    step_seconds: float,
    per_epoch: float,
    fabric: Fabric,
) -> Stage:
    """Let the first process plan a stage again and tell the others."""
    decided: tuple[Stage, list[dict]] | None = None
    if fabric.is_global_zero:
        decided = planner.review(stages, first, done, step_seconds, per_epoch), planner.plans
    stage, planner.plans[:] = fabric.broadcast(decided)
    return stage
