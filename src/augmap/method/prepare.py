"""What a run finds out before its first step: threads to choose from, the precision, a plan for its time."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from lightning_fabric import Fabric

from augmap.config import Config
from augmap.errors import InputError
from augmap.method.checkpoint import Checkpoint
from augmap.method.encoder import Encoder
from augmap.method.graphs import Graphs
from augmap.method.plan import PROBE_SECONDS, PROBE_SHARE, Clock, Planner
from augmap.method.probe import (
    faster_precision,
    finish_seconds,
    graph_seconds,
    projection_seconds,
    step_seconds,
)
from augmap.method.schedule import stage_batch, stage_steps, steps_per_epoch
from augmap.method.threads import TRIAL_SECONDS, Threads, ladder


def make_threads(
    config: Config, wanted: int | None, found: Checkpoint | None, fabric: Fabric, say: Callable[[str], None]
) -> Threads:
    """Return the numbers of threads to choose from: one where all else is fixed, and so the bits.

    Parameters
    ----------
    config : Config
        As it was asked for.
    wanted : int, optional
        Threads that were asked for.
    found : Checkpoint, optional
        That the run goes on from.
    """
    most = torch.get_num_threads()
    fixed = config.precision != "auto" and not any(stage.share for stage in config.stages)
    if fixed or wanted or fabric.device.type != "cpu" or fabric.world_size > 1:
        return Threads([most])
    return Threads(ladder(most), changes=found.info.get("thread_changes", ()) if found else (), say=say)


def find_precision(
    encoder: Encoder,
    config: Config,
    graphs: Graphs,
    fabric: Fabric,
    threads: Threads,
    check: Callable[[], None] = lambda: None,
) -> str:
    """Return what ``auto`` means here: what a probe of the first stage shows to be faster.

    ``check`` is called after each step, and may raise.
    """
    first = config.stages[0]
    graph = graphs.stand_in(first, encoder)
    if graph is None or fabric.device.type not in ("cpu", "cuda"):
        return "float32"
    if fabric.device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "float32"  # before Ampere it is emulated, and cuDNN has no convolutions for it
    seconds = PROBE_SECONDS if config.budget is None else min(PROBE_SECONDS, PROBE_SHARE * config.budget)
    if threads.free:  # or a machine that is busy would take minutes for the rest
        measure = partial(step_seconds, encoder, first, graph, config, fabric=fabric, between=check)
        threads.settle(measure, min(seconds, TRIAL_SECONDS), first.name, 0)
    trials = {p: graphs.at(p).stand_in(first, encoder) for p in ("float32", "bfloat16")}
    how = {"seconds": seconds / 2, "between": check}
    if first.share is None:  # a short run is not to wait for a measurement that is longer
        n = len(graph.source)
        batch = stage_batch(first, config, n, fabric.world_size)
        how["most"] = stage_steps(first, steps_per_epoch(n, batch, keep_short=config.keep_short_batch))
    return faster_precision(encoder, first, trials, config, fabric, **how)


def make_planner(
    config: Config,
    pixels: np.ndarray,
    encoder: Encoder,
    found: Checkpoint | None,
    *,
    started: float,
    clock: Clock,
    fabric: Fabric,
    say: Callable[[str], None],
) -> Planner:
    """Return the planner of a budget, which knows what everything but the steps will take.

    Parameters
    ----------
    started : float
        Reading of the clock when this process began; what a checkpoint was made in is added.

    Raises
    ------
    InputError
        There is no budget, or it is shorter than the first neighbour graph alone.
    """
    if config.budget is None:
        raise InputError("stages with a share of the time need a budget; give one, or their epochs")
    fixed = [stage.name for stage in config.stages if stage.share is None]
    if found is None and fixed:
        raise InputError(
            f"stage {fixed[0]!r} has a length of its own beside stages that share a budget; "
            "give each of them a share, or each its epochs"
        )
    spent = found.info["seconds_since_start"] if found else 0.0
    planner = Planner(config.budget, started - spent, clock, say=say)
    planner.plans += found.info["plans"] if found else []
    projection = projection_seconds(encoder, pixels, fabric.device)
    settle = config.recompute_statistics
    planner.reserve = finish_seconds(projection, pixels, config.stages[-1], settle=settle)
    image = math.prod(pixels.shape[1:])
    for stage in config.stages:
        columns = image if stage.edges == "pixels" else encoder.backbone.features
        planner.graph_seconds.append(graph_seconds(projection, stage, len(pixels), columns, settle=settle))
    if found is None and planner.graph_seconds[0] > max(planner.left(), 0.0):
        raise InputError(
            f"a budget of {config.budget:.0f} s is too short: the neighbour graph of stage "
            f"{config.stages[0].name!r} alone takes about {planner.graph_seconds[0]:.0f} s; "
            "give more time, smaller images or fewer of them"
        )
    return planner
