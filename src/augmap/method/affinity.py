"""Weights of a neighbour graph: t-SNE's affinities and UMAP's fuzzy simplicial set. Numpy only."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from augmap.errors import InputError

_HALVINGS = 64
"""Steps of a bisection: as many as UMAP's; the width ends exact to float32."""
_NARROWEST = 1e-3
"""UMAP's kernels are at least this wide, in units of the mean distance."""


def affinities(
    neighbors: Int[np.ndarray, "n k"], distances: Float[np.ndarray, "n k"], perplexity: float
) -> csr_array:
    r"""Return t-SNE's symmetric affinities :math:`p_{ij}`, which sum to 1.

    .. math:: p_{j|i} = \frac{\exp(-\beta_i d_{ij}^2)}{\sum_k \exp(-\beta_i d_{ik}^2)}, \qquad
              p_{ij} = \frac{p_{j|i} + p_{i|j}}{2n}

    with :math:`\beta_i` such that the entropy of :math:`p_{\cdot|i}` is the logarithm of the perplexity.

    Parameters
    ----------
    neighbors, distances : (n, k) arrays
        As :func:`augmap.neighbors.nearest` returns them; the sum runs over these.
    perplexity : float
        Effective number of neighbours, below ``k``; customarily a third of it.

    Raises
    ------
    InputError
        The perplexity is not below the number of neighbours.

    References
    ----------
    van der Maaten & Hinton, JMLR 9 (2008); three times the perplexity: van der Maaten, JMLR 15 (2014)
    """
    n, k = neighbors.shape
    if perplexity >= k:
        raise InputError(
            f"perplexity {perplexity:g} needs more than {perplexity:g} neighbours, and there are {k} "
            f"({n:,} images); write a smaller perplexity into a configuration, or give more images"
        )
    squared = np.square(distances, dtype=np.float64)
    squared -= squared[:, :1]  # changes no ratio, and the largest exponent is 0
    low, high = np.zeros(n), np.full(n, np.inf)
    beta = 1 / np.maximum(squared.mean(1), np.finfo(np.float64).tiny)
    for _ in range(_HALVINGS):
        p = np.exp(-beta[:, None] * squared)
        total = p.sum(1)
        entropy = np.log(total) + beta * (p * squared).sum(1) / total
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        # where all are equally far no width will do, and beta grows until it stops
        beta = np.where(np.isinf(high), np.minimum(2 * beta, 1e300), (low + high) / 2)
    p = np.exp(-beta[:, None] * squared)
    directed = _matrix(neighbors, p / p.sum(1, keepdims=True))
    return csr_array((directed + directed.T) / (2 * n))


def memberships(neighbors: Int[np.ndarray, "n k"], distances: Float[np.ndarray, "n k"]) -> csr_array:
    r"""Return UMAP's memberships of edges :math:`v_{ij}`, in [0, 1], symmetric.

    .. math:: v_{j|i} = \exp\Bigl(-\frac{\max(0, d_{ij} - \rho_i)}{\sigma_i}\Bigr), \qquad
              v_{ij} = v_{j|i} + v_{i|j} - v_{j|i} v_{i|j}

    with :math:`\rho_i` the distance of the nearest neighbour that does not coincide with :math:`i`, and
    :math:`\sigma_i` such that :math:`\sum_j v_{j|i} = \log_2(k + 1)`.

    Parameters
    ----------
    neighbors, distances : (n, k) arrays
        The image itself left out; ``k + 1`` is the ``n_neighbors`` of umap-learn, which counts it.

    References
    ----------
    McInnes, Healy & Melville (2018), https://arxiv.org/abs/1802.03426, section 3.1
    """
    k = neighbors.shape[1]
    d = np.asarray(distances, np.float64)
    rho = np.where(d > 0, d, np.inf).min(1)
    beyond = np.maximum(d - np.where(np.isinf(rho), 0, rho)[:, None], 0)
    low, high, sigma = np.zeros(len(d)), np.full(len(d), np.inf), np.ones(len(d))
    for _ in range(_HALVINGS):
        wide = np.exp(-beyond / sigma[:, None]).sum(1) > np.log2(k + 1)
        low, high = np.where(wide, low, sigma), np.where(wide, sigma, high)
        sigma = np.where(np.isinf(high), np.minimum(2 * sigma, 1e300), (low + high) / 2)
        sigma = np.maximum(sigma, np.finfo(np.float64).tiny)
    # means over k + 1 distances, one of which is that of the image to itself
    own = np.where(np.isinf(rho), d.mean(), d.mean(1)) * k / (k + 1)
    sigma = np.maximum(sigma, _NARROWEST * own)
    directed = _matrix(neighbors, np.exp(-beyond / np.maximum(sigma, np.finfo(np.float64).tiny)[:, None]))
    return csr_array(directed + directed.T - directed * directed.T)


def _matrix(neighbors: np.ndarray, weights: np.ndarray) -> csr_array:
    n, k = neighbors.shape
    starts = np.arange(0, n * k + 1, k)
    # a copy: scipy sorts the columns of a matrix in place
    return csr_array((weights.ravel(), neighbors.flatten(), starts), shape=(n, n))
