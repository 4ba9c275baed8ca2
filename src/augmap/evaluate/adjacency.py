"""The density graph as a matrix to multiply with: normalised by degree, held once for both triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from augmap.evaluate.density_graph import DensityGraph, Tile, each
from augmap.neighbors import Progress

FLOAT32_UP_TO = 2**28
"""Entries held in float32, 1 GiB: about 23,000 images. More are held in float16: 3.4 GiB for 60,000."""
_COLUMNS = 16
_SCALE = 2.0**15
"""Entries in [0, 1] times this are normal numbers of float16 down to 2e-9 of the largest."""


@dataclass(frozen=True, eq=False)
class Adjacency:
    r"""Multiplies with :math:`\hat A = D^{-1/2} W D^{-1/2}`, D = max(degree, 1), W with its factor n².

    Only :math:`F_{ij} = W_{ij} s_i s_j / n^2 \in [0, 1]` is held (see :class:`DensityGraph`), in blocks, each
    for itself and its mirror image; what belongs to rows and columns is multiplied in from outside.
    """

    blocks: list[tuple[Tile, Tensor]]
    factors: Float[Tensor, " n"]
    """n / (s sqrt(D))."""
    degrees: Float[np.ndarray, " n"]
    """Row sums of W in float64, not clamped."""
    scale: float

    @property
    def precision(self) -> str:
        """Of the entries: float64, float32 or float16."""
        return str(self.blocks[0][1].dtype).removeprefix("torch.")

    def __call__(self, h: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Return the product with ``h``; its gradient is the product with the gradient."""
        return _Product.apply(h, self)

    def product(self, h: Tensor) -> Tensor:
        """Return the product with ``h``, outside of autograd."""
        width = h.shape[1]
        # 16 columns take a third of the time of 10
        inner = F.pad(self.factors[:, None] * h, (0, -width % _COLUMNS))
        found = torch.zeros_like(inner)
        for (rows, columns), block in self.blocks:
            part = block.to(h.dtype)
            found[rows] += part @ inner[columns]
            if rows != columns:
                found[columns] += part.T @ inner[rows]
        return found[:, :width] * (self.factors[:, None] / self.scale)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h: Tensor, adjacency: Adjacency) -> Tensor:
        ctx.adjacency = adjacency
        return adjacency.product(h)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.adjacency.product(gradient), None  # the matrix is symmetric


def adjacency(
    graph: DensityGraph,
    *,
    dtype: torch.dtype = torch.float32,
    held: torch.dtype | None = None,
    progress: Progress | None = None,
) -> Adjacency:
    """Compute the blocks of a graph of one temperature; nothing is pruned.

    Parameters
    ----------
    dtype : torch.dtype
        Of what it multiplies with.
    held : torch.dtype, optional
        Of the entries; by default ``dtype``, or float16 where more than ``FLOAT32_UP_TO`` entries are needed.
    progress : callable, optional
        Called with blocks done and in all.
    """
    n = graph.points.n
    if held is None:
        held = dtype if n * n / 2 <= FLOAT32_UP_TO else torch.float16
    scale = _SCALE if held == torch.float16 else 1.0
    shares = 1 / graph.sums[0]

    def entries(tile: Tile) -> tuple[Tensor, np.ndarray, np.ndarray]:
        rows, columns = tile
        f = graph.logarithms(rows, columns)
        f *= f.dtype.type(1 / graph.temperatures[0])
        np.exp(f, out=f)
        of_rows = shares[rows] * (f @ shares[columns].astype(f.dtype))
        of_columns = shares[columns] * (shares[rows].astype(f.dtype) @ f)
        f *= f.dtype.type(scale)
        return torch.from_numpy(f).to(held), of_rows, of_columns

    blocks, degrees = [], np.zeros(n)
    for tile, (block, of_rows, of_columns) in each(graph.points, entries, progress):
        blocks.append((tile, block))
        degrees[tile[0]] += of_rows
        if tile[0] != tile[1]:
            degrees[tile[1]] += of_columns
    degrees *= n**2
    factors = torch.from_numpy(n * shares / np.sqrt(np.maximum(degrees, 1))).to(dtype)
    return Adjacency(blocks, factors, degrees, scale)
