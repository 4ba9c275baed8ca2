"""Near and exact duplicates, in groups, across train and test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from augmap.neighbors import nearest
from augmap.review.groups import Pairs, Same, grouped, join, pairs_of
from augmap.review.likeness import gradient_hash, likeness

Progress = Callable[[int, int], None]
Bars = Callable[[str], Progress]
Neighbours = tuple[np.ndarray, np.ndarray]

NEIGHBOURS = 20
"""Nearest pictures of each image that are looked at closely."""
_PROPOSED = 2.0
"""Robust standard deviations below the usual nearest distance from which a pair is looked at closely."""
_CONFIRMED = 5.5
"""... above the usual likeness of nearest pictures from which a pair is called a copy."""
_FEATURES_ALONE = 6.0
"""... below the usual nearest distance in the features from which a pair counts without its pixels."""
_LEAST, _MOST = 0.7, 0.98
"""Likeness from which a pair may, and from which it must, be called a copy."""
_SAMPLE = 4000
_ALONE = 0.1
"""How sure a copy is that the features alone tell, in [0, 1]."""
_DRIFT = 0.1
"""Likeness that a member of a group may lack to its most typical one."""
KINDS = ("exact", "copy", "mirrored", "features")
"""How a pair is known, the surest first."""
EXACT, COPY, MIRRORED, FEATURES = range(len(KINDS))


@dataclass(frozen=True, eq=False)
class Group:
    """Images that are copies of each other.

    Parameters
    ----------
    rows : (k,) int array
        The most typical one first, then the surest copies.
    alike : (k,) float array
        Likeness of each to the member that it is most like, in [0, 1]; 1 for equal pixels, NaN where the
        features alone tell.
    kinds : list of k str
        How each is known to be a copy: ``exact`` (equal pixels), ``copy`` (alike in place), ``mirrored``,
        ``features`` (alike to the encoder alone). Of the first: the surest of the group.
    score : float
        Images one could do without, each weighted by how sure it is, (likeness - bound) / (1 - bound), and
        0.1 where the features alone tell: what groups are ranked by.
    splits : dict of str to int
        Images in each split that is known.
    """

    rows: Int[np.ndarray, " k"]
    alike: Float[np.ndarray, " k"]
    kinds: list[str]
    score: float
    splits: dict[str, int] = field(default_factory=dict)

    @property
    def leaks(self) -> bool:
        """Whether images of two splits are copies of each other."""
        return len(self.splits) > 1


@dataclass(frozen=True, eq=False)
class Duplicates:
    """What was found, and from which values on.

    Parameters
    ----------
    groups : list of Group
        Highest score first.
    thresholds : dict of str to float
        ``hash``: likeness of hashes from which a pair is looked at. ``features``: cosine distance for the
        same. ``features_alone``: cosine distance below which the features alone will do. ``likeness``: from
        which a pair is a copy. Those that were not needed are absent.
    compared : int
        Pairs that were looked at closely.
    """

    groups: list[Group]
    thresholds: dict[str, float]
    compared: int


def find_duplicates(
    grey: UInt8[np.ndarray, "n s s"] | None = None,
    *,
    digests: UInt8[np.ndarray, "n 16"] | None = None,
    in_features: Neighbours | None = None,
    splits: Sequence[str] = (),
    progress: Bars | None = None,
) -> Duplicates:
    """Find groups of copies.

    Pairs are proposed by a perceptual hash of the pixels and by the encoder's features (each image's
    nearest 20), and confirmed by comparing the pixels block by block. All bounds come from the data: the
    distance of an image to its nearest other is, on a log scale, spread around a median; copies are far
    below it. The spread is taken from the far side of the median, which copies do not reach.

    Parameters
    ----------
    grey : uint8 array of shape (n, s, s), optional
        Small grey pictures, see :func:`augmap.review.pictures.small_grey`. Without them only equal digests
        and features can tell.
    digests : uint8 array of shape (n, 16), optional
        Of the decoded pixels; equal rows are exact duplicates.
    in_features : ((n, k) int array, (n, k) float array), optional
        The nearest images in the encoder's features and their cosine distances, by
        :func:`augmap.neighbors.nearest`. They propose copies that do not lie in place: mirrored ones. A pair
        whose pixels do not confirm it counts only where its distance is extreme.
    splits : sequence of n str, optional
    progress : callable
        Given a title, returns a function of (done, total).

    Returns
    -------
    Duplicates
    """
    start = progress or (lambda title: lambda done, total: None)
    sizes = [
        len(x) for x in (grey, digests, None if in_features is None else in_features[0]) if x is not None
    ]
    n = max(sizes, default=0)
    origin = np.arange(n) if digests is None else _first_equal(digests)
    copies = np.flatnonzero(origin != np.arange(n))
    found = [pairs_of(origin[copies], copies, np.ones(len(copies)), EXACT)]
    thresholds: dict[str, float] = {}
    compared = 0
    if n > 1 and grey is not None:
        pairs = _by_hash(grey, thresholds, start)
        alike = likeness(grey, pairs.first, pairs.second, progress=start("duplicates: comparing"))
        found.append(pairs_of(pairs.first, pairs.second, alike, COPY).keep(alike >= thresholds["likeness"]))
        compared += len(pairs)
    if n > 1 and in_features is not None:
        extra, looked = _by_features(in_features, grey, thresholds, start)
        found += extra
        compared += looked
    pairs = join(found)
    groups = [
        _group(rows, pairs, np.asarray(splits, dtype=str), thresholds.get("likeness", 0.0))
        for rows in grouped(pairs, n, _same(grey, thresholds))
    ]
    groups.sort(key=lambda g: (-g.score, int(g.rows[0])))
    return Duplicates(groups, thresholds, compared)


def far_below(distances: Float[np.ndarray, " n"], by: float) -> float:
    """Return the distance that lies ``by`` robust standard deviations below the usual, on a log scale.

    The standard deviation is taken from the upper quartile, (q75 - q50) / 0.6745, so that no number of
    copies among the nearest distances changes it much. Distances of 0 are left out.
    """
    logs = np.log(distances[distances > 1e-6])
    if not len(logs):
        return 0.0
    middle, upper = np.quantile(logs, [0.5, 0.75])
    return float(np.exp(middle - by * max((upper - middle) / 0.6745, 0.02)))


def _first_equal(digests: np.ndarray) -> Int[np.ndarray, " n"]:
    """The first row with the same pixels."""
    _, first, which = np.unique(digests, axis=0, return_index=True, return_inverse=True)
    return first[which.reshape(-1)]


def _by_hash(grey: np.ndarray, thresholds: dict[str, float], start: Bars) -> Pairs:
    """Pairs to look at, and the likeness from which they count: far above that of usual nearest pictures."""
    n = len(grey)
    hashes = gradient_hash(grey)
    rows, distances = nearest(
        hashes, min(NEIGHBOURS, n - 1), metric="cosine", progress=start("duplicates: pixels")
    )
    near = far_below(distances[:, 0], _PROPOSED)
    sample = np.random.default_rng(0).permutation(n)[:_SAMPLE]
    usual = likeness(grey, sample, rows[sample, 0])
    # Fisher's transform makes the spread of a correlation the same wherever it lies
    lower, middle = np.quantile(np.arctanh(np.clip(usual, -0.999, 0.999)), [0.25, 0.5])
    bound = np.clip(np.tanh(middle + _CONFIRMED * (middle - lower) / 0.6745), _LEAST, _MOST)
    thresholds |= {"hash": 1 - near, "likeness": float(bound)}
    i, j = np.nonzero(distances < near)
    return pairs_of(i, rows[i, j], 1 - distances[i, j], COPY)


def _by_features(
    in_features: Neighbours, grey: np.ndarray | None, thresholds: dict[str, float], start: Bars
) -> tuple[list[Pairs], int]:
    """Pairs that the encoder takes for the same, confirmed in place, mirrored, or too near to need it."""
    rows, distances = in_features
    near = far_below(distances[:, 0], _PROPOSED)
    alone = far_below(distances[:, 0], _FEATURES_ALONE)
    thresholds |= {"features": near, "features_alone": alone}
    i, j = np.nonzero(distances < near)
    pairs = pairs_of(i, rows[i, j], 1 - distances[i, j], FEATURES)
    out = [pairs.keep(1 - pairs.alike < alone)]
    if grey is None:
        return out, 0
    for kind, mirror, note in ((COPY, False, ""), (MIRRORED, True, ", mirrored")):
        report = start(f"duplicates: comparing{note}")
        alike = likeness(grey, pairs.first, pairs.second, mirror=mirror, progress=report)
        out.append(pairs_of(pairs.first, pairs.second, alike, kind).keep(alike >= thresholds["likeness"]))
    return out, 2 * len(pairs)


def _same(grey: np.ndarray | None, thresholds: dict[str, float]) -> Same:
    """Ask again of two members of a chain, a little less strictly: copies drift along it."""

    def same(first: np.ndarray, second: np.ndarray) -> Bool[np.ndarray, " q"]:
        if grey is None or "likeness" not in thresholds:
            return np.ones(len(first), bool)
        best = np.maximum(likeness(grey, first, second), likeness(grey, first, second, mirror=True))
        return best >= thresholds["likeness"] - _DRIFT

    return same


def _group(rows: np.ndarray, pairs: Pairs, splits: np.ndarray, bound: float) -> Group:
    """Order a group's members; say how alike each is to the one it resembles most, and how that is known."""
    here = pairs.keep(np.isin(pairs.first, rows) & np.isin(pairs.second, rows))
    place = {row: k for k, row in enumerate(rows.tolist())}
    kinds = np.full(len(rows), FEATURES)
    alike, sure = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
    certainty = np.clip((here.alike - bound) / (1 - bound), 0, 1)
    certainty = np.where(here.kinds == FEATURES, _ALONE, certainty).astype(np.float32)
    for ends in (here.first, here.second):
        at = np.array([place[r] for r in ends.tolist()], np.int64)
        np.minimum.at(kinds, at, here.kinds)
        np.maximum.at(sure, at, certainty)
        seen = here.kinds != FEATURES
        np.maximum.at(alike, at[seen], here.alike[seen])
    alike = np.where(kinds == FEATURES, np.nan, alike).astype(np.float32)
    order = np.concatenate([[0], 1 + np.argsort(-sure[1:], kind="stable")])
    names, counts = np.unique(splits[rows] if len(splits) else splits, return_counts=True)
    return Group(
        rows=rows[order],
        alike=alike[order],
        kinds=[KINDS[k] for k in kinds[order]],
        score=float(sure[order][1:].sum(dtype=np.float64)),
        splits={str(s): int(c) for s, c in zip(names, counts, strict=True) if s},
    )
