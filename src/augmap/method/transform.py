"""The user's own transform in the place of an augmentation set."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from augmap.errors import InputError
from augmap.method.seeds import lent


@dataclass(frozen=True, kw_only=True, slots=True)
class UserTransform:
    """A callable of the user's; ``draw`` and ``apply`` take it where they take an ``Augmentation``.

    Its random numbers cannot be drawn by us. Instead a seed for each image is drawn, and before a call the
    global generators of torch, ``random`` and numpy are seeded with it; after the call they are as they
    were. So the same seed gives the same views, as long as the callable has no generator of its own.
    ``each="image"``: view i depends on image i and seed i alone. ``each="batch"``: on the whole slice that
    it is called with, and on its first seed.

    Processes of a run with several devices see other slices: use ``each="image"`` there for equal views.
    """

    function: Callable[..., Any]
    # each="image": PIL image -> float tensor (c, s, s) in [0, 1], as of torchvision's ToTensor; or a PIL
    # image each="batch": uint8 tensor (n, h, w, c) -> float tensor (n, c, s, s) in [0, 1]
    each: Literal["image", "batch"] = "image"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"a transform must be callable, got {self.function!r}")
        if self.each not in ("image", "batch"):
            raise InputError(f"each must be 'image' or 'batch', got {self.each!r}")

    def draw(self, n: int, generator: torch.Generator) -> UserViews:
        """A seed for each of ``n`` images."""
        return UserViews(seeds=torch.randint(2**31, (n,), generator=generator), transform=self)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class UserViews:
    """Seeds of the user's transform; row i is image i, ``views[rows]`` those of some of them."""

    seeds: Int64[Tensor, " n"]
    # stay on the CPU: that is where generators are seeded
    transform: UserTransform

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, rows: slice | Int64[Tensor, " m"]) -> UserViews:
        return replace(self, seeds=self.seeds[rows])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> UserViews:
        """Itself."""
        return self

    def apply(self, images: UInt8[Tensor, "n h w c"], size: int) -> Float[Tensor, "n c s s"]:
        """Call the transform; its answer in the form of ``augment.apply``, or an ``InputError``."""
        function = self.transform.function
        if self.transform.each == "batch":
            with _seeded(int(self.seeds[0]), images.device):
                views = function(images)
            expected = (len(images), images.shape[3], size, size)
        else:
            views = []
            for image, seed in zip(images.cpu().numpy(), self.seeds.tolist(), strict=True):
                with _seeded(seed, torch.device("cpu")):
                    view = function(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image))
                views.append(_tensor(view))
                _check(views[-1], (images.shape[3], size, size))
            return _finish(torch.stack(views), images.device)
        _check(views, expected)
        return _finish(views, images.device)


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    ours, theirs = random.getstate(), np.random.get_state()  # noqa: NPY002 - a user's transform may use it
    try:
        with lent(device, seed):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            yield
    finally:
        random.setstate(ours)
        np.random.set_state(theirs)  # noqa: NPY002


def _tensor(view: Any) -> Any:
    if isinstance(view, Image.Image):
        pixels = torch.from_numpy(np.array(view))
        return (pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)).float().div_(255)
    return view


def _check(views: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(views, Tensor) or not views.is_floating_point():
        kind = f"a {views.dtype} tensor" if isinstance(views, Tensor) else type(views).__name__
        raise InputError(
            f"the transform must return a float tensor, got {kind}; end it with torchvision's ToTensor()"
        )
    if tuple(views.shape) != shape:
        raise InputError(
            f"the transform must return shape {shape} here, got {tuple(views.shape)}; "
            "resize in it, or give the image size"
        )
    if views.device.type == "cpu" and views.numel():  # on a GPU the host would have to wait for the answer
        low, high = views.min().item(), views.max().item()
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise InputError(
                f"the transform must return values in [0, 1], got {low:.3g} to {high:.3g}; "
                "leave Normalize out, the encoder has its own"
            )


def _finish(views: Tensor, device: torch.device) -> Tensor:
    return views.to(device, torch.float32).contiguous(memory_format=torch.channels_last)
