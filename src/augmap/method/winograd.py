r"""Winograd's convolution: of few pixels, 3x3, with half of the multiplications; in bfloat16 on a CPU.

Along one axis, an image of e pixels within zeros is convolved by an e x e matrix with :math:`w_1` on the
diagonal, :math:`w_0` below it and :math:`w_2` above. It holds only three numbers, so products can be shared:
a scheme takes sums of pixels :math:`Bx` and sums of weights :math:`Gw`, multiplies these one by one, and adds
up, :math:`y = A\,(Gw \circ Bx)`. Along two axes it is applied to both; over the channels each of its products
is one of matrices. An image of 3x3 pixels needs 25 products in place of 49, one of 6x6 pixels 100 in place
of 256; those with the padding are not counted.

What bfloat16 needs is that no sum is much larger than what comes out of it, or rounding stays behind; it is
then small beside the largest values of an image, not beside each of them:

- Up to 5 pixels, the matrix is :math:`w_1 I + \frac{w_0 + w_2}{2} S + \frac{w_0 - w_2}{2} D`. Orthonormal
  vectors make the symmetric :math:`S` diagonal; the antisymmetric :math:`D` has singular values of at most 2.
- From 6 on, tiles of three pixels of the output, by values of polynomials at five points (Toom-Cook).

References
----------
Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, arXiv 1509.09308.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

CHANNELS_FROM = {2: 256, 3: 64, 4: 256, 5: 128, 6: 64, 7: 256, 8: 256, 9: 128, 12: 256}
"""Fewest channels, on both sides, of a convolution that is made this way, by the edge of the image in pixels.

From there on it was faster by a tenth and more (``benchmarks/convolution.py``, table in
``docs/performance.md``). With fewer, the sums take as long as the products that they save.
"""
_POINTS = (0.5, -0.5, 2**0.5, -(2**0.5))
"""Where the polynomials are evaluated, besides infinity: they round less than 0, 1, -1 and 2."""
_TILE = 3


class Scheme(NamedTuple):
    """The matrices B, G and A of both axes at once; an image has p / q tiles, each with q products."""

    pixels: Float[Tensor, "p s"]
    weights: Float[Tensor, "q 9"]
    outputs: Float[Tensor, "s p"]


@cache
def scheme(edge: int, dtype: torch.dtype = torch.bfloat16) -> Scheme:
    """Return the scheme for edge x edge pixels within zeros, p in the order (sum of weights, tile)."""
    pixels, weights, outputs = _orthogonal(edge) if edge < 2 * _TILE else _tiles(edge)
    one = np.arange(len(pixels)).reshape(-1, len(weights)).T  # (sum, tile) of one axis
    order = (one[:, None, :, None] * len(pixels) + one[None, :, None, :]).reshape(-1)
    both = np.kron(pixels, pixels)[order], np.kron(weights, weights), np.kron(outputs, outputs)[:, order]
    return Scheme(*(torch.tensor(matrix).to(dtype) for matrix in both))


class Winograd(torch.autograd.Function):
    """The convolution with padding 1, and its gradients by the same products; in the inputs' dtype."""

    @staticmethod
    def forward(ctx, x: Float[Tensor, "b c e e"], weight: Float[Tensor, "c2 c 3 3"]):
        b, (c2, c), edge = len(x), weight.shape[:2], x.shape[2]
        of_pixels, of_weights, to_outputs = scheme(edge, x.dtype)
        p, q = len(of_pixels), len(of_weights)
        sums = (of_pixels @ _pixels_first(x)).view(q, p // q * b, c)
        factors = (of_weights @ _pixels_first(weight)).view(q, c2, c)
        products = torch.bmm(sums, factors.mT)
        ctx.save_for_backward(sums, factors)
        ctx.edge = edge
        return _images(to_outputs @ products.view(p, b * c2), edge, b, c2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        sums, factors = ctx.saved_tensors
        of_pixels, of_weights, to_outputs = scheme(ctx.edge, upstream.dtype)
        b, p, (q, c2, c) = len(upstream), len(of_pixels), factors.shape
        products = (to_outputs.T @ _pixels_first(upstream)).view(q, p // q * b, c2)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_sums = torch.bmm(products, factors).view(p, b * c)
            to_x = _images(of_pixels.T @ to_sums, ctx.edge, b, c)
        to_factors = torch.bmm(products.mT, sums).view(q, c2 * c)
        return to_x, _images(of_weights.T @ to_factors, 3, c2, c)


def _pixels_first(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "p r"]:
    return x.permute(2, 3, 0, 1).reshape(x.shape[2] * x.shape[3], x.shape[0] * x.shape[1])


def _images(pixels: Float[Tensor, "p r"], edge: int, b: int, c: int) -> Float[Tensor, "b c edge edge"]:
    images = pixels.view(edge, edge, b, c).permute(2, 3, 0, 1)
    return images.contiguous(memory_format=torch.channels_last)


_Matrices = tuple[Float[np.ndarray, "p e"], Float[np.ndarray, "q 3"], Float[np.ndarray, "e p"]]
"""Sums of pixels, of weights and of products, of one axis; p in the order (tile, sum of weights)."""


def _orthogonal(edge: int) -> _Matrices:
    above = np.diag(np.ones(edge - 1), 1)
    values, vectors = np.linalg.eigh(above + above.T)
    left, strengths, right = np.linalg.svd(above.T - above)
    rank = edge - edge % 2
    root = np.sqrt(strengths[:rank])
    pixels = np.concatenate([vectors.T, root[:, None] * right[:rank]])
    outputs = np.concatenate([vectors, left[:, :rank] * root], axis=1)
    return pixels, np.array([[v / 2, 1, v / 2] for v in values] + rank * [[0.5, 0, -0.5]]), outputs


def _tiles(edge: int) -> _Matrices:
    size, count = _TILE + 2, -(-edge // _TILE)  # of a tile: pixels that it meets, and products; tiles
    weights, out = _values(3), _values(_TILE).T
    weights[:-1] /= np.array([[np.prod([p - q for q in _POINTS if q != p])] for p in _POINTS])
    # output i takes pixel i + k times w_k: an equation each, for the sums of pixels
    equations = np.einsum("ip,pk->ikp", out, weights).reshape(-1, size)
    wanted = np.array([np.eye(size)[i + k] for i in range(_TILE) for k in range(3)])
    into = np.linalg.lstsq(equations, wanted, rcond=None)[0]
    pixels, outputs = np.zeros((count, size, _TILE * count + 2)), np.zeros((_TILE * count, count, size))
    for t in range(count):
        pixels[t, :, _TILE * t : _TILE * t + size] = into
        outputs[_TILE * t : _TILE * (t + 1), t] = out
    return pixels[:, :, 1 : edge + 1].reshape(-1, edge), weights, outputs[:edge].reshape(edge, -1)


def _values(count: int) -> Float[np.ndarray, "5 count"]:
    """Powers 0 to count - 1 of the points, and of infinity."""
    finite = np.array(_POINTS)[:, None] ** np.arange(count)
    return np.concatenate([finite, np.eye(count)[-1:]])
