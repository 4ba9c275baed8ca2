"""Islands: small clusters that lie apart on the map, which is how duplicated cars were found in CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import Delaunay, QhullError

SMALLEST = 5
"""Images that make an island."""
_LARGEST_SHARE = 0.02
"""Of all images: a larger cluster is part of the mainland."""
_APART = 5.0
"""Gap around an island, in distances between its own neighbours."""
_CORE = 3
"""The distance to the third neighbour keeps stray images from bridging a gap."""


@dataclass(frozen=True, eq=False)
class Island:
    """A small cluster that lies apart.

    Parameters
    ----------
    rows : (k,) int array
        Its images, ascending.
    gap : float
        Distance to the rest of the map, in its units.
    spacing : float
        Median distance between neighbours inside.
    """

    rows: Int[np.ndarray, " k"]
    gap: float
    spacing: float

    @property
    def isolation(self) -> float:
        """Gap over spacing."""
        return self.gap / self.spacing


def find_islands(
    positions: Float[np.ndarray, "n d"],
    core: Float[np.ndarray, " n"],
    *,
    largest: int | None = None,
    at_least: float = _APART,
) -> list[Island]:
    """Find small clusters with a wide gap around them, the most isolated first.

    The shortest tree that connects all images is built up edge by edge; the gap of a cluster is the length
    of the edge that first connects it to a larger one. Distances between two images count at least as much
    as either's distance to its third neighbour (``core``), as in HDBSCAN. Islands do not overlap: of two
    that are nested, the more isolated stays.

    Parameters
    ----------
    positions : (n, d) float array
        d up to 3; for more dimensions there are no islands.
    core : (n,) float array
        Distance of each image to its third neighbour.
    largest : int, optional
        Images in an island at most; by default 2 % of all, but at least 20.
    at_least : float
        Isolation from which it is one.
    """
    n, d = positions.shape
    largest = max(20, int(_LARGEST_SHARE * n)) if largest is None else largest
    largest = min(largest, n // 2)
    if d > 3 or n < 2 * SMALLEST:
        return []
    first, second, length = _tree(positions.astype(np.float64), core.astype(np.float64))
    found = []
    parent, members, inner = np.arange(n), [[i] for i in range(n)], [[] for _ in range(n)]

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return int(i)

    for a, b, gap in zip(first.tolist(), second.tolist(), length.tolist(), strict=True):
        a, b = root(a), root(b)
        small, big = (a, b) if len(members[a]) <= len(members[b]) else (b, a)
        if SMALLEST <= len(members[small]) <= largest:
            spacing = float(np.median(inner[small]))
            if gap >= at_least * spacing > 0:
                found.append(Island(np.array(sorted(members[small])), gap, spacing))
        parent[small] = big
        members[big] += members[small]
        inner[big] += [*inner[small], gap]
        members[small], inner[small] = [], []
    found.sort(key=lambda i: (-i.isolation, i.rows[0]))
    taken, out = np.zeros(n, bool), []
    for island in found:
        if not taken[island.rows].any():
            taken[island.rows] = True
            out.append(island)
    return out


def _tree(x: np.ndarray, core: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of the shortest tree, shortest first. It uses the edges of the Delaunay triangulation alone."""
    n = len(x)
    unique, back = np.unique(x, axis=0, return_inverse=True)
    back = back.reshape(-1)
    order = np.argsort(back, kind="stable")
    same = np.flatnonzero(np.diff(back[order]) == 0)  # images at one place hang together
    edges = [np.stack([order[same], order[same + 1]], 1)]
    lead = np.zeros(len(unique), np.int64)
    lead[back[order][::-1]] = order[::-1]
    edges.append(lead[_neighbouring(unique)])
    i, j = np.concatenate(edges).T
    weight = np.maximum(np.linalg.norm(x[i] - x[j], axis=1), np.maximum(core[i], core[j]))
    # a weight of 0 is no edge for scipy
    floor = 1e-12 * max(float(weight.max(initial=0)), 1e-30)
    i, j = np.minimum(i, j), np.maximum(i, j)
    tree = minimum_spanning_tree(coo_matrix((np.maximum(weight, floor), (i, j)), (n, n)).tocsr()).tocoo()
    shortest = np.lexsort((tree.col, tree.row, tree.data))
    return tree.row[shortest], tree.col[shortest], tree.data[shortest]


def _neighbouring(points: np.ndarray) -> Int[np.ndarray, "e 2"]:
    """Edges of the Delaunay triangulation; along a line, from each point to the next."""
    m, d = points.shape
    if m < 2:
        return np.zeros((0, 2), np.int64)
    flat = np.linalg.matrix_rank(points - points.mean(0)) < d
    if d > 1 and m > d + 1 and not flat:
        try:
            # joggled input keeps every point in the triangulation
            simplices = Delaunay(points, qhull_options="QJ Pp").simplices.astype(np.int64)
        except QhullError:
            flat = True
        else:
            corners = [(a, b) for a in range(d + 1) for b in range(a)]
            edges = np.concatenate([simplices[:, list(c)] for c in corners])
            return np.unique(np.sort(edges, axis=1), axis=0)
    along = (points - points.mean(0)) @ np.linalg.svd(points - points.mean(0), full_matrices=False)[2][0]
    order = np.argsort(along, kind="stable")
    return np.stack([order[:-1], order[1:]], 1)
