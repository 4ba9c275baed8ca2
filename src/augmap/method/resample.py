"""Views cut out of a batch of images, another piece for each image, antialiased where they shrink."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

# shrinking factor up to which turned boxes are sampled without a filter: what zoom and shear of the set
# glyph take. Stripes of one pixel then keep a standard deviation of .25 to .29 of their .5; with the filter
# at 2: .07, at 4: .03
MILD = 1.3


def crop_resize(
    images: UInt8[Tensor, "n h w c"],
    centre: Float[Tensor, "n 2"],
    half: Float[Tensor, "n 2"],
    size: int,
    *,
    shrinks: bool,
    low: bool = False,
) -> Float[Tensor, "n c size size"]:
    r"""An upright box of each image resized to ``size``, as ``PIL.Image.crop(box).resize(size, BILINEAR)``.

    A negative half side mirrors. Per image one matrix of weights for rows and one for columns, and two
    batched products; output pixel j takes input pixel k with the weight of a triangle that widens where the
    box shrinks,

    .. math:: w_{jk} \propto \max(0, 1 - |x_j - k - 1/2| / \max(1, f)), \quad f = \text{box} / \text{size},

    over the pixels inside the box only.

    Parameters
    ----------
    centre, half : x and y of the box's centre and its half sides, in pixels (pixel k spans k to k + 1)
    shrinks : False promises f <= 1 for all images and saves the mask and the norm
    low : the products are of bfloat16, which holds whole levels up to 255 exactly, weights and results to
        8 bits: off by up to 3 levels, a third of one in the mean

    Returns
    -------
    Contiguous float tensor, 0 to 1. PIL rounds to 8 bits between rows and columns too, so the two differ by
    up to one level of 255.
    """
    n, h, w, c = images.shape
    kind = torch.bfloat16 if low else centre.dtype
    columns = _triangle(centre[:, 0], half[:, 0], w, size, shrinks)  # (n, size, w)
    rows = _triangle(centre[:, 1], half[:, 1], h, size, shrinks).div_(255)
    x = torch.bmm(rows.to(kind), images.reshape(n, h, w * c).to(kind))  # (n, size, w c)
    x = x.view(n, size, w, c).permute(0, 3, 1, 2).reshape(n, c * size, w)
    return torch.bmm(x, columns.to(kind).mT).to(centre.dtype).view(n, c, size, size)


def _triangle(
    centre: Float[Tensor, " n"], half: Float[Tensor, " n"], length: int, size: int, shrinks: bool
) -> Float[Tensor, "n size length"]:
    reach = half.abs()[:, None, None]
    steps = (torch.arange(size, device=half.device, dtype=half.dtype) * 2 + 1) / size - 1  # in (-1, 1)
    pixel = torch.arange(length, device=half.device, dtype=half.dtype) + 0.5
    centre = centre[:, None, None]
    at = centre + half[:, None, None] * steps[:, None]  # (n, size, 1)
    if not shrinks:
        # enlarging: a sample outside the centres of the box's outer pixels takes the outer pixel alone
        at = torch.minimum(torch.maximum(at, centre - reach + 0.5), centre + reach - 0.5)
        return (1 - (at - pixel).abs_()).clamp_min_(0)
    weight = (at - pixel).abs_().div_((reach * (2 / size)).clamp_min(1)).neg_().add_(1).clamp_min_(0)
    weight.mul_((pixel - centre).abs_() < reach)
    return weight.div_(weight.sum(2, keepdim=True))


def affine_resize(
    images: UInt8[Tensor, "n h w c"],
    centre: Float[Tensor, "n 2"],
    across: Float[Tensor, "n 2"],
    down: Float[Tensor, "n 2"],
    size: int,
    *,
    padding: str,
    widest: float,
) -> Float[Tensor, "n c size size"]:
    """A turned, sheared or shifted parallelogram of each image resized to ``size``.

    Bilinear where it enlarges. ``grid_sample`` does not antialias: where the longest side that can be drawn,
    ``widest`` pixels, shrinks by a factor f above 1.3, each output pixel is the mean of ceil(f / 1.5)
    squared samples spread evenly over it. (Below 1.5 the samples of neighbouring output pixels still touch
    every input pixel.)

    Parameters
    ----------
    centre : x and y in pixels of the parallelogram's centre
    across, down : from the centre to the middle of the right and of the lower side, in pixels
    padding : what lies outside the image: "reflect", the image mirrored at its edge, or "background", for
        each channel
        the median of the image's outermost pixels

    Returns
    -------
    Contiguous float tensor, 0 to 1.
    """
    n, h, w, c = images.shape
    fine = max(
        1, math.ceil(widest / size / MILD - 1e-6)
    )  # by what the set allows, so that a slice changes nothing
    device, kind = centre.device, centre.dtype
    steps = (torch.arange(size, device=device, dtype=kind) * 2 + 1) / size - 1  # in (-1, 1)
    x = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    reflect = padding == "reflect"
    if not reflect:
        ground = background(images).float().div_(255)[:, :, None, None]
        x.sub_(ground)
    # grid_sample's units: -1 to 1 over the image
    a, d, o = across * (2 / w), down * (2 / h), centre * (2 / w) - 1
    views = torch.zeros((n, c, size, size), device=device, dtype=kind) if fine > 1 else None
    for i in range(fine * fine):
        # the middle of subpixel (i % fine, i // fine), in half pixels of the view away from the pixel's
        # middle
        right, below = ((2 * k + 1 - fine) / fine / size for k in (i % fine, i // fine))
        rows = d[:, None, :] * (steps + below)[:, None] + o[:, None]  # (n, size, 2)
        grid = rows[:, :, None] + (a[:, None, :] * (steps + right)[:, None])[:, None]  # (n, size, size, 2)
        sample = F.grid_sample(
            x, grid, padding_mode="reflection" if reflect else "zeros", align_corners=False
        )
        views = sample if views is None else views.add_(sample)
    if fine > 1:
        views.div_(fine * fine)
    return views if reflect else views.add_(ground)


def background(images: UInt8[Tensor, "n h w c"]) -> UInt8[Tensor, "n c"]:
    """For each channel the median of the outermost pixels, which strokes that touch the edge do not move.

    Of 32 to 63 pixels spread evenly along the edge: a median of all costs as much as the sampling.
    """
    edge = torch.cat(
        (images[:, 0], images[:, 1:-1, -1], images[:, -1].flip(1), images[:, 1:-1, 0].flip(1)), 1
    )
    return edge[:, :: max(1, edge.shape[1] // 32)].median(1).values
