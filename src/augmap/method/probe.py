"""How long a step takes here, measured on a copy: what the planner and the choice of precision rest on."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from augmap.config import Config
from augmap.method.batchnorm import synchronise
from augmap.method.edges import Edges, Part
from augmap.method.encoder import Encoder
from augmap.method.fitted import laid_out
from augmap.method.graphs import feature_neighbors, neighborhood, pixel_neighbors, weigh
from augmap.method.layout import gradient, shared
from augmap.method.project import project
from augmap.method.repulsion import Grid
from augmap.method.schedule import stage_batch
from augmap.method.seeds import generator
from augmap.method.step import make_kernel, make_optimizer, set_trained, share_temperature, stage_loss
from augmap.neighbors import Metric, nearest
from augmap.stage import Stage
from augmap.thumbs import make_thumbs

_READINGS = 4
"""Of the clock in a measurement, at least; the first does not count."""
_SLOW = 3
"""A measurement that takes so many times as long as it may ends with the second of them."""
_MOST = 1000
"""Steps of a measurement."""
_TOGETHER = {"cuda": 5}
"""Steps between two readings of the clock, by device: after each of them a GPU waits for the host."""
_SAMPLE, _FEW, _EDGE = 512, 32, 48
"""Images that a projection is timed on, and thumbnails; fewer, and so many at least, above this edge, px."""
_LONG = 1.0
"""Seconds: what takes longer is timed once."""
_NEIGHBORS = 30_000
"""Points among which neighbours are searched to time the search."""
_PLACES = 30_000
"""Points that a step of a layout is timed on."""
_REACH = 0.13
"""Half the edge of the square that a layout of one point fills, in the mean of its passes: what a step costs
grows with the square. The edge grows with the root of the number of points."""
_PIXELS = 2**24
"""Pixel values among which neighbours are searched to time that search."""
_SETTLED = 10_000
"""Passes for BatchNorm's statistics, at most one of each image."""
_JUDGED = 12_000
"""Passes of one image through the network for the closing line: 2,000 images, three views, two encoders."""
_SAVED = 2e-4
"""Seconds an image for writing, checksums and nearest neighbours on the map; measured on two CPU cores."""


def step_seconds(
    encoder: Encoder,
    stage: Stage,
    graph: Edges,
    config: Config,
    *,
    fabric: Fabric,
    precision: str | None = None,
    seconds: float,
    limit: float = math.inf,
    most: int = _MOST,
    clock: Callable[[], float] = time.perf_counter,
    between: Callable[[], None] = lambda: None,
) -> float:
    """Return the median seconds of a training step, views included; the encoder is not touched.

    In several processes each of them takes part, and the first one's clock counts.

    Parameters
    ----------
    precision : str, optional
        ``float32`` or ``bfloat16`` in place of the configuration's.
    seconds : float
        About how long the measurement may take; slow steps are timed for up to :data:`_SLOW` times as long.
    limit : float
        A step that takes longer ends the measurement and is what is returned.
    most : int
        Steps of the measurement, at most; two at least.
    between : callable
        Called after each step; it may raise.
    """
    trial = copy.deepcopy(encoder)
    kernel = make_kernel(stage).to(fabric.device)
    if fabric.world_size > 1:
        synchronise(trial)
    network = set_trained(trial, stage, graph)
    low = (precision or config.precision) == "bfloat16"
    wrapped, stepper = fabric.setup(network, make_optimizer(network, kernel, stage, low=low))
    n = len(graph.source)
    b = stage_batch(stage, config, n, fabric.world_size)
    random = generator(config.seed, "probe")

    def batches() -> Iterator[tuple[Tensor, torch.Generator]]:
        order = torch.randperm(n, generator=random)
        for start in itertools.cycle(range(0, n - b + 1, b)):
            yield order[start : start + b], random

    times: list[float] = []
    spent = 0.0
    together = _TOGETHER.get(fabric.device.type, 1)
    last = clock()
    pairs = graph.pairs(batches(), Part(fabric.global_rank, fabric.world_size))
    for number, (inputs, places) in enumerate(pairs):
        with torch.autocast(fabric.device.type, torch.bfloat16, enabled=low):
            z = wrapped(inputs)
        fabric.backward(stage_loss(z, places, kernel, stage, trial.head.anchors))
        share_temperature(kernel)
        stepper.step()
        stepper.zero_grad()
        between()
        if number % together:  # the first step is timed alone
            continue
        _wait(fabric.device)
        took = clock() - last
        spent += took
        times.append(took / (together if number else 1))
        over = times[-1] > limit
        slow = len(times) > 1 and spent - times[0] > _SLOW * seconds
        enough = slow or number >= max(2, most) - 1 or (len(times) >= _READINGS and spent > seconds)
        over, enough = fabric.broadcast((over, enough))
        if over:
            return fabric.broadcast(times[-1])
        if enough:
            break
        last = clock()  # what the processes had to agree on is no part of a step
    return fabric.broadcast(float(np.median(times[1:])))  # the first step allocates and compiles


