"""The projection head: features h -> output z."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmap.errors import InputError
from augmap.method.anchors import Anchors

NORMS = {None: None, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
"""What may stand between a hidden layer of the head and its ReLU."""


class Head(nn.Module):
    """Projection head: hidden linear layers with ReLU, then a last linear layer in float32.

    Parameters
    ----------
    features, dim : int
        Columns of h and of z.
    hidden : sequence of int
        Widths of the hidden layers; (1024,) is the paper's head, () a single linear layer.
    norm : str, optional
        "batch" or "layer": a normalisation before each ReLU. The paper has none.
    on_sphere : bool
        Bring h to unit length first, so that only its direction counts.
    anchors : int, optional
        Say which of so many places an image is near, see ``Anchors``; the last layer then only scales, turns
        and moves the map, and begins as the identity.
    """

    def __init__(
        self,
        features: int,
        dim: int,
        *,
        hidden: Sequence[int] = (1024,),
        norm: str | None = None,
        on_sphere: bool = False,
        anchors: int | None = None,
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise InputError(f"unknown norm {norm!r}; choose one of {', '.join(map(repr, NORMS))}")
        widths = (*hidden, dim) if anchors is None else (*hidden, anchors, dim)
        if not all(width > 0 for width in widths):
            raise InputError(f"layers of the head need at least one column, got {widths}")
        self.widths, self.norm, self.on_sphere = tuple(hidden), norm, on_sphere
        layers, columns = [], features
        for width in hidden:
            layers.append(nn.Linear(columns, width))
            if NORMS[norm]:
                layers.append(NORMS[norm](width))
            layers.append(nn.ReLU(inplace=True))
            columns = width
        self.hidden = nn.Sequential(*layers)
        self.anchors = None if anchors is None else Anchors(columns, anchors, dim)
        self.last = nn.Linear(columns if anchors is None else dim, dim)
        if anchors is not None:
            nn.init.eye_(self.last.weight)
            nn.init.zeros_(self.last.bias)

    def forward(self, h: Float[Tensor, "b f"]) -> Float[Tensor, "b d"]:
        h = self._before(h)
        if self.anchors is not None:
            h = self.anchors(h)
        # in bfloat16 a map that spans 500 units has steps of 2, four times the distance between neighbours
        with torch.autocast(h.device.type, enabled=False):
            return self.last(h.to(self.last.weight.dtype))

    def read(self, h: Float[Tensor, "b f"]) -> Float[Tensor, "b r"]:
        """What :meth:`Anchors.loss` takes."""
        assert self.anchors is not None
        return self.anchors.read(self._before(h))

    def _before(self, h: Float[Tensor, "b f"]) -> Float[Tensor, "b c"]:
        return self.hidden(nn.functional.normalize(h, dim=1) if self.on_sphere else h)


class Reading(nn.Module):
    """A head up to the scores and offsets of its anchors, which is as far as these are trained."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, h: Float[Tensor, "b f"]) -> Float[Tensor, "b r"]:
        return self.head.read(h)
