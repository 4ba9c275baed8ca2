"""Which part of the plane is shown, and where images pile up in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter

from augmap.errors import InputError

MARGIN = 0.03
LONGEST = 2.5  # a map more elongated than this gets room beside it


@dataclass(frozen=True, slots=True)
class View:
    """A rectangle of the plane, in the map's coordinates."""

    x0: float
    x1: float
    y0: float
    y1: float

    @property
    def side(self) -> float:
        """The longer side."""
        return max(self.x1 - self.x0, self.y1 - self.y0)

    @property
    def aspect(self) -> float:
        """Width over height."""
        return (self.x1 - self.x0) / (self.y1 - self.y0)

    def holds(self, xy: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Which points lie inside."""
        x, y = xy.T
        return (x >= self.x0) & (x <= self.x1) & (y >= self.y0) & (y <= self.y1)


def flatten(positions: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "n 2"], str]:
    """Return positions in the plane and what has to be said about it.

    A map of more than two dimensions is shown along its first two principal axes, each turned so that its
    largest coefficient is positive; the note says so, with the share of the variance that is seen.

    Raises
    ------
    InputError
        No image, or one dimension.
    """
    n, d = positions.shape
    if n == 0:
        raise InputError("this map has no images, so there is nothing to plot")
    if d < 2:
        raise InputError(f"a plot needs a map of 2 or more dimensions, this one has {d}; fit it with --dim 2")
    if d == 2:
        return positions.astype(np.float64), ""
    centred = positions.astype(np.float64) - positions.mean(0, dtype=np.float64)
    variance, axes = np.linalg.eigh(centred.T @ centred / n)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), range(2)])
    seen = 100 * variance[-2:].sum() / variance.sum() if variance.sum() > 0 else 100.0
    return centred @ axes, f"first two principal axes of {d} dimensions ({seen:.0f} % of the variance)"


def view_of(xy: Float[np.ndarray, "n 2"], margin: float = MARGIN) -> View:
    """Return the part of the plane to show; a few far images must not squeeze all the others.

    On each axis the bulk reaches from the 0.5 % to the 99.5 % quantile (of few images: leaving out two on
    each side, but no more than 5 %). The view holds the images up to 0.4 + 12 / n bulk widths beyond it. What
    lies outside is for the caller to mark; in a normal distribution that is almost nobody up to a million.
    ``margin`` is a share of the longer side, kept free around the outermost image.
    """
    n = len(xy)
    q = max(0.005, min(0.05, 2 / n))
    low = np.quantile(xy, q, axis=0, method="higher")
    high = np.quantile(xy, 1 - q, axis=0, method="lower")
    low, high = np.minimum(low, high), np.maximum(low, high)
    reach = (0.4 + 12 / n) * (high - low)
    reach = np.maximum(reach, 0.2 * reach.max())  # a thin map may be a little thicker than its bulk
    if not reach.any():  # the bulk lies at one place: show everything
        low, high = xy.min(0), xy.max(0)
    near = ((xy >= low - reach) & (xy <= high + reach)).all(1)
    low, high = xy[near].min(0), xy[near].max(0)
    side = float((high - low).max()) or 2 * max(1.0, 1e-3 * float(np.abs(low).max()))
    middle = (low + high) / 2
    half = np.maximum((high - low) / 2, side / 2 / LONGEST) + margin * side
    (x0, y0), (x1, y1) = middle - half, middle + half
    return View(float(x0), float(x1), float(y0), float(y1))


@dataclass(frozen=True, eq=False)
class Grid:
    """Square cells over a view; ``shape`` is (rows, columns), row 0 at the bottom."""

    view: View
    cell: float
    shape: tuple[int, int]

    @classmethod
    def over(cls, view: View, cells: int) -> Grid:
        """``cells`` along the longer side."""
        cell = view.side / cells
        rows = max(1, round((view.y1 - view.y0) / cell))
        columns = max(1, round((view.x1 - view.x0) / cell))
        return cls(view, cell, (rows, columns))

    def cells(self, xy: Float[np.ndarray, "n 2"]) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Row and column of each point; points outside go to the border."""
        row = np.clip(((xy[:, 1] - self.view.y0) / self.cell).astype(np.int64), 0, self.shape[0] - 1)
        column = np.clip(((xy[:, 0] - self.view.x0) / self.cell).astype(np.int64), 0, self.shape[1] - 1)
        return row, column

    def centre(self, row: int, column: int) -> tuple[float, float]:
        """Middle of a cell, in the map's coordinates."""
        return self.view.x0 + (column + 0.5) * self.cell, self.view.y0 + (row + 0.5) * self.cell

    def counts(self, xy: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "rows columns"]:
        """Points in each cell."""
        row, column = self.cells(xy)
        flat = np.bincount(row * self.shape[1] + column, minlength=self.shape[0] * self.shape[1])
        return flat.reshape(self.shape).astype(np.float64)

    def density(self, xy: Float[np.ndarray, "n 2"], width: float) -> Float[np.ndarray, "rows columns"]:
        """Points a cell, smoothed by a Gaussian of ``width`` times the longer side."""
        return gaussian_filter(self.counts(xy), width * self.view.side / self.cell, mode="constant")
