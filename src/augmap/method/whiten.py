"""Features whose strong directions are made weaker, so that the weak ones count in a neighbour graph."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_BLOCK = 8192
"""Rows that are computed in float64 at a time."""
_FLOOR = 1e-3
"""Directions below this share of the strongest deviation are not raised further: they are rounding."""


def whitened(features: Float[np.ndarray, "n f"], power: float) -> Float[np.ndarray, "n f"]:
    r"""Return centred features in their principal directions, each divided by a power of its deviation.

    .. math:: W = (H - \bar H)\, V\, \mathrm{diag}(\sigma)^{-p}

    with :math:`V` and :math:`\sigma^2` the eigenvectors and eigenvalues of the covariance. A contrastive
    encoder that was trained for minutes puts most of its variance into few directions, and neighbours by
    the cosine of h are neighbours by these.

    Parameters
    ----------
    features : (n, f) float array
    power : float
        p, in [0, 1]: 0 only centres, 1 gives every direction the same deviation (whitening).

    Returns
    -------
    (n, f) float32 array. Directions come with the strongest first; their signs are arbitrary.
    """
    n = len(features)
    mean = features.mean(0, dtype=np.float64)
    covariance = np.zeros((features.shape[1],) * 2)
    for start in range(0, n, _BLOCK):
        block = features[start : start + _BLOCK] - mean
        covariance += block.T @ block / n
    values, vectors = np.linalg.eigh(covariance)
    deviations = np.sqrt(values.clip(min=0))[::-1]
    scale = deviations.clip(min=_FLOOR * deviations[0]) ** power if deviations[0] > 0 else 1.0
    turned = vectors[:, ::-1] / scale
    out = np.empty(features.shape, np.float32)
    for start in range(0, n, _BLOCK):
        out[start : start + _BLOCK] = (features[start : start + _BLOCK] - mean) @ turned
    return out
