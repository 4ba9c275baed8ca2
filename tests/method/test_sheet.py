"""Does the contact sheet show the images and their views?"""

import numpy as np
import pytest
import torch

from augmap.method.augment import AUGMENTATIONS, apply, draw
from augmap.method.sheet import GAP, GUTTER, PAPER, views_sheet


@pytest.mark.parametrize(("side", "channels", "factor"), [(32, 3, 4), (8, 1, 16), (64, 4, 2), (150, 3, 1)])
def test_original_left_views_right(side, channels, factor):
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 255, (2, side, side, channels)).astype(np.uint8))
    natural = AUGMENTATIONS["natural"]
    sheet = views_sheet(images, natural, torch.Generator().manual_seed(1), views=3)
    cell = side * factor
    assert sheet.shape == (2 * (cell + GAP) + GAP, 4 * (cell + GAP) + GUTTER, 3)
    assert sheet.dtype == np.uint8
    assert (sheet[:, [0, -1]] == PAPER).all()  # a margin on both sides
    p = draw(natural, 6, torch.Generator().manual_seed(1), image_size=side, channels=channels)
    views = apply(images.repeat_interleave(3, 0), p).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    shown = [0, 1, 2] if channels >= 3 else [0, 0, 0]
    for row in range(2):
        top = GAP + row * (cell + GAP)
        line = sheet[top : top + cell : factor]
        assert np.array_equal(line[:, GAP : GAP + cell : factor], images[row].numpy()[..., shown])
        for column in range(3):
            left = GUTTER + (column + 1) * (cell + GAP)
            assert np.array_equal(line[:, left : left + cell : factor], views[row * 3 + column][..., shown])


def test_other_size_and_same_seed():
    images = torch.zeros(1, 40, 40, 3, dtype=torch.uint8)
    glyph = AUGMENTATIONS["glyph"]
    sheets = [
        views_sheet(images, glyph, torch.Generator().manual_seed(2), views=1, out_size=20) for _ in "ab"
    ]
    assert sheets[0].shape[0] == 6 * 20 + 2 * GAP
    assert np.array_equal(*sheets)
