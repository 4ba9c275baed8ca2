"""What makes the augmented views of an image as an ONNX program, for a page that has no PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmap.errors import InputError
from augmap.export.library import library
from augmap.export.onnx import samples
from augmap.export.program import program, session
from augmap.imagemap import ImageMap
from augmap.method.augment import Augmentation, ViewParameters, apply
from augmap.method.place import cloud

TOLERANCE = 1e-4
"""Largest difference of a pixel to PyTorch, in [0, 1]: a fortieth of a grey level."""
CHECKED = 12
"""Images that the check makes views of."""


class Cloud(nn.Module):
    """The views of one image, always the same: what was drawn for them is part of the module."""

    def __init__(self, parameters: ViewParameters) -> None:
        super().__init__()
        self.parameters_of_views = parameters

    def forward(self, image: Float[Tensor, "1 c s s"]) -> Float[Tensor, "v c s s"]:
        pixels = image.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)
        views = self.parameters_of_views
        return apply(pixels.expand(len(views), -1, -1, -1), views)


def to_views(m: ImageMap, augmentation: Augmentation) -> bytes:
    """Return the views of a placed image as ONNX: ``image`` in, ``views`` out, both float32 in [0, 1].

    ``image`` is (1, c, s, s) with values k/255, ``views`` (32, c, s, s): those of
    :class:`~augmap.method.place.Placer`, by the functions that training makes views with.

    Parameters
    ----------
    m : ImageMap
        With an encoder, whose preprocessing says s and c.
    augmentation : Augmentation
        That of the map.

    Raises
    ------
    InputError
        A library is missing, or a pixel differs from PyTorch's by more than :data:`TOLERANCE`.
    """
    at = m.preprocessing
    assert at is not None
    library("onnx", "onnx")
    library("onnxscript", "onnx")
    runtime = library("onnxruntime", "onnx")
    model = Cloud(cloud(augmentation, size=at.image_size, channels=at.channels)).eval()
    images = np.round(samples(m)[-CHECKED:] * 255).astype(np.float32) / 255
    with torch.no_grad():
        data = program(model, torch.from_numpy(images[:1]), ["views"], any_batch=False, what="augmentation")
    difference = _difference(runtime, data, model, images)
    if not difference <= TOLERANCE:
        raise InputError(
            f"the ONNX views differ from PyTorch's by {difference:.3g} of 1, more than {TOLERANCE}; "
            "another version of torch or onnxruntime may agree"
        )
    return data


def _difference(runtime, data: bytes, model: Cloud, images: Float[np.ndarray, "b c s s"]) -> float:
    """Largest difference of a pixel between ONNX and PyTorch."""
    run, worst = session(runtime, data), 0.0
    for image in np.split(images, len(images)):
        expected = model(torch.from_numpy(image)).numpy()
        (found,) = run.run(["views"], {"image": image})
        if found.shape != expected.shape:
            raise InputError(f"the ONNX program returns shape {found.shape}, PyTorch {expected.shape}")
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
