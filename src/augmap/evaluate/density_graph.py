"""The graph behind RLD and the GCN: who picks whom as a neighbour, and is picked back. In blocks of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_info, threadpool_limits

from augmap.errors import InputError
from augmap.neighbors import Progress

Precision = Literal["float64", "float32"]

EXACT_UP_TO = 5000
"""Images up to which distances are taken in float64 by default; above, float32 is 5 times faster."""
TEMPERATURE_RANGE = (1e-6, 1e6)
_BLOCK = 1024
"""Rows and columns of a block: a few of them fit the cache."""
_KEEP = 2**24
"""Distances that are kept between the sweeps instead of being computed anew: 128 MiB."""


@dataclass(frozen=True, eq=False)
class DensityGraph:
    r"""Weights :math:`W_{ij}/n^2 = P_{ij} P_{ji}`, P being the row softmax of :math:`-D/(\bar d\,\tau)`.

    Made by :func:`density_graph`. D holds Euclidean distances, :math:`\bar d` is their mean over pairs,
    and no point picks itself. No n × n array is held: weights are computed in blocks when asked for, from

    .. math::

        W_{ij}/n^2 = e^{-(2 D_{ij} - m_i - m_j) / (\bar d\,\tau)} / (s_i s_j), \qquad
        s_i = \textstyle\sum_{j \neq i} e^{-(D_{ij} - m_i)/(\bar d\,\tau)} \in [1, n - 1]

    where :math:`m_i` is the distance of i's nearest neighbour. No exponent is positive, and one of each
    sum is 0: nothing overflows, and what underflows is nothing beside the rest, however far an outlier lies.
    """

    points: Points
    temperatures: tuple[float, ...]
    mean_distance: float
    """In units of the data."""
    nearest: np.ndarray
    """(n,) distances m in the unit of ``points``."""
    sums: np.ndarray
    """(t, n) float64: s."""
    squares: np.ndarray
    """(t, n) float64: the same of squares; s²/squares is the effective number of neighbours."""

    def logarithms(self, rows: slice, columns: slice) -> np.ndarray:
        """Return (r, c) exponents of W for temperature 1, but for the sums: (m_i + m_j - 2 D_ij) / dbar."""
        part = self.nearest[rows, None] + self.nearest[columns]
        part -= 2 * self.points.distances(rows, columns)
        part *= self.points.dtype.type(self.points.unit / self.mean_distance)
        return part


def density_graph(
    x: Float[np.ndarray, "n d"],
    temperatures: Sequence[float],
    *,
    normalize: bool = False,
    dtype: Precision | None = None,
    progress: Progress | None = None,
    sweeps: int = 2,
) -> DensityGraph:
    """Sweep twice over the pairs of points: for the mean distance, then for the sums at each temperature.

    Progress counts blocks of pairs, ``sweeps`` times all: those that the caller makes later included.

    Raises
    ------
    InputError
        Fewer than two points, all in one place, a number that is not finite, or a temperature out of range.
    """
    taus = tuple(float(t) for t in temperatures)
    low, high = TEMPERATURE_RANGE
    if not taus or not all(low <= t <= high for t in taus):
        raise InputError(f"temperatures must be numbers in [{low:g}, {high:g}], got {list(temperatures)}")
    points = prepare(x, normalize=normalize, dtype=dtype)
    n = points.n
    total, nearest = 0.0, np.full(n, np.inf, points.dtype)

    def measure(tile: Tile) -> tuple[float, np.ndarray, np.ndarray]:
        d = points.distances(*tile)
        sums = d.sum(1, where=np.isfinite(d)) if tile[0] == tile[1] else 2 * d.sum(1)
        return float(sums.sum(dtype=np.float64)), d.min(1), d.min(0)

    for (rows, columns), (part, mine, theirs) in each(points, measure, progress, part=0, parts=sweeps):
        total += part
        nearest[rows] = np.minimum(nearest[rows], mine)
        nearest[columns] = np.minimum(nearest[columns], theirs)
    mean = total / (n * (n - 1))
    scales = [points.dtype.type(-1 / (mean * t)) for t in taus]
    sums, squares = np.zeros((2, len(taus), n))

    def add_up(tile: Tile) -> list[tuple[slice, np.ndarray, np.ndarray]]:
        d = points.distances(*tile)
        found = []
        for side, own in enumerate(tile[: 1 if tile[0] == tile[1] else 2]):
            beyond = d - (nearest[own, None] if side == 0 else nearest[own])
            of_side = [_powers(beyond, scale, 1 - side) for scale in scales]
            found.append((own, *(np.array(a) for a in zip(*of_side, strict=True))))
        return found

    for _, found in each(points, add_up, progress, part=1, parts=sweeps):
        for own, s, q in found:
            sums[:, own] += s
            squares[:, own] += q
    return DensityGraph(points, taus, mean * points.unit, nearest, sums, squares)


def _powers(beyond: np.ndarray, scale: np.floating, axis: int) -> tuple[np.ndarray, np.ndarray]:
    e = np.multiply(beyond, scale)
    np.exp(e, out=e)
    ones = np.ones(e.shape[axis], e.dtype)
    s = e @ ones if axis else ones @ e
    np.multiply(e, e, out=e)
    return s, e @ ones if axis else ones @ e


Tile = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Points:
    """Points ready for distances: centred, in a unit of their own."""

    x: np.ndarray
    unit: float
    """A distance of 1 is this much in the data."""
    half_squares: np.ndarray
    kept: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.x)

    @property
    def dtype(self) -> np.dtype:
        """Precision of the distances."""
        return self.x.dtype

    def distances(self, rows: slice, columns: slice) -> np.ndarray:
        """Return an (r, c) block of distances, to be read only; infinite from a point to itself."""
        key = rows.start, columns.start
        if key in self.kept:
            return self.kept[key]
        a, b = self.x[rows], self.x[columns]
        if self.dtype == np.float64:
            d = cdist(a, b)  # differences, so that copies are at distance 0
        else:
            d = a @ b.T
            np.subtract(self.half_squares[rows, None], d, out=d)
            d += self.half_squares[columns]
            d *= 2
            np.maximum(d, 0, out=d)
            np.sqrt(d, out=d)
        if rows == columns:
            np.fill_diagonal(d, np.inf)
        if self.n**2 <= 2 * _KEEP:
            self.kept[key] = d
        return d

    def tiles(self) -> list[Tile]:
        """Blocks of pairs that cover each pair once: those on the diagonal, and those right of it."""
        slices = [slice(i, min(i + _BLOCK, self.n)) for i in range(0, self.n, _BLOCK)]
        return [(rows, columns) for i, rows in enumerate(slices) for columns in slices[i:]]


def prepare(x: np.ndarray, *, normalize: bool = False, dtype: Precision | None = None) -> Points:
    """Check points, centre them and scale them to a mean square of 1, which changes no weight."""
    if dtype is not None and dtype not in get_args(Precision):
        raise InputError(f"dtype must be one of {', '.join(get_args(Precision))}; got {dtype!r}")
    n = len(x)
    if n < 2:
        raise InputError(f"a graph of neighbours needs at least two images, got {n}")
    if not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).any(1).sum())
        raise InputError(f"distances cannot be measured: {bad} of {n} rows are not finite")
    dtype = dtype or ("float64" if n <= EXACT_UP_TO else "float32")
    blocks = [slice(i, i + _BLOCK) for i in range(0, n, _BLOCK)]
    largest = float(max(abs(float(x.max())), abs(float(x.min())))) or 1.0  # squares of 1e200 overflow

    def block(rows: slice) -> np.ndarray:
        part = x[rows].astype(np.float64) / largest
        if normalize:
            norms = np.linalg.norm(part, axis=1, keepdims=True)
            part /= np.where(norms > 0, norms, 1)
        return part

    first = block(slice(0, 1))
    centre = first + sum((block(rows) - first).sum(0) for rows in blocks) / n
    spread = float(np.sqrt(sum(float(((block(rows) - centre) ** 2).sum()) for rows in blocks) / n))
    if all((block(rows) == first).all() for rows in blocks):
        raise InputError(f"all {n} images lie in one place: their density cannot be measured")
    ready = np.empty(x.shape, dtype)
    for rows in blocks:
        ready[rows] = (block(rows) - centre) / spread
    return Points(ready, spread * (1 if normalize else largest), np.einsum("ij,ij->i", ready, ready) / 2)


def each(
    points: Points, work: Callable[[Tile], Any], progress: Progress | None, *, part: int = 0, parts: int = 1
) -> Iterator[tuple[Tile, Any]]:
    """Yield each tile with what ``work`` makes of it, in order, on as many threads as BLAS would take.

    Progress counts the tiles of all ``parts`` sweeps.
    """
    tiles = points.tiles()
    threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(max(threads, default=1)) as pool:
        try:
            for done, found in enumerate(zip(tiles, pool.map(work, tiles), strict=True), start=1):
                yield found
                if progress:
                    progress(part * len(tiles) + done, parts * len(tiles))
        finally:
            pool.shutdown(cancel_futures=True)
