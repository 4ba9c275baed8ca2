"""A second map of the same images, brought to the rows of the first one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from augmap.errors import InputError
from augmap.explorer import columns, nearby
from augmap.explorer.build import Blobs, Scale, make_scale
from augmap.explorer.columns import NOBODY, Column
from augmap.explorer.nearby import Nearby
from augmap.imagemap import ImageMap
from augmap.method.align import procrustes

NAMES = 100
"""Names that are listed of images which only one map has."""


def build_second(first: ImageMap, second: ImageMap, scale: Scale, title: str, k: int = nearby.K) -> Blobs:
    """Make the blobs of ``second`` with the rows of ``first``: images are the same where their names are.

    The map is turned onto the first one, as the page shows it, by the images that both have; not stretched.

    Parameters
    ----------
    scale : Scale
        The first map's on the page.

    Raises
    ------
    InputError
        The maps share fewer than two images.
    """
    here, there = _shared(first, second)
    if len(here) < 2:
        raise InputError(
            f"{title}: {len(here)} of its {second.n:,} images are on the first map too; "
            "two maps are compared by the images they share, by name"
        )
    own = make_scale(second.positions)
    uv = own(second.positions[there])
    rotation, _ = procrustes(uv, scale(first.positions[here]))
    # the turned map has another box: centre and fill it again, with one factor
    again = make_scale(uv @ rotation)
    turned = Scale(
        own.axes @ rotation, own.centre @ rotation + again.centre / own.factor, own.factor * again.factor
    )
    shared = ImageMap(
        positions=second.positions[there],
        items=second.items.take(there),
        features=None if second.features is None else second.features[there],
    )
    made = [
        *_positions(turned(shared.positions), here, first.n),
        *(
            columns.score(f"s{i}", name, _spread_out(values, here, first.n), f"score column {name}")
            for i, (name, values) in enumerate(shared.items.scores.items())
        ),
        _neighbors("nn_map", "neighbours on the map", nearby.find_map(shared, k), here, first.n),
    ]
    why = nearby.why_not(shared)
    return Blobs(
        columns={c.id: c for c in made},
        others={},
        pages=[],
        scale=turned,
        facts={
            "format": 1,
            "title": title,
            "method": str(second.info.get("method") or "unknown"),
            "n": first.n,
            "dim": second.dim,
            "scale": {"centre": turned.centre.tolist(), "factor": turned.factor},
            "neighbors": {
                "k": min(k, shared.n - 1),
                "features": False,
                "map": True,
                "reason": why or _ONE_BY_ONE,
            },
            "unmatched": _unmatched(first, second, here, there),
        },
    )


def near_finder(first: ImageMap, second: ImageMap, k: int = nearby.K) -> Callable[[int], dict[str, Any]]:
    """Return a function that finds a row's neighbours on the second map, among the images of both."""
    here, there = _shared(first, second)
    shared = ImageMap(
        positions=second.positions[there],
        items=second.items.take(there),
        features=None if second.features is None else second.features[there],
    )
    at = {int(row): i for i, row in enumerate(here)}

    def find(row: int) -> dict[str, Any]:
        if row not in at:
            return {"map": None, "features": None}
        found = nearby.of_row(shared, at[row], Nearby(), k)
        return {name: None if rows is None else here[rows].tolist() for name, rows in found.items()}

    return find


_ONE_BY_ONE = "neighbours in the second map's feature space are found one image at a time"


def _shared(first: ImageMap, second: ImageMap) -> tuple[np.ndarray, np.ndarray]:
    rows: dict[str, int] = {}
    for row, name in enumerate(second.items.names):
        rows.setdefault(name, row)
    pairs = [(i, rows[name]) for i, name in enumerate(first.items.names) if name in rows]
    here, there = np.array(pairs, np.int64).reshape(-1, 2).T
    return here, there


def _positions(uv: np.ndarray, here: np.ndarray, n: int) -> list[Column]:
    return [
        Column(
            id=name,
            name=name,
            kind="position",
            dtype="f32",
            data=_spread_out(uv[:, axis], here, n).astype("<f4").tobytes(),
        )
        for axis, name in enumerate("xy")
    ]


def _spread_out(values: np.ndarray, here: np.ndarray, n: int) -> np.ndarray:
    """Values of the shared images at the first map's rows, NaN elsewhere."""
    out = np.full(n, np.nan)
    out[here] = values
    return out


def _neighbors(id: str, name: str, table: np.ndarray | None, here: np.ndarray, n: int) -> Column:
    assert table is not None, "two images at least"
    out = np.full((n, table.shape[1]), NOBODY, np.uint32)
    out[here] = here[table]
    return columns.rows(id, name, "neighbors", out, k=table.shape[1])


def _unmatched(first: ImageMap, second: ImageMap, here: np.ndarray, there: np.ndarray) -> dict[str, Any]:
    only_here = np.setdiff1d(np.arange(first.n), here)
    only_there = np.setdiff1d(np.arange(second.n), there)
    return {
        "only_here": len(only_here),
        "only_there": len(only_there),
        "names_here": [first.items.names[i] for i in only_here[:NAMES]],
        "names_there": [second.items.names[i] for i in only_there[:NAMES]],
    }
