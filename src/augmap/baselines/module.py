"""Features by a torch module of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from augmap.baselines.prepare import Input, collect
from augmap.errors import InputError
from augmap.method.launch import pick_device


@torch.no_grad()
def module_features(
    module: nn.Module,
    pixels: np.ndarray,
    *,
    size: int | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return what a module answers to float images (b, c, h, w), in eval mode; it is left as it was found.

    Raises
    ------
    InputError
        The module fails on these images, or does not answer one row an image.
    """
    prepare, place = Input(size=size, mean=mean, std=std), torch.device(pick_device(device))
    home = next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    modes = {part: part.training for part in module.modules()}
    module.eval().to(place)

    def compute(block: np.ndarray) -> np.ndarray:
        images = prepare(block)
        try:
            found = module(images.to(place))
        except RuntimeError as error:
            raise InputError(
                f"the module fails on images of shape {tuple(images.shape)}: {error}; give the size it takes"
            ) from error
        if not isinstance(found, torch.Tensor):
            raise InputError(f"the module must return a tensor, got {type(found).__name__}; wrap it")
        return found.float().cpu().numpy()

    try:
        h = collect(pixels, compute, progress=progress)
    finally:
        module.to(home)
        for part, training in modes.items():
            part.training = training
    settings = {"size": size, "mean": prepare.mean, "std": prepare.std}
    name = type(module).__name__
    return h, {"source": f"torch module {name}", **{k: v for k, v in settings.items() if v is not None}}
