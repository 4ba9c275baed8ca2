"""Is the colour jitter PIL's?"""

import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from augmap.method.colour import jitter_colour

LEVEL = 1 / 255
OFF = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0, "grey": 0.0}
seeds = st.integers(0, 2**32 - 1)
factors = st.floats(0, 2)


def random_image(seed: int, side: int = 9) -> np.ndarray:
    """Noise between two random colours per channel, so that means and hues differ from image to image."""
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.integers(0, 256, (2, 3)), 0)
    return rng.integers(low, high + 1, (side, side, 3)).astype(np.uint8)


def jittered(pixels: np.ndarray, **strengths: float) -> np.ndarray:
    x = torch.from_numpy(pixels.reshape(1, -1, 3)).permute(0, 2, 1).float().div(255).contiguous()
    rows = {name: torch.tensor([value]) for name, value in (OFF | strengths).items()}
    return torch.stack(jitter_colour(x, **rows), -1).reshape(pixels.shape).numpy()


@pytest.mark.parametrize(
    ("name", "enhancer"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ],
)
@settings(max_examples=40, deadline=None)
@given(seed=seeds, factor=factors)
def test_each_alone_is_pil(name, enhancer, seed, factor):
    pixels = random_image(seed)
    theirs = np.asarray(enhancer(Image.fromarray(pixels)).enhance(factor)) / 255
    ours = jittered(pixels, **{name: factor})
    # before rounding: PIL cuts the result down to 8 bits (a level) and takes the luma or its mean in whole
    # levels (half a level times |1 - factor|)
    assert np.abs(ours - theirs).max() <= LEVEL * (1 + abs(1 - factor) / 2) + 1e-5
    if abs(1 - factor) <= 0.4:  # the paper's
        assert np.abs(np.rint(ours * 255) - theirs * 255).max() <= 1 + 1e-4


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_grey_is_pil(seed):
    pixels = random_image(seed)
    theirs = np.asarray(Image.fromarray(pixels).convert("L"))[..., None] / 255
    ours = jittered(pixels, grey=1.0)
    assert np.abs(ours - theirs).max() <= LEVEL / 2 + 1e-4  # PIL rounds
    assert np.ptp(ours, axis=-1).max() <= 1e-6


@settings(max_examples=40, deadline=None)
@given(seed=seeds, turns=st.floats(-0.5, 0.5))
def test_hue_is_hsv(seed, turns):
    pixels = random_image(seed, side=6)
    pixels[0, 0] = [7, 7, 7]  # no hue
    pixels[0, 1:4] = np.diag([200, 200, 200])  # the three corners of a circle
    pixels[1, :3] = 90 * (1 - np.eye(3))
    ours = jittered(pixels, hue=turns).reshape(-1, 3)
    for rgb, mine in zip(pixels.reshape(-1, 3) / 255, ours, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
        theirs = colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value)
        assert np.abs(mine - theirs).max() < 2e-6  # worst of 2 million pixels: 6e-7


def test_counted():
    """One pixel red, three black, worked out on paper: all five steps in their order."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0, 0] = 255
    # brightness .8: red .8.  mean luma .299 * .8 / 4 = .0598;  contrast .5: red .4299, .0299, .0299; rest
    # .0299 luma of the first .299 * .4 + .0299 = .1495; saturation 1.5: .57010, and below zero -> clamped to
    # 0 a third of a turn: red becomes green
    ours = jittered(pixels, brightness=0.8, contrast=0.5, saturation=1.5, hue=1 / 3)
    np.testing.assert_allclose(ours[0, 0], [0, 0.5701, 0], atol=1e-6)
    np.testing.assert_allclose(ours[1, 1], [0.0299] * 3, atol=1e-6)
    grey = jittered(pixels, brightness=0.8, contrast=0.5, saturation=1.5, hue=1 / 3, grey=1.0)
    np.testing.assert_allclose(grey[0, 0], [0.587 * 0.5701] * 3, atol=1e-6)


def test_clamped_between_the_steps():
    """Half white, half black: brighter is still 1 and 0 with mean .5, so contrast .6 gives .8 and .2."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0] = 255
    ours = jittered(pixels, brightness=1.4, contrast=0.6)
    np.testing.assert_allclose(ours[0], 0.8, atol=1e-6)  # without the first clamp: 1
    np.testing.assert_allclose(ours[1], 0.2, atol=1e-6)


def test_off_changes_nothing():
    pixels = random_image(3, side=32)
    np.testing.assert_allclose(jittered(pixels), pixels / 255, atol=5e-7)
