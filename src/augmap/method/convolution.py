"""A convolution that takes the fastest of three ways in bfloat16 on a CPU, by a rule of shapes alone.

oneDNN, PyTorch's library for CPUs, is slow where pixels are few. A 3x3 convolution of few pixels and many
channels is made with half of its multiplications (``winograd.py``). Where that does not fit, because it skips
pixels, the gradient of its weights is nine matrix products, one for each place of the kernel, over those
pixels where that place does not lie on the padding: oneDNN computes it badly at 4x4 pixels and below. And a
1x1 convolution that skips pixels takes up to twice as long as the same one of the pixels it meets.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmap.method import winograd

EDGE_UP_TO = 4
"""Largest edge of the output, in pixels, whose weight gradient is made of products.

``benchmarks/convolution.py`` measures it. A rule, not a measurement at start, because the same configuration,
seed and machine must give the same bits, interrupted or not.
"""
CHANNELS_FROM = 128
"""Fewest channels, on both sides, of such a convolution: a smaller product does not fill the machine."""


class Convolution(nn.Conv2d):
    """``nn.Conv2d``; in bfloat16 on a CPU, where it learns, see the module."""

    def forward(self, x: Float[Tensor, "*b c h w"]) -> Float[Tensor, "*b c2 h2 w2"]:
        low = torch.bfloat16
        learns = self.weight.requires_grad and torch.is_grad_enabled()
        if not (learns and self._plain(x) and x.device.type == "cpu" and _computed_in(x) == low):
            return super().forward(x)
        if self.kernel_size == (1, 1) and self.padding == (0, 0) and self.stride != (1, 1):
            return nn.functional.conv2d(_Met.apply(x.to(low), self.stride), self.weight)
        if self.shares(x):
            return winograd.Winograd.apply(x.to(low), self.weight.to(low))
        if self.by_products(x):
            return _ByProducts.apply(x.to(low), self.weight.to(low), self.stride, self.padding)
        return super().forward(x)

    def shares(self, x: Tensor) -> bool:
        """Whether the rule chooses Winograd's way for an input of this shape."""
        (height, width), channels = x.shape[2:], min(self.in_channels, self.out_channels)
        own = self.kernel_size == (3, 3) and self.padding == self.stride == (1, 1) and height == width
        return own and channels >= winograd.CHANNELS_FROM.get(height, channels + 1)

    def by_products(self, x: Tensor) -> bool:
        """Whether the rule chooses matrix products for the gradient of the weights."""
        if self.kernel_size == (1, 1) or isinstance(self.padding, str):
            return False
        edges = (
            (size + 2 * p - k) // s + 1
            for size, k, s, p in zip(x.shape[2:], self.kernel_size, self.stride, self.padding, strict=True)
        )
        return max(edges) <= EDGE_UP_TO and min(self.in_channels, self.out_channels) >= CHANNELS_FROM

    def _plain(self, x: Tensor) -> bool:
        """Whether this is a convolution of a batch as the other ways compute it."""
        own = self.dilation == (1, 1) and self.groups == 1 and self.bias is None
        return own and self.padding_mode == "zeros" and x.ndim == 4 and x.dtype != torch.float64


class _Met(torch.autograd.Function):
    """The pixels that a 1x1 convolution meets: with them it has the same bits."""

    @staticmethod
    def forward(ctx, x, stride):
        ctx.shape, ctx.stride = x.shape, stride
        return x[:, :, :: stride[0], :: stride[1]].contiguous(memory_format=torch.channels_last)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        like = {"dtype": upstream.dtype, "device": upstream.device, "memory_format": torch.channels_last}
        to_x = torch.empty(ctx.shape, **like).zero_()  # channels last, as the gradient that it is added to
        to_x[:, :, :: ctx.stride[0], :: ctx.stride[1]] = upstream
        return to_x, None


class _ByProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, stride, padding):
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return nn.functional.conv2d(x, weight, None, stride, padding)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        x, weight = ctx.saved_tensors
        upstream = upstream.contiguous(memory_format=torch.channels_last)
        to_x = None
        if ctx.needs_input_grad[0]:
            shape = (ctx.stride, ctx.padding, [1, 1], False, [0, 0], 1)
            only_x = [True, False, False]
            to_x, *_ = torch.ops.aten.convolution_backward(upstream, x, weight, None, *shape, only_x)
        return to_x, weight_gradient(x, upstream, weight.shape[2:], ctx.stride, ctx.padding), None, None


def weight_gradient(
    x: Float[Tensor, "b c h w"],
    upstream: Float[Tensor, "b c2 h2 w2"],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Float[Tensor, "c2 c k l"]:
    """Gradient of a convolution's weights: for each place of the kernel one matrix product.

    Each is over the output pixels where that place meets the image: the padding is never multiplied, which
    at 4x4 pixels saves a third of the work.
    """
    inputs, outputs = x.permute(0, 2, 3, 1), upstream.permute(0, 2, 3, 1)  # (b, h, w, c)
    c, c2 = x.shape[1], upstream.shape[1]
    gradient = x.new_zeros((c2, *kernel, c))
    for i in range(kernel[0]):
        rows, from_rows = meeting(i, stride[0], padding[0], x.shape[2], upstream.shape[2])
        for j in range(kernel[1]):
            columns, from_columns = meeting(j, stride[1], padding[1], x.shape[3], upstream.shape[3])
            out = outputs[:, rows, columns].reshape(-1, c2)
            gradient[:, i, j] = out.T @ inputs[:, from_rows, from_columns].reshape(-1, c)
    return gradient.permute(0, 3, 1, 2)


def meeting(place: int, stride: int, padding: int, size: int, out: int) -> tuple[slice, slice]:
    """Output pixels for which this place of the kernel lies on the image, and the input pixels it meets."""
    first = max(0, -(-(padding - place) // stride))
    last = max(first, min(out, (size - 1 + padding - place) // stride + 1))  # one past it
    begin = first * stride + place - padding
    return slice(first, last), slice(begin, begin + (last - first) * stride, stride)


def _computed_in(x: Tensor) -> torch.dtype:
    """What a convolution of ``x`` is computed in."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
