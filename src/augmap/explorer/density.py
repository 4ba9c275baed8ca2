"""The density of a map as one grid, for contours."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

CELLS = 256
"""Cells an edge: 256 kB."""
EXTENT = 1.2
"""Half of the grid's edge in scaled units: what is blurred beyond the outermost image is still on it."""
_WIDEST = 8.0
"""Cells; the margin holds 2.5 times that."""
_BLUR = 0.012
"""Standard deviation of the blur, as a share of the map's edge, for 60,000 images; more for fewer."""


def density(uv: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "h w"] | None:
    """Return images per cell, float32, blurred; None for a map without extent.

    Row 0 lies at v = -EXTENT, column 0 at u = -EXTENT.

    The blur is Scott's rule in two dimensions, n^(-1/6), fixed at :data:`_BLUR` for 60,000 images.
    """
    if not len(uv) or not np.ptp(uv, axis=0).any():
        return None
    edges = np.linspace(-EXTENT, EXTENT, CELLS + 1)
    counts = np.histogram2d(uv[:, 1], uv[:, 0], bins=(edges, edges))[0]
    blur = min(_BLUR * (60_000 / len(uv)) ** (1 / 6) * CELLS / EXTENT, _WIDEST)
    return gaussian_filter(counts, blur, mode="constant").astype("<f4")
