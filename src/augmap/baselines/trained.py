"""The baselines that train: the same ``fit`` with another list of stages.

========================= ==========================================================================
simclr                    views of an image are pairs, compared by their angle in 128 dimensions;
                          the paper's starting point, a map of features and no picture
parametric-tsne           our encoder and trainer, but an image and a near one *by its pixels* are a pair:
                          a neighbour graph in the place of the augmentation graph
parametric-umap           the same with UMAP's edges and loss
supervised                an encoder that learns the training labels; the one place where labels train
========================= ==========================================================================

References
----------
Chen et al., ICML 2020, https://arxiv.org/abs/2002.05709; van der Maaten, AISTATS 2009;
Sainburg, McInnes & Gentner, Neural Computation 33 (2021), https://arxiv.org/abs/2009.12981
"""

from __future__ import annotations

from typing import Any

from augmap.api import fit
from augmap.errors import InputError
from augmap.imagemap import ImageMap

TRAINED = ("simclr", "parametric-tsne", "parametric-umap", "supervised")
"""Each is the name of its preset."""


def trained(name: str, images: Any, **options: Any) -> ImageMap:
    """Return the map of a baseline that is a preset; ``options`` are those of :func:`augmap.api.fit`.

    Raises
    ------
    InputError
        As :func:`augmap.api.fit`; or ``supervised`` without labels.
    """
    if name not in TRAINED:
        raise InputError(f"{name!r} does not train; choose one of {', '.join(TRAINED)}")
    return fit(images, preset=name, **options)
