"""Regions of a map, from ``regions.json`` of its folder: ``augmap review`` writes it, the page names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augmap import folder as disk
from augmap.errors import DamagedMapError, InputError

FILE = "regions.json"


@dataclass(frozen=True, eq=False)
class Level:
    """One division of the map.

    Parameters
    ----------
    name : str
        ``coarse``, ``fine``, ...
    codes : (n,) int array
        Region of each image, from 1; 0 is none.
    medoids : (r,) int array
        Row of the most central image of each region.
    """

    name: str
    codes: np.ndarray
    medoids: np.ndarray


def read(path: Path, record: Mapping[str, Any], n: int) -> list[Level]:
    """Read ``regions.json``; no levels where there is none, or it cannot be understood: it is a by-product.

    Its form: ``{"levels": [{"name": "coarse", "assignment": [-1, 0, ...], "regions": [{"medoid": 17}]}]}``,
    coarse first; region i of a level is that of the images to which i is assigned.
    """
    if FILE not in record["files"]:
        return []
    try:
        return parse(json.loads(disk.read_file(path, FILE, record)), n)
    except (InputError, ValueError):
        return []


def parse(found: Any, n: int) -> list[Level]:
    """Return the levels of a division in plain types.

    Raises
    ------
    DamagedMapError
        It does not fit ``n`` images.
    """
    try:
        levels = [
            Level(
                str(x["name"]),
                np.asarray(x["assignment"], np.int64) + 1,
                np.array([region["medoid"] for region in x["regions"]], np.int64),
            )
            for x in found["levels"]
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DamagedMapError(f"{FILE}: cannot be understood ({error!r})") from error
    for x in levels:
        count = len(x.medoids)
        fits = x.codes.shape == (n,) and x.medoids.ndim == 1
        if not fits or (n and (x.codes.min() < 0 or x.codes.max() > count)):
            raise DamagedMapError(f"{FILE}: the level {x.name!r} does not fit {n} images")
        if count and not (x.medoids.min() >= 0 and x.medoids.max() < n):
            raise DamagedMapError(f"{FILE}: the medoids of level {x.name!r} are not all among {n} images")
    return levels


def describe(level: Level, uv: np.ndarray, labels: np.ndarray | None) -> list[dict[str, Any]]:
    """Return what ``meta.json`` says about the regions of a level."""
    sizes = np.bincount(level.codes, minlength=len(level.medoids) + 1)
    entries = []
    for code, medoid in enumerate(level.medoids.tolist(), 1):
        name, share = _majority(labels[level.codes == code]) if labels is not None else (None, None)
        entries.append(
            {
                "code": code,
                "size": int(sizes[code]),
                "medoid": medoid,
                "name": name,
                "share": share,
                "u": round(float(uv[medoid, 0]), 6),
                "v": round(float(uv[medoid, 1]), 6),
            }
        )
    return entries


def _majority(labels: np.ndarray) -> tuple[str | None, float | None]:
    """The most frequent label that is known, and its share of those that are."""
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    if not len(names):
        return None, None
    return str(names[counts.argmax()]), round(float(counts.max() / counts.sum()), 4)
