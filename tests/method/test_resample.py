"""Are the pieces cut out where they should be, and without aliasing?"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from augmap.method.resample import affine_resize, background, crop_resize


def noise(side: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, channels)).astype(np.uint8)


def crop(
    pixels: np.ndarray, box: tuple[int, int, int, int], size: int, *, shrinks: bool, mirror=(1, 1)
) -> np.ndarray:
    left, top, right, bottom = box
    centre = torch.tensor([[(left + right) / 2, (top + bottom) / 2]])
    half = torch.tensor([[(right - left) / 2 * mirror[0], (bottom - top) / 2 * mirror[1]]])
    return (
        crop_resize(torch.from_numpy(pixels)[None], centre, half, size, shrinks=shrinks)[0]
        .permute(1, 2, 0)
        .numpy()
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data(), channels=st.sampled_from([1, 3]), side=st.integers(2, 40), size=st.integers(1, 40))
def test_crop_is_pil(data, channels, side, size):
    width, height = data.draw(st.integers(1, side)), data.draw(st.integers(1, side))
    left, top = data.draw(st.integers(0, side - width)), data.draw(st.integers(0, side - height))
    pixels = noise(side, channels, seed=side * 41 + size)
    box = (left, top, left + width, top + height)
    image = Image.fromarray(pixels.squeeze(-1) if channels == 1 else pixels).crop(box)
    theirs = (
        np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).reshape(size, size, channels) / 255
    )
    for shrinks in (True, False) if size >= max(width, height) else (True,):
        # PIL rounds to 8 bits after each of two passes
        assert np.abs(crop(pixels, box, size, shrinks=shrinks) - theirs).max() <= 1.01 / 255


@pytest.mark.parametrize("shrinks", [True, False])
def test_negative_sides_mirror(shrinks):
    pixels, box = noise(20, 3), (3, 5, 15, 19)
    straight = crop(pixels, box, 16, shrinks=shrinks)
    # float32 weights of mirrored places differ in their last bits
    np.testing.assert_allclose(
        crop(pixels, box, 16, shrinks=shrinks, mirror=(-1, 1)), straight[:, ::-1], atol=2e-6
    )
    np.testing.assert_allclose(
        crop(pixels, box, 16, shrinks=shrinks, mirror=(1, -1)), straight[::-1], atol=2e-6
    )


def test_whole_image_is_the_image():
    pixels = noise(32, 3)
    np.testing.assert_allclose(crop(pixels, (0, 0, 32, 32), 32, shrinks=False), pixels / 255, atol=1e-6)


@pytest.mark.parametrize(("side", "size"), [(24, 24), (32, 24), (64, 48), (40, 64)])
def test_a_crop_of_low_precision_is_off_by_a_level_or_three(side, size):
    pixels = torch.from_numpy(np.stack([noise(side, 3, seed) for seed in range(8)]))
    half = torch.linspace(side / 4, side / 2, 16).view(8, 2)
    where = {"centre": torch.full((8, 2), side / 2), "half": half, "size": size, "shrinks": side > size}
    exact, low = (crop_resize(pixels, **where, low=low) for low in (False, True))
    assert low.dtype == exact.dtype == torch.float32
    off = (low - exact).abs() * 255
    assert 0.01 < off.mean() < 0.4  # below 0.01 it would be no other way
    assert off.max() < 3


def turn(
    pixels: np.ndarray, degrees: float, size: int, padding: str = "reflect", half: float | None = None
) -> np.ndarray:
    side = pixels.shape[0]
    half = side / 2 if half is None else half
    angle = math.radians(degrees)
    across = torch.tensor([[math.cos(angle), math.sin(angle)]]) * half
    down = torch.tensor([[-math.sin(angle), math.cos(angle)]]) * half
    centre = torch.full((1, 2), side / 2)
    images = torch.from_numpy(pixels)[None]
    made = affine_resize(images, centre, across, down, size, padding=padding, widest=2 * half)
    return made[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_right_angles_are_exact(quarters):
    pixels = noise(12, 3)
    np.testing.assert_allclose(turn(pixels, 90 * quarters, 12), np.rot90(pixels, quarters) / 255, atol=2e-5)


def test_turn_is_pil():
    """Inside the circle where PIL fills nothing; PIL's affine bilinear samples the same places."""
    smooth = np.array(Image.fromarray(noise(6, 3)).resize((24, 24), Image.Resampling.BICUBIC))
    theirs = np.asarray(Image.fromarray(smooth).rotate(30, Image.Resampling.BILINEAR)) / 255
    y, x = np.mgrid[:24, :24] - 11.5
    inside = x**2 + y**2 < 11**2
    assert np.abs(turn(smooth, 30, 24) - theirs)[inside].max() <= 1.5 / 255


@pytest.mark.parametrize("degrees", [0, 20, 45, 77])
def test_shrinking_does_not_alias(degrees):
    """One-pixel stripes have no place in a view of half the size: they turn grey, at any angle."""
    stripes = np.tile(np.array([0, 255], np.uint8), (128, 64))[..., None]
    # standard deviation of the stripes .5, of point samples .25 to .29; worst of 7 angles .07 and .03
    assert turn(stripes, degrees, 64)[4:-4, 4:-4].std() < 0.08
    assert turn(stripes, degrees, 32)[4:-4, 4:-4].std() < 0.04


def test_samples_are_centred():
    """Four samples a pixel, or nine: the mean of a ramp is the ramp at the pixel's middle."""
    ramp = np.tile(np.arange(48, dtype=np.uint8) * 5, (48, 1))[..., None]
    for size in (24, 16, 12):
        step = 48 / size
        expected = (np.arange(size) * step + step / 2 - 0.5) * 5 / 255
        made = turn(ramp, 0, size)[..., 0]
        np.testing.assert_allclose(made[:, 1:-1], np.tile(expected[1:-1], (size, 1)), atol=1e-5)
        np.testing.assert_allclose(turn(ramp.transpose(1, 0, 2).copy(), 0, size)[..., 0], made.T, atol=1e-5)


@pytest.mark.parametrize("padding", ["reflect", "background"])
def test_no_black_corners(padding):
    """A grey image with a mark in the middle keeps its grey corners, turned or zoomed out."""
    pixels = np.full((16, 16, 3), 130, np.uint8)
    pixels[6:10, 6:10] = [255, 0, 60]
    for degrees in (10, 45, 200):
        made = turn(pixels, degrees, 16, padding, half=8.5)
        for corner in (made[0, 0], made[0, -1], made[-1, 0], made[-1, -1]):
            np.testing.assert_allclose(corner, 130 / 255, atol=1e-5)


def test_background_ignores_strokes_at_the_edge():
    pixels = np.full((1, 8, 8, 2), 9, np.uint8)
    pixels[0, :, 3:5, 0] = 200  # a stroke from top to bottom
    pixels[0, ..., 1] = 240
    assert background(torch.from_numpy(pixels)).tolist() == [[9, 240]]
    assert background(torch.full((3, 1, 1, 1), 5, dtype=torch.uint8)).tolist() == [[5]] * 3
