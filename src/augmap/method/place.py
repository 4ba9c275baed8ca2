"""One image at a time through an encoder that stays loaded: place, features, cloud of views."""

from __future__ import annotations

import threading

import numpy as np
import torch
from jaxtyping import Float, UInt8

from augmap.method.augment import Augmentation, apply, draw
from augmap.method.encoder import Encoder
from augmap.method.project import project
from augmap.method.seeds import generator


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
        views: int = 32,
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
        parameters = draw(
            self.augmentation,
            self.views,
            generator(self.seed, "cloud"),
            image_size=images.shape[1],
            channels=images.shape[3],
        )
        with torch.backends.cudnn.flags(allow_tf32=False), torch.autocast(self.device.type, enabled=False):
            return self.encoder(apply(images, parameters.to(self.device))).float().cpu().numpy()