def faster_precision(
    encoder: Encoder,
    stage: Stage,
    graphs: Mapping[str, Edges],
    config: Config,
    fabric: Fabric,
    *,
    seconds: float,
    most: int = _MOST,
    between: Callable[[], None] = lambda: None,
) -> str:
    """Return ``bfloat16`` where a step is at least 5 % faster with it than with ``float32``.

    ``graphs`` holds one for each of the two. Each is timed for ``seconds``, and ``most`` steps. What does
    not fit into the memory of a GPU is not fast.
    """
    how = {"fabric": fabric, "seconds": seconds, "most": most, "between": between}
    wide, low = (
        _seconds_or_never(encoder, stage, graphs[p], config, precision=p, **how)
        for p in ("float32", "bfloat16")
    )
    return "bfloat16" if low < 0.95 * wide else "float32"


def _seconds_or_never(*parts: Any, fabric: Fabric, **how: Any) -> float:
    try:
        return step_seconds(*parts, fabric=fabric, **how)
    except torch.OutOfMemoryError:
        if fabric.world_size > 1:  # the others wait for this one
            raise
        return math.inf


def _wait(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def projection_seconds(encoder: Encoder, pixels: np.ndarray, device: torch.device) -> float:
    """Return about how long it takes to project all images."""
    sample = _sample(pixels)
    project(encoder, sample[:64], device=device)
    return _timed(lambda: project(encoder, sample, device=device)) / len(sample) * len(pixels)


def graph_seconds(projection: float, stage: Stage, n: int, features: int, *, settle: bool) -> float:
    """Return about how long it takes to make the graph of a stage, from the seconds of a projection.

    ``features`` are the columns in which neighbours are searched: of h, or for ``pixels`` of an image;
    ``settle`` says that statistics are taken anew before it.
    """
    if stage.edges == "augmentation":
        return 0.0
    if stage.edges == "pixels":
        return _pixel_seconds(stage, n, features)
    seconds = projection * (1 + (min(1.0, _SETTLED / n) if settle else 0))
    n = laid_out(n) if stage.edges == "layout" else n
    m, q = min(n, _NEIGHBORS), min(n, _SAMPLE)
    points = np.random.default_rng(0).standard_normal((m, features), np.float32)
    k, around = feature_neighbors(stage, m), neighborhood(stage, m)
    seconds += _search_seconds(points, around, q, n, "cosine")
    if stage.edges == "neighbors":
        return seconds
    m = min(n, _PLACES)
    random = generator(0, "probe")
    places = _REACH * math.sqrt(m) * (2 * torch.rand(m, stage.dim, generator=random) - 1)
    table, grid = torch.randint(m, (m, around), generator=random), Grid()
    pulling, weights = table[:, :k].contiguous(), torch.ones(m, k)
    step = _timed(lambda: gradient(places, pulling, weights, 1.0, grid, random))
    return seconds + (_timed(lambda: shared(table, k)) + step * stage.layout_passes) * (n / m)


def _pixel_seconds(stage: Stage, n: int, columns: int) -> float:
    """Return about how long the search takes that compares all pixels, and the weights of what it finds."""
    m = min(n, max(_SAMPLE, _PIXELS // columns))
    q = min(m, _SAMPLE)
    points = np.random.default_rng(0).standard_normal((m, columns), np.float32)
    k = min(pixel_neighbors(stage, n), m - 1)
    seconds = _search_seconds(points, k, q, n, "euclidean")
    if stage.affinity == "even":
        return seconds
    table, distances = nearest(points[:q], min(k, q - 1))
    return seconds + _timed(lambda: weigh(stage, table, distances)) * (n / q) * (k / table.shape[1])


def _search_seconds(points: np.ndarray, k: int, q: int, n: int, metric: Metric) -> float:
    """Return about how long ``n`` images are searched for neighbours, from ``q`` queries among fewer points.

    What one query costs is the preparation of all points, which grows with n alone.
    """
    once = _timed(lambda: nearest(points, k, queries=points[:1], metric=metric))
    search = max(0.0, _timed(lambda: nearest(points, k, queries=points[:q], metric=metric)) - once)
    return (once + search * (n / q)) * (n / len(points))


def finish_seconds(projection: float, pixels: np.ndarray, last: Stage, *, settle: bool) -> float:
    """Return about how long everything after the last stage takes, until the map is saved.

    Statistics, projection, thumbnails, the closing line and writing; what can be measured on a sample is.
    A backbone that the last stage found done is not asked again.
    """
    n, sample = len(pixels), _sample(pixels)
    spread = np.random.default_rng(0).standard_normal((len(sample), 2))
    thumbs = _timed(lambda: make_thumbs(sample, spread)) / len(sample)
    settled = min(n, _SETTLED) if settle and last.train == "all" else 0
    passes = (0 if last.from_features else n) + settled + min(6 * n, _JUDGED)
    return projection / n * passes + (thumbs + _SAVED) * n


def _sample(pixels: np.ndarray) -> np.ndarray:
    """Return some of the images, about as many pixels whatever their size."""
    few = _SAMPLE * (_EDGE / pixels.shape[1]) ** 2
    return np.array(pixels[: round(min(_SAMPLE, max(_FEW, few)))])


def _timed(work: Callable[[], object], times: int = 3) -> float:
    """Return the shortest of several times: whatever else the machine does only ever adds to it."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
        if found[-1] > _LONG:
            break
    return min(found)
