"""Pictures at their places."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from augmap.plots.view import Grid, View

SMALLEST, LARGEST = 1 / 32, 1 / 9  # edge of a picture as a share of the view's longer side
GAP = 1.12  # cell over picture: the room in which a picture may lie off the middle of its cell
TRIES = 10  # images looked at in each cell


class Pictures(Protocol):
    """Whatever gives the thumbnails of some images; :class:`augmap.thumbs.Thumbs` does."""

    def images(self, indices: Int[np.ndarray, " k"]) -> UInt8[np.ndarray, "k s s 3"]: ...


def thumbnail_edge(n: int, view: View) -> float:
    """Return the edge of a picture: small among many images, larger where a few would look lost."""
    edge = 0.8 * np.sqrt(0.4 * (view.x1 - view.x0) * (view.y1 - view.y0) / max(1, n))
    return float(np.clip(edge, SMALLEST * view.side, LARGEST * view.side))


def choose_thumbnails(
    xy: Float[np.ndarray, "n 2"],
    view: View,
    edge: float,
    *,
    avoid: Sequence[tuple[float, float, float, float]] = (),
) -> Int[np.ndarray, " k"]:
    """Choose images whose pictures, squares of ``edge`` at their places, do not overlap.

    The view is cut into cells a little larger than a picture. Of each cell the images nearest to its mean,
    the most typical ones, are candidates. Where images are dense, one that lies in the middle of its cell is
    taken, which lines the pictures up; the gaps are then filled by the candidate that keeps out the fewest
    others, the more typical one first.

    Parameters
    ----------
    avoid : boxes (x0, y0, x1, y1) in the map's coordinates
        Places to keep free, such as names.
    """
    rows = np.flatnonzero(view.holds(xy) & ~_touches(xy, edge, avoid))
    if not len(rows):
        return rows
    grid = Grid.over(view, max(1, int(view.side / (GAP * edge))))
    row, column = grid.cells(xy[rows])
    cell = row * grid.shape[1] + column
    size = np.bincount(cell)
    mean = np.stack([np.bincount(cell, xy[rows, i]) / np.maximum(size, 1) for i in (0, 1)], 1)
    middle = np.stack([view.x0 + (column + 0.5) * grid.cell, view.y0 + (row + 0.5) * grid.cell], 1)
    central = np.abs(xy[rows] - middle).max(1) <= (grid.cell - edge) / 2  # two of these never overlap
    far = ((xy[rows] - mean[cell]) ** 2).sum(1)
    order = np.lexsort((far, ~central, cell))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - (np.cumsum(size) - size)[cell[order]]
    tried = np.flatnonzero(rank < TRIES)
    first = (central & (rank == 0))[tried]
    return rows[tried[_pack(xy[rows[tried]], edge, first, rank[tried])]]


def _pack(
    xy: Float[np.ndarray, "c 2"], edge: float, first: Bool[np.ndarray, " c"], rank: Int[np.ndarray, " c"]
) -> Int[np.ndarray, " k"]:
    """Take candidates that hit none taken before: ``first`` ones, then by the fewest others kept out."""
    hits = cKDTree(xy).query_ball_point(xy, edge * (1 - 1e-9), p=np.inf)
    free = np.ones(len(xy), bool)
    kept_out = np.array([len(h) for h in hits])
    heap = [(-1 if first[i] else int(kept_out[i]), int(rank[i]), i) for i in range(len(xy))]
    heapq.heapify(heap)
    chosen = []
    while heap:
        count, r, i = heapq.heappop(heap)
        if not free[i]:
            continue
        if count > kept_out[i]:  # fewer are left by now: wait for its turn
            heapq.heappush(heap, (int(kept_out[i]), r, i))
            continue
        chosen.append(i)
        for j in hits[i]:
            if free[j]:
                free[j] = False
                kept_out[hits[j]] -= 1
    return np.array(chosen, dtype=np.int64)


def _touches(
    xy: Float[np.ndarray, "n 2"], edge: float, boxes: Sequence[tuple[float, float, float, float]]
) -> Bool[np.ndarray, " n"]:
    """Which squares of ``edge`` at these places touch a box."""
    hit = np.zeros(len(xy), bool)
    for x0, y0, x1, y1 in boxes:
        low, high = np.array([x0, y0]) - edge / 2, np.array([x1, y1]) + edge / 2
        hit |= ((xy > low) & (xy < high)).all(1)
    return hit


def choose_medoids(
    xy: Float[np.ndarray, "n 2"], view: View, edge: float, most: int = 30
) -> Int[np.ndarray, " k"]:
    """Choose the image at each peak of the density, the highest first; their pictures do not overlap."""
    inside = np.flatnonzero(view.holds(xy))
    grid = Grid.over(view, 120)
    density = grid.density(xy[inside], 0.02)
    peaks = np.argwhere((density == maximum_filter(density, 5)) & (density > 0.05 * density.max()))
    peaks = peaks[np.argsort(-density[tuple(peaks.T)], kind="stable")]
    chosen: list[int] = []
    for peak in peaks:
        nearest = int(inside[((xy[inside] - grid.centre(*peak.tolist())) ** 2).sum(1).argmin()])
        if all((np.abs(xy[nearest] - xy[c]) >= 1.15 * edge).any() for c in chosen):
            chosen.append(nearest)
        if len(chosen) == most:
            break
    return np.array(chosen, dtype=np.int64)


def draw_thumbnails(
    ax: Axes,
    xy: Float[np.ndarray, "k 2"],
    pictures: UInt8[np.ndarray, "k s s 3"],
    edge: float,
    frames: Float[np.ndarray, "k 4"],
    *,
    frame_width: float = 1.3,
) -> list[tuple[float, float, float, float]]:
    """Draw pictures centred at ``xy`` with a coloured frame; return their boxes (x0, y0, x1, y1)."""
    boxes = []
    r = 0.46 * edge  # a thin gap between neighbours
    for (x, y), picture in zip(xy, pictures, strict=True):
        boxes.append((x - r, y - r, x + r, y + r))
        image = AxesImage(
            ax, extent=(x - r, x + r, y - r, y + r), origin="upper", interpolation="antialiased", zorder=3
        )
        image.set_data(picture)
        image.set_gid("thumbnail")
        ax.add_image(image)
    squares = [Rectangle((x0, y0), 2 * r, 2 * r) for x0, y0, _, _ in boxes]
    if squares:
        ax.add_collection(
            PatchCollection(
                squares, facecolors="none", edgecolors=frames, linewidths=frame_width, zorder=3.5
            ),
            autolim=False,
        )
    return boxes
