"""How long a step takes here, measured on a copy: what the planner and the choice of precision rest on."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from augmap.config import Config, Stage
from augmap.method.edges import Edges
from augmap.method.encoder import Encoder
from augmap.method.project import project
from augmap.method.seeds import generator
from augmap.method.step import contrast, make_kernel, make_optimizer, set_trained

PROBE_SECONDS = 3.0
"""About how long a measurement may take; at least three steps are timed."""


def step_seconds(
    encoder: Encoder,
    stage: Stage,
    graph: Edges,
    config: Config,
    *,
    precision: str | None = None,
    seconds: float = PROBE_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the median seconds of a training step, views included; the encoder is not touched.

    Parameters
    ----------
    precision : str, optional
        ``float32`` or ``bfloat16`` in place of the configuration's.
    """
    trial = copy.deepcopy(encoder)
    kernel = make_kernel(stage)
    device = next(trial.parameters()).device
    network, kernel = set_trained(trial, stage, graph), kernel.to(device)
    optimizer = make_optimizer(network, kernel, stage)
    n = len(graph.source)
    b = min(stage.batch_size or config.batch_size, n)
    low = (precision or config.precision) == "bfloat16"
    random = generator(config.seed, "probe")

    def batches() -> Iterator[tuple[Tensor, torch.Generator]]:
        while True:
            yield torch.randperm(n, generator=random)[:b], random

    times: list[float] = []
    began = last = clock()
    for inputs in graph.pairs(batches(), slice(0, b)):
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            z = network(inputs)
        contrast(z.unflatten(0, (2, -1)), kernel, stage).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        now = clock()
        times.append(now - last)
        last = now
        if len(times) >= 4 and now - began > seconds:
            break
        if len(times) >= 1000:
            break
    return float(np.median(times[1:]))  # the first step allocates and compiles


def faster_precision(encoder: Encoder, stage: Stage, graph: Edges, config: Config) -> str:
    """Return ``bfloat16`` where a step is at least 5 % faster with it than with ``float32``."""
    wide = step_seconds(encoder, stage, graph, config, precision="float32", seconds=PROBE_SECONDS / 2)
    low = step_seconds(encoder, stage, graph, config, precision="bfloat16", seconds=PROBE_SECONDS / 2)
    return "bfloat16" if low < 0.95 * wide else "float32"


def projection_seconds(
    encoder: Encoder, pixels: np.ndarray, device: torch.device, *, at_most: int = 512
) -> float:
    """Return about how long it takes to project all images."""
    sample = np.array(pixels[:at_most])
    project(encoder, sample[:64], device=device)
    began = time.perf_counter()
    project(encoder, sample, device=device)
    return (time.perf_counter() - began) / len(sample) * len(pixels)
