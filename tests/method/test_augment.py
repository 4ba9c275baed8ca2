"""Do the draws follow their laws, does every field arrive, and does row i mean image i?"""

import dataclasses
import math
import random

import numpy as np
import pytest
import torch
from PIL import Image

from augmap.errors import InputError
from augmap.method.augment import (
    AUGMENTATIONS,
    Augmentation,
    UserTransform,
    apply,
    draw,
    plain,
)

NATURAL, GLYPH, SYMMETRIC = (AUGMENTATIONS[name] for name in ("natural", "glyph", "symmetric"))
MANY = 20_000
SIGMAS = 4.5  # of 40 counted shares none is farther out by chance in more than one of 3,000 seeds


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int, side: int = 12, channels: int = 3, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (n, side, side, channels)).astype(np.uint8))


def drawn(augmentation=NATURAL, n: int = MANY, side: int = 32, channels: int = 3, seed: int = 0):
    return draw(augmentation, n, generator(seed), image_size=side, channels=channels)


def share(hits: torch.Tensor, expected: float) -> None:
    room = SIGMAS * math.sqrt(expected * (1 - expected) / len(hits))
    assert abs(hits.float().mean().item() - expected) <= room


def uniform(values: torch.Tensor, low: float, high: float) -> None:
    """In the range, reaching its ends, and an equal share in each quarter."""
    scaled = (values.double() - low) / (high - low)
    assert scaled.min() >= -1e-4
    assert scaled.max() <= 1 + 1e-4
    for quarter in (0.25, 0.5, 0.75):
        share(scaled < quarter, quarter)


# --- the law of the draws ---------------------------------------------------------------------------------


def torchvision_box(rng: random.Random, side: int) -> tuple[int, int]:
    """``RandomResizedCrop.get_params``, for a square image (its fallback is then the whole image)."""
    for _ in range(10):
        area = side * side * rng.uniform(0.2, 1)
        ratio = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= side and 0 < height <= side:
            return width, height
    return side, side


def test_boxes_are_torchvisions():
    p = drawn()
    sides = torch.stack((p.across[:, 0].abs(), p.down[:, 1].abs()), 1) * 2
    assert torch.equal(sides, sides.round())
    assert (p.centre - sides / 2 >= 0).all()
    assert (p.centre + sides / 2 <= 32).all()
    assert torch.equal(p.centre * 2, (p.centre * 2).round())  # whole pixels
    rng = random.Random(0)
    theirs = torch.tensor([torchvision_box(rng, 32) for _ in range(MANY)]).float()
    for ours, other in (
        (sides.prod(1), theirs.prod(1)),
        (sides[:, 0] / sides[:, 1], theirs[:, 0] / theirs[:, 1]),
        (sides[:, 0], theirs[:, 0]),
    ):
        ours, other = ours.sort().values, other.sort().values
        # two samples of one law: the largest distance of their distribution functions, Kolmogorov-Smirnov
        at = torch.cat((ours, other))
        steps = torch.searchsorted(ours, at, right=True) - torch.searchsorted(other, at, right=True)
        assert steps.abs().max() / MANY < 1.95 * math.sqrt(2 / MANY)  # p = 0.001
    offset = (p.centre[:, 0] - sides[:, 0] / 2)[sides[:, 0] == 21]
    counts = torch.bincount(offset.long(), minlength=12)
    assert len(counts) == 12  # 21 pixels fit at 12 places
    assert (counts - len(offset) / 12).abs().max() < SIGMAS * math.sqrt(len(offset) / 12)


def test_probabilities_and_strengths():
    p = drawn()
    share(p.across[:, 0] < 0, 0.5)
    assert (p.down[:, 1] > 0).all()
    share(p.grey == 1, 0.2)
    jittered = p.hue != 0
    share(jittered, 0.8)
    for name in ("brightness", "contrast", "saturation"):
        values = getattr(p, name)
        assert (values[~jittered] == 1).all()  # the four come together or not at all
        uniform(values[jittered], 0.6, 1.4)
    uniform(p.hue[jittered], -0.1, 0.1)
    for a, b in (("brightness", "contrast"), ("saturation", "hue"), ("contrast", "grey")):
        x, y = (getattr(p, name)[jittered].double() for name in (a, b))
        assert abs(np.corrcoef(x, y)[0, 1]) < SIGMAS / math.sqrt(len(x))


