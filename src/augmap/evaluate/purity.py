"""Purity: which share of an image's nearest neighbours has its label, or its superclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from augmap.errors import InputError
from augmap.evaluate.inputs import labelled
from augmap.items import label_column
from augmap.neighbors import Metric, Progress, nearest, without_self

KS = (1, 10, 100, 1000)
"""From a point's own surroundings to a cluster."""
_BLOCK = 4096
"""Images whose neighbours are held at a time: 48 MB for 1,000 of each."""


@dataclass(frozen=True, kw_only=True)
class Purity:
    """Share of same-label images among the ``k`` nearest, with what it must be read against."""

    k: int
    value: float
    """In [0, 1]; the mean over labelled images."""
    chance: float
    """What random positions give: the share of pairs with equal labels."""
    ceiling: float
    """What perfectly separate labels give; below 1 where labels have fewer than ``k`` other images."""
    n: int
    """Labelled images."""


def neighbour_purity(
    x: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    *,
    ks: Sequence[int] = KS,
    metric: Metric = "euclidean",
    progress: Progress | None = None,
) -> list[Purity]:
    """Return the purity of neighbourhoods of each size.

    Parameters
    ----------
    x : (n, d) float array
    labels : (n,) array of str
        Images with ``""`` are left out, also as neighbours.
    progress : callable, optional
        Called with images done and in all.

    Raises
    ------
    InputError
        Fewer than two labels, a ``k`` out of range, an unknown metric, a number that is not finite, or labels
        of other images.
    """
    _, known, _, codes = labelled(x, labels, "purity")
    n, most = len(known), max(ks, default=0)
    if not 1 <= min(ks, default=0) <= most <= n - 1:
        raise InputError(f"k of purity must lie in [1, {n - 1}] for {n} labelled images, got {list(ks)}")
    same = np.zeros(most)
    for start in range(0, n, _BLOCK):
        own = np.arange(start, min(start + _BLOCK, n))
        show = None if progress is None else partial(_shifted, progress, start, n)
        near, _ = nearest(known, most + 1, queries=known[own], metric=metric, progress=show)
        equal = codes[without_self(near, own)] == codes[own][:, None]
        same += equal.sum(0)
        if progress:
            progress(start + len(own), n)
    shares = np.cumsum(same) / np.arange(1, most + 1) / n
    counts = np.bincount(codes)
    others = counts[codes] - 1  # images of the same label
    return [
        Purity(
            k=k,
            value=float(shares[k - 1]),
            chance=float(others.mean() / (n - 1)),
            ceiling=float(np.minimum(others / k, 1).mean()),
            n=n,
        )
        for k in ks
    ]


@dataclass(frozen=True, kw_only=True)
class Superclass:
    """Where the neighbours of an image lie in a hierarchy of labels."""

    value: float
    """Share of neighbours in the image's superclass, in [0, 1]."""
    same_label: float
    """Share with its own label."""
    others_inside: float
    """Among neighbours with another label, the share in its superclass; NaN where there are none."""
    chance: float
    """What random positions give for ``value``."""
    others_chance: float
    """What random positions give for ``others_inside``."""


def superclass_share(
    neighbours: Int[np.ndarray, "n k"], labels: np.ndarray, superclasses: np.ndarray
) -> Superclass:
    """Return how far neighbours keep to the superclass.

    Parameters
    ----------
    neighbours : (n, k) int array
        Nearest images of each image; looked for among all, those with both labels may be fewer than ``k``.
    labels, superclasses : (n,) arrays of str
        Images without either are left out, also as neighbours.

    Raises
    ------
    InputError
        The three are of different lengths.
    """
    fine, coarse = label_column(labels), label_column(superclasses)
    if not len(neighbours) == len(fine) == len(coarse):
        raise InputError(
            f"neighbours of {len(neighbours)} images need as many labels and superclasses, "
            f"got {len(fine)} and {len(coarse)}"
        )
    known = (fine != "") & (coarse != "")
    fine_codes, coarse_codes = (np.unique(a, return_inverse=True)[1] for a in (fine, coarse))
    near = neighbours[known]
    counted = known[near]
    same = (fine_codes[near] == fine_codes[known][:, None]) & counted
    inside = (coarse_codes[near] == coarse_codes[known][:, None]) & counted
    pairs = {}
    for name, codes in (("fine", fine_codes[known]), ("coarse", coarse_codes[known])):
        counts = np.bincount(codes).astype(float)
        pairs[name] = float((counts * (counts - 1)).sum())
    n = int(known.sum())
    others, every = int(counted.sum() - same.sum()), n * (n - 1) - pairs["fine"]
    return Superclass(
        value=float(inside.sum() / counted.sum()) if counted.any() else float("nan"),
        same_label=float(same.sum() / counted.sum()) if counted.any() else float("nan"),
        others_inside=float((inside & ~same).sum() / others) if others else float("nan"),
        chance=pairs["coarse"] / (n * (n - 1)) if n > 1 else float("nan"),
        others_chance=(pairs["coarse"] - pairs["fine"]) / every if every else float("nan"),
    )


def is_superclass(labels: np.ndarray, superclasses: np.ndarray) -> bool:
    """Whether every label lies in one superclass, and some superclass holds several labels."""
    fine, coarse = label_column(labels), label_column(superclasses)
    known = (fine != "") & (coarse != "")
    pairs = {(f, c) for f, c in zip(fine[known].tolist(), coarse[known].tolist(), strict=True)}
    outer = {c for _, c in pairs}
    return len(pairs) == len({f for f, _ in pairs}) and 1 < len(outer) < len(pairs)


def _shifted(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)
