"""The program that makes views: those of the placer to a pixel, by every set, and nobody else's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.export import views as made_by
from augmap.export.program import session
from augmap.export.views import TOLERANCE, to_views
from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.method.augment import AUGMENTATIONS, Augmentation, apply, draw
from augmap.method.seeds import generator

SETS = {
    **{name: (a, 3) for name, a in AUGMENTATIONS.items()},
    "grey glyph": (AUGMENTATIONS["glyph"], 1),
    "four channels": (Augmentation(), 4),
    "shrinking": (
        Augmentation(rotation=20, zoom=(0.4, 0.5), padding="background"),
        3,
    ),  # several samples a pixel
}


def a_map(channels, size=16):
    return ImageMap(
        positions=np.zeros((2, 2)),
        items=Items(["a", "b"]),
        preprocessing=Preprocessing(image_size=size, channels=channels),
    )


def images(channels, n=5, size=16):
    """Noise, and a smooth picture with black, white and grey in it."""
    pixels = np.random.default_rng(1).integers(0, 256, (n, size, size, channels), dtype=np.uint8)
    pixels[0] = np.linspace(0, 255, size)[None, :, None] * (np.arange(size) > 4)[:, None, None]
    return pixels


def run(data, pixels):
    x = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
    return session(onnxruntime, data).run(["views"], {"image": x})[0]


def python(augmentation, pixels, seed=0):
    """As the placer makes them, drawn here anew."""
    x = torch.from_numpy(pixels)[None].expand(32, -1, -1, -1)
    size, _, channels = pixels.shape
    drawn = draw(augmentation, 32, generator(seed, "cloud"), image_size=size, channels=channels)
    return apply(x, drawn).numpy()


@pytest.mark.parametrize("name", SETS)
def test_pixels_are_those_of_the_placer(name):
    augmentation, channels = SETS[name]
    data = to_views(a_map(channels), augmentation)
    for pixels in images(channels):
        found, expected = run(data, pixels), python(augmentation, pixels)
        assert found.shape == (32, channels, 16, 16)
        assert np.abs(found - expected).max() <= TOLERANCE
    # the control: views drawn from another seed are others
    assert np.abs(found - python(augmentation, pixels, seed=1)).max() > 1000 * TOLERANCE


def test_the_same_map_gives_the_same_bytes_without_a_place_on_this_machine():
    a, b = (to_views(a_map(3), AUGMENTATIONS["natural"]) for _ in range(2))
    assert a == b
    assert b"augmap/" not in a


def test_a_program_that_differs_is_not_handed_out(monkeypatch):
    other = to_views(a_map(3), replace(AUGMENTATIONS["natural"], crop_area=(0.3, 1)))
    monkeypatch.setattr(made_by, "program", lambda *_, **__: other)
    with pytest.raises(InputError, match=r"views differ from PyTorch's by 0\.\d+ of 1, more than 0\.0001"):
        to_views(a_map(3), AUGMENTATIONS["natural"])
