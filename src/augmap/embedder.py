"""New images onto a map: the function behind ``ImageMap.embed``, and one that places an image at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from augmap.config import Preprocessing
from augmap.display import display
from augmap.errors import InputError
from augmap.imagemap import ImageMap, Weights
from augmap.images.imageset import ImageSet
from augmap.images.open import open_images
from augmap.items import Items

if TYPE_CHECKING:  # torch is imported when an image is placed
    from torch import nn

    from augmap.method.augment import Augmentation
    from augmap.method.encoder import Encoder


def embedder(of: ImageMap, backbone: nn.Module | None, device: str) -> Callable[[Any], ImageMap]:
    """Return the function behind :meth:`ImageMap.embed`; torch is imported when it is first called."""
    assert of.weights is not None
    assert of.preprocessing is not None
    return partial(_embed, of.weights, of.preprocessing, dict(of.info), backbone, device)


def placer(
    of: ImageMap, *, backbone: nn.Module | None = None, device: str = "auto", views: int = 32
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return a function that places one image at a time: the encoder is built once and stays loaded.

    Parameters
    ----------
    of : ImageMap
        With an encoder.
    backbone : Module, optional
        The user's own module that the map was made with.
    device : str
        Where it computes: auto, cpu, cuda or mps.
    views : int
        Augmented views of an image; of a map whose augmentation was the user's own there are none.

    Returns
    -------
    callable
        uint8 pixels (s, s, c), prepared as ``of.preprocessing`` says, to position (d,), features (f,) and
        positions of the views (v, d). The position is that of :meth:`ImageMap.embed`, to 1e-5 of the span.

    Raises
    ------
    InputError
        The map has no encoder, or it cannot be built.
    """
    if of.weights is None:
        raise InputError(f"this map has no encoder ({of.info.get('method', '?')} cannot place new images)")
    import torch

    from augmap.method.launch import pick_device
    from augmap.method.place import Placer

    encoder = _encoder(of.weights, backbone)
    return Placer(encoder, augmentation_of(of), device=torch.device(pick_device(device)), views=views)


def augmentation_of(of: ImageMap) -> Augmentation | None:
    """Return what makes views of a map's images; None where it was the user's own, or is not known."""
    if of.config is None or of.config.augment == "custom":
        return None
    from augmap.settings import make_augmentation

    return make_augmentation(of.config)


def _embed(
    weights: Weights,
    preprocessing: Preprocessing,
    info: dict[str, Any],
    backbone: nn.Module | None,
    device: str,
    images: Any,
) -> ImageMap:
    import torch

    from augmap.method.launch import pick_device
    from augmap.method.project import project

    _check_backbone(weights, backbone)
    opened = open_for(images, preprocessing)
    encoder = _encoder(weights, backbone)
    positions, features = project(encoder, opened.pixels, device=torch.device(pick_device(device)))
    return ImageMap(
        positions=positions,
        items=Items(opened.names, opened.splits, {k: np.array(v) for k, v in opened.labels.items()}),
        features=features,
        preprocessing=preprocessing,
        weights=weights,
        info={**info, "source": opened.source, "root": opened.root, "fingerprint": opened.fingerprint},
        skipped=[(s.name, s.reason) for s in opened.skipped],
        embedder=partial(_embed, weights, preprocessing, info, backbone, device),
        display=partial(display, title=None),
    )


def _check_backbone(weights: Weights, backbone: nn.Module | None) -> None:
    if weights.spec.get("backbone") == "custom" and backbone is None:
        raise InputError(
            "this map was made with a backbone of your own: read it with augmap.load(path, backbone=module)"
        )


def _encoder(weights: Weights, backbone: nn.Module | None) -> Encoder:
    from augmap.method.weights import from_weights

    _check_backbone(weights, backbone)
    try:
        return from_weights(weights, backbone)
    except InputError:
        raise
    except (AttributeError, TypeError, ValueError) as error:  # the description was edited by hand
        raise InputError(f"the map's encoder cannot be built ({error}); copy the map again") from error


def open_for(images: Any, preprocessing: Preprocessing | None, **options: Any) -> ImageSet:
    """Open images, or see that an open set is what an encoder was made for."""
    if not isinstance(images, ImageSet):
        return open_images(images, preprocessing=preprocessing, **options)
    if preprocessing is not None and images.preprocessing != preprocessing:
        asked, given = ((p.image_size, p.channels) for p in (preprocessing, images.preprocessing))
        raise InputError(
            f"{images.source}: opened at {given[0]} px with {given[1]} channels, the map takes {asked[0]} px "
            f"with {asked[1]}; give the folder or array itself, or open it with the map's preprocessing"
        )
    return open_images(images, **options)  # which refuses what an open set cannot follow any more
