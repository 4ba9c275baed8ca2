"""Colour jitter and grayscale of a batch, other strengths for each image, in a few passes over the pixels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

# ITU-R 601, the weights of PIL's convert("L"), which rounds the result to a whole level
LUMA = (0.299, 0.587, 0.114)


def jitter_colour(
    x: Float[Tensor, "n 3 p"],
    *,
    brightness: Float[Tensor, " n"],
    contrast: Float[Tensor, " n"],
    saturation: Float[Tensor, " n"],
    hue: Float[Tensor, " n"],
    grey: Float[Tensor, " n"],
) -> tuple[Float[Tensor, "n p"], Float[Tensor, "n p"], Float[Tensor, "n p"]]:
    r"""Brightness, contrast, saturation, hue, grayscale of RGB images in [0, 1]; ``x`` is used up.

    .. math::
        x &\leftarrow [\,b\,x\,] \\
        x &\leftarrow [\,c\,x + (1 - c)\,\overline{L(x)}\,] \\
        x &\leftarrow [\,s\,x + (1 - s)\,L(x)\,] \\
        x &\leftarrow \mathrm{hue}(x, \delta) \\
        x &\leftarrow g\,L(x) + (1 - g)\,x

    with :math:`[\cdot]` the clamp to [0, 1], :math:`L = .299 R + .587 G + .114 B`, the bar the mean over the
    image.
    Each step alone is PIL's (``ImageEnhance.Brightness``, ``Contrast``, ``Color``, a turn of H in HSV,
    ``convert("L")``) but for the rounding to 8 bits that PIL makes after each step and we do not.
    torchvision's ``ColorJitter`` draws the order of its four steps anew for each image; here it is always
    the one above, with the same clamp after each step, so the two differ only where a clamp bites and where
    two steps do not commute: a fixed order is one pass over the batch, a drawn one would be 24 branches.

    Parameters
    ----------
    brightness, contrast, saturation : factors, 1 changes nothing
    hue : turns of the colour circle, 0 changes nothing, 1/2 gives the complementary colour
    grey : 1 makes the image grey, 0 leaves it

    Returns
    -------
    The planes of red, green and blue.

    References
    ----------
    torchvision.transforms.ColorJitter, RandomGrayscale; PIL.ImageEnhance
    """
    b, c, s, g = (v[:, None, None] for v in (brightness, contrast, saturation, grey))
    x.mul_(b).clamp_(0, 1)
    mean = luma(*x.mean(2).unbind(1))  # (n,): luma is linear, so the mean of L is L of the means
    x.mul_(c).add_((1 - c) * mean[:, None, None]).clamp_(0, 1)
    level = luma(*x.unbind(1))  # (n, p)
    x.mul_(s).add_(level.mul_(1 - s[:, 0])[:, None]).clamp_(0, 1)
    planes = turn_hue(*x.unbind(1), hue)
    level = luma(*planes).mul_(g[:, 0])
    return tuple(plane.mul_(1 - g[:, 0]).add_(level) for plane in planes)


def jitter_grey(
    x: Float[Tensor, "n 1 p"], *, brightness: Float[Tensor, " n"], contrast: Float[Tensor, " n"]
) -> Float[Tensor, "n p"]:
    """Brightness and contrast of grey images in [0, 1], as of three planes alike; ``x`` is used up."""
    x = x[:, 0].mul_(brightness[:, None]).clamp_(0, 1)
    mean = x.mean(1, keepdim=True)
    c = contrast[:, None]
    return x.mul_(c).add_((1 - c) * mean).clamp_(0, 1)


def luma(r: Float[Tensor, "*s"], g: Float[Tensor, "*s"], b: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Grey level of RGB, PIL's ``convert("L")`` before rounding."""
    return (r * LUMA[0]).add_(g, alpha=LUMA[1]).add_(b, alpha=LUMA[2])


def turn_hue(
    r: Float[Tensor, "n p"], g: Float[Tensor, "n p"], b: Float[Tensor, "n p"], turns: Float[Tensor, " n"]
) -> tuple[Float[Tensor, "n p"], Float[Tensor, "n p"], Float[Tensor, "n p"]]:
    r"""Red, green and blue with their hue turned in HSV; V and S stay.

    Truly HSV, no rotation in YIQ, and without a branch. With m the smallest channel, C the largest minus m
    and p = (channel - m) / C, the signed distance from red on the colour circle of length 6 is

    .. math:: t = \mathrm{sign}(G - B)\,(1 + p_G + p_B - p_R) \in [-3, 3],

    because in each sextant one p is 0 and one is 1. The way back from the turned t, wrapped to [-3, 3]:
    p_R = 2 - \|t\| clamped to [0, 1]; of the two others the one on the side of t is min(\|t\|, 1), the other
    max(\|t\| - 2, 0).

    Error against HSV in float64: 6e-7, worst of 2 million pixels and turns. torchvision on PIL images, with H
    and S in 8 bits and the turn cut to 1/255, is off by .3 to .7 levels in the mean and up to 16.
    """
    low = torch.minimum(torch.minimum(r, g), b)
    chroma = torch.maximum(torch.maximum(r, g), b).sub_(low)
    # a chroma below 1e-6 has no hue worth the name, and whatever hue comes out is multiplied by it
    t = (g + b).sub_(r).sub_(low).div_(chroma.clamp_min(1e-6)).add_(1)
    t = torch.copysign(t, g - b).mul_(1 / 6).add_(turns[:, None])
    t.sub_(t.round())
    d = t.abs().mul_(6)
    near, far = d.clamp_max(1), (d - 2).clamp_min_(0)
    side = torch.copysign(near - far, t).mul_(chroma)  # C (p_G - p_B)
    both = near.add_(far).mul_(chroma)  # C (p_G + p_B)
    red = d.neg_().add_(2).clamp_(0, 1).mul_(chroma).add_(low)
    green = (both + side).mul_(0.5).add_(low)
    return red, green, both.sub_(side).mul_(0.5).add_(low)
