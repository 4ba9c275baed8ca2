"""Where images pile up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from augmap.plots.colours import Theme, density_map
from augmap.plots.view import Grid, View

CELLS = 400  # of the grid, along the longer side
WIDTH, WIDTH_AT = 0.016, 60_000  # smoothing as a share of the longer side, at this number of images
MARGIN = 0.08  # of the view: room for the slopes of the outermost images
SHARES = (0.25, 0.5, 0.75, 0.95)  # of the images, enclosed by the contours
POWER = 0.7  # colour grows with this power of the density, so that sparse regions stay visible


def draw_density(
    ax: Axes,
    xy: Float[np.ndarray, "n 2"],
    view: View,
    theme: Theme,
    *,
    shares: Sequence[float] = SHARES,
) -> Float[np.ndarray, "rows columns"]:
    """Draw the smoothed number of images a cell, with contours that enclose given shares of the images."""
    grid = Grid.over(view, CELLS)
    inside = xy[view.holds(xy)]
    width = WIDTH * np.clip((WIDTH_AT / max(1, len(inside))) ** (1 / 6), 0.5, 2.0)
    density = grid.density(inside, float(width))
    extent = (view.x0, view.x0 + grid.shape[1] * grid.cell, view.y0, view.y0 + grid.shape[0] * grid.cell)
    limits = ax.get_xlim(), ax.get_ylim()
    norm = PowerNorm(POWER, vmin=0, vmax=float(density.max()) or 1.0)
    ax.imshow(
        density,
        extent=extent,
        origin="lower",
        cmap=density_map(theme),
        norm=norm,
        interpolation="bilinear",
        zorder=0.5,
    )
    _contour(ax, grid, density, shares, theme.ink, 0.6, 0.45)
    ax.set(xlim=limits[0], ylim=limits[1])
    return density


def enclosing_levels(density: Float[np.ndarray, "rows columns"], shares: Sequence[float]) -> list[float]:
    """Return for each share the density above which that share of the total lies, ascending and distinct."""
    values = np.sort(density.ravel())[::-1]
    total = np.cumsum(values)
    found = {float(values[min(np.searchsorted(total, s * total[-1]), len(values) - 1)]) for s in shares}
    return sorted(level for level in found if 0 < level < values[0])


def _contour(
    ax: Axes,
    grid: Grid,
    density: np.ndarray,
    shares: Sequence[float],
    colour: str,
    width: float,
    alpha: float,
) -> None:
    levels = enclosing_levels(density, shares)
    if not levels or min(density.shape) < 2:
        return
    x = grid.view.x0 + (np.arange(grid.shape[1]) + 0.5) * grid.cell
    y = grid.view.y0 + (np.arange(grid.shape[0]) + 0.5) * grid.cell
    ax.contour(x, y, density, levels=levels, colors=[colour], linewidths=width, alpha=alpha, zorder=0.8)
