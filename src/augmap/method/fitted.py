"""A configuration fitted to its images: columns for their classes, and no batch larger than they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from augmap.config import Config
from augmap.errors import InputError
from augmap.method.schedule import stage_batch, stage_steps, steps_per_epoch
from augmap.stage import Stage

LAID_OUT = 200_000
"""Images that are laid out at most: the search of their neighbours takes time that grows with the square of
their number. The head places the others as it places new ones."""
ANCHORS = 500
"""Images that are all anchors; of more at most a quarter is: more take time and bring nothing
(``experiments/heads.py``)."""


def fit_classes(config: Config, classes: np.ndarray | None) -> Config:
    """Give stages that learn labels a column for each class; one that has another number is refused."""
    stages = []
    for stage in config.stages:
        if stage.loss == "cross_entropy":
            if classes is None:
                raise InputError(f"stage {stage.name!r} learns labels, and the images have none")
            count = int(classes.max()) + 1
            if stage.dim not in (1, count):
                raise InputError(
                    f"stage {stage.name!r} has dim={stage.dim} for {count} classes; give it dim={count}"
                )
            stage = dataclasses.replace(stage, dim=count)
        stages.append(stage)
    return config.replace(stages=tuple(stages))


def fit_batches(config: Config, n: int, processes: int, say: Callable[[str], None]) -> Config:
    """Fix every batch at what is used: at most all images, and equally many for each process."""
    if n < processes:
        raise InputError(f"{n} images cannot be shared by {processes} processes; use fewer")
    stages = []
    for stage in config.stages:
        asked, batch = stage.batch_size or config.batch_size, stage_batch(stage, config, n, processes)
        if asked > n:
            say(f"stage {stage.name}: fewer images than a batch of {asked:,}: the batch is {batch:,}")
        short = trained_on(stage, n, None) % batch
        alone = 2 if stage.decoupled or stage.edges == "layout" else 1  # a sum, and BatchNorm, need others
        if config.keep_short_batch and 0 < short < processes * alone:
            raise InputError(
                f"stage {stage.name!r}: {n} images leave a last batch of {short}, too few "
                f"{'to compare' if short >= processes else f'for {processes} processes'}; "
                "choose another batch size, or keep_short_batch = false"
            )
        if stage.batch_size is not None:
            stage = dataclasses.replace(stage, batch_size=batch)
        if stage.anchors is not None:
            images = laid_out(n)
            most = max(min(images, ANCHORS), images // 4)
            stage = dataclasses.replace(stage, anchors=min(stage.anchors, most))
        stages.append(stage)
    batch = min(config.batch_size, n)
    return config.replace(batch_size=max(batch - batch % processes, processes), stages=tuple(stages))


def trained_on(stage: Stage, n: int, classes: np.ndarray | None) -> int:
    """Return the number of images that a stage trains on: all, but for one that learns labels or a layout."""
    if stage.loss == "cross_entropy" and classes is not None:
        return int((classes >= 0).sum())
    return laid_out(n) if stage.edges == "layout" else n


def laid_out(n: int) -> int:
    """Return the number of images whose layout the head learns."""
    return min(n, LAID_OUT)


def total_steps(config: Config, classes: np.ndarray | None, n: int, processes: int) -> int:
    """Return the steps of all stages, as they were run."""
    total = 0
    for stage in config.stages:
        images = trained_on(stage, n, classes)
        batch = stage_batch(stage, config, images, processes)
        per_epoch = steps_per_epoch(images, batch, keep_short=config.keep_short_batch)
        total += stage.stop or stage_steps(stage, per_epoch)
    return total
