"""A run from pixels to positions, in one process or several: what :mod:`augmap.api` calls."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

import augmap
from augmap.config import Config, Runtime, Stage
from augmap.errors import InputError, Interrupted
from augmap.imagemap import Weights
from augmap.method import checkpoint
from augmap.method.augment import Augmentation, UserTransform, plain
from augmap.method.batchnorm import recompute_statistics
from augmap.method.checkpoint import Checkpoint
from augmap.method.edges import AugmentationGraph, Edges, NeighborGraph
from augmap.method.encoder import Encoder
from augmap.method.order import Order
from augmap.method.plan import Planner
from augmap.method.probe import faster_precision, projection_seconds
from augmap.method.project import BATCH, project
from augmap.method.source import Source
from augmap.method.train import Run, train
from augmap.method.watch import Listener, Stop, Stopped, Watch
from augmap.method.weights import build_encoder, from_weights, to_weights
from augmap.neighbors import nearest

_STATISTICS_BATCHES = 20
"""Batches of plain images from which BatchNorm's statistics are taken anew."""
_SAVE_SECONDS = 1e-3
"""Reserved per image for thumbnails, quality and saving; measured on two CPU cores at 32 px."""


@dataclass(kw_only=True, eq=False)
class Task:
    """Everything a run needs, in a form that can be sent to another process."""

    pixels: np.ndarray | Path
    """uint8 (n, h, w, c), or the file that holds it."""
    config: Config
    runtime: Runtime = field(default_factory=Runtime)
    augmentation: Augmentation | UserTransform
    backbone: nn.Module | None = None
    """The user's own module where ``config.backbone`` is "custom"."""
    init: Weights | None = None
    """Start from these weights."""
    folder: Path | None = None
    """Where checkpoints go."""
    resume: bool = False
    identity: Mapping[str, Any] = field(default_factory=dict)
    """What must be equal for a checkpoint to be gone on with."""
    listeners: Sequence[Listener] = ()
    say: Callable[[str], None] = lambda line: None
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


def launch(task: Task) -> Outcome:
    """Run a task on the devices it asks for.

    Raises
    ------
    Interrupted
        Asked to stop; the message says how to go on.
    TrainingError, InputError
        See :func:`augmap.method.train.train`.
    """
    runtime = task.runtime
    kind = pick_device(runtime.device)
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    several = runtime.devices * runtime.nodes > 1
    fabric = Fabric(
        accelerator=kind,
        devices=runtime.devices,
        num_nodes=runtime.nodes,
        strategy="ddp_spawn" if several and runtime.nodes == 1 else "ddp" if several else "auto",
    )
    result = fabric.launch(_work, task) if several else _work(fabric, task)
    if isinstance(result, Exception):
        raise result
    return result


