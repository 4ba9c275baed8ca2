"""Clusters: do labels lie apart (silhouette), and do clusterings find them (k-means, HDBSCAN)?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from sklearn import config_context
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, silhouette_samples

from augmap.errors import InputError
from augmap.evaluate.splits import few_enough, short_seed
from augmap.neighbors import Metric

INITS = 10
"""Random starts of k-means, of which the best is kept."""
MIN_SAMPLES = 5
"""HDBSCAN's, as in the published evaluation."""
MIN_CLUSTER_SIZE = 100
"""HDBSCAN's for large sets; on the published map any value from 50 to 300 finds the same clusters."""
_MEGABYTES = 256
"""Distances that the silhouette holds at a time."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far a clustering agrees with labels."""

    ari: float
    """Adjusted Rand index, in [-0.5, 1]; 0 is what a random clustering is expected to have."""
    ami: float
    """Adjusted mutual information, at most 1; 0 as above."""
    clusters: int
    noise: float
    """Share of images that belong to no cluster; they count as one more."""
    n: int
    """Labelled images."""


def silhouette(
    x: Float[np.ndarray, "n d"], labels: np.ndarray, *, metric: Metric = "euclidean"
) -> Float[np.ndarray, " n"]:
    r"""Return each image's silhouette, in [-1, 1]; NaN without a label.

    .. math:: s_i = \frac{b_i - a_i}{\max(a_i, b_i)}

    with the mean distance :math:`a_i` to images of its label and :math:`b_i` to those of the nearest other
    label; 0 for a label with a single image. Exact, in blocks of bounded memory.

    Raises
    ------
    InputError
        Fewer than two labels, or nothing but labels with a single image.

    References
    ----------
    Rousseeuw, J. Comput. Appl. Math. 20, 1987
    """
    rows, codes, names = _codes(labels, "silhouette")
    if len(names) >= len(rows):
        raise InputError(f"silhouette needs a label with two images, got {len(names)} labels, one image each")
    known = np.asarray(x, np.float32)[rows]
    out = np.full(len(labels), np.nan)
    with config_context(working_memory=_MEGABYTES):
        out[rows] = silhouette_samples(known, codes, metric=metric)
    return out


def kmeans_agreement(
    x: Float[np.ndarray, "n d"], labels: np.ndarray, *, metric: Metric = "euclidean", seed: int = 0
) -> Agreement:
    """Cluster the labelled images by k-means, as many clusters as labels, and hold it against the labels.

    Parameters
    ----------
    metric : {"euclidean", "cosine"}
        ``cosine`` scales rows to length 1 first.

    Raises
    ------
    InputError
        Fewer than two labels or more than ``MAX_LABELS``, or fewer distinct positions than labels.
    """
    rows, codes, names = _codes(labels, "k-means")
    few_enough(len(names), "k-means")
    known = np.asarray(x, np.float32)[rows]
    if metric == "cosine":
        norms = np.linalg.norm(known, axis=1, keepdims=True)
        known = known / np.where(norms > 0, norms, 1)
    if (distinct := len(np.unique(known, axis=0))) < len(names):
        raise InputError(f"k-means with {len(names)} clusters needs as many positions, got {distinct}")
    found = KMeans(len(names), n_init=INITS, random_state=short_seed(seed)).fit_predict(known)
    return _agreement(codes, found)


def hdbscan_agreement(
    x: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    *,
    min_samples: int = MIN_SAMPLES,
    min_cluster_size: int | None = None,
) -> Agreement:
    """Cluster the labelled images by HDBSCAN and hold it against the labels.

    Parameters
    ----------
    min_cluster_size : int, optional
        By default :func:`cluster_size` of the number of images.

    Raises
    ------
    InputError
        Fewer than two labels, or fewer images than ``min_samples``.

    Notes
    -----
    Time grows as n² times the dimension: seconds for 60,000 images in 2-D, hours for 512 features.
    """
    rows, codes, _ = _codes(labels, "HDBSCAN")
    if len(rows) <= min_samples:
        raise InputError(f"HDBSCAN needs more than {min_samples} labelled images, got {len(rows)}")
    size = cluster_size(len(rows)) if min_cluster_size is None else min_cluster_size
    judge = HDBSCAN(min_samples=min_samples, min_cluster_size=size, copy=True)
    found = judge.fit_predict(np.asarray(x, np.float64)[rows])
    return _agreement(codes, found)


def cluster_size(n: int) -> int:
    """Return the smallest group that counts as a cluster: 2 % of the images, in [5, 100]."""
    return max(5, min(MIN_CLUSTER_SIZE, n // 50))


def _codes(labels: np.ndarray, what: str) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"], np.ndarray]:
    labels = np.asarray(labels, dtype=str)
    rows = np.flatnonzero(labels != "")
    names, codes = np.unique(labels[rows], return_inverse=True)
    if len(names) < 2:
        raise InputError(f"{what} needs at least two labels, got {len(names)}")
    return rows, codes, names


def _agreement(codes: np.ndarray, found: np.ndarray) -> Agreement:
    return Agreement(
        ari=float(adjusted_rand_score(codes, found)),
        ami=float(adjusted_mutual_info_score(codes, found)),
        clusters=len(np.unique(found[found >= 0])),
        noise=float((found < 0).mean()),
        n=len(codes),
    )
