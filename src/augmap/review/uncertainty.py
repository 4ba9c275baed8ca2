"""Uncertain images: augmented views of one image that land apart on the map. This part needs torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from augmap.errors import InputError
from augmap.imagemap import ImageMap

Progress = Callable[[int, int], None]

VIEWS = 8
"""Augmented views of each image."""
_BATCH = 512
_LEAST_SPACING = 0.1
"""Of the median distance to neighbours; nearer ones, such as copies, count as so far away."""


def spread_of(
    m: ImageMap, *, views: int = VIEWS, seed: int = 0, device: str = "cpu"
) -> Callable[[Any, np.ndarray, Progress], np.ndarray] | str:
    """Return :func:`view_spread` of this map's encoder for :func:`augmap.review.find.find`, or why not."""
    if why_not := cannot_spread(m):
        return why_not
    if views < 3:
        raise InputError(f"views must be at least 3 to have a spread, got {views}")

    def spread(pixels: Any, spacing: np.ndarray, progress: Progress) -> np.ndarray:
        return view_spread(m, pixels, spacing, views=views, seed=seed, device=device, progress=progress)

    return spread


def view_spread(
    m: ImageMap,
    pixels: Any,
    spacing: Float[np.ndarray, " n"],
    *,
    views: int = VIEWS,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Float[np.ndarray, " n"]:
    """Return how far augmented views of each image scatter on the map, in units of the local spacing.

    The views are those that the map was trained on. Their radius is a robust root mean square: of the
    squared distances to the middle view (the median of each coordinate) the largest quarter is left out.
    It is divided by ``spacing``, so that 1 means: as far as the image's neighbours.

    Parameters
    ----------
    m : ImageMap
        With an encoder and a configuration.
    pixels : uint8 array of shape (n, h, w, c)
        As the map was made from them.
    spacing : (n,) float array
        Mean distance of each image to its nearest on the map.
    views : int
        At least 3.

    Returns
    -------
    (n,) float64 array, at least 0.

    Raises
    ------
    InputError
        The map has no encoder, or it or its augmentation is of the user's own making.
    """
    import torch

    from augmap.method.augment import AUGMENTATIONS, apply, draw
    from augmap.method.project import full_precision
    from augmap.method.seeds import generator
    from augmap.method.weights import from_weights

    if views < 3:
        raise InputError(f"views must be at least 3 to have a spread, got {views}")
    why_not = cannot_spread(m)
    if why_not:
        raise InputError(why_not)
    assert m.weights is not None
    assert m.config is not None
    augmentation = dataclasses.replace(AUGMENTATIONS[m.config.augment], **m.config.augmentation)
    encoder = from_weights(m.weights).to(device)
    n, size, _, channels = pixels.shape
    radius = np.empty(n)
    per_batch = max(1, _BATCH // views)
    with torch.no_grad(), full_precision(torch.device(device)):
        for start in range(0, n, per_batch):
            stop = min(start + per_batch, n)
            images = torch.from_numpy(np.array(pixels[start:stop])).to(device).repeat_interleave(views, 0)
            drawn = draw(
                augmentation,
                len(images),
                generator(seed, "spread", start),
                image_size=size,
                channels=channels,
            )
            z = encoder(apply(images, drawn.to(device), size)).float().cpu().numpy()
            radius[start:stop] = _radius(z.reshape(stop - start, views, -1).astype(np.float64))
            if progress:
                progress(stop, n)
    apart = spacing[spacing > 0]
    if not len(apart):
        return np.full(n, np.nan)
    return radius / np.maximum(spacing, _LEAST_SPACING * np.median(apart))


def cannot_spread(m: ImageMap) -> str:
    """Return why views of this map's images cannot be placed, or an empty string."""
    if m.weights is None or m.config is None:
        return "the map has no encoder"
    if m.weights.spec.get("backbone") == "custom":
        return "the map was made with a backbone of your own"
    if m.config.augment == "custom":
        return "the map was made with an augmentation of your own"
    return ""


def _radius(z: Float[np.ndarray, "b v d"]) -> Float[np.ndarray, " b"]:
    squares = ((z - np.median(z, axis=1, keepdims=True)) ** 2).sum(2)
    kept = max(2, (3 * z.shape[1] + 3) // 4)
    return np.sqrt(np.sort(squares, axis=1)[:, :kept].mean(1))
