"""Relative local density: does an image's neighbourhood, however dense it is there, hold its own label?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from augmap.errors import InputError
from augmap.evaluate.density_graph import DensityGraph, Precision, labelled
from augmap.neighbors import Progress

TEMPERATURES = (1.0, 0.5, 0.2, 0.1, 0.05)
"""From global to local."""


@dataclass(frozen=True, kw_only=True)
class Density:
    """Relative local density at one temperature, with what it must be read against."""

    temperature: float
    """In units of the mean distance: a neighbour counts e times less for each ``temperature`` that it is farther."""
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

    Parameters
    ----------
    x : (n, d) float array
        Features (or positions). Euclidean distances; the unit does not matter.
    labels : (n,) array of str
        Images with ``""`` are left out.
    normalize : bool
        Scale rows to length 1 first, as the paper does. It changes the value: state it.
    dtype : {"float64", "float32"}, optional
        By default float64 up to ``EXACT_UP_TO`` images, else float32.
    progress : callable, optional
        Called with pairs of blocks done and in all.
    """
    raise NotImplementedError
