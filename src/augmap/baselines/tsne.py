"""t-SNE: each image beside its nearest neighbours in the pixels, by openTSNE."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from augmap.baselines.layout import Layout, library, matrix, to_map
from augmap.baselines.pca import principal_components
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.fill import cpus
from augmap.images.imageset import ImageSet
from augmap.method.whiten import whitened

Bars = Callable[[str], Callable[[int, int], None]]

PERPLEXITY, ITERATIONS = 30.0, 500
"""openTSNE's defaults, which the paper took."""
EARLY = 250
"""Iterations of early exaggeration before those, openTSNE's number."""
REPORT_EVERY = 10


def tsne(
    images: ImageSet, *, pca: int | None = None, progress: Bars | None = None, **settings: Any
) -> ImageMap:
    """Return the t-SNE of the pixels, or of their first ``pca`` principal components.

    ``settings`` are those of :func:`tsne_layout`.
    """
    x, how = reduced(images.pixels, pca, settings.get("seed", 0), progress)
    return to_map(images, tsne_layout(x, progress=progress, **settings), f"t-SNE of {how or 'pixels'}")


def tsne_layout(
    x: Float[np.ndarray, "n f"],
    *,
    dim: int = 2,
    perplexity: float | None = None,
    exaggeration: float | None = None,
    iterations: int | None = None,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    jobs: int | None = None,
    seed: int = 0,
    progress: Bars | None = None,
) -> Layout:
    """Lay out the rows of a matrix with openTSNE, whose defaults hold for all that is no argument here.

    The early exaggeration of 12 lasts 250 iterations; the start is the first principal components; more than
    1,000 rows find their neighbours approximately, by Annoy.

    Parameters
    ----------
    dim : int
        1, 2 or 3.
    perplexity : float, optional
        In [1, (n - 1) / 3]; 30 by default, or the most there can be. Where it is given it is kept.
    exaggeration : float, optional
        Factor on the attraction after the early phase, at least 1; none by default.
    iterations : int, optional
        After the early phase; 500 by default.
    jobs : int, optional
        Threads; by default ``OMP_NUM_THREADS``, or all cores that this process may use.

    Raises
    ------
    InputError
        A value out of range, or openTSNE is not installed.

    References
    ----------
    van der Maaten & Hinton, JMLR 9 (2008); Poličar, Stražar & Zupan, JSS 109 (2024), openTSNE
    """
    module, version = library("openTSNE", "openTSNE", "baselines")
    from openTSNE import initialization

    n = len(x)
    most = (n - 1) / 3  # openTSNE takes three neighbours for each unit, and lowers what is more in silence
    if dim not in (1, 2, 3):
        raise InputError(f"t-SNE maps into 1, 2 or 3 dimensions, got dim={dim}")
    if most < 1:
        raise InputError(f"t-SNE needs at least 4 images, got {n}")
    if perplexity is not None and not 1 <= perplexity <= most:
        raise InputError(f"the perplexity must lie in [1, {most:.4g}] for {n} images, got {perplexity:g}")
    if exaggeration is not None and not 1 <= exaggeration < np.inf:
        raise InputError(f"the exaggeration must be at least 1, got {exaggeration:g}")
    if jobs is not None and jobs < 1:
        raise InputError(f"t-SNE needs at least 1 thread, got jobs={jobs}")
    if iterations is not None and iterations < 1:
        raise InputError(f"t-SNE needs at least 1 iteration, got {iterations}")
    perplexity = min(PERPLEXITY, most) if perplexity is None else float(perplexity)
    iterations = iterations or ITERATIONS
    jobs = jobs or _threads()
    # openTSNE's own start, whose PCA would hold the data in memory twice more
    start = principal_components(x, min(dim, x.shape[1]), seed=seed)[0].astype(np.float64)
    start = np.pad(start, ((0, 0), (0, dim - start.shape[1])))
    start = initialization.jitter(initialization.rescale(start), random_state=seed % 2**32)
    embedding = module.TSNE(
        n_components=dim,
        perplexity=perplexity,
        exaggeration=exaggeration,
        n_iter=iterations,
        early_exaggeration_iter=EARLY,
        metric=metric,
        initialization=start,
        negative_gradient_method="bh" if dim == 3 else "auto",  # interpolation knows 1 and 2
        n_jobs=jobs,
        random_state=seed % 2**32,
        callbacks=_Count(progress("t-SNE"), EARLY + iterations) if progress else None,
        callbacks_every_iters=REPORT_EVERY,
    ).fit(x)
    settings = {
        "perplexity": round(perplexity, 4),
        "exaggeration": exaggeration or 1.0,
        "early_exaggeration": max(12.0, exaggeration or 0),
        "iterations": [EARLY, iterations],
        "metric": metric,
        "start": "principal components",
        "neighbours": "exact" if n < 1000 else "Annoy, approximate",
        "jobs": jobs,
        "seed": seed,
    }
    return Layout(np.asarray(embedding, dtype=np.float32), settings, {"openTSNE": version})


def reduced(
    pixels: np.ndarray,
    components: int | None,
    seed: int,
    progress: Bars | None,
    *,
    whitening: float | None = None,
) -> tuple[Float[np.ndarray, "n f"], str]:
    """Return the rows to lay out: pixels, or their principal components with a word that says so.

    Features, which come in the place of pixels, can be whitened before (:mod:`augmap.method.whiten`).
    """
    if whitening is not None:
        if not 0 <= whitening <= 1:
            raise InputError(f"whitening must lie in [0, 1], got {whitening:g}")
        pixels = whitened(pixels, whitening)
    if components is None:
        return (pixels if pixels.ndim == 2 else matrix(pixels)), ""
    bar = progress("principal components") if progress else None
    scores, _ = principal_components(pixels, components, seed=seed, progress=bar)
    return scores, f"{components} principal components of pixels"


def _threads() -> int:
    # its threads wait for each other by spinning: more of them than free cores are slower than a single one
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) > 0 else cpus()


class _Count:
    """Counts iterations over both phases; openTSNE starts again from 1 in the second."""

    def __init__(self, bar: Callable[[int, int], None], total: int) -> None:
        self._bar, self._total = bar, total
        self._before = self._last = 0

    def __call__(self, iteration: int, error: float, embedding: np.ndarray) -> bool:
        if iteration < self._last:
            self._before = EARLY
        self._last = iteration
        self._bar(self._before + iteration, self._total)
        return False
