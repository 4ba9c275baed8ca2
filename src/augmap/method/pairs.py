r"""Squared distances or dot products of a block of rows with all columns, and their gradient.

Two ways that agree in value. ``Differences`` subtracts coordinates: right for near pairs wherever they lie.
``Products`` multiplies matrices, as fast as it gets for many coordinates, and does so in true float32
whatever the process has set for its matrix products.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


class Differences:
    """Squared distances from coordinate differences; no matrix product anywhere, the gradient included."""

    def __init__(self, columns: Float[Tensor, "n d"]) -> None:
        self._columns = columns.T.contiguous()[:, None, :]  # (d, 1, n)
        self._difference = None

    def between(self, x: Float[Tensor, "r d"]) -> Float[Tensor, "r n"]:
        """Squared distances of ``r`` rows to all columns."""
        self._difference = x.T[:, :, None] - self._columns  # (d, r, n)
        return self._difference.square().sum(0)

    def add_gradient(
        self,
        w: Float[Tensor, "r n"],
        x: Float[Tensor, "r d"],
        d_rows: Float[Tensor, "r d"],
        d_columns: Float[Tensor, "n d"],
    ) -> None:
        """Add the gradient of ``sum(w * between(x))`` for fixed ``w``."""
        pull = self._difference.mul_(w).mul_(2)
        d_rows += pull.sum(2).T
        d_columns -= pull.sum(1).T


class Products:
    """Dot products, or squared distances as ``|x|² + |y|² - 2xy`` (centre the rows first)."""

    def __init__(self, columns: Float[Tensor, "n d"], *, squared_distances: bool) -> None:
        self._columns = columns
        self._squares = columns.square().sum(1) if squared_distances else None

    def between(self, x: Float[Tensor, "r d"]) -> Float[Tensor, "r n"]:
        """Squared distances, or dot products, of ``r`` rows with all columns."""
        products = exact_product(x, self._columns.T)
        if self._squares is None:
            return products
        return products.mul_(-2).add_(x.square().sum(1)[:, None]).add_(self._squares).clamp_min_(0)

    def add_gradient(
        self,
        w: Float[Tensor, "r n"],
        x: Float[Tensor, "r d"],
        d_rows: Float[Tensor, "r d"],
        d_columns: Float[Tensor, "n d"],
    ) -> None:
        """Add the gradient of ``sum(w * between(x))`` for fixed ``w``."""
        to_rows, to_columns = exact_product(w, self._columns), exact_product(w.T, x)
        if self._squares is None:
            d_rows += to_rows
            d_columns += to_columns
        else:
            d_rows += 2 * (x * w.sum(1)[:, None] - to_rows)
            d_columns += 2 * (self._columns * w.sum(0)[:, None] - to_columns)


def exact_product(x: Float[Tensor, "p q"], y: Float[Tensor, "q r"]) -> Float[Tensor, "p r"]:
    """``x @ y`` with float32's precision, although the process may allow TF32 or bfloat16 in products.

    Nothing is switched (such flags are global, and read by other threads). Where the backend reports reduced
    products, each factor is cut into parts that the reduced type holds exactly, and the products that matter
    are summed: 3 for TF32 (2 parts), 6 for bfloat16 (3 parts).
    """
    reduced = _reduced_type(x)
    if reduced is None:
        return x @ y
    bits, parts = _PARTS[reduced]
    xs, ys = _split(x, bits, parts), _split(y, bits, parts)
    # smallest first; parts i and j together lie i + j steps below the largest
    pairs = [(i, j) for i in range(parts) for j in range(parts) if i + j < parts]
    return sum(xs[i] @ ys[j] for i, j in sorted(pairs, key=sum, reverse=True))


_PARTS = {"tf32": (13, 2), "bf16": (16, 3)}
"""Low bits of a float32 that the type drops, and how many parts hold all 24 bits of its mantissa."""


def _reduced_type(x: Tensor) -> str | None:
    if x.dtype != torch.float32:
        return None
    backend = torch.backends.cuda.matmul if x.is_cuda else torch.backends.mkldnn.matmul
    return backend.fp32_precision if backend.fp32_precision in _PARTS else None


def _split(x: Tensor, bits: int, parts: int) -> list[Tensor]:
    """Summands of ``x``, largest first, each but the last with its ``bits`` lowest bits zero."""
    found = []
    for _ in range(parts - 1):
        found.append((x.contiguous().view(torch.int32) >> bits << bits).view(torch.float32))
        x = x - found[-1]
    return [*found, x]
