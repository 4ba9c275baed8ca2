r"""How all points of a layout repel each other, in time that grows with the points and not with the pairs.

For the Cauchy kernel :math:`s_{ij} = 1 / (1 + |y_i - y_j|^2)` both sums that the gradient of t-SNE needs,

.. math:: z_i = \sum_j s_{ij}, \qquad f_i = \sum_j s_{ij}^2 (y_i - y_j),

are convolutions of the points with a fixed kernel. In one and two dimensions each point is spread over the
nodes of a grid around it, the convolution is a product of Fourier transforms, and the sums are read off the
nodes again (Linderman et al., 2019). Few points are compared pair by pair, and in more dimensions, where a
grid would be too large, with a sample.

References
----------
Linderman, Rachh, Hoskins, Steinerberger & Kluger, "Fast interpolation-based t-SNE for improved visualization
of single-cell RNA-seq data", Nature Methods 2019, https://arxiv.org/abs/1712.09005
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn.functional import embedding_bag

SPACING = 0.25
"""Of the nodes, in widths of the kernel."""
NODES = 2048
"""At most, along one axis; a map that is larger has wider spacing."""
FEW = 512
"""Up to so many points every pair is looked at."""
SAMPLED = 1024
"""Points that all are repelled by in more than two dimensions."""

ROWS = 1024
"""Points that are held against the sample at a time: memory does not grow with their number."""

Sums = tuple[Float[Tensor, " n"], Float[Tensor, "n d"]]
"""z, with each point's own 1 in it, and f."""


def repulsion(y: Float[Tensor, "n d"], grid: Grid, random: torch.Generator) -> Sums:
    """Return :math:`z_i` and :math:`f_i` of all points.

    Parameters
    ----------
    y : (n, d) float32 tensor
    grid : Grid
        Kept from call to call: its kernels are computed anew only when the map has outgrown them.
    random : torch.Generator
        Draws the sample where there is one.
    """
    n, dim = y.shape
    if n <= FEW:
        return _sums(y, y)
    if dim <= 2:
        return grid(y)
    sample = y[torch.randint(n, (SAMPLED,), generator=random)]
    parts = [_sums(rows, sample) for rows in y.split(ROWS)]
    z, f = (n / SAMPLED * torch.cat(part) for part in zip(*parts, strict=True))
    return z.clamp_min(1.0), f


def _sums(y: Float[Tensor, "n d"], others: Float[Tensor, "m d"]) -> Sums:
    apart = y[:, None] - others  # (n, m, d)
    s = 1 / (1 + apart.square().sum(2))
    return s.sum(1), (s.square()[..., None] * apart).sum(1)


@dataclass(eq=False)
class Grid:
    """Nodes over a map of one or two dimensions, and what the kernels are to them."""

    _shape: tuple[int, ...] = ()
    _spacing: float = 0.0
    _kernels: list[Tensor] = field(default_factory=list)

    def __call__(self, y: Float[Tensor, "n d"]) -> Sums:
        """Return the sums over all points; at worst pushes are off by a few per cent."""
        low, high = y.amin(0), y.amax(0)
        spacing = _spacing(float((high - low).max()))
        at = (y - low) / spacing
        self._fit(tuple(_roomy(v + 4) for v in at.amax(0).tolist()), spacing)
        nodes, weights = _stencil(at, self._shape)
        points = torch.zeros(math.prod(self._shape)).index_add_(0, nodes.flatten(), weights.flatten())
        spectrum = torch.fft.rfftn(points.view(self._shape), s=self._padded)
        fields = torch.stack([self._convolved(spectrum, kernel) for kernel in self._kernels], 1)
        read = embedding_bag(nodes, fields, per_sample_weights=weights, mode="sum")  # (n, 1 + d)
        return read[:, 0], read[:, 1:]

    @property
    def _padded(self) -> list[int]:
        return [next_fast_len(2 * m, real=True) for m in self._shape]

    def _fit(self, shape: tuple[int, ...], spacing: float) -> None:
        """Compute the transforms of s and of each column of s² (y_i - y_j) for a grid."""
        if (shape, spacing) == (self._shape, self._spacing):
            return
        self._shape, self._spacing = shape, spacing
        axes = []
        for m, padded in zip(shape, self._padded, strict=True):
            steps = torch.arange(padded)
            axes.append(torch.where(steps < m, steps, steps - padded) * spacing)
        apart = torch.meshgrid(*axes, indexing="ij")
        s = 1 / (1 + sum(a.square() for a in apart))
        self._kernels = [torch.fft.rfftn(k) for k in (s, *(a * s.square() for a in apart))]

    def _convolved(self, spectrum: Tensor, kernel: Tensor) -> Float[Tensor, " nodes"]:
        whole = torch.fft.irfftn(spectrum * kernel, s=self._padded)
        return whole[tuple(slice(m) for m in self._shape)].flatten()


def _spacing(span: float) -> float:
    """Return the spacing for a map so wide; it grows by a tenth at once, so that grids can be kept."""
    return SPACING * 1.1 ** max(0, math.ceil(math.log(max(span, SPACING) / SPACING / (NODES - 4), 1.1)))


def _roomy(length: float) -> int:
    """Round up to a multiple of 32, so that a map that grows slowly keeps its grid for some steps."""
    return 32 * math.ceil(length / 32)


def _stencil(
    at: Float[Tensor, "n d"], shape: tuple[int, ...]
) -> tuple[Int[Tensor, "n t"], Float[Tensor, "n t"]]:
    """Return the 4^d nodes around each point, and the weights of cubic interpolation from them."""
    first = at.floor()
    r = at - first
    each = torch.stack(  # Lagrange's polynomials through -1, 0, 1 and 2; (n, d, 4)
        [
            r * (r - 1) * (2 - r) / 6,
            (r + 1) * (r - 1) * (r - 2) / 2,
            (r + 1) * r * (2 - r) / 2,
            (r + 1) * r * (r - 1) / 6,
        ],
        2,
    )
    first, reach = first.long(), torch.arange(4)  # the second is the node below, so that none lies below 0
    nodes, weights = first[:, :1] + reach, each[:, 0]
    for axis in range(1, len(shape)):
        nodes = (nodes[:, :, None] * shape[axis] + (first[:, axis, None] + reach)[:, None]).flatten(1)
        weights = (weights[:, :, None] * each[:, axis, None]).flatten(1)
    return nodes, weights
