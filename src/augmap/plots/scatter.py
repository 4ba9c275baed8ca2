"""One point an image."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes

from augmap.plots.view import Grid, View

COVERAGE = (0.3, 0.7)  # of the occupied area, inked if no two points overlapped: 1,000 images, 100,000
LARGEST, SMALLEST = (
    30.0,
    0.16,
)  # pt²; below that a point is a fraction of a pixel and only its opacity can shrink


def draw_scatter(
    ax: Axes,
    xy: Float[np.ndarray, "n 2"],
    rgba: Float[np.ndarray, "n 4"],
    view: View,
    *,
    known: Bool[np.ndarray, " n"] | None = None,
    size: float | None = None,
    alpha: float | None = None,
    seed: int = 0,
) -> int:
    """Draw every image as a point; those outside the view as a triangle at its border.

    Parameters
    ----------
    known : (n,) bool, optional
        Images with a label or score; the others are drawn first, below.
    size, alpha : floats, optional
        Area in pt² and opacity of a point; by default from :func:`point_style`.
    seed : int
        Of the random order of drawing, in which no label covers the others.

    Returns
    -------
    Number of images outside the view.
    """
    n = len(xy)
    inside = view.holds(xy)
    auto_size, auto_alpha = point_style(ax, xy[inside], view)
    size, alpha = auto_size if size is None else size, auto_alpha if alpha is None else alpha
    order = np.random.default_rng(seed).permutation(n)
    if known is not None:
        order = order[np.argsort(known[order], kind="stable")]
    shown = order[inside[order]]
    # Rasterised: 60,000 circles as vectors are 10 MB of svg; the names on top stay vectors.
    ax.scatter(
        *xy[shown].T, s=size, c=rgba[shown], alpha=alpha, linewidths=0, marker="o", rasterized=True, zorder=1
    ).set_gid("points")
    _mark_outside(ax, xy[~inside], rgba[~inside], view)
    return int(n - inside.sum())


def point_style(ax: Axes, xy: Float[np.ndarray, "n 2"], view: View) -> tuple[float, float]:
    """Return area (pt²) and opacity of a point.

    The points together ink a given part of the area that the map occupies. Where that would need points
    smaller than a pixel, opacity falls instead, by the square root of what is missing, so that a
    million points still show both sparse and dense places.
    """
    n = max(1, len(xy))
    width, height = axes_points(ax)
    occupied = (Grid.over(view, 40).counts(xy) > 0).mean() if len(xy) else 1.0
    coverage = np.interp(np.log10(n), [3, 5], COVERAGE)
    wanted = coverage * width * height * max(float(occupied), 0.12) / n
    size = float(np.clip(wanted, SMALLEST, LARGEST))
    fade = np.interp(np.log10(n), [3, 5], [0.9, 0.75])
    return size, float(max(0.12, fade * min(1.0, np.sqrt(wanted / SMALLEST))))


def axes_points(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes, in points."""
    ax.apply_aspect()
    box = ax.get_position()
    width, height = ax.get_figure(root=True).get_size_inches()
    return 72 * float(width) * box.width, 72 * float(height) * box.height


def _mark_outside(ax: Axes, xy: Float[np.ndarray, "k 2"], rgba: Float[np.ndarray, "k 4"], view: View) -> None:
    """Triangles at the border that point to where the images lie."""
    inset = 0.008 * view.side
    x = np.clip(xy[:, 0], view.x0 + inset, view.x1 - inset)
    y = np.clip(xy[:, 1], view.y0 + inset, view.y1 - inset)
    beyond = np.stack([view.x0 - xy[:, 0], xy[:, 0] - view.x1, view.y0 - xy[:, 1], xy[:, 1] - view.y1])
    where = beyond.argmax(0) if len(xy) else np.zeros(0, int)
    for side, marker in enumerate("<>v^"):
        here = where == side
        if here.any():
            ax.scatter(
                x[here], y[here], s=22, c=rgba[here], marker=marker, linewidths=0, rasterized=True, zorder=4
            ).set_gid("outside")
