"""A contact sheet of views: what a map will be invariant to."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from augmap.method.augment import Augmentation, UserTransform, apply, draw, plain

CELL = 128  # pixels: smaller views are magnified by a whole factor up to about this
GAP = 4  # pixels between views; between the original and its views GUTTER
GUTTER = 16
PAPER = 255


def views_sheet(
    images: UInt8[Tensor, "k h w c"],
    augmentation: Augmentation | UserTransform,
    generator: torch.Generator,
    *,
    views: int = 8,
    out_size: int | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """One row an image: the image as it is at the left, then ``views`` random views of it, as training sees
    them.

    Small views are magnified by a whole factor, with sharp pixels.
    """
    k, size, _, channels = images.shape
    rows = images.repeat_interleave(views, 0)
    parameters = draw(
        augmentation, k * views, generator, image_size=size, channels=channels, out_size=out_size
    )
    made = apply(rows, parameters, out_size)
    side = made.shape[-1]
    cells = torch.cat((plain(images, out_size)[:, None], made.view(k, views, channels, side, side)), 1)
    pixels = _rgb(cells.mul(255).round_().clamp_(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2).cpu().numpy())
    factor = max(1, round(CELL / side))
    pixels = pixels.repeat(factor, 2).repeat(factor, 3)
    side *= factor

    height = k * (side + GAP) + GAP
    width = (views + 1) * (side + GAP) + GUTTER
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    for row in range(k):
        for column in range(views + 1):
            top = GAP + row * (side + GAP)
            left = GAP + column * (side + GAP) + (GUTTER - GAP if column else 0)
            sheet[top : top + side, left : left + side] = pixels[row, column]
    return sheet


def _rgb(pixels: np.ndarray) -> np.ndarray:
    """Three channels to look at: of more the first three, of fewer the first thrice."""
    return pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1].repeat(3, -1)
