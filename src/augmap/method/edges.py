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


class Edges(Protocol):
    """A graph over ``n`` images from which pairs are drawn."""

    source: Source

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " b"], torch.Generator]], part: slice
    ) -> Iterator[Float[Tensor, "m ..."]]:
        """Yield the inputs of one batch after the other: all first ends of the edges, then all second ends.

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

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " b"], torch.Generator]], part: slice
    ) -> Iterator[Float[Tensor, "m c s s"]]:
        _, height, _, channels = self.source.shape
        ahead: list[tuple[int, torch.Generator]] = []

        def rows() -> Iterator[Tensor]:
            for batch, generator in batches:
                ahead.append((len(batch), generator))
                yield batch[part]

        for images in self.source.stream(rows()):
            b, generator = ahead.pop(0)
            drawn = draw(self.augmentation, 2 * b, generator, image_size=height, channels=channels)
            views = []
            for start in (0, b):
                own = range(start, start + b)[part]
                mine = drawn[own.start : own.stop].to(images.device, non_blocking=True)
                views.append(apply(images, mine, self.view_size))
            yield torch.cat(views)


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

    def pairs(
        self, batches: Iterable[tuple[Int[Tensor, " b"], torch.Generator]], part: slice
    ) -> Iterator[Float[Tensor, "m ..."]]:
        def rows() -> Iterator[Tensor]:
            for batch, generator in batches:
                chosen = torch.randint(self.neighbors.shape[1], (len(batch),), generator=generator)
                yield torch.cat([batch[part], self.neighbors[batch, chosen][part]])

        for found in self.source.stream(rows()):
            yield found if found.is_floating_point() else plain(found, self.view_size)
