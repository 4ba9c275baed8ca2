"""Random views of images: what happens to each (draw -> ViewParameters) and making it happen (apply).

The numbers are drawn on the CPU for a whole batch and sliced, so views depend neither on the device nor on
the number of processes; the pixels are made on the device of the images, a draw for each image, without a
loop over them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from augmap.errors import InputError
from augmap.method.colour import jitter_colour, jitter_grey
from augmap.method.resample import affine_resize, crop_resize
from augmap.method.sets import AUGMENTATIONS, Augmentation
from augmap.method.transform import UserTransform, UserViews

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "UserTransform",
    "UserViews",
    "ViewParameters",
    "apply",
    "draw",
    "plain",
]

TRIES = 10  # boxes tried before the whole image is taken: torchvision's RandomResizedCrop.get_params
BLOCK = 1 << 17  # pixels made at a time by a thread: the planes of 128 views of 32 px stay in its cache


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ViewParameters:
    """What happens to each of n images: row i is image i; ``parameters[rows]`` are those of some of them."""

    numbers: Float[Tensor, "n 11"]
    # centre x y, across x y, down x y (pixels of the image), brightness, contrast, saturation, hue, grey
    image_size: int
    # pixels: height and width of the images that these are for
    channels: int
    # of these images
    upright: bool
    # all boxes upright and inside the image
    colours: bool
    # False: the last five columns change nothing
    padding: str
    # as in Augmentation
    widest: float
    # pixels: no side of any box that could have been drawn is longer

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: slice | Int64[Tensor, " m"]) -> ViewParameters:
        return replace(self, numbers=self.numbers[rows])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> ViewParameters:
        """The same on ``device``: one copy, and on a GPU one that the host need not wait for."""
        pinned = non_blocking and torch.device(device).type == "cuda" and self.numbers.device.type == "cpu"
        numbers = self.numbers.pin_memory() if pinned else self.numbers
        return replace(self, numbers=numbers.to(device, non_blocking=pinned))

    centre = property(lambda self: self.numbers[:, 0:2], doc="x, y of the box's centre in pixels, (n, 2)")
    across = property(lambda self: self.numbers[:, 2:4], doc="from the centre to the right side, (n, 2)")
    down = property(lambda self: self.numbers[:, 4:6], doc="from the centre to the lower side, (n, 2)")
    brightness = property(lambda self: self.numbers[:, 6], doc="factor, (n,)")
    contrast = property(lambda self: self.numbers[:, 7], doc="factor, (n,)")
    saturation = property(lambda self: self.numbers[:, 8], doc="factor, (n,)")
    hue = property(lambda self: self.numbers[:, 9], doc="turns of the colour circle, (n,)")
    grey = property(lambda self: self.numbers[:, 10], doc="1 loses its colour, 0 keeps it, (n,)")


def draw(
    augmentation: Augmentation | UserTransform,
    n: int,
    generator: torch.Generator,
    *,
    image_size: int,
    channels: int,
    out_size: int | None = None,
) -> ViewParameters | UserViews:
    """Draw what happens to each of ``n`` images.

    Each image has a row of uniform numbers, always as many, so changing one field of ``augmentation`` leaves
    what the other fields draw as it was, and the first rows do not depend on how many follow.

    The box is torchvision's: whole pixels, area uniform and ratio log-uniform among those that fit into the
    image (ten tries, then the whole image). A turned box is placed so that it stays inside the image where
    it can.

    Parameters
    ----------
    generator : on the CPU; advanced by ``n`` rows
    image_size : height and width of the images, pixels
    channels : of the images; colours change where it is 3, brightness and contrast where it is 1
    out_size : height and width of the views, which change nothing that is drawn here; None: as the images

    Returns
    -------
    CPU tensors, for ``apply``.
    """
    if isinstance(augmentation, UserTransform):
        return augmentation.draw(n, generator)
    a = augmentation
    u = torch.rand(n, 2 * TRIES + 15, generator=generator)
    box = _box(u[:, : 2 * TRIES], a, image_size)  # (n, 2): width, height
    rest = u[:, 2 * TRIES :].unbind(1)
    x, y, flip, flip_vertical, turn, lean, zoom, right, below, jitter, *strengths, grey = rest

    half = box / 2
    angle = _signed(turn) * math.radians(a.rotation)
    cos, sin = angle.cos(), angle.sin()
    across = torch.stack((half[:, 0] * cos, half[:, 0] * sin), 1)
    down = torch.stack((-half[:, 1] * sin, half[:, 1] * cos), 1)
    place = torch.stack((x, y), 1)
    if a.rotation == 0:
        centre = torch.minimum((place * (image_size - box + 1)).floor(), image_size - box) + half
    else:
        bounds = (across.abs() + down.abs()).clamp_max(image_size / 2)
        centre = bounds + place * (image_size - 2 * bounds)
    lean = torch.tan(_signed(lean) * math.radians(a.shear)) * half[:, 1] / half[:, 0]
    down = down + across * lean[:, None]
    shrink = torch.exp(-_between(zoom, math.log(a.zoom[0]), math.log(a.zoom[1])))[:, None]
    centre = centre + torch.stack((_signed(right), _signed(below)), 1) * (a.shift * image_size)
    across = across * shrink * _sign(flip < a.flip)
    down = down * shrink * _sign(flip_vertical < a.flip_vertical)

    on = (jitter < a.jitter).float()
    factors = [
        1 + on * _signed(v) * r
        for v, r in zip(strengths, (a.brightness, a.contrast, a.saturation), strict=False)
    ]
    colours = torch.stack((*factors, on * _signed(strengths[3]) * a.hue, (grey < a.grey).float()), 1)
    longest = math.sqrt(min(a.crop_area[1] * max(a.crop_ratio[1], 1 / a.crop_ratio[0]), 1)) + 1 / image_size
    lengthens = 1 / (a.zoom[0] * math.cos(math.radians(a.shear)))  # a leaning side is longer
    return ViewParameters(
        numbers=torch.cat((centre, across, down, colours), 1),
        image_size=image_size,
        channels=channels,
        upright=a.upright,
        colours=a.changes_colours(channels),
        padding=a.padding,
        widest=min(longest, 1) * image_size * lengthens,
    )


def apply(
    images: UInt8[Tensor, "n h w c"],
    parameters: ViewParameters | UserViews,
    out_size: int | None = None,
    *,
    low: bool = False,
) -> Float[Tensor, "n c s s"]:
    """The views that ``parameters`` describe: float32 in [0, 1], on the images' device, channels last in
    memory.

    View i depends on image i and on row i alone. On a CPU any slicing gives the same bits for the sizes in
    use (every pair tried from 8 to 128 px but one); odd sizes may differ by 3e-7, where the matrix product
    of the machine's library takes another way for few images (9 to 7 px). Nothing waits for the device, and
    autocast does not reach inside. Where the user allows TF32 for matrix products, a crop may be off by 0.2
    levels of 255.

    Parameters
    ----------
    images : square, of the size that the parameters were drawn for
    parameters : from ``draw``; moved to the images' device if they are elsewhere
    out_size : height and width of the views in pixels; None: as the images
    low : upright boxes are resized by products of bfloat16, several times as fast where the machine has them
    """
    size = images.shape[1] if out_size is None else out_size
    if len(parameters) != len(images):
        raise InputError(f"{len(images)} images need as many rows of view parameters, got {len(parameters)}")
    if isinstance(parameters, UserViews):
        return parameters.apply(images, size)
    n, *shape = images.shape
    drawn = [parameters.image_size, parameters.image_size, parameters.channels]
    if shape != drawn:
        raise InputError(f"views were drawn for images of shape {drawn}, got {shape}; draw for these images")
    parameters = parameters.to(images.device, non_blocking=True)
    views = torch.empty((n, shape[2], size, size), device=images.device, memory_format=torch.channels_last)
    pixels = max(size, parameters.image_size) ** 2
    whole = images.device.type != "cpu" or torch.compiler.is_compiling()
    block = max(n, 1) if whole else max(1, BLOCK * torch.get_num_threads() // pixels)
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        for i in range(0, n, block):
            _write_views(views[i : i + block], images[i : i + block], parameters[i : i + block], low)
    return views


def plain(images: UInt8[Tensor, "n h w c"], out_size: int | None = None) -> Float[Tensor, "n c s s"]:
    """The images themselves, as ``apply`` gives views; resized antialiased where the size differs."""
    x = images.permute(0, 3, 1, 2).float().div_(255)
    if out_size is not None and (out_size, out_size) != tuple(images.shape[1:3]):
        x = F.interpolate(x, (out_size, out_size), mode="bilinear", antialias=True, align_corners=False)
    return x.contiguous(memory_format=torch.channels_last)


def _write_views(
    views: Float[Tensor, "n c s s"], images: UInt8[Tensor, "n h w c"], p: ViewParameters, low: bool
) -> None:
    size = views.shape[-1]
    if p.upright:
        half = torch.stack((p.across[:, 0], p.down[:, 1]), 1)
        x = crop_resize(images, p.centre, half, size, shrinks=p.widest > size, low=low)
    else:
        x = affine_resize(images, p.centre, p.across, p.down, size, padding=p.padding, widest=p.widest)
    if not p.colours:
        views.copy_(x.clamp_(0, 1))  # weights sum to 1 but for the last bit
        return
    light = {"brightness": p.brightness, "contrast": p.contrast}
    planes = (
        (jitter_grey(x.flatten(2), **light),)
        if p.channels == 1
        else jitter_colour(x.flatten(2), **light, saturation=p.saturation, hue=p.hue, grey=p.grey)
    )
    for channel, plane in enumerate(planes):
        views[:, channel].copy_(plane.view(-1, size, size))


def _box(u: Float[Tensor, "n 20"], a: Augmentation, size: int) -> Float[Tensor, "n 2"]:
    """Width and height of torchvision's random crop: the first try that fits, else the whole image."""
    area = _between(u[:, :TRIES], *a.crop_area) * size**2
    ratio = torch.exp(_between(u[:, TRIES:], math.log(a.crop_ratio[0]), math.log(a.crop_ratio[1])))
    tries = torch.stack((area * ratio, area / ratio), 2).sqrt_().round_()  # (n, TRIES, 2)
    fits = ((tries > 0) & (tries <= size)).all(2)
    first = fits.int().argmax(1)
    box = tries[torch.arange(len(u)), first]
    return torch.where(fits.any(1)[:, None], box, torch.full_like(box, size))


def _between(u: Tensor, low: float, high: float) -> Tensor:
    return low + u * (high - low)


def _signed(u: Tensor) -> Tensor:
    return u * 2 - 1


def _sign(mirror: Tensor) -> Tensor:
    return (1 - 2 * mirror.float())[:, None]
