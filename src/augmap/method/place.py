"""One image at a time through an encoder that stays loaded: place, features, cloud of views."""

from __future__ import annotations

import threading

import numpy as np
import torch
from jaxtyping import Float, UInt8

from augmap.method.augment import Augmentation, ViewParameters, apply, draw
from augmap.method.encoder import Encoder
from augmap.method.project import full_precision, project
from augmap.method.seeds import generator

VIEWS = 32
"""Views of an image."""


class Placer:
    """Places single images, as :func:`~augmap.method.project.project` places many.

    Parameters
    ----------
    encoder : Encoder
        Kept by the placer.
    augmentation : Augmentation, optional
        What views are made with; None makes none.
    views : int
        Views of an image.
    seed : int
        The same image always gets the same views.
    """

    def __init__(
        self,
        encoder: Encoder,
        augmentation: Augmentation | None,
        *,
        device: torch.device,
        views: int = VIEWS,
        seed: int = 0,
    ) -> None:
        self.encoder = encoder.eval().to(device).requires_grad_(False)
        self.augmentation, self.device, self.views, self.seed = augmentation, device, views, seed
        self._lock = threading.Lock()

    def __call__(
        self, pixels: UInt8[np.ndarray, "s s c"]
    ) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " f"], Float[np.ndarray, "v d"]]:
        """Return position, features and positions of the views, float32; any thread may call."""
        with self._lock:
            positions, features = project(self.encoder, pixels[None], device=self.device)
            return positions[0], features[0], self._cloud(pixels)

    @torch.no_grad()
    def _cloud(self, pixels: np.ndarray) -> np.ndarray:
        if self.augmentation is None:
            return np.zeros((0, self.encoder.dim), np.float32)
        images = torch.from_numpy(np.array(pixels))[None].to(self.device)
        images = images.expand(self.views, -1, -1, -1)  # (v, s, s, c)
        _, size, _, channels = images.shape
        parameters = cloud(self.augmentation, size=size, channels=channels, views=self.views, seed=self.seed)
        with full_precision(self.device):
            return self.encoder(apply(images, parameters.to(self.device))).float().cpu().numpy()


def cloud(
    augmentation: Augmentation, *, size: int, channels: int, views: int = VIEWS, seed: int = 0
) -> ViewParameters:
    """What happens to each view of an image that is placed: the same for every image of this size."""
    return draw(augmentation, views, generator(seed, "cloud"), image_size=size, channels=channels)
