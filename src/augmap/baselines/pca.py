"""PCA of the pixels: the two directions along which the images differ most. Numpy only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from augmap.baselines.layout import Layout, blocks, to_map
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.imageset import ImageSet

Progress = Callable[[int, int], None]

POWERS = 7
"""Power iterations; scikit-learn takes as many where few of many components are asked for."""
_EXTRA = 10
"""Directions beyond those asked for, scikit-learn's number."""


def pca(
    images: ImageSet, *, dim: int = 2, seed: int = 0, progress: Callable[[str], Progress] | None = None
) -> ImageMap:
    """Return the map of the first ``dim`` principal components of the pixels.

    Parameters
    ----------
    dim : int
        In [1, min(n, numbers an image)].
    seed : int
        Of the random directions that the search starts from.

    Raises
    ------
    InputError
        ``dim`` is out of range, or all images are equal.
    """
    bar = progress("principal components") if progress else None
    positions, explained = principal_components(images.pixels, dim, seed=seed, progress=bar)
    settings = {"explained_variance": [round(float(e), 4) for e in explained], "seed": seed}
    return to_map(images, Layout(positions, settings, {"numpy": np.__version__}), "PCA of pixels")


def principal_components(
    x: np.ndarray, k: int, *, seed: int = 0, progress: Progress | None = None
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, " k"]]:
    """Return the first ``k`` principal components of each row, and their shares of the variance.

    Rows are read in blocks, so that an array on disk may be larger than the memory.

    Parameters
    ----------
    x : (n, ...) array of uint8 or float
        Bytes are taken as numbers in [0, 1]; axes beyond the first are one row of numbers.

    Returns
    -------
    scores : (n, k) float32 array
        Centred; the sign is such that the largest entry of each direction is positive, as in scikit-learn.
    explained : (k,) float64 array
        In [0, 1], falling.

    References
    ----------
    Halko, Martinsson & Tropp, SIAM Review 53 (2011), https://arxiv.org/abs/0909.4061
    """
    n, p = len(x), int(np.prod(x.shape[1:]))
    if not 1 <= k <= min(n, p):
        raise InputError(
            f"the number of principal components must lie in [1, {min(n, p)}] "
            f"for {n} images of {p} numbers, got {k}"
        )
    total, passes = 0, POWERS + 2

    def report(rows: int) -> None:
        nonlocal total
        total += rows
        if progress:
            progress(total // passes, n)

    mean = np.zeros(p)
    for _, block in blocks(x):
        mean += block.sum(0, dtype=np.float64)
        report(len(block))
    mean = (mean / n).astype(np.float32)
    basis = np.random.default_rng(seed).standard_normal((p, min(k + _EXTRA, n, p)))
    for _ in range(POWERS):
        product = np.zeros(basis.shape)
        directions = _orthonormal(basis)
        for _, block in blocks(x):
            block = block - mean
            product += block.T @ (block @ directions)
            report(len(block))
        basis = product
    directions = _orthonormal(basis)
    scores = np.empty((n, directions.shape[1]), np.float32)
    variance = 0.0
    for start, block in blocks(x):
        block = block - mean
        scores[start : start + len(block)] = block @ directions
        variance += float(np.einsum("ij,ij->", block, block, dtype=np.float64))
        report(len(block))
    if not variance > 0:  # also where a number is not finite
        raise InputError(f"all {n} images are equal: there is nothing to lay out")
    spread = scores.astype(np.float64)
    values, vectors = np.linalg.eigh(spread.T @ spread)
    values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k]
    axes = directions @ vectors
    vectors = vectors * np.where(axes[np.abs(axes).argmax(0), np.arange(k)] < 0, -1, 1)
    return (spread @ vectors).astype(np.float32), np.maximum(values, 0) / variance


def _orthonormal(columns: np.ndarray) -> Float[np.ndarray, "p l"]:
    return np.linalg.qr(columns)[0].astype(np.float32)