def pick_device(name: str) -> str:
    """Return cpu, cuda or mps; ``auto`` is the fastest there is.

    Raises
    ------
    InputError
        The device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if not there.get(name):
        raise InputError(
            f"device {name!r} is not there; PyTorch sees {', '.join(k for k in there if there[k])}"
        )
    return name


def _work(fabric: Fabric, task: Task) -> Outcome | Exception:
    """Run a task in one of its processes; errors are returned, so that they cross to the first one whole."""
    stop = Stop()
    with stop.on_signals():
        try:
            return _run(fabric, task, stop)
        except (Interrupted, InputError, RuntimeError) as error:
            if fabric.world_size == 1:
                raise
            return error


def _run(fabric: Fabric, task: Task, stop: Stop) -> Outcome:
    pixels = np.load(task.pixels, mmap_mode="r") if isinstance(task.pixels, Path) else task.pixels
    found = checkpoint.load(task.folder) if task.resume and task.folder else None
    if found is not None:
        _compare(found, task)
        config = Config.from_dict(found.info["config"])
        encoder = Encoder.from_spec(found.info["encoder"], task.backbone)
        encoder.load_state_dict({k[8:]: v for k, v in found.tensors.items() if k.startswith("encoder.")})
        task.say(
            f"resuming at step {found.step:,} of stage {found.stage + 1} ({config.stages[found.stage].name})"
        )
    else:
        config, encoder = task.config, _new_encoder(task, pixels)
        if task.resume:
            task.say("no checkpoint was reached yet: starting over")
    encoder.to(fabric.device, memory_format=torch.channels_last)
    images = Source(pixels, fabric.device)

    def edges(stage: Stage, encoder: Encoder, table: Tensor | None) -> Edges:
        if stage.edges == "augmentation":
            size = max(1, round(stage.view_scale * pixels.shape[1]))
            return AugmentationGraph(images, task.augmentation, size)
        if table is None:
            _settle(encoder, images, config)
        _, features = project(encoder, pixels, positions=False, progress=_bar(task, "features"))
        if table is None:
            k = min(stage.neighbors, len(pixels) - 1)
            task.say(f"graph of the {k} nearest neighbours of {len(pixels):,} images")
            table = torch.from_numpy(
                nearest(features, k, metric="cosine", progress=_bar(task, "neighbours"))[0]
            )
        frozen = stage.train != "all"
        source = Source(torch.from_numpy(features), fabric.device) if frozen else images
        return NeighborGraph(source, table, None if frozen else pixels.shape[1])

    config = _resolved(config, fabric, encoder, edges, len(pixels), resumed=found is not None)
    planner = None
    if config.budget is not None:
        spent = found.info["seconds_since_start"] if found else 0.0
        planner = Planner(config.budget, task.started - spent, task.clock)
        planner.plans += found.info["plans"] if found else []
        after = projection_seconds(encoder, pixels, fabric.device)
        planner.reserve = fabric.broadcast(1.1 * after + _SAVE_SECONDS * len(pixels) + 0.02 * config.budget)
    log: list[dict[str, Any]] = list(found.info["log"]) if found else []
    before = found.info["train_seconds"] if found else 0.0
    every = task.runtime.checkpoint_every if task.folder else None
    watch = Watch(
        fabric=fabric,
        listeners=task.listeners,
        keep_every=every,
        stop=stop,
        log=log,
        before=before,
        clock=task.clock,
    )

    def keep(run: Run, tensors: dict[str, Tensor]) -> None:
        if task.folder is None or not fabric.is_global_zero:
            return
        info = {
            "stage": run.number,
            "step": run.step,
            "losses": list(run.losses),
            "config": config.replace(stages=tuple(run.stages)).to_dict(),
            "encoder": run.encoder.spec(),
            "log": log,
            "plans": planner.plans if planner else [],
            "train_seconds": watch.seconds,
            "seconds_since_start": task.clock() - (planner.started if planner else task.started),
            "identity": dict(task.identity),
            "machine": machine(),
        }
        checkpoint.save(task.folder, Checkpoint(tensors, info))

    run = Run(encoder=encoder, stages=list(config.stages), keep=keep)
    if found is not None:
        run.number, run.step, run.losses, run.resumed = found.stage, found.step, found.info["losses"], found
    try:
        stages = train(run, config, edges, fabric, watch, planner)
    except Stopped:
        where = f"step {run.step:,} of stage {run.number + 1} ({run.stages[run.number].name})"
        how = (
            "a checkpoint was saved; go on with --resume"
            if task.folder
            else "nothing was saved: give an output"
        )
        raise Interrupted(f"stopped at {where}; {how}") from None
    if stages[-1].train == "all":
        _settle(encoder, images, config)
    encoder.requires_grad_(True).eval()
    positions, features = project(encoder, pixels, progress=_bar(task, "projecting"))
    return Outcome(
        config=config.replace(stages=stages),
        weights=to_weights(encoder),
        positions=positions,
        features=features,
        log=log,
        history={
            "train_seconds": round(watch.seconds, 2),
            "steps": sum(s.stop or s.steps or 0 for s in stages),
            "loss": log[-1]["loss"] if log else None,
            "views_per_second": _median_pace(log, stages[0].name),
            "plans": planner.plans if planner else [],
            "resumed_steps": [found.step] if found else [],
            **machine(),
        },
    )


def machine() -> dict[str, Any]:
    """Return what the bits of a result depend on beside the configuration."""
    return {
        "augmap": augmap.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "processor": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else platform.processor() or platform.machine(),
    }


def _new_encoder(task: Task, pixels: np.ndarray) -> Encoder:
    encoder = build_encoder(task.config, pixels, task.backbone)
    if task.init is None:
        return encoder
    start = from_weights(task.init, task.backbone)
    if start.mean.numel() != pixels.shape[-1]:
        raise InputError(
            f"the map to start from has {start.mean.numel()} channels, the images {pixels.shape[-1]}"
        )
    return start


def _resolved(
    config: Config,
    fabric: Fabric,
    encoder: Encoder,
    edges: Callable[[Stage, Encoder, Tensor | None], Edges],
    n: int,
    *,
    resumed: bool,
) -> Config:
    """Fix what the configuration leaves open: the batch of a small set, the precision."""
    if resumed:
        return config
    batch = min(config.batch_size, n)
    batch = max(batch // fabric.world_size * fabric.world_size, fabric.world_size)
    config = config.replace(batch_size=batch)
    if config.precision == "auto":
        first = config.stages[0]
        augmented = first.edges == "augmentation" and fabric.device.type in ("cpu", "cuda")
        found = (
            faster_precision(encoder, first, edges(first, encoder, None), config) if augmented else "float32"
        )
        config = config.replace(precision=fabric.broadcast(found))
    return config


def _settle(encoder: Encoder, images: Source, config: Config) -> None:
    """Take BatchNorm's statistics anew from plain images, where the configuration says so."""
    if not config.recompute_statistics:
        return
    n, batch = len(images), min(BATCH, len(images))
    order = Order(n, batch, seed=config.seed, stage=-1)
    batches = min(_STATISTICS_BATCHES, n // batch)
    recompute_statistics(encoder, (plain(images.take(order.batch(i))) for i in range(batches)))


def _compare(found: Checkpoint, task: Task) -> None:
    """Refuse a checkpoint of another run; warn where its bits cannot be met again."""
    for name, value in task.identity.items():
        was = found.info["identity"].get(name)
        if was != value:
            raise InputError(
                f"{task.folder}: the checkpoint was made with {name} {was!r}, now it is {value!r}; "
                "use the same as before, or --overwrite to start over"
            )
    now = machine()
    for name in ("threads", "torch", "augmap", "processor"):
        if found.info["machine"].get(name) != now[name]:
            task.say(
                f"warning: the checkpoint was made with {name} {found.info['machine'].get(name)}, now {now[name]}: "
                "the result will be as good, but not the same to the last bit"
            )


def _bar(task: Task, title: str) -> Callable[[int, int], None] | None:
    return task.progress(title) if task.progress else None


def _median_pace(log: list[dict[str, Any]], stage: str) -> float | None:
    paces = [line["views_per_second"] for line in log if line["stage"] == stage]
    return float(np.median(paces)) if paces else None
