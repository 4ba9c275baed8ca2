"""A run from pixels to positions, in one of its processes: build or resume, plan, train, project."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augmap.config import Config, Runtime
from augmap.errors import InputError, Interrupted, TrainingError
from augmap.imagemap import Weights
from augmap.method import checkpoint
from augmap.method.audience import Audience, Look
from augmap.method.augment import Augmentation, UserTransform
from augmap.method.checkpoint import Checkpoint, compare, machine
from augmap.method.encoder import Encoder
from augmap.method.fitted import fit_batches, fit_classes, total_steps
from augmap.method.graphs import Graphs
from augmap.method.prepare import find_precision, make_planner, make_threads
from augmap.method.project import project, settle_statistics
from augmap.method.source import Source
from augmap.method.train import Run, train
from augmap.method.watch import Listener, Stop, Stopped, Watch
from augmap.method.weights import build_encoder, from_weights, to_weights


def silent(line: str) -> None:
    """Say nothing."""


@dataclass(kw_only=True, eq=False)
class Task:
    """Everything a run needs."""

    pixels: np.ndarray
    """uint8 (n, h, w, c), a memory map perhaps."""
    config: Config
    """As it was asked for: precision, steps and batch may still be open."""
    runtime: Runtime = field(default_factory=Runtime)
    augmentation: Augmentation | UserTransform
    backbone: nn.Module | None = None
    """The user's own module where ``config.backbone`` is "custom"."""
    classes: np.ndarray | None = None
    """int64 (n,), from 0, -1 for an image that must not train: for stages of ``cross_entropy``, else None."""
    init: Weights | None = None
    """Start from these weights."""
    folder: Path | None = None
    """Where checkpoints go."""
    resume: bool = False
    identity: Mapping[str, Any] = field(default_factory=dict)
    """What must be equal beside the configuration for a checkpoint to be gone on with."""
    listeners: Sequence[Listener] = ()
    audience: Audience | None = None
    """Somebody who looks on, at the images in rows ``probe``; in one process alone."""
    probe: np.ndarray | None = None
    say: Callable[[str], None] = silent
    progress: Callable[[str], Callable[[int, int], None]] | None = None
    started: float = field(default_factory=time.monotonic)
    clock: Callable[[], float] = time.monotonic


@dataclass(kw_only=True, eq=False)
class Outcome:
    """What a run leaves behind, in numpy and plain types."""

    config: Config
    """Resolved: with the stages as they were run."""
    weights: Weights
    positions: np.ndarray
    features: np.ndarray
    log: list[dict[str, Any]]
    history: dict[str, Any]
    before: float = 0.0
    """Seconds that went into it before this process began, where it was interrupted."""


