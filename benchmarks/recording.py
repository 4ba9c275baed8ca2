"""A network's work on a GPU, recorded once and replayed: a step then waits for kernels, not for their calls.

A step of ResNet-18 is some thousand kernels of microseconds each. Called one by one from Python they may
come later than the GPU could begin them; a CUDA graph hands all of them over in one call. No GPU has shown
yet what that gives, so it is a kind of ``step_cpu.py`` and no part of training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def record(network: nn.Module, inputs: Tensor) -> None:
    """Let ``network``, in training and on a GPU, replay its work for inputs of this shape from now on.

    Outputs are overwritten by the next call. BatchNorm's statistics are what they were: the recording runs
    some steps of its own.
    """
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    # a cast of the weights that is kept from one call would be read by all replays
    low = torch.get_autocast_dtype("cuda")
    with torch.autocast("cuda", low, enabled=torch.is_autocast_enabled("cuda"), cache_enabled=False):
        torch.cuda.make_graphed_callables(network, (inputs.detach().clone(),))
    with torch.no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
