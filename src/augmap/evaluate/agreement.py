"""Augmentation agreement: do two views of an image land together?"""

from __future__ import annotations

import numpy as np
import torch

from augmap.method.augment import Augmentation, UserTransform, apply, draw
from augmap.method.encoder import Encoder
from augmap.method.project import full_precision
from augmap.method.seeds import generator

_BATCH = 256


@torch.no_grad()
def augmentation_agreement(
    encoder: Encoder,
    pixels: np.ndarray,
    augmentation: Augmentation | UserTransform,
    *,
    seed: int = 0,
) -> np.ndarray:
    """Return, for each image, the share of the other images whose view lies farther than its own second view.

    Parameters
    ----------
    pixels : uint8 array of shape (n, h, w, c)

    Returns
    -------
    (n,) float64 array in [0, 1]. 1: nothing lies between two views of an image. A map that places at random
    has a mean of 0.5. (The area under the ROC curve of "same image" against distance, for each image.)
    """
    n, size, _, channels = pixels.shape
    device = next(encoder.parameters()).device
    encoder.eval()
    drawn = draw(augmentation, 2 * n, generator(seed, "agreement"), image_size=size, channels=channels)
    views = []
    for part in range(2):
        z = []
        for start in range(0, n, _BATCH):
            stop = min(start + _BATCH, n)
            images = torch.from_numpy(np.array(pixels[start:stop])).to(device)
            own = drawn[part * n + start : part * n + stop].to(device)
            with full_precision(device):
                z.append(encoder(apply(images, own, size)).cpu())
        views.append(torch.cat(z).double())
    first, second = views
    closer = torch.empty(n, dtype=torch.float64)
    for start in range(0, n, _BATCH):
        rows = first[start : start + _BATCH]
        between = torch.cdist(rows, second, compute_mode="donot_use_mm_for_euclid_dist")
        mine = between.diagonal(start)[:, None]  # of the same matrix, so that the own pair ties with itself
        ties = (between == mine).double().sum(1) - 1
        closer[start : start + _BATCH] = (between < mine).double().sum(1) + ties / 2
    return (1 - closer / max(n - 1, 1)).numpy()
