"""From pairs to groups: who is alike belongs together, but a chain does not glue everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

BONDS = 3
"""Pairs that bind an image to a group without being like its most typical one."""
Same = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of rows, how alike they are, and how that is known.

    Parameters
    ----------
    first, second : (p,) int arrays
    alike : (p,) float array
    kinds : (p,) int array
        Smaller is surer.
    """

    first: Int[np.ndarray, " p"]
    second: Int[np.ndarray, " p"]
    alike: Float[np.ndarray, " p"]
    kinds: Int[np.ndarray, " p"]

    def __len__(self) -> int:
        return len(self.first)

    def keep(self, which: np.ndarray) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.first[which], self.second[which], self.alike[which], self.kinds[which])


def pairs_of(first: np.ndarray, second: np.ndarray, alike: np.ndarray, kind: int) -> Pairs:
    """Return pairs of one kind, each once, the smaller row first."""
    both = np.stack([np.minimum(first, second), np.maximum(first, second)], 1).astype(np.int64)
    both, keep = np.unique(both.reshape(-1, 2), axis=0, return_index=True)
    return Pairs(both[:, 0], both[:, 1], np.asarray(alike, np.float32)[keep], np.full(len(keep), kind))


def join(parts: list[Pairs]) -> Pairs:
    """Return all pairs; one that is known in two ways comes twice."""
    empty = np.zeros(0, np.int64)
    parts = [Pairs(empty, empty, np.zeros(0, np.float32), empty), *parts]
    return Pairs(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("first", "second", "alike", "kinds"))
    )


def grouped(pairs: Pairs, n: int, same: Same) -> list[Int[np.ndarray, " k"]]:
    """Return groups of at least two rows, the most typical row of each first, the others ascending.

    All that pairs connect is taken together; then each member is held against the most typical one (whose
    likenesses add up to most). Those that are not the same leave, unless at least :data:`BONDS` pairs bind
    them to members that stay; who left is grouped among themselves in the same way. So A ~ B ~ C ~ ... does
    not become one group of strangers, while a hundred cuts of one picture, of which not all resemble the
    middle one, stay together.

    Parameters
    ----------
    same : callable
        ``same(a, b)`` says for rows a and b, each (q,), whether they are the same; not asked of pairs.
    """
    groups = []
    left = pairs
    while len(left):
        members, typical = _components(left, n)
        stays = _paired(left, members, typical) | (members == typical)
        ask = np.flatnonzero(~stays)
        if len(ask):
            stays[ask] = same(typical[ask], members[ask])
        stays = _grown(left, members, stays, n)
        members, typical = members[stays], typical[stays]
        for group in np.split(members, np.flatnonzero(np.diff(typical)) + 1):
            groups.append(group)
        taken = np.zeros(n, bool)
        taken[members] = True
        left = left.keep(~taken[left.first] & ~taken[left.second])
    return groups


def _components(pairs: Pairs, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are connected, component after component, the most typical first; and that one for each."""
    weights = coo_matrix((np.maximum(pairs.alike, 1e-6), (pairs.first, pairs.second)), (n, n)).tocsr()
    _, labels = connected_components(weights, directed=False)
    total = np.asarray(weights.sum(0)).ravel() + np.asarray(weights.sum(1)).ravel()
    rows = np.flatnonzero(total > 0)
    rows = rows[np.lexsort((rows, -total[rows], labels[rows]))]
    starts = np.concatenate([[True], np.diff(labels[rows]) != 0])
    leads = rows[starts][np.cumsum(starts) - 1]
    rows = rows[np.lexsort((rows, rows != leads, labels[rows]))]
    return rows, leads


def _paired(pairs: Pairs, members: np.ndarray, typical: np.ndarray) -> Bool[np.ndarray, " m"]:
    """Which members are in a pair with the most typical one of their component."""
    n = int(max(members.max(), typical.max())) + 1
    there = np.concatenate([pairs.first * n + pairs.second, pairs.second * n + pairs.first])
    return np.isin(typical * n + members, there)


def _grown(pairs: Pairs, members: np.ndarray, stays: np.ndarray, n: int) -> Bool[np.ndarray, " m"]:
    """Let members stay that enough pairs bind to members who stay, until nothing changes."""
    inside = np.zeros(n, bool)
    inside[members[stays]] = True
    # a pair may be known in two ways: it binds once
    first, second = np.unique(np.stack([pairs.first, pairs.second]), axis=1)
    while True:
        bonds = np.bincount(first, inside[second], n) + np.bincount(second, inside[first], n)
        grown = inside | (bonds >= BONDS)
        if (grown == inside).all():
            return inside[members]
        inside = grown
