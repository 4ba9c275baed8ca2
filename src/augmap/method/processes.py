"""Sums and stacks over all processes that gradients pass through.

Both send gradients back *summed*. Where each process holds the mean loss of its share, the mean
over processes of the weights' gradients (what data-parallel training takes) is then the gradient of the mean
loss. ``torch.distributed.nn.functional`` had the same and warns, since PyTorch 2.13, that it will go.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


def world_size() -> int:
    """Number of processes that train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process among those that train together, from 0; 0 without a process group."""
    return dist.get_rank() if world_size() > 1 else 0


def all_sum(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Sum of every process's ``x``."""
    return _AllSum.apply(x) if world_size() > 1 else x


def all_stack(x: Float[Tensor, "*shape"]) -> Float[Tensor, "world ..."]:
    """Every process's ``x``, stacked in the order of ranks; of one shape everywhere."""
    return _AllStack.apply(x) if world_size() > 1 else x[None]


class _AllSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return _summed(x)

    @staticmethod
    def backward(ctx, upstream):
        return _summed(upstream)


class _AllStack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        rows = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(rows, x)
        return torch.stack(rows)

    @staticmethod
    def backward(ctx, upstream):
        # each process holds a gradient for every share; a share's own process wants the sum of them
        return _summed(upstream)[dist.get_rank()]


def _summed(x: Tensor) -> Tensor:
    x = x.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(x)
    return x
