"""Relative local density: does an image's neighbourhood, however dense it is there, hold its own label?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from augmap.evaluate.density_graph import DensityGraph, Precision, Tile, density_graph, each
from augmap.evaluate.inputs import labelled
from augmap.neighbors import Progress

TEMPERATURES = (1.0, 0.5, 0.2, 0.1, 0.05)
"""From global to local."""


@dataclass(frozen=True, kw_only=True)
class Density:
    """Relative local density at one temperature, with what it must be read against."""

    temperature: float
    """In units of the mean distance: farther by one temperature, a neighbour counts e times less."""
    rld: float
    """In [-1/2, 1 - 1/labels]."""
    ceiling: float
    """What classes collapsed onto the corners of a simplex reach at this temperature, see :func:`ceiling`."""
    shuffled: float
    """Expected value when the labels are dealt out anew, exact; its spread grows as temperatures fall."""
    effective_neighbors: float
    """Mean over images of 1 / sum of squared shares of their neighbours, in [1, n - 1]."""
    mean_distance: float
    """Mean Euclidean distance over all pairs, the unit of ``temperature``."""
    n: int
    """Labelled images."""
    labels: int
    """Distinct labels."""
    normalized: bool
    """Rows were scaled to length 1."""
    dtype: Precision
    """Precision of the distances."""


def relative_local_density(
    x: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    *,
    temperatures: Sequence[float] = TEMPERATURES,
    normalize: bool = False,
    dtype: Precision | None = None,
    progress: Progress | None = None,
) -> list[Density]:
    r"""Return the relative local density (RLD) of labelled points, for each temperature in the order given.

    With D the Euclidean distances and :math:`\bar d` their mean over the n(n - 1)/2 pairs,

    .. math::

        P_{ij} &= e^{-D_{ij} / (\bar d\,\tau)} / \textstyle\sum_{l \neq i} e^{-D_{il} / (\bar d\,\tau)},
        \quad P_{ii} = 0, \qquad W_{ij} = n^2 P_{ij} P_{ji} \\
        \mathrm{RLD} &= \textstyle\sum_c \left[ M_{cc} / T - (K_c / T)^2 \right]

    where :math:`M_{cc}` sums W over pairs of label c, :math:`K_c` over all rows of label c, and T over
    everything: Newman's modularity of the labels in the graph W of neighbours that pick each other.

    Parameters
    ----------
    x : (n, d) float array
        Features (or positions). A common scale, shift or rotation changes nothing; scaling one axis does.
    labels : (n,) array of str
        Images with ``""`` are left out.
    temperatures : sequence of float
        In [1e-6, 1e6]. Small: do the nearest neighbours share a label? Near 1: is a label one region?
    normalize : bool
        Scale rows to length 1 first, as the paper does. It changes the value: state it.
    dtype : {"float64", "float32"}, optional
        Of distances and weights; sums over blocks are float64. By default float64 up to 5,000 images.
    progress : callable, optional
        Called with blocks of pairs done and in all, over three sweeps.

    Raises
    ------
    InputError
        Fewer than two labels, all points in one place, a number that is not finite, or a temperature out of
        range.

    Notes
    -----
    Float32 against float64 at n = 5,000 (512 and 128 dimensions; loose and collapsed labels; rows of length 1
    or not): RLD differs by at most 3e-7, the effective neighbours by 7e-7 of themselves. Worst where exact
    copies are all there is, whose distances come out as up to 3e-4 of the spread: 1.3e-4.

    Memory beside ``x``: a copy of it in ``dtype``, and some blocks of 1024 × 1024 pairs for each thread. All
    temperatures share the three sweeps.

    References
    ----------
    Zhang, Lu & Xuan, "How does Contrastive Learning Organize Images?", WACV 2024 Workshops,
    https://arxiv.org/abs/2305.10229
    """
    _, x, names, codes = labelled(x, labels, "relative local density")
    order = np.argsort(codes, kind="stable")  # a label is a run of rows, and pairs of a label are rectangles
    codes = codes[order]
    graph = density_graph(
        x[order], temperatures, normalize=normalize, dtype=dtype, progress=progress, sweeps=3
    )
    degrees, inside = _degrees(graph, codes, progress)
    n, sizes = len(x), np.bincount(codes)
    same = float((sizes * (sizes - 1.0)).sum()) / (n * (n - 1.0))
    found = []
    for t, temperature in enumerate(graph.temperatures):
        shares = degrees[t] / degrees[t].sum()
        by_label = np.bincount(codes, shares)
        found.append(
            Density(
                temperature=temperature,
                rld=float(inside[t] / degrees[t].sum() - by_label @ by_label),
                ceiling=ceiling(len(names), temperature),
                shuffled=float(-(1 - same) * (shares @ shares)),
                effective_neighbors=float((graph.sums[t] ** 2 / graph.squares[t]).mean()),
                mean_distance=graph.mean_distance,
                n=n,
                labels=len(names),
                normalized=normalize,
                dtype=graph.points.dtype.name,
            )
        )
    return found


def ceiling(labels: int, temperature: float, copies: float = math.inf) -> float:
    r"""Return the RLD of labels that collapsed onto the corners of a simplex, ``copies`` images on each.

    .. math:: \frac{s-1}{s-1 + (k-1) s \rho} - \frac{1}{k}, \quad
        \rho = e^{-2/(\tau (1 - p))}, \quad p = \frac{s-1}{ks-1}

    It is :math:`1 - 1/k` for small temperatures, far less for large ones (10 labels: .406 at 1). The value of
    that geometry, the best that a classifier asks for; for large temperatures it is no proven maximum.
    """
    k = labels
    if math.isinf(copies):
        return 1 / (1 + (k - 1) * math.exp(-2 * k / ((k - 1) * temperature))) - 1 / k
    s = copies
    rho = math.exp(-2 / (temperature * (1 - (s - 1) / (k * s - 1))))
    return (s - 1) / (s - 1 + (k - 1) * s * rho) - 1 / k


def _degrees(
    graph: DensityGraph, codes: np.ndarray, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return row sums of W/n² (t, n) and its sum over pairs of one label (t,); ``codes`` are sorted."""
    kind = graph.points.dtype.type
    shares = 1 / graph.sums
    factors = shares.astype(kind)

    def add_up(tile: Tile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, columns = tile
        logarithms = graph.logarithms(rows, columns)
        common = list(_common(codes[rows], codes[columns]))
        weights = np.empty_like(logarithms)
        mine, theirs = np.empty((len(shares), len(weights))), np.empty((len(shares), weights.shape[1]))
        inside = np.zeros(len(shares))
        for t, temperature in enumerate(graph.temperatures):
            np.multiply(logarithms, kind(1 / temperature), out=weights)
            np.exp(weights, out=weights)
            left, right = factors[t, rows], factors[t, columns]
            mine[t], theirs[t] = weights @ right, left @ weights
            for a, b in common:
                inside[t] += float(left[a] @ weights[a, b] @ right[b])
        return mine * shares[:, rows], theirs * shares[:, columns], inside

    degrees, inside = np.zeros(shares.shape), np.zeros(len(shares))
    for (rows, columns), (mine, theirs, part) in each(graph.points, add_up, progress, part=2, parts=3):
        degrees[:, rows] += mine
        inside += part
        if rows != columns:
            degrees[:, columns] += theirs
            inside += part
    return degrees, inside


def _common(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Yield where each number that both sorted arrays hold stands in them."""
    for code in np.intersect1d(a, b):
        yield tuple(slice(*np.searchsorted(part, [code, code + 1])) for part in (a, b))
