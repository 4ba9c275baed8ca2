"""Outputs of a probe set become frames to watch: two axes, turned onto the frame before, in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from augmap.explorer.build import make_scale
from augmap.method.align import procrustes


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Parameters
    ----------
    uv : (n, 2) float64 array
        In [-1, 1].
    dim : int
        Columns of the output that it shows.
    """

    uv: np.ndarray
    dim: int

    @property
    def pca(self) -> bool:
        """Whether these are principal components of more columns."""
        return self.dim > 2


def make_frame(z: Float[np.ndarray, "n d"], before: Float[np.ndarray, "n 2"] | None) -> Frame | None:
    """Return the frame of these outputs; None where they are not finite, or all at one place.

    Rotation and mirroring are free in a map and in its principal components, so they are chosen to come
    closest to the frame before; the factor is the frame's own.
    """
    if not np.isfinite(z).all():
        return None
    uv = make_scale(z)(z)
    if not np.ptp(uv, axis=0).any():
        return None
    return Frame(uv if before is None else turned(uv, before), z.shape[1])


def turned(uv: Float[np.ndarray, "n 2"], onto: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Return a frame turned onto another one, and filling [-1, 1] again."""
    rotation, _ = procrustes(uv, onto)
    return fitted(uv @ rotation)


def fitted(uv: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Return positions moved and stretched, by one factor, to fill [-1, 1]."""
    return make_scale(uv)(uv)


def start(pixels: np.ndarray) -> Float[np.ndarray, "n 2"]:
    """Return places to begin with, (n, 2) in [-1, 1]: principal components of the images, made 8 px small.

    Images without any difference lie on a circle.
    """
    n, side = len(pixels), pixels.shape[1]
    cells = min(8, side)
    edge = side // cells
    cut = pixels[:, : edge * cells, : edge * cells].astype(np.float32)
    small = cut.reshape(n, cells, edge, cells, edge, -1).mean((2, 4)).reshape(n, -1)
    if small.shape[1] > 1 and n > 1:
        frame = make_frame(small.astype(np.float64), None)
        if frame is not None:
            return frame.uv
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)