def test_turns_shifts_and_zooms():
    p = drawn(GLYPH)
    assert (p.across[:, 0] > 0).all()  # a mirrored letter is another letter
    assert (p.across[:, 0] * p.down[:, 1] - p.across[:, 1] * p.down[:, 0] > 0).all()
    uniform(torch.atan2(p.across[:, 1], p.across[:, 0]), -math.radians(15), math.radians(15))
    uniform(torch.log(16 / p.across.norm(dim=1)), math.log(0.8), math.log(1.25))
    uniform(p.centre[:, 0], 16 - 3.2, 16 + 3.2)
    uniform(p.centre[:, 1], 16 - 3.2, 16 + 3.2)
    p = drawn(SYMMETRIC)
    uniform(torch.atan2(p.across[:, 1], p.across[:, 0]), -math.pi, math.pi)
    mirrored = p.across[:, 0] * p.down[:, 1] - p.across[:, 1] * p.down[:, 0] < 0
    share(mirrored, 0.5)


def test_shear_is_the_angle_of_upright_lines():
    """Whatever the shape of the box."""
    p = drawn(Augmentation(shear=20, crop_ratio=(0.5, 2), flip=0))
    assert (p.across[:, 1] == 0).all()
    uniform(torch.atan2(p.down[:, 0], p.down[:, 1]), -math.radians(20), math.radians(20))


def test_sets_are_what_they_are_for():
    assert (GLYPH.flip, GLYPH.flip_vertical, GLYPH.padding) == (0, 0, "background")
    assert (SYMMETRIC.flip, SYMMETRIC.flip_vertical, SYMMETRIC.rotation) == (0.5, 0.5, 180)
    assert Augmentation() == NATURAL


def test_turned_boxes_stay_inside_where_they_can():
    p = drawn(SYMMETRIC)
    reach = p.across.abs() + p.down.abs()
    fits = (reach <= 16).all(1)
    assert 0.3 < fits.float().mean() < 0.9
    assert (p.centre - reach >= -1e-4)[fits].all()
    assert (p.centre + reach <= 32 + 1e-4)[fits].all()


def test_no_side_is_longer_than_promised():
    tight = Augmentation(crop_area=(0.05, 0.2), rotation=20, shear=30, zoom=(0.5, 1))
    for augmentation in (NATURAL, GLYPH, SYMMETRIC, tight, Augmentation(crop_area=(0.1, 0.2))):
        p = drawn(augmentation, side=31)
        longest = 2 * torch.maximum(p.across.norm(dim=1), p.down.norm(dim=1)).max().item()
        assert 0.8 * p.widest < longest <= p.widest * (1 + 1e-6)


# --- what depends on what ---------------------------------------------------------------------------------


def test_same_seed_same_numbers_and_first_rows():
    for augmentation in AUGMENTATIONS.values():
        a, b = drawn(augmentation, 64, seed=5), drawn(augmentation, 64, seed=5)
        assert torch.equal(a.numbers, b.numbers)
        assert torch.equal(drawn(augmentation, 3, seed=5).numbers, a.numbers[:3])
        assert not torch.equal(drawn(augmentation, 64, seed=6).numbers, a.numbers)


CHANGED = {
    "crop_area": ((0.5, 0.6), {"across", "down", "centre"}),
    "crop_ratio": ((0.5, 0.6), {"across", "down", "centre"}),
    "rotation": (30.0, {"across", "down", "centre"}),
    "shear": (20.0, {"down"}),
    "zoom": ((0.5, 0.7), {"across", "down"}),
    "shift": (0.3, {"centre"}),
    "flip": (1.0, {"across"}),
    "flip_vertical": (1.0, {"down"}),
    "jitter": (0.1, {"brightness", "contrast", "saturation", "hue"}),
    "brightness": (0.9, {"brightness"}),
    "contrast": (0.9, {"contrast"}),
    "saturation": (0.9, {"saturation"}),
    "hue": (0.4, {"hue"}),
    "grey": (0.9, {"grey"}),
}
COLUMNS = ("centre", "across", "down", "brightness", "contrast", "saturation", "hue", "grey")


