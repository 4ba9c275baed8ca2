"""Maps turned onto one another for the eye: rotation, mirror, shift and size, by the images they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from augmap.imagemap import ImageMap
from augmap.method.align import procrustes
from augmap.plots.view import flatten


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """Positions in the frame of another map."""

    positions: Float[np.ndarray, "n 2"]
    shared: int
    """Images by which the map was turned; 0 where there were too few, and nothing was turned."""
    correlation: float | None
    """Procrustes correlation in [0, 1]: 1 for a rotated, mirrored, moved and scaled copy."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """Where the images of a map are shown."""

    positions: Float[np.ndarray, "n 2"]
    note: str
    """What has to be said of a map that is not of two dimensions."""
    aligned: Aligned | None
    """None for the map that the others are turned onto."""


def place(maps: Sequence[ImageMap]) -> tuple[list[Placed | None], int | None]:
    """Turn maps onto the first one that is of two dimensions, or onto the first that can be shown at all.

    Returns
    -------
    placed : for each map, where its images are shown; None for a map of one dimension
    reference : number of the map that the others are turned onto
    """
    flat = [flatten(m.positions) if m.dim > 1 else None for m in maps]
    shown = [i for i, xy in enumerate(flat) if xy is not None]
    if not shown:
        return [None] * len(maps), None
    reference = next((i for i in shown if maps[i].dim == 2), shown[0])
    home, _ = flat[reference]
    placed: list[Placed | None] = []
    for i, (m, found) in enumerate(zip(maps, flat, strict=True)):
        if found is None:
            placed.append(None)
            continue
        xy, note = found
        aligned = None if i == reference else onto(xy, m.names, home, maps[reference].names)
        placed.append(Placed(positions=aligned.positions if aligned else xy, note=note, aligned=aligned))
    return placed, reference


def onto(
    positions: Float[np.ndarray, "n 2"],
    names: Sequence[str],
    other: Float[np.ndarray, "m 2"],
    other_names: Sequence[str],
) -> Aligned:
    """Return ``positions`` turned onto ``other`` by the images whose names occur once in both.

    The rotation (or mirror) is the one with the least squared distance. The size is not the least-squares
    one, which shrinks a map the more the less it agrees, but the one with equal spread; both are the same for
    maps that differ by a similarity.

    With fewer than three shared images, or where they all coincide, nothing is turned.

    References
    ----------
    Gower & Dijksterhuis, Procrustes Problems, 2004.
    """
    here, there = _pairs(names, other_names)
    x, y = positions[here].astype(np.float64), other[there].astype(np.float64)
    spread = [float(np.sqrt(((v - v.mean(0)) ** 2).sum())) if len(v) else 0.0 for v in (x, y)]
    if len(x) < 3 or not all(spread):
        return Aligned(positions=positions.astype(np.float64), shared=0, correlation=None)
    scale = spread[1] / spread[0]
    rotation, shift = procrustes(scale * x, y)
    turned = scale * x @ rotation + shift
    agreement = float(((turned - turned.mean(0)) * (y - y.mean(0))).sum()) / spread[1] ** 2
    return Aligned(
        positions=scale * positions.astype(np.float64) @ rotation + shift,
        shared=len(x),
        correlation=min(1.0, agreement),
    )


def _pairs(names: Sequence[str], other_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the names that occur once in each."""
    rows, others = _once(names), _once(other_names)
    shared = [(i, others[name]) for name, i in rows.items() if name in others]
    here, there = np.array(shared, dtype=np.int64).reshape(-1, 2).T
    return here, there


def _once(names: Sequence[str]) -> dict[str, int]:
    rows: dict[str, int] = {}
    twice = set()
    for i, name in enumerate(names):
        if name in rows:
            twice.add(name)
        rows[name] = i
    return {name: i for name, i in rows.items() if name not in twice}