def run_task(fabric: Fabric, task: Task, stop: Stop) -> Outcome:
    """Run a task in this process, which is one of ``fabric.world_size``.

    Raises
    ------
    Interrupted
        ``stop`` was asked for; the message says how to go on.
    TrainingError
        The loss, or a weight, is no longer finite.
    InputError
        The checkpoint is of another run, the time too short, or the batch does not fit.
    """
    say = task.say if fabric.is_global_zero else silent
    run: Run | None = None
    saved = False
    planned = any(stage.share for stage in task.config.stages)
    budget = task.config.budget if planned else None  # of stages that are laid out already it is a memory

    def check() -> None:
        """End on a wish to stop between steps as well, where no other process has to agree."""
        if stop.wanted and fabric.world_size == 1:
            raise Interrupted(_where(run, task.folder, saved=saved))
        before, spent = found is None and (run is None or run.number == 0), task.clock() - task.started
        if budget is not None and before and fabric.world_size == 1 and spent > budget:
            raise InputError(
                f"a budget of {budget:.0f} s is over before training could begin: {spent:.0f} s went into "
                "opening the images and measuring steps; give more time, smaller images or a smaller network"
            )

    def bar(title: str) -> Callable[[int, int], None]:
        count = task.progress(title) if task.progress and fabric.is_global_zero else None

        def counted(done: int, total: int) -> None:
            if count:
                count(done, total)
            check()

        return counted

    pixels, n = task.pixels, len(task.pixels)
    found = None
    if task.resume and task.folder:
        found = fabric.broadcast(checkpoint.load(task.folder) if fabric.is_global_zero else None)
    threads = make_threads(task.config, task.runtime.threads, found, fabric, say)
    if found is not None:
        saved = True
        assert task.folder is not None
        here = machine(fabric.world_size, fabric.device)
        compare(found, task.config, task.identity, here, where=task.folder, say=say)
        config, encoder = Config.from_dict(found.info["config"]), _encoder_of(found, task.backbone)
        say(f"resuming at step {found.step:,} of stage {found.stage + 1} ({config.stages[found.stage].name})")
    else:
        config = fit_classes(task.config, task.classes)
        encoder = _new_encoder(task, config)
        config = fit_batches(config, n, fabric.world_size, say)
        if task.resume:
            say("no checkpoint was reached yet: starting over")
    encoder.move(fabric.device)
    images = Source(pixels, fabric.device)
    graphs = Graphs(pixels, images, task.augmentation, config, fabric, say, bar, task.classes)
    if config.precision == "auto":
        config = config.replace(precision=find_precision(encoder, config, graphs, fabric, threads, check))
        graphs = graphs.at(config.precision)
    check()
    planner = None
    if planned:
        planner = make_planner(
            config, pixels, encoder, found, started=task.started, clock=task.clock, fabric=fabric, say=say
        )
    check()
    log: list[dict[str, Any]] = list(found.info["log"]) if found else []
    resumed_steps = [*found.info["resumed_steps"], found.step] if found else []
    watch = Watch(
        fabric=fabric,
        listeners=[*task.listeners, *_looking_on(task, encoder)],
        keep_every=(task.runtime.checkpoint_every or math.inf) if task.folder else None,
        stop=stop,
        log=log,
        before=found.info["train_seconds"] if found else 0.0,
        control=task.audience.control if task.audience else None,
        check=check,
        threads=threads,
        clock=task.clock,
    )

    def keep(run: Run, tensors: dict[str, Tensor]) -> None:
        nonlocal saved
        _check_finite(tensors, run)
        if task.folder is None or not fabric.is_global_zero:
            return
        info = {
            "stage": run.number,
            "step": run.step,
            "losses": list(run.losses),
            "hurry": run.hurry,
            "asked": task.config.to_dict(),
            "config": config.replace(stages=tuple(run.stages)).to_dict(),
            "encoder": run.encoder.spec(),
            "log": log,
            "plans": planner.plans if planner else [],
            "train_seconds": watch.seconds,
            "seconds_since_start": task.clock() - (planner.started if planner else task.started),
            "resumed_steps": resumed_steps,
            "thread_changes": threads.changes,
            "identity": dict(task.identity),
            "machine": machine(fabric.world_size, fabric.device),
        }
        checkpoint.save(task.folder, Checkpoint(tensors, info))
        saved = True

    run = Run(encoder=encoder, stages=list(config.stages), keep=keep)
    if found is not None:
        run.number, run.step, run.losses, run.resumed = found.stage, found.step, found.info["losses"], found
        run.hurry = found.info.get("hurry")
    try:
        stages = train(run, config, graphs, fabric, watch, planner)
    except Stopped:
        raise Interrupted(_where(run, task.folder, saved=saved)) from None
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"a step of {config.batch_size} images does not fit into the memory of {fabric.device}; "
            f"take a smaller batch: --batch-size {max(2, config.batch_size // 2)}"
        ) from error
    if config.recompute_statistics and stages[-1].train == "all":
        settle_statistics(encoder, images, config.seed)
    encoder.requires_grad_(True).eval()
    positions, features = project(encoder, pixels, features=graphs.features, progress=bar("projecting"))
    if not np.isfinite(positions).all():
        raise TrainingError(
            "the positions are not finite: the last steps diverged; use a lower rate or float32"
        )
    return Outcome(
        config=config.replace(stages=stages),
        weights=to_weights(encoder),
        positions=positions,
        features=features,
        log=log,
        history={
            "train_seconds": round(watch.seconds, 2),
            "steps": total_steps(config.replace(stages=stages), task.classes, n, fabric.world_size),
            "loss": log[-1]["loss"] if log else None,
            "views_per_second": _median_pace(log, stages[0].name),
            "plans": planner.plans if planner else [],
            "resumed_steps": resumed_steps,
            "thread_changes": threads.changes,
            **machine(fabric.world_size, fabric.device),
        },
        before=found.info["seconds_since_start"] if found else 0.0,
    )


def _new_encoder(task: Task, config: Config) -> Encoder:
    encoder = build_encoder(config, task.pixels, task.backbone)
    if task.init is None:
        return encoder
    start, channels = from_weights(task.init, task.backbone), task.pixels.shape[-1]
    if start.mean.numel() != channels:
        raise InputError(f"the map to start from has {start.mean.numel()} channels, the images {channels}")
    return start


def _looking_on(task: Task, encoder: Encoder) -> list[Listener]:
    """The listeners of an audience: what it is told, then what it sees."""
    if task.audience is None:
        return []
    assert task.probe is not None
    probe = np.ascontiguousarray(task.pixels[task.probe])
    look = Look(encoder, probe, task.audience.show, task.audience.every, task.clock)
    return [task.audience.listen, look]


def _encoder_of(found: Checkpoint, backbone: nn.Module | None) -> Encoder:
    arrays = {k.removeprefix("encoder."): v for k, v in found.tensors.items() if k.startswith("encoder.")}
    return from_weights(
        Weights(dict(found.info["encoder"]), {k: v.numpy() for k, v in arrays.items()}), backbone
    )


def _check_finite(tensors: Mapping[str, Tensor], run: Run) -> None:
    """A finite loss can still leave weights that are not: they must not replace a good checkpoint."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise TrainingError(
                f"stage {run.stages[run.number].name}: {name} is no longer finite at step {run.step}; "
                "the last checkpoint is kept: use a lower rate or float32"
            )


def _where(run: Run | None, folder: Path | None, *, saved: bool) -> str:
    if run is None:
        at = "before training"
    elif run.number == len(run.stages):
        at = "when training was done"
    else:
        at = f"at step {run.step:,} of" if run.step else "before"
        at += f" stage {run.number + 1} ({run.stages[run.number].name})"
    if folder is None:
        how = "nothing was saved: give an output"
    else:
        how = "a checkpoint was saved; go on with --resume" if saved else "there was nothing to save yet"
    return f"stopped {at}; {how}"


def _median_pace(log: list[dict[str, Any]], stage: str) -> float | None:
    paces = [line["views_per_second"] for line in log if line["stage"] == stage]
    return float(np.median(paces)) if paces else None