def test_every_field_has_a_case():
    assert {field.name for field in dataclasses.fields(Augmentation)} == {*CHANGED, "padding"}


@pytest.mark.parametrize("field", CHANGED)
def test_each_field_arrives_and_moves_nothing_else(field):
    value, expected = CHANGED[field]
    pixels = images(64)
    before, after = (draw(a, 64, generator(), image_size=12, channels=3) for a in
                     (NATURAL, dataclasses.replace(NATURAL, **{field: value})))  # fmt: skip
    moved = {name for name in COLUMNS if not torch.equal(getattr(before, name), getattr(after, name))}
    assert moved == expected
    assert not torch.allclose(apply(pixels, before), apply(pixels, after), atol=0.05)


def test_padding_arrives():
    pixels = images(64)
    zoomed = dataclasses.replace(NATURAL, zoom=(0.4, 0.5))
    other = dataclasses.replace(zoomed, padding="background")
    a, b = (apply(pixels, draw(x, 64, generator(), image_size=12, channels=3)) for x in (zoomed, other))
    assert not torch.allclose(a, b, atol=0.05)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize(
    ("side", "size", "channels"), [(12, 12, 3), (32, 32, 3), (9, 7, 3), (16, 23, 1), (8, 8, 5)]
)
def test_any_slicing_gives_the_same_bits(name, side, size, channels):
    n = 37
    pixels = images(n, side, channels)
    p = draw(AUGMENTATIONS[name], n, generator(), image_size=side, channels=channels)
    whole = apply(pixels, p, size)
    assert whole.shape == (n, channels, size, size)
    assert whole.dtype == torch.float32
    assert whole.is_contiguous(memory_format=torch.channels_last)
    assert whole.min() >= 0
    assert whole.max() <= 1 + 1e-6
    for step in (1, 2, 5, 16, 36):
        parts = [apply(pixels[i : i + step], p[i : i + step], size) for i in range(0, n, step)]
        if (side, size) == (9, 7):  # MKL's product of 9 by 7 differs with the number of images: worst 2.4e-7
            torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=0)
        else:
            assert torch.equal(torch.cat(parts), whole), step


@pytest.mark.parametrize(("side", "size"), [(32, 24), (64, 48)])
def test_any_slicing_gives_the_same_bits_in_low_precision(side, size):
    pixels = images(37, side)
    p = draw(NATURAL, 37, generator(), image_size=side, channels=3)
    whole = apply(pixels, p, size, low=True)
    assert not torch.equal(whole, apply(pixels, p, size))
    for step in (1, 2, 5, 16, 36):
        parts = [apply(pixels[i : i + step], p[i : i + step], size, low=True) for i in range(0, 37, step)]
        assert torch.equal(torch.cat(parts), whole), step


def test_blocks_do_not_show(monkeypatch):
    pixels = images(50, 32)
    p = drawn(n=50)
    whole = apply(pixels, p)
    monkeypatch.setattr("augmap.method.augment.BLOCK", 7 * 32 * 32)
    assert torch.equal(apply(pixels, p), whole)


def test_no_images():
    assert apply(images(0), drawn(n=0, side=12), 8).shape == (0, 3, 8, 8)


