"""What makes a pair: the augmentation graph of the paper, or a graph of nearest neighbours.

The whole difference between t-SimCNE and parametric t-SNE lies in this file: the same encoder, loss and
trainer, with other edges (Böhm, Berens & Kobak, ICLR 2023, section 3). :class:`AugmentationGraph` is the one,
:class:`WeightedGraph` over the neighbours of pixels the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from augmap.method.augment import Augmentation, UserTransform, apply, draw, plain
from augmap.method.source import Source, sent
from augmap.method.transform import UserViews


@dataclass(frozen=True, slots=True)
class Part:
    """The share of one process in every batch."""

    rank: int = 0
    world: int = 1

    def of(self, b: int) -> slice:
        """Return the rows of a global batch of ``b`` that are this process's; all shares are equally long."""
        share = b // self.world
        return slice(self.rank * share, (self.rank + 1) * share)


ALL = Part()
"""The share of a process that trains alone."""


Pairs = tuple[Float[Tensor, "m ..."], Float[Tensor, "m d"] | Int[Tensor, " m"] | None]
"""Inputs of the network, and what their outputs are to be if anybody knows: places, or classes.

Without these the inputs are all first ends of the edges, then all second ends, to be contrasted; of more than
two views all first views, all second views, and so on.
"""


class Edges(Protocol):
    """A graph over ``n`` images from which pairs are drawn."""

    source: Source
    unit: float
    """What one unit of the network's output is worth on the map."""

    @property
    def kept(self) -> dict[str, Tensor]:
        """What a checkpoint must hold to make the same graph again."""
        ...

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " _"], torch.Generator]], part: Part = ALL
    ) -> Iterator[Pairs]:
        """Yield one batch after the other.

        ``batches`` are image numbers of the *global* batch with the generator of the step; ``part`` is the
        share of this process. Randomness is drawn for the global batch, so that it does not depend on the
        number of processes.
        """
        ...


@dataclass(frozen=True, eq=False)
class AugmentationGraph:
    """An edge joins two random views of one image; of more than two views, each pair is an edge.

    Parameters
    ----------
    source : Source
        uint8 images (n, h, w, c).
    augmentation : Augmentation or UserTransform
    view_size : int
        Edge of a view, px.
    views : int
        Views of an image in a batch.
    low : bool
        Whether crops are resized in bfloat16, for a network that computes in it.
    """

    source: Source
    augmentation: Augmentation | UserTransform
    view_size: int
    views: int = 2
    low: bool = False
    unit: float = 1.0

    @property
    def kept(self) -> dict[str, Tensor]:
        return {}

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " _"], torch.Generator]], part: Part = ALL
    ) -> Iterator[Pairs]:
        _, height, _, channels = self.source.shape
        ahead: list[tuple[int, torch.Generator]] = []

        def rows() -> Iterator[Tensor]:
            for batch, generator in batches:
                ahead.append((len(batch), generator))
                yield batch[part.of(len(batch))]

        for images in self.source.stream(rows()):
            b, generator = ahead.pop(0)
            drawn = draw(self.augmentation, self.views * b, generator, image_size=height, channels=channels)
            own = torch.arange(self.views * b).view(self.views, b)[:, part.of(b)]
            if isinstance(drawn, UserViews):  # a call for each view: theirs may treat all of a batch alike
                yield torch.cat([apply(images, drawn[rows], self.view_size) for rows in own]), None
            else:
                several = images.repeat(self.views, 1, 1, 1)
                yield apply(several, drawn[own.flatten()], self.view_size, low=self.low), None


@dataclass(frozen=True, eq=False)
class NeighborGraph:
    """An edge joins an image to one of its nearest neighbours; nothing is augmented.

    Parameters
    ----------
    source : Source
        uint8 images (n, h, w, c), or features (n, f) where only the head is trained.
    neighbors : int64 tensor of shape (n, k)
        Numbers of the neighbours, the image itself left out.
    view_size : int, optional
        Edge of the images, px; not for features.
    """

    source: Source
    neighbors: Int[Tensor, "n k"]
    view_size: int | None = None
    unit: float = 1.0

    @property
    def kept(self) -> dict[str, Tensor]:
        return {"neighbors": self.neighbors}

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " _"], torch.Generator]], part: Part = ALL
    ) -> Iterator[Pairs]:
        def rows() -> Iterator[Tensor]:
            for batch, generator in batches:
                chosen = torch.randint(self.neighbors.shape[1], (len(batch),), generator=generator)
                own = part.of(len(batch))
                yield torch.cat([batch[own], self.neighbors[batch, chosen][own]])

        for found in self.source.stream(rows()):
            yield (found if found.is_floating_point() else plain(found, self.view_size)), None


