"""A network's work on a GPU, recorded once and replayed: a step then waits for kernels, not for their calls.

A step of ResNet-18 is some thousand kernels of microseconds each. Called one by one from Python they come
later than the GPU could begin them; a CUDA graph hands all of them over in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from augmap.method.encoder import CUSTOM, Encoder
from augmap.method.source import Source


def recordable(network: nn.Module, encoder: Encoder, source: Source, processes: int = 1) -> bool:
    """Whether each step can be the same calls: one of our networks, whole in training, alone on a GPU.

    What the user's module does in between nobody knows, and a recording fails where another thread asks for
    memory meanwhile, as fetching images does that do not lie on the GPU.
    """
    own, alone = encoder.name != CUSTOM, processes == 1 and source.resident
    return source.device.type == "cuda" and own and alone and network.training


@contextmanager
def replayed(network: nn.Module, wanted: bool) -> Iterator[Callable[[Tensor], None]]:
    """Yield a function to be shown the inputs of each step before ``network`` gets them.

    The first ones are what the recording is made with, if ``wanted``; from then on ``network`` replays it for
    inputs of their shape, in training. Other shapes, and eval mode, go through the network as before, and so
    does everything after the ``with``. Outputs are overwritten by the next call.
    """
    plain = network.forward

    def see(inputs: Tensor) -> None:
        if not wanted or "forward" in vars(network):
            return
        buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
        # a copy kept from the first call would be read by each replay, whatever the weights are by then
        low = torch.get_autocast_dtype("cuda")
        with torch.autocast("cuda", low, enabled=torch.is_autocast_enabled("cuda"), cache_enabled=False):
            torch.cuda.make_graphed_callables(network, (inputs.detach().clone(),))
        with torch.no_grad():
            for buffer, before in buffers:  # BatchNorm's: the recording runs some steps of its own
                buffer.copy_(before)
        graph, shape = network.forward, inputs.shape
        network.forward = lambda x: graph(x) if network.training and x.shape == shape else plain(x)

    try:
        yield see
    finally:
        vars(network).pop("forward", None)


@contextmanager
def fastest_kernels(device: torch.device) -> Iterator[None]:
    """Let cuDNN try its convolutions for each shape and keep the fastest; not where bits must repeat."""
    before = torch.backends.cudnn.benchmark
    if device.type == "cuda" and not torch.are_deterministic_algorithms_enabled():
        torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
