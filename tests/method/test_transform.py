"""Is the user's own transform reproducible, and are its mistakes named?"""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from augmap.errors import InputError
from augmap.method.transform import UserTransform, _seeded


def images(n: int = 6, channels: int = 3) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (n, 8, 8, channels)).astype(np.uint8))


def noisy(image: Image.Image) -> torch.Tensor:
    """Uses all three global generators, as transforms do."""
    x = torch.from_numpy(np.array(image, dtype=np.float32)).reshape(8, 8, -1).permute(2, 0, 1) / 255
    return x * torch.rand(()) * random.random() * np.random.rand()  # noqa: NPY002


def noisy_batch(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.permute(0, 3, 1, 2) / 255 * torch.rand(len(pixels), 1, 1, 1)


def draw(transform: UserTransform, n: int = 6, seed: int = 0):
    return transform.draw(n, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_seeded_one_by_one(channels):
    pixels, views = images(channels=channels), draw(UserTransform(function=noisy))
    whole = views.apply(pixels, 8)
    assert whole.shape == (6, channels, 8, 8)
    assert len({view.mean().item() for view in whole}) == 6
    assert torch.equal(torch.cat([views[:1].apply(pixels[:1], 8), views[1:].apply(pixels[1:], 8)]), whole)
    assert not torch.equal(draw(UserTransform(function=noisy), seed=1).apply(pixels, 8), whole)


def test_batches_are_seeded():
    views = draw(UserTransform(function=noisy_batch, each="batch"))
    a, b = views.apply(images(), 8), views.apply(images(), 8)
    assert torch.equal(a, b)
    assert not torch.equal(draw(views.transform, seed=1).apply(images(), 8), a)
    assert a.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("fails", [False, True])
def test_global_generators_are_put_back(fails):
    def states():
        return (*torch.get_rng_state().tolist(), *random.getstate(), *np.random.get_state()[1])  # noqa: NPY002

    def use() -> None:
        with seeded:
            noisy(Image.new("RGB", (8, 8)))
            if fails:
                raise RuntimeError("theirs")

    # not through apply: the type checks of the test run take numbers from ``random`` themselves
    seeded = _seeded(3, torch.device("cpu"))
    before = states()
    if fails:
        with pytest.raises(RuntimeError, match="theirs"):
            use()
    else:
        use()
    assert states() == before


def test_pil_images_come_back_as_tensors():
    views = draw(UserTransform(function=lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    assert torch.equal(views.apply(images(), 8), images().permute(0, 3, 1, 2).flip(3) / 255)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda image: np.array(image), "must return a float tensor, got ndarray; end it with"),
        (lambda image: torch.zeros(3, 8, 8, dtype=torch.uint8), r"got a torch.uint8 tensor"),
        (lambda image: torch.zeros(3, 9, 9), r"shape \(3, 8, 8\) here, got \(3, 9, 9\)"),
        (lambda image: torch.full((3, 8, 8), -1.5), r"\[0, 1\], got -1.5 to -1.5; leave Normalize out"),
        (lambda image: torch.full((3, 8, 8), float("nan")), "got nan to nan"),
    ],
)
def test_mistakes_are_named(function, message):
    with pytest.raises(InputError, match=message):
        draw(UserTransform(function=function)).apply(images(), 8)


def test_constructor_checks():
    # past the type checks of the test run, as a user would
    for changes, message in (
        ({"function": 3}, "must be callable, got 3"),
        ({"each": "row"}, "each must be 'image' or 'batch', got 'row'"),
    ):
        broken = UserTransform(function=noisy)
        for name, value in changes.items():
            object.__setattr__(broken, name, value)
        with pytest.raises(InputError, match=message):
            broken.__post_init__()
