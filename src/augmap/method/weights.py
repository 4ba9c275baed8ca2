"""An encoder at rest and its way back: weights as numpy arrays beside a description in plain JSON types."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from augmap.config import Config
from augmap.errors import InputError
from augmap.imagemap import Weights
from augmap.method.encoder import Encoder, make_encoder
from augmap.method.source import channel_statistics


def build_encoder(config: Config, pixels: np.ndarray, backbone: nn.Module | None = None) -> Encoder:
    """Return the encoder as training finds it: the weights are a function of the seed."""
    mean, std = channel_statistics(pixels)
    return make_encoder(
        backbone if backbone is not None else config.backbone,
        image_size=pixels.shape[1],
        channels=pixels.shape[-1],
        dim=config.stages[0].dim,
        mean=mean,
        std=std,
        hidden=config.hidden,
        norm=config.norm,
        seed=config.seed,
    )


def to_weights(encoder: Encoder) -> Weights:
    """Return the encoder at rest."""
    arrays = {k: v.detach().cpu().contiguous().numpy() for k, v in encoder.state_dict().items()}
    return Weights(encoder.spec(), arrays)


def from_weights(weights: Weights, backbone: nn.Module | None = None) -> Encoder:
    """Return an encoder in eval mode.

    Raises
    ------
    InputError
        The weights do not fit the architecture, or belong to a module of the user's that was not given.
    """
    encoder = Encoder.from_spec(dict(weights.spec), backbone)
    try:
        encoder.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.arrays.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the saved weights do not fit the encoder: {reason[:300]}") from error
    return encoder.eval()
