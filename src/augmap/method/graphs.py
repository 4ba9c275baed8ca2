"""The graph of each stage: two views of an image, or an image and a neighbour in features or pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from augmap.config import Config
from augmap.errors import InputError
from augmap.method.affinity import affinities, memberships
from augmap.method.augment import Augmentation, UserTransform
from augmap.method.edges import (
    AugmentationGraph,
    Edges,
    LabelGraph,
    LayoutGraph,
    NeighborGraph,
    WeightedGraph,
)
from augmap.method.encoder import Encoder
from augmap.method.fitted import laid_out
from augmap.method.layout import layout
from augmap.method.project import project, settle_statistics
from augmap.method.seeds import generator
from augmap.method.source import Source
from augmap.method.whiten import whitened
from augmap.neighbors import nearest
from augmap.stage import Stage

SMALLEST_VIEW = 16
"""Pixels; below this, smaller views are hardly faster and much is lost."""

SHARED = 4
"""A layout compares neighbourhoods so many times as large as those within which it attracts."""

Bar = Callable[[str], Callable[[int, int], None] | None]


@dataclass(eq=False)
class Graphs:
    """Makes graphs over one set of images: of a stage, with the encoder so far or what a checkpoint kept.

    Parameters
    ----------
    pixels : uint8 array of shape (n, h, w, c)
    images : Source
        The same pixels on their way to the device.
    say : callable
        Called with sentences for the user.
    bar : callable
        Given a title, returns a function of (done, total), or None.
    """

    pixels: np.ndarray
    images: Source
    augmentation: Augmentation | UserTransform
    config: Config
    fabric: Fabric
    say: Callable[[str], None]
    bar: Bar
    classes: np.ndarray | None = None
    """int64 (n,), -1 for images that no label trains; seen by stages of ``cross_entropy`` alone."""

    features: np.ndarray | None = field(default=None, init=False)
    """h of all images, float32 (n, f), for the stage last asked for, where it leaves them as they are."""

    def __call__(self, stage: Stage, encoder: Encoder, kept: Mapping[str, Tensor] | None) -> Edges:
        self.features = None
        if stage.edges == "augmentation":
            return self._views(stage, encoder)
        if stage.edges == "pixels":
            return self._pixel_graph(stage, dict(kept or {}))
        if stage.edges == "layout" and stage.train == "all":
            raise InputError(f"stage {stage.name!r}: edges='layout' teaches the head; train 'head' or 'last'")
        found = dict(kept or {})
        if not found:
            # once, before the graph: a frozen backbone keeps these statistics, a resumed one has them
            if self.config.recompute_statistics:
                settle_statistics(encoder, self.images, self.config.seed)
            self.features = self._features(encoder)
            # by the first process alone: elsewhere sums may round otherwise
            found = self._search(stage, self.features) if self.fabric.is_global_zero else found
            found = self.fabric.broadcast(found)
        if not stage.from_features:
            self.features = None
            return NeighborGraph(self.images, found["neighbors"], self.pixels.shape[1])
        if self.features is None:
            self.features = self._features(encoder)
        if stage.edges == "layout":
            chosen = self.features[self._drawn(stage, len(found["places"]))]
            return LayoutGraph(Source(torch.from_numpy(chosen), self.fabric.device), found["places"])
        return NeighborGraph(Source(torch.from_numpy(self.features), self.fabric.device), found["neighbors"])

    def at(self, precision: str) -> Graphs:
        """Return what makes the graphs of a run in this precision."""
        return replace(self, config=self.config.replace(precision=precision))

    def stand_in(self, stage: Stage, encoder: Encoder) -> Edges | None:
        """Return a graph whose steps take as long as those of the stage; None where that takes a search."""
        if stage.edges == "augmentation":
            return self._views(stage, encoder)
        if stage.edges == "pixels":
            next_one = (torch.arange(len(self.pixels)) + 1) % len(self.pixels)
            return NeighborGraph(self.images, next_one[:, None], self.pixels.shape[1])
        return None

    def _views(self, stage: Stage, encoder: Encoder) -> AugmentationGraph | LabelGraph:
        # on a CPU alone: no GPU has shown what it gives there
        low = self.config.precision == "bfloat16" and self.fabric.device.type == "cpu"
        size = self._view_size(stage)
        if size != self.pixels.shape[1] and not encoder.takes(size):
            size = self.pixels.shape[1]
        if stage.loss != "cross_entropy":
            return AugmentationGraph(self.images, self.augmentation, size, stage.views, low)
        assert self.classes is not None
        train = torch.from_numpy(np.flatnonzero(self.classes >= 0))
        views = AugmentationGraph(self.images.only(train), self.augmentation, size, low=low)
        return LabelGraph(views, torch.from_numpy(self.classes)[train])

    def _pixel_graph(self, stage: Stage, found: dict[str, Tensor]) -> Edges:
        """Neighbours by the distance of pixels; the encoder has no say in it."""
        if not found:
            found = self._search_pixels(stage) if self.fabric.is_global_zero else found
            found = self.fabric.broadcast(found)
        size = self.pixels.shape[1]
        if stage.affinity == "even":
            return NeighborGraph(self.images, found["neighbors"], size)
        return WeightedGraph(self.images, found["starts"], found["ends"], found["weights"], size)

    def _search_pixels(self, stage: Stage) -> dict[str, Tensor]:
        n = len(self.pixels)
        k = pixel_neighbors(stage, n)
        self.say(f"graph of the {k} nearest neighbours of {n:,} images in pixel space")
        flat = np.asarray(self.pixels, np.float32).reshape(n, -1)
        found, distances = nearest(flat, k, progress=self.bar("neighbours"))
        if stage.affinity == "even":
            return {"neighbors": torch.from_numpy(found)}
        return weigh(stage, found, distances)

    def _view_size(self, stage: Stage) -> int:
        """Edge of a view, px; a view that is smaller than the image has at least ``SMALLEST_VIEW``."""
        edge, scale = self.pixels.shape[1], stage.view_scale
        if scale is None:
            scale = self.augmentation.mean_side if isinstance(self.augmentation, Augmentation) else 1.0
        return max(round(scale * edge), min(edge, SMALLEST_VIEW))

    def _features(self, encoder: Encoder) -> np.ndarray:
        return project(encoder, self.pixels, positions=False, progress=self.bar("features"))[1]

    def _drawn(self, stage: Stage, count: int) -> np.ndarray | slice:
        """Return the rows of ``count`` images drawn at random, in their order."""
        if count == (n := len(self.pixels)):
            return slice(None)
        random = generator(self.config.seed, "drawn", stage.name)
        return torch.randperm(n, generator=random)[:count].sort().values.numpy()

    def _search(self, stage: Stage, features: np.ndarray) -> dict[str, Tensor]:
        if stage.edges == "layout":
            features = features[self._drawn(stage, laid_out(len(features)))]
        n = len(features)
        k = feature_neighbors(stage, n)
        drawn = "" if n == len(self.pixels) else f", drawn from {len(self.pixels):,}"
        self.say(f"graph of the {k} nearest neighbours of {n:,} images{drawn}")
        if stage.whitening is not None:
            features = whitened(features, stage.whitening)
        found, _ = nearest(features, neighborhood(stage, n), metric="cosine", progress=self.bar("neighbours"))
        table = torch.from_numpy(found)
        if stage.edges == "neighbors":
            return {"neighbors": table}
        random = generator(self.config.seed, "layout", stage.name)
        places = layout(
            torch.from_numpy(features),
            table,
            random,
            pulling=k,
            dim=stage.dim,
            passes=stage.layout_passes,
            progress=self.bar("layout"),
        )
        return {"places": places}


def feature_neighbors(stage: Stage, n: int) -> int:
    """Return the neighbours of each image by its features: at most all others, and a third for a layout.

    Where every image is a neighbour of every other, nothing tells them apart, and all places fall into one.
    """
    return min(stage.neighbors, n - 1 if stage.edges == "neighbors" else max(1, (n - 1) // 3))


def neighborhood(stage: Stage, n: int) -> int:
    """Return the neighbours of each image that are looked for: a layout compares more than attract."""
    k = feature_neighbors(stage, n)
    return k if stage.edges == "neighbors" else min(SHARED * k, max(k, (n - 1) // 3))


def pixel_neighbors(stage: Stage, n: int) -> int:
    """Return the neighbours of each image that a graph of ``pixels`` looks for: at most all others."""
    wanted = {
        "even": stage.neighbors,
        "perplexity": math.ceil(3 * stage.perplexity),
        "fuzzy": stage.neighbors - 1,
    }
    return min(wanted[stage.affinity], n - 1)


def weigh(stage: Stage, neighbors: np.ndarray, distances: np.ndarray) -> dict[str, Tensor]:
    """Return the weighted edges of a stage as :class:`~augmap.method.edges.WeightedGraph` takes them."""
    if stage.affinity == "perplexity":
        matrix = affinities(neighbors, distances, stage.perplexity)
    else:
        matrix = memberships(neighbors, distances)
    matrix.eliminate_zeros()
    return {
        "starts": torch.from_numpy(matrix.indptr.astype(np.int64)),
        "ends": torch.from_numpy(matrix.indices.astype(np.int32)),
        "weights": torch.from_numpy(matrix.data.astype(np.float32)),
    }
