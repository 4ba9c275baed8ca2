"""How long a stage lasts and what its rate is: pure functions of the step."""

from __future__ import annotations

import math

from augmap.config import Config
from augmap.stage import Stage


def steps_per_epoch(n: int, batch: int, *, keep_short: bool = False) -> float:
    """Return the steps that see every image once; a fraction where permutations are carried across epochs."""
    return float(math.ceil(n / batch)) if keep_short else n / batch


def stage_batch(stage: Stage, config: Config, n: int, processes: int = 1) -> int:
    """Return the images a step of a stage: at most all ``n``, and equally many for each process."""
    batch = min(stage.batch_size or config.batch_size, n)
    return max(batch - batch % processes, processes)


def stage_steps(stage: Stage, per_epoch: float) -> int:
    """Return the number of steps of a stage, at least one."""
    if stage.steps is not None:
        return stage.steps
    assert stage.epochs is not None
    return max(1, round(stage.epochs * per_epoch))


def learning_rate(stage: Stage, step: int, steps: int, per_epoch: float, batch: int) -> float:
    r"""Return the rate of one step: linear warm-up, perhaps a steady part, then half a cosine.

    With :math:`E` units in all, :math:`w` of warm-up and :math:`v = \max(w, pE)`, where :math:`p` is
    ``stage.steady``, unit :math:`e` (a step, or an epoch where ``stage.rate == "epoch"``) has

    .. math:: r\,\frac{e+1}{w} \;(e < w), \qquad r \;(w \le e < v), \qquad
              \frac r2\Bigl(1 + \cos\frac{\pi (e - v)}{E - v + 1}\Bigr) \;(e \ge v)

    The cosine is the paper's, without a steady part; its warm-up began at 0 and so lost an epoch in ten,
    here the first step already learns. :math:`r` is ``stage.lr``, scaled by ``batch / stage.lr_batch``.
    Until the rate falls it does not depend on :math:`E`.

    References
    ----------
    Böhm, Berens & Kobak, ICLR 2023, https://arxiv.org/abs/2210.09879
    """
    peak = stage.lr if stage.lr_batch is None else stage.lr * batch / stage.lr_batch
    if stage.rate == "epoch":
        unit, units, warmup = (
            int(step / per_epoch + 1e-9),
            math.ceil(steps / per_epoch - 1e-9),
            stage.warmup_epochs,
        )
    else:
        unit, units, warmup = step, steps, stage.warmup_epochs * per_epoch
    if unit < warmup:
        return peak * min(1.0, (unit + 1) / warmup)
    falls = max(warmup, stage.steady * units)
    if unit < falls:
        return peak
    return peak / 2 * (1 + math.cos(math.pi * (unit - falls) / (units - falls + 1)))


def log_temperature(stage: Stage, step: int, steps: int) -> float:
    """Return log T at this step: it moves in a straight line from ``temperature`` to ``end_temperature``."""
    start = math.log(stage.temperature)
    end = start if stage.end_temperature is None else math.log(stage.end_temperature)
    return start + (end - start) * step / max(1, steps - 1)


def columns(stage: Stage, step: int, steps: int) -> int:
    """Return how many leading columns of the output count at this step.

    All of them, unless the stage anneals its dimension: then they fall from ``dim`` to ``end_dim`` along
    half a cosine and the last step has ``end_dim``.
    """
    if stage.end_dim is None:
        return stage.dim
    share = (1 + math.cos(math.pi * step / max(1, steps - 1))) / 2
    return stage.end_dim + round((stage.dim - stage.end_dim) * share)
