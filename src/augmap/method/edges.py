"""What makes a pair: the augmentation graph of the paper, or a graph of nearest neighbours.

The whole difference between t-SimCNE and parametric t-SNE lies in this file: the same encoder, loss and
trainer, with other edges (Böhm, Berens & Kobak, ICLR 2023, section 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from augmap.method.augment import Augmentation, UserTransform, apply, draw, plain
from augmap.method.source import Source


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


Pairs = tuple[Float[Tensor, "m ..."], Float[Tensor, "m d"] | None]
"""Inputs of the network, and where their outputs are to lie if anybody knows.

Without places the inputs are all first ends of the edges, then all second ends, to be contrasted.
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
    """An edge joins two random views of one image.

    Parameters
    ----------
    source : Source
        uint8 images (n, h, w, c).
    augmentation : Augmentation or UserTransform
    view_size : int
        Edge of a view, px.
    """

    source: Source
    augmentation: Augmentation | UserTransform
    view_size: int
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
            drawn = draw(self.augmentation, 2 * b, generator, image_size=height, channels=channels)
            views = []
            for start in (0, b):
                own = range(start, start + b)[part.of(b)]
                mine = drawn[own.start : own.stop].to(images.device, non_blocking=True)
                views.append(apply(images, mine, self.view_size))
            yield torch.cat(views), None


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
