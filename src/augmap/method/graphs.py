"""The graph of each stage: two views of an image, or an image and a neighbour in the features so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from augmap.config import Config, Stage
from augmap.errors import InputError
from augmap.method.augment import Augmentation, UserTransform
from augmap.method.edges import AugmentationGraph, Edges, LayoutGraph, NeighborGraph
from augmap.method.encoder import Encoder
from augmap.method.layout import layout
from augmap.method.project import project, settle_statistics
from augmap.method.seeds import generator
from augmap.method.source import Source
from augmap.neighbors import nearest

SMALLEST_VIEW = 16
"""Pixels; below this, smaller views are hardly faster and much is lost."""

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

    def __call__(self, stage: Stage, encoder: Encoder, kept: Mapping[str, Tensor] | None) -> Edges:
        if stage.edges == "augmentation":
            return AugmentationGraph(self.images, self.augmentation, self._view_size(stage))
        if stage.edges == "layout" and stage.train == "all":
            raise InputError(f"stage {stage.name!r}: edges='layout' teaches the head; train 'head' or 'last'")
        found = dict(kept or {})
        features = None
        if not found:
            # once, before the graph: a frozen backbone keeps these statistics, a resumed one has them
            if self.config.recompute_statistics:
                settle_statistics(encoder, self.images, self.config.seed)
            features = self._features(encoder)
            # by the first process alone: elsewhere sums may round otherwise
            found = self._search(stage, features) if self.fabric.is_global_zero else found
            found = self.fabric.broadcast(found)
        if stage.edges == "neighbors" and stage.train == "all":
            return NeighborGraph(self.images, found["neighbors"], self.pixels.shape[1])
        rows = torch.from_numpy(self._features(encoder) if features is None else features)
        source = Source(rows, self.fabric.device)
        if stage.edges == "layout":
            return LayoutGraph(source, found["places"])
        return NeighborGraph(source, found["neighbors"])

    def _view_size(self, stage: Stage) -> int:
        """Edge of a view, px; a view that is smaller than the image has at least ``SMALLEST_VIEW``."""
        edge, scale = self.pixels.shape[1], stage.view_scale
        if scale is None:
            scale = self.augmentation.mean_side if isinstance(self.augmentation, Augmentation) else 1.0
        return max(round(scale * edge), min(edge, SMALLEST_VIEW))

    def _features(self, encoder: Encoder) -> np.ndarray:
        return project(encoder, self.pixels, positions=False, progress=self.bar("features"))[1]

    def _search(self, stage: Stage, features: np.ndarray) -> dict[str, Tensor]:
        n = len(features)
        k = min(stage.neighbors, n - 1)
        self.say(f"graph of the {k} nearest neighbours of {n:,} images")
        found, _ = nearest(features, k, metric="cosine", progress=self.bar("neighbours"))
        table = torch.from_numpy(found)
        if stage.edges == "neighbors":
            return {"neighbors": table}
        random = generator(self.config.seed, "layout", stage.name)
        places = layout(
            torch.from_numpy(features),
            table,
            random,
            dim=stage.dim,
            passes=stage.layout_passes,
            progress=self.bar("layout"),
        )
        return {"places": places}
