"""Neighbours of each image, in feature space and on the map; ``neighbors.npz`` of the map's folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augmap import folder as disk
from augmap.errors import AugmapError
from augmap.explorer.arrays import read_arrays
from augmap.imagemap import ImageMap
from augmap.neighbors import nearest

K = 15
FILE = "neighbors.npz"
AT_MOST = 200_000
"""Images up to which everybody's neighbours in feature space are found: the cost grows with the square,
and 60,000 images of 512 features take a minute on two cores. Above, they are found one image at a time."""


@dataclass(frozen=True, eq=False)
class Nearby:
    """Neighbours of ``n`` images, nearest first; None where they have not been found.

    Parameters
    ----------
    map : (n, k) uint32 array, optional
        By Euclidean distance on the map.
    features : (n, k) uint32 array, optional
        By cosine distance of the features.
    distances : (n, k) float32 array, optional
        The latter distances.
    """

    map: np.ndarray | None = None
    features: np.ndarray | None = None
    distances: np.ndarray | None = None

    @property
    def k(self) -> int:
        """Neighbours of an image."""
        found = self.map if self.map is not None else self.features
        return 0 if found is None else found.shape[1]


def why_not(m: ImageMap) -> str | None:
    """Return why neighbours in feature space are not found for everybody; None where they are."""
    if m.features is None:
        return "this map has no features"
    if m.n < 2:
        return "a single image has no neighbours"
    if m.n > AT_MOST:
        return f"{m.n:,} images are more than {AT_MOST:,}: neighbours are found one image at a time"
    return None


def find_map(m: ImageMap, k: int = K) -> np.ndarray | None:
    """Return the neighbours on the map, uint32 (n, k); None for a single image."""
    return None if m.n < 2 else nearest(m.positions, min(k, m.n - 1))[0].astype(np.uint32)


def find_features(
    m: ImageMap, k: int = K, progress: Callable[[int, int], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours in feature space, uint32 (n, k), and their cosine distances, float32."""
    assert m.features is not None
    indices, distances = nearest(m.features, min(k, m.n - 1), metric="cosine", progress=progress)
    return indices.astype(np.uint32), distances


def recall(nearby: Nearby) -> np.ndarray | None:
    """Return the share of an image's feature neighbours that are its neighbours on the map, (n,)."""
    if nearby.features is None or nearby.map is None:
        return None
    n = len(nearby.features)
    found = np.empty(n)
    for start in range(0, n, 2**14):
        rows = slice(start, start + 2**14)
        found[rows] = (nearby.features[rows, :, None] == nearby.map[rows, None, :]).any(2).mean(1)
    return found


def of_row(m: ImageMap, row: int, near: Nearby, k: int = K) -> dict[str, Any]:
    """Return ``{"map": rows, "features": rows}`` of one row; None for what there is not."""
    found: dict[str, Any] = {"map": None, "features": None}
    if m.n < 2:
        return found
    k = min(k, m.n - 1)
    if near.map is not None:
        found["map"] = near.map[row].tolist()
    else:
        found["map"] = _others(nearest(m.positions, k + 1, queries=m.positions[row : row + 1])[0][0], row, k)
    if near.features is not None:
        found["features"] = near.features[row].tolist()
    elif m.features is not None:
        similar = unit(m.features) @ unit(m.features[row : row + 1])[0]
        similar[row] = -np.inf
        best = np.argpartition(-similar, k - 1)[:k]
        found["features"] = best[np.argsort(-similar[best], kind="stable")].tolist()
    return found


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32; a row of zeros stays."""
    x = x.astype(np.float32)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms > 0, norms, 1)


def read(path: Path, record: Mapping[str, Any], n: int) -> Nearby:
    """Read what ``neighbors.npz`` holds; nothing, where there is no such file or it is of another map.

    The file is a cache: one that cannot be understood is found again, not an error.
    """
    found = read_arrays(path, record, FILE) or {}
    arrays = {name: found[name] for name in _KINDS if name in found}
    if any(a.ndim != 2 or len(a) != n or not 1 <= a.shape[1] < n for a in arrays.values()):
        return Nearby()
    if any(arrays[name].max() >= n for name in ("map", "features") if name in arrays):
        return Nearby()
    if len({a.shape for a in arrays.values()}) > 1 or any(
        arrays[name].dtype.kind != kind for name, kind in _KINDS.items() if name in arrays
    ):
        return Nearby()
    return Nearby(**arrays)


_KINDS = {"map": "u", "features": "u", "distances": "f"}


def keep(path: Path, nearby: Nearby) -> bool:
    """Write ``neighbors.npz`` into the map's folder; return whether that was possible.

    A map that may not be written is found again the next time.
    """
    arrays = {name: a for name in _KINDS if (a := getattr(nearby, name)) is not None}
    file = io.BytesIO()
    np.savez(file, **arrays)
    try:
        disk.update(path, {FILE: file.getvalue()})
    except (AugmapError, OSError):
        return False
    return True


def _others(rows: np.ndarray, row: int, k: int) -> list[int]:
    return [int(r) for r in rows if r != row][:k]
