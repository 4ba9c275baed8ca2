"""Images as a network of the user's wants them: its size, its channels, its normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from augmap.errors import InputError

BATCH = 64
"""Images that go through a network together: 38 MB at 224 px."""
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a network takes."""

    size: int | None = None
    """Edge in pixels; None leaves images as they are."""
    channels: int | None = None
    """1 or 3; None leaves them as they are."""
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None
    """Of pixels in [0, 1], one number or one a channel."""

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= 4096:
            raise InputError(f"the network's image size must lie in [1, 4096], got {self.size}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is None:
                continue
            values = np.atleast_1d(values).tolist()
            object.__setattr__(self, name, values)
            if len(values) not in {1, self.channels or len(values)} or not np.isfinite(values).all():
                raise InputError(
                    f"{name} must be one number, or one for each of {self.channels} channels, got {values}"
                )
            if name == "std" and min(values) <= 0:
                raise InputError(f"std must be positive, got {values}")

    def __call__(self, pixels: np.ndarray) -> Float[Tensor, "b c h w"]:
        """Return a block of images, uint8 (b, h, w, c), as the network takes it."""
        # copied: a pixel store is read-only, which torch does not know
        x = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255
        if self.channels == 3 and x.shape[1] != 3:
            x = x[:, :1].expand(-1, 3, -1, -1)
        elif self.channels == 1 and x.shape[1] >= 3:
            x = (x[:, :3] * torch.tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        elif self.channels is not None and x.shape[1] != self.channels:
            raise InputError(f"the network takes {self.channels} channels, the images have {x.shape[1]}")
        if self.size is not None and x.shape[-1] != self.size:
            x = F.interpolate(x, size=(self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
        for values, apply in ((self.mean, torch.sub), (self.std, torch.div)):
            if values is not None:
                if len(values) not in (1, x.shape[1]):
                    raise InputError(f"{len(values)} numbers for normalisation, {x.shape[1]} channels")
                x = apply(x, torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1))
        return x.contiguous()


def collect(
    pixels: np.ndarray,
    compute: Callable[[np.ndarray], np.ndarray],
    *,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "n f"]:
    """Return what a function of blocks of images answers, (b, f) each, as one array.

    Raises
    ------
    InputError
        An answer is not one row an image; (b, f, 1, 1) counts as (b, f), and maps (b, f, h, w) are averaged.
    """
    n, rows = len(pixels), None
    for start, block in _blocks(pixels, batch):
        found = np.asarray(compute(block))
        if found.ndim == 4:
            found = found.mean((2, 3))
        if found.ndim != 2 or len(found) != len(block):
            raise InputError(
                f"the network must return one row of features an image: {len(block)} images gave "
                f"{tuple(found.shape)}"
            )
        if rows is None:
            rows = np.empty((n, found.shape[1]), np.float32)
        rows[start : start + len(block)] = found
        if progress:
            progress(start + len(block), n)
    assert rows is not None, "no images"
    return rows


def _blocks(pixels: np.ndarray, batch: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(pixels), batch):
        yield start, np.asarray(pixels[start : start + batch])
