"""Clusters: do labels lie apart (silhouette), and do clusterings find them (k-means, HDBSCAN)?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn import config_context
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, silhouette_samples

from augmap.errors import InputError
from augmap.evaluate.inputs import labelled
from augmap.evaluate.splits import few_enough, short_seed
from augmap.neighbors import Metric, check_metric, finite, floats, unit

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
        Fewer than two labels, nothing but labels with a single image, an unknown metric, a number that is not
        finite, or labels of other images.

    References
    ----------
    Rousseeuw, J. Comput. Appl. Math. 20, 1987
    """
    known, x, names, codes = labelled(x, labels, "silhouette")
    if len(names) >= len(x):
        raise InputError(f"silhouette needs a label with two images, got {len(names)} labels, one image each")
    out = np.full(len(known), np.nan)
    with config_context(working_memory=_MEGABYTES):
        out[known] = silhouette_samples(_single(x, metric, "silhouette"), codes, metric=metric)
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
        Fewer than two labels or more than ``MAX_LABELS``, fewer distinct positions than labels, an unknown
        metric, a number that is not finite, or labels of other images.
    """
    _, x, names, codes = labelled(x, labels, "k-means")
    few_enough(len(names), "k-means")
    x = _single(x, metric, "k-means")
    if metric == "cosine":
        x = unit(x)
    if (distinct := len(np.unique(x, axis=0))) < len(names):
        raise InputError(f"k-means with {len(names)} clusters needs as many positions, got {distinct}")
    found = KMeans(len(names), n_init=INITS, random_state=short_seed(seed)).fit_predict(x)
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
        Fewer than two labels, fewer images than ``min_samples``, a number that is not finite, or labels of
        other images.

    Notes
    -----
    Time grows as n² times the dimension: seconds for 60,000 images in 2-D, hours for 512 features.
    """
    _, x, _, codes = labelled(x, labels, "HDBSCAN")
    if len(x) <= min_samples:
        raise InputError(f"HDBSCAN needs more than {min_samples} labelled images, got {len(x)}")
    size = cluster_size(len(x)) if min_cluster_size is None else min_cluster_size
    judge = HDBSCAN(min_samples=min_samples, min_cluster_size=size, copy=True)
    found = judge.fit_predict(finite(x.astype(np.float64), "HDBSCAN"))
    return _agreement(codes, found)


def cluster_size(n: int) -> int:
    """Return the smallest group that counts as a cluster: 2 % of the images, in [5, 100]."""
    return max(5, min(MIN_CLUSTER_SIZE, n // 50))


def _single(x: np.ndarray, metric: Metric, what: str) -> Float[np.ndarray, "n d"]:
    """Return rows in float32; finer ones are centred before, or cut to length 1 for the cosine."""
    check_metric(metric)
    x = finite(floats(x), what)
    if x.dtype == np.float32:
        return x
    return (unit(x) if metric == "cosine" else x - x.mean(0)).astype(np.float32)


def _agreement(codes: np.ndarray, found: np.ndarray) -> Agreement:
    return Agreement(
        ari=float(adjusted_rand_score(codes, found)),
        ami=float(adjusted_mutual_info_score(codes, found)),
        clusters=len(np.unique(found[found >= 0])),
        noise=float((found < 0).mean()),
        n=len(codes),
    )
