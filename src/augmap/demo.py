"""The demonstration: scikit-learn's digits, embedded in a few minutes on a laptop, without a download."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from augmap.api import fit
from augmap.evaluate.knn import KnnAccuracy, knn_accuracy
from augmap.imagemap import ImageMap

EPOCHS = (30.0, 50.0)
"""Of the preset ``quick``'s stages: about one and a half minutes on two CPU cores."""


@dataclass(frozen=True)
class Demo:
    """The map of the digits, and kNN accuracies in two dimensions that it is to be held against."""

    map: ImageMap
    trained: KnnAccuracy
    untrained: KnnAccuracy
    pca: KnnAccuracy


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits: uint8 (1797, 8, 8) and their labels as str."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * (255 / 16)).round().astype(np.uint8), data.target.astype(str)


def make_demo(
    output: str | Path, *, epochs: tuple[float, ...] = EPOCHS, seed: int = 0, **options: Any
) -> Demo:
    """Fit the digits and save the map to ``output``.

    Parameters
    ----------
    output : path
        Folder of the map; one that is there is replaced.
    epochs : tuple of float
        Length of the stages.
    **options
        For :func:`augmap.fit`: where it runs, and who listens.
    """
    from augmap.images.open import open_images
    from augmap.method.project import project
    from augmap.quality import untrained_encoder

    images, labels = digits()
    # labels ride along for the colours and the closing line; training never sees them
    opened = replace(open_images(images), labels={"label": labels.tolist()})
    made = fit(
        opened,
        output=output,
        preset="quick",
        epochs=epochs,
        augment="glyph",
        backbone="slim",
        seed=seed,
        overwrite=True,
        **options,
    )
    assert made.config is not None
    fresh = untrained_encoder(made.config, opened.pixels, made.dim)
    flat = images.reshape(len(images), -1).astype(np.float64)
    centred = flat - flat.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    return Demo(
        map=made,
        trained=knn_accuracy(made.positions, labels),
        untrained=knn_accuracy(project(fresh, opened.pixels)[0], labels),
        pca=knn_accuracy(centred @ axes.T, labels),
    )