@dataclass(frozen=True, eq=False)
class WeightedGraph:
    """An edge joins an image to a neighbour and is drawn in proportion to its weight; nothing is augmented.

    With weights from neighbours in *pixel* space this is the graph of parametric t-SNE (van der Maaten,
    AISTATS 2009) and of parametric UMAP (Sainburg, McInnes & Gentner, Neural Computation 2021). It knows of
    an image what its pixels say; the augmentation graph in its place is what makes t-SimCNE.

    Parameters
    ----------
    source : Source
        uint8 images (n, h, w, c).
    starts : int64 tensor of shape (n + 1,)
        The edges of image ``i`` are those from ``starts[i]`` to before ``starts[i + 1]``.
    ends : int32 tensor of shape (e,)
        Their other ends.
    weights : float32 tensor of shape (e,)
        Positive; their sum does not matter.
    view_size : int
        Edge of the images, px.
    """

    source: Source
    starts: Int[Tensor, " n_plus_1"]
    ends: Int[Tensor, " e"]
    weights: Float[Tensor, " e"]
    view_size: int
    unit: float = 1.0

    @property
    def kept(self) -> dict[str, Tensor]:
        return {"starts": self.starts, "ends": self.ends, "weights": self.weights}

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " _"], torch.Generator]], part: Part = ALL
    ) -> Iterator[Pairs]:
        total = np.cumsum(self.weights.numpy(), dtype=np.float64)
        n, starts = len(self.source), self.starts.numpy()

        def rows() -> Iterator[Tensor]:
            for batch, generator in batches:
                # slice k of n equal slices of the whole weight, and within it a random point: in each pass
                # over the numbers 0 to n - 1 every edge is drawn in proportion to its weight
                point = (batch + torch.rand(len(batch), generator=generator, dtype=torch.float64)) / n
                edge = np.searchsorted(total, point.numpy() * total[-1], side="right")
                edge = torch.from_numpy(edge.clip(max=len(total) - 1))[part.of(len(batch))]
                first = np.searchsorted(starts, edge.numpy(), side="right") - 1
                yield torch.cat([torch.from_numpy(first), self.ends[edge].long()])

        for found in self.source.stream(rows()):
            yield plain(found, self.view_size), None


@dataclass(frozen=True, eq=False)
class LabelGraph:
    """An edge joins a view of an image to the image's class: the supervised baseline.

    Parameters
    ----------
    views : AugmentationGraph
        Over the images that train, and over no other ones.
    classes : int64 tensor of shape (n,)
        Their classes, from 0.
    """

    views: AugmentationGraph
    classes: Int[Tensor, " n"]
    unit: float = 1.0

    @property
    def source(self) -> Source:
        """The images that train."""
        return self.views.source

    @property
    def kept(self) -> dict[str, Tensor]:
        return {}

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " _"], torch.Generator]], part: Part = ALL
    ) -> Iterator[Pairs]:
        ahead: list[Tensor] = []

        def noted() -> Iterator[tuple[Tensor, torch.Generator]]:
            for batch, generator in batches:
                ahead.append(self.classes[batch[part.of(len(batch))]])
                yield batch, generator

        for inputs, _ in self.views.pairs(noted(), part):
            yield inputs, sent(ahead.pop(0).repeat(2), inputs.device)


@dataclass(frozen=True, eq=False)
class LayoutGraph:
    """An edge joins an image to its place in a layout of the neighbour graph, which the head is to learn.

    Parameters
    ----------
    source : Source
        Features (n, f).
    places : float32 tensor of shape (n, d)
        The layout, see :func:`augmap.method.layout.layout`; the outputs are learned in units of its spread.
    """

    source: Source
    places: Float[Tensor, "n d"]

    @property
    def unit(self) -> float:
        """Standard deviation of the layout."""
        return float(self.places.std(0).mean().clamp_min(1e-6))

    @property
    def kept(self) -> dict[str, Tensor]:
        return {"places": self.places}

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " _"], torch.Generator]], part: Part = ALL
    ) -> Iterator[Pairs]:
        places = Source(self.places / self.unit, self.source.device)
        rows = (batch[part.of(len(batch))] for batch, _ in batches)
        for own in rows:
            yield self.source.take(own), places.take(own)

    def some(self, count: int, generator: torch.Generator) -> Float[Tensor, "k d"]:
        """Return the places of images drawn at random, in units of the layout's spread."""
        drawn = torch.randperm(len(self.places), generator=generator)[:count]
        return self.places[drawn] / self.unit
