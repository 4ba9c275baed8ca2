"""Sets of augmentations: what may happen to an image, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from augmap.errors import InputError

PADDINGS = ("reflect", "background")


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """What may happen to an image on the way to a view. The defaults are the paper's (set ``natural``).

    In this order: a box is cut out, turned, sheared, zoomed, shifted, mirrored, resized to a square; then
    colours change. Of a grey image that is brightness and contrast, as in torchvision. Of neither one nor
    three channels (fluorescence, near infrared) nobody says that they are interchangeable, so they are left
    alone.
    """

    crop_area: tuple[float, float] = (0.2, 1.0)
    # share of the image's area, uniform; torchvision's RandomResizedCrop(scale=), value of the paper's code
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    # width / height of the box, log-uniform; torchvision's default
    rotation: float = 0.0
    # degrees, uniform in ± this; 180 is every direction
    shear: float = 0.0
    # degrees by which upright lines lean, uniform in ± this
    zoom: tuple[float, float] = (1.0, 1.0)
    # factor by which things grow, log-uniform
    shift: float = 0.0
    # share of the side, uniform in ± this, across and down each
    flip: float = 0.5
    # probability of swapping left and right; SimCLR and the paper
    flip_vertical: float = 0.0
    # probability of swapping top and bottom
    padding: str = "reflect"
    # what a turned, zoomed or shifted box sees outside the image: "reflect" (mirrored) or "background" (its
    # edge's median)
    jitter: float = 0.8
    # probability of the next four together; SimCLR and the paper
    brightness: float = 0.4
    # factor uniform in 1 ± this
    contrast: float = 0.4
    # factor uniform in 1 ± this
    saturation: float = 0.4
    # factor uniform in 1 ± this
    hue: float = 0.1
    # turns of the colour circle, uniform in ± this
    grey: float = 0.2
    # probability of losing all colour; SimCLR and the paper

    def __post_init__(self) -> None:
        for name in (
            "flip",
            "flip_vertical",
            "jitter",
            "grey",
            "brightness",
            "contrast",
            "saturation",
            "shift",
        ):
            _check(name, getattr(self, name), 0, 1)
        _check("hue", self.hue, 0, 0.5)
        _check("rotation", self.rotation, 0, 180)
        _check("shear", self.shear, 0, 60)
        _check_range(self, "crop_area", 1e-4, 1)
        _check_range(self, "crop_ratio", 0.01, 100)
        _check_range(self, "zoom", 0.1, 10)
        if self.padding not in PADDINGS:
            raise InputError(f"padding must be one of {', '.join(PADDINGS)}, got {self.padding!r}")

    @property
    def upright(self) -> bool:
        """Whether every view is an upright box inside the image: then two matrices per image make it."""
        return self.rotation == self.shear == self.shift == 0 and self.zoom == (1, 1)

    @property
    def mean_side(self) -> float:
        """Mean side of the box that is cut out, as a share of the image's (for a square box)."""
        low, high = self.crop_area
        if low == high:
            return math.sqrt(low)
        return 2 / 3 * (high**1.5 - low**1.5) / (high - low)

    def changes_colours(self, channels: int) -> bool:
        """Whether the colours of an image with so many channels change."""
        light = self.jitter > 0 and max(self.brightness, self.contrast) > 0
        colour = self.grey > 0 or (self.jitter > 0 and max(self.saturation, self.hue) > 0)
        return light if channels == 1 else channels == 3 and (light or colour)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} of an augmentation must lie in [{low}, {high}], got {value!r}")


def _check_range(a: Augmentation, name: str, low: float, high: float) -> None:
    value = getattr(a, name)
    if len(value) != 2 or not low <= value[0] <= value[1] <= high:
        raise InputError(
            f"{name} of an augmentation must be two numbers, smaller first, in [{low}, {high}], got {value!r}"
        )


AUGMENTATIONS: dict[str, Augmentation] = {
    # photographs: Böhm, Berens & Kobak 2023
    "natural": Augmentation(),
    # digits, letters, signs: a mirrored 2 is no 2. Nothing is cut off but what shift and zoom push out
    "glyph": Augmentation(
        crop_area=(1, 1),
        crop_ratio=(1, 1),
        rotation=15,
        shear=10,
        zoom=(0.8, 1.25),
        shift=0.1,
        flip=0,
        padding="background",
    ),
    # microscopy, medicine, satellites: no up, no left. Nwabufo et al. 2024 (medical-t-simcne) add right
    # angles, vertical flips and ±45 degrees to the paper's set
    "symmetric": Augmentation(rotation=180, flip_vertical=0.5),
}
