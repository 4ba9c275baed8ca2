"""A new image on the map: its place, the cloud of its views, its neighbours, how strange it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from augmap.explorer.build import Scale
from augmap.explorer.nearby import unit
from augmap.imagemap import ImageMap
from augmap.neighbors import nearest

K = 15
VIEWS = 32
SAMPLE = 2000
"""Images of the map whose distance to their nearest image says what is usual."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What an encoder makes of one image.

    Parameters
    ----------
    position : (d,) array
    features : (f,) array
    views : (v, d) array
        Positions of augmented views; none where the augmentation is the user's own.
    """

    position: np.ndarray
    features: np.ndarray
    views: np.ndarray


Place = Callable[[UInt8[np.ndarray, "s s c"]], Outputs]
"""The encoder, handed in from above: this package knows no torch."""


class Placing:
    """Answers where an image lies.

    Parameters
    ----------
    m : ImageMap
    scale : Scale
        The page's.
    place : callable
        Pixels of one image in, outputs out.
    usual : (s,) array, optional
        Distances in feature space from images of the map to their nearest image; found when first needed.
    """

    def __init__(self, m: ImageMap, scale: Scale, place: Place, usual: np.ndarray | None = None) -> None:
        self.m, self.scale, self.place = m, scale, place
        self._features = None if m.features is None else unit(m.features)
        self._usual = usual

    def __call__(self, pixels: UInt8[np.ndarray, "s s c"]) -> dict[str, Any]:
        """Return the answer of ``POST /embed``, without its picture."""
        out = self.place(pixels)
        uv = self.scale(out.position[None])[0]
        k = min(K, self.m.n)
        on_map = nearest(self.m.positions, k, queries=out.position[None].astype(np.float32))[0][0]
        near, distance, usual = None, None, None
        if self._features is not None:
            similar = self._features @ unit(out.features[None])[0]
            rows = np.argpartition(-similar, k - 1)[:k]
            near = rows[np.argsort(-similar[rows], kind="stable")]
            distance = max(0.0, 1 - float(similar[near[0]]))
            usual = float((self.usual() < distance).mean())
        answer = {
            "u": float(uv[0]),
            "v": float(uv[1]),
            **spread(self.scale(out.views)),
            "neighbours": {"map": on_map.tolist(), "features": None if near is None else near.tolist()},
            "distance": distance,
            "out_of_map": usual,
        }
        if self.m.dim == 2:
            answer |= {"x": float(out.position[0]), "y": float(out.position[1])}
        return answer

    def warm(self) -> None:
        """Have the encoder loaded before somebody waits for it."""
        at = self.m.preprocessing
        assert at is not None
        self.place(np.zeros((at.image_size, at.image_size, at.channels), np.uint8))

    def usual(self) -> np.ndarray:
        """Distances from a sample of the map's images to their nearest other image, in feature space."""
        if self._usual is None:
            assert self._features is not None
            rows = np.sort(np.random.default_rng(0).permutation(self.m.n)[:SAMPLE])
            self._usual = _nearest_other(self._features, rows)
        return self._usual


def spread(views: Float[np.ndarray, "v 2"]) -> dict[str, Any]:
    """Return the views' places, their root mean square distance from their mean, and their covariance."""
    if len(views) < 2:
        return {"views": [], "spread": None}
    off = views - views.mean(0)
    return {
        "views": np.round(views, 6).tolist(),
        "spread": {
            "rms": float(np.sqrt((off**2).sum(1).mean())),
            "cov": np.cov(views, rowvar=False).tolist(),
        },
    }


def _nearest_other(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosine distance from each of these rows to the nearest other row."""
    if len(features) < 2:
        return np.zeros(0, np.float32)
    found = []
    for part in np.array_split(rows, -(-len(rows) // 256)):
        s = features[part] @ features.T
        s[np.arange(len(part)), part] = -np.inf
        found.append(1 - s.max(1))
    return np.maximum(np.concatenate(found), 0)