# --- what becomes of the pixels ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [20, 9, 31])
def test_a_view_is_pil_s_crop(size):
    """All the way through draw and apply, colours off: the box is cut out by PIL from the drawn numbers."""
    pixels = images(24, 20)
    augmentation = dataclasses.replace(NATURAL, jitter=0, grey=0)
    p = draw(augmentation, 24, generator(), image_size=20, channels=3)
    views = apply(pixels, p, size)
    for image, view, centre, across, down in zip(pixels, views, p.centre, p.across, p.down, strict=True):
        half = (across + down).abs()
        box = (*(centre - half).int().tolist(), *(centre + half).int().tolist())
        piece = Image.fromarray(image.numpy()).crop(box).resize((size, size), Image.Resampling.BILINEAR)
        theirs = torch.from_numpy(np.array(piece)).permute(2, 0, 1) / 255
        if across[0] < 0:
            theirs = theirs.flip(2)
        assert (view - theirs).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_only_one_and_three_channels_have_colours(name, channels):
    pixels = images(16, channels=channels)
    augmentation = AUGMENTATIONS[name]
    bare = dataclasses.replace(augmentation, jitter=0, grey=0)
    a, b = (
        apply(pixels, draw(x, 16, generator(), image_size=12, channels=channels))
        for x in (augmentation, bare)
    )
    assert torch.equal(a, b)


def test_grey_photos_stay_grey():
    pixels = images(32, channels=1).expand(-1, -1, -1, 3).contiguous()
    views = apply(pixels, drawn(n=32, side=12))
    assert (views.amax(1) - views.amin(1)).max() < 1e-5


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_one_channel_is_three_alike(name):
    grey = images(32, channels=1)
    a = AUGMENTATIONS[name]
    one, three = (
        apply(grey.expand(-1, -1, -1, c), draw(a, 32, generator(), image_size=12, channels=c)) for c in (1, 3)
    )
    torch.testing.assert_close(one.expand(-1, 3, -1, -1), three, rtol=0, atol=1e-5)
    unlit = dataclasses.replace(a, brightness=0, contrast=0)
    left = apply(grey, draw(unlit, 32, generator(), image_size=12, channels=1))
    assert (one - left).abs().mean() > 0.02


def test_autocast_does_not_reach_inside():
    pixels, p = images(8), drawn(n=8, side=12)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(apply(pixels, p), apply(pixels, p))
        inside = apply(pixels, p)
    assert torch.equal(inside, apply(pixels, p))


def test_plain_is_the_image_and_pil_where_it_shrinks():
    pixels = images(3, 20)
    assert torch.equal(plain(pixels), pixels.permute(0, 3, 1, 2) / 255)
    assert plain(pixels).is_contiguous(memory_format=torch.channels_last)
    small = plain(pixels, 9)
    for image, view in zip(pixels, small, strict=True):
        theirs = np.array(Image.fromarray(image.numpy()).resize((9, 9), Image.Resampling.BILINEAR))
        assert np.abs(view.permute(1, 2, 0).numpy() - theirs / 255).max() <= 1.01 / 255


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    apply(images(4), drawn(n=4, side=12))
    assert torch.equal(torch.get_rng_state(), state)


# --- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("flip", 1.2, r"flip of an augmentation must lie in \[0, 1\], got 1.2"),
        ("jitter", float("nan"), "jitter .* got nan"),
        ("hue", 0.6, r"hue .* \[0, 0.5\], got 0.6"),
        ("rotation", 270, r"rotation .* \[0, 180\], got 270"),
        ("crop_area", (0.5, 0.2), r"crop_area .* smaller first, .* got \(0.5, 0.2\)"),
        ("crop_area", (0.5, 1.2), "crop_area"),
        ("zoom", (0, 1), "zoom .* two numbers"),
        ("padding", "black", "padding must be one of reflect, background, got 'black'"),
    ],
)
def test_ranges_are_checked(field, value, message):
    with pytest.raises(InputError, match=message):
        Augmentation(**{field: value})


def test_wrong_images_are_named():
    with pytest.raises(InputError, match="5 images need as many rows"):
        apply(images(5), drawn(n=4, side=12))
    with pytest.raises(InputError, match=r"shape \[32, 32, 3\], got \[12, 12, 3\]"):
        apply(images(4), drawn(n=4, side=32))
    with pytest.raises(InputError, match=r"shape \[12, 12, 3\], got \[12, 12, 1\]"):
        apply(images(4, channels=1), drawn(n=4, side=12))


def test_user_transform_is_taken_by_draw_and_apply():
    views = apply(
        images(4), draw(UserTransform(function=brighten), 4, generator(), image_size=12, channels=3)
    )
    assert views.shape == (4, 3, 12, 12)


def brighten(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 * torch.rand(())
