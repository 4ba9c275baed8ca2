"""What is measured: a map with its labels and spaces, and the pieces of work that this comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from augmap.evaluate.score import Score
from augmap.neighbors import Metric, Progress, floats, nearest

MAP, FEATURES, PIXELS = "map", "features", "pixels"


@dataclass(frozen=True, eq=False, kw_only=True)
class Space:
    """A place in which images have distances."""

    name: str
    x: np.ndarray
    """(n, d) array of float, or of uint8 for pixels."""
    metric: Metric

    @property
    def floats(self) -> Float[np.ndarray, "n d"]:
        """The rows as float32 at least, which for pixels is a copy of 4 times their size."""
        return floats(self.x)

    @property
    def title(self) -> str:
        """The space as a person calls it."""
        return f"{self.name}, {self.metric}" if self.name == FEATURES else self.name

    def setting(self, text: str = "") -> str:
        """Return what tells a score here from others: in the features also the distance."""
        return ", ".join(t for t in (text, self.metric if self.name == FEATURES else "") if t)


@dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """What one piece of work brings."""

    scores: Sequence[Score] = ()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Table, then label column."""
    each: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    """Scores of each image, NaN where not known."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One piece of work: the metrics it is for, and how it is done."""

    group: str
    """Under which its seconds are counted."""
    metrics: tuple[str, ...]
    title: str
    work: Callable[[Progress], Found]


@dataclass(frozen=True, eq=False, kw_only=True)
class Subject:
    """A map as the metrics see it; neighbours that several of them need are found once.

    Parameters
    ----------
    positions : (n, d) float32 array
    features : (n, f) float32 or float64 array, optional
    images : uint8 array of shape (n, h, w, c), optional
    labels : mapping of str to (n,) arrays of str
    splits : sequence of n str
    ks : sequence of int
        Numbers of neighbours; the first is the one for scores of single images and for tables.
    seed : int
    learned : set of str
        Label columns that trained the encoder: what it says of them is no surprise.
    """

    positions: Float[np.ndarray, "n d"]
    features: Float[np.ndarray, "n f"] | None
    images: UInt8[np.ndarray, "n h w c"] | None
    labels: Mapping[str, np.ndarray]
    splits: Sequence[str]
    ks: tuple[int, ...]
    seed: int
    learned: frozenset[str] = frozenset()

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.positions)

    @property
    def dim(self) -> int:
        """Dimension of the map."""
        return self.positions.shape[1]

    @property
    def map(self) -> Space:
        """The map."""
        return Space(name=MAP, x=self.positions, metric="euclidean")

    def in_features(self, *metrics: Metric) -> list[Space]:
        """Return the features with each of these distances; nothing where there are none."""
        if self.features is None:
            return []
        return [Space(name=FEATURES, x=self.features, metric=metric) for metric in metrics]

    @property
    def pixels(self) -> Space | None:
        """The raw pixels, a row an image."""
        if self.images is None:
            return None
        return Space(name=PIXELS, x=self.images.reshape(self.n, -1), metric="euclidean")

    @property
    def references(self) -> list[Space]:
        """What the map is held against where there are no labels: its features, or else the pixels."""
        if self.features is None:
            return [] if self.pixels is None else [self.pixels]
        return self.in_features("cosine", "euclidean")

    def ks_up_to(self, most: int) -> tuple[int, ...]:
        """Return the numbers of neighbours that there are; where all are too large all, to be refused."""
        return tuple(k for k in self.ks if k <= most) or self.ks

    def near(self, space: Space) -> Int[np.ndarray, "n k"]:
        """Return the neighbours of each image, as many as the largest ``k`` that there can be."""
        key = (space.name, space.metric)
        if key not in self._near:
            k = max(self.ks_up_to(self.n - 1))
            self._near[key] = nearest(space.floats, k, metric=space.metric)[0]
        return self._near[key]

    @cached_property
    def _near(self) -> dict[tuple[str, str], np.ndarray]:
        return {}
