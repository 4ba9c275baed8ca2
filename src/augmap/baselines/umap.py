"""UMAP: the neighbour graph of the pixels, laid out by sampled attraction and repulsion, by umap-learn."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from augmap.baselines.layout import Layout, library, to_map
from augmap.baselines.tsne import reduced
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.imageset import ImageSet

Bars = Callable[[str], Callable[[int, int], None]]

NEIGHBORS, MIN_DIST = 15, 0.1
"""umap-learn's defaults, which the paper took."""


def umap(
    images: ImageSet, *, pca: int | None = None, progress: Bars | None = None, **settings: Any
) -> ImageMap:
    """Return the UMAP of the pixels, or of their first ``pca`` principal components.

    ``settings`` are those of :func:`umap_layout`.
    """
    x, how = reduced(images.pixels, pca, settings.get("seed", 0), progress)
    return to_map(images, umap_layout(x, progress=progress, **settings), f"UMAP of {how or 'pixels'}")


def umap_layout(
    x: Float[np.ndarray, "n f"],
    *,
    dim: int = 2,
    neighbors: int | None = None,
    min_dist: float | None = None,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
    progress: Bars | None = None,
) -> Layout:
    """Lay out the rows of a matrix with umap-learn, whose defaults hold for all that is no argument here.

    The seed makes it repeatable, and umap-learn then runs on one thread.

    Parameters
    ----------
    dim : int
        In [1, n - 2].
    neighbors : int, optional
        In [2, n - 1]; 15 by default, or the most there can be. Where it is given it is kept.
    min_dist : float, optional
        In [0, 1]: how near two points may come; 0.1 by default.

    Raises
    ------
    InputError
        A value out of range, or umap-learn is not installed.

    References
    ----------
    McInnes, Healy & Melville (2018), https://arxiv.org/abs/1802.03426
    """
    n = len(x)
    if n < 4:
        raise InputError(f"UMAP needs at least 4 images, got {n}")
    if not 1 <= dim <= n - 2:
        raise InputError(f"UMAP of {n} images maps into 1 to {n - 2} dimensions, got dim={dim}")
    if neighbors is not None and not 2 <= neighbors <= n - 1:
        raise InputError(f"the number of neighbours must lie in [2, {n - 1}] for {n} images, got {neighbors}")
    if min_dist is not None and not 0 <= min_dist <= 1:
        raise InputError(f"min_dist must lie in [0, 1], got {min_dist:g}")
    neighbors = min(NEIGHBORS, n - 1) if neighbors is None else neighbors
    min_dist = MIN_DIST if min_dist is None else float(min_dist)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore", ImportWarning)  # it would like TensorFlow for a network of its own
        module, version = library("umap", "umap-learn", "baselines")
        warnings.simplefilter("always", UserWarning)
        positions = module.UMAP(
            n_components=dim,
            n_neighbors=neighbors,
            min_dist=min_dist,
            metric=metric,
            random_state=seed % 2**32,
            n_jobs=1,  # it would set that itself, with a warning
            tqdm_kwds=_bar(progress("UMAP")) if progress else None,
        ).fit_transform(x)
    for warning in told:
        say(f"warning from umap-learn: {warning.message}")
    settings = {
        "neighbors": neighbors,
        "min_dist": min_dist,
        "metric": metric,
        "start": "spectral",
        "neighbours": "exact" if n < 4096 else "NN-descent, approximate",
        "jobs": 1,
        "seed": seed,
    }
    if not np.isfinite(positions).all():
        bad = int((~np.isfinite(positions)).any(1).sum())
        raise InputError(f"umap-learn found no place for {bad} of {n} images; give more neighbours")
    return Layout(np.asarray(positions, dtype=np.float32), settings, {"umap-learn": version})


def _bar(report: Callable[[int, int], None]) -> dict[str, Any]:
    """Settings of umap-learn's tqdm that send its count to ours."""
    return {"disable": False, "file": _Count(report), "bar_format": "{n}/{total}", "mininterval": 0.5}


class _Count(io.StringIO):
    """A text file that reads ``n/total`` from what tqdm writes."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        super().__init__()
        self._report = report

    def write(self, text: str) -> int:
        if found := re.search(r"(\d+)/(\d+)", text):
            self._report(int(found[1]), int(found[2]))
        return len(text)
