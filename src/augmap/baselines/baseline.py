"""``baseline``: a map by another method, made and saved like ours."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augmap import unfinished
from augmap.api import Bars, Say, check_enough, place
from augmap.baselines.options import check_name, given, refuse
from augmap.baselines.trained import TRAINED, trained
from augmap.errors import InputError
from augmap.fields import a_seed
from augmap.imagemap import ImageMap
from augmap.images.imageset import ImageSet
from augmap.images.open import open_images
from augmap.thumbs import make_thumbs

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from augmap.method.watch import Listener


def baseline(
    name: str,
    images: Any,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    seed: int = 0,
    dim: int | None = None,
    image_size: int | None = None,
    labels: str | Path = "folder",
    only_split: str | None = None,
    exclude: str | Path | None = None,
    strict: bool = False,
    max_pixels: int | None = None,
    cache: str | Path | None = None,
    budget: str | float | None = None,
    epochs: Sequence[float] | None = None,
    augment: Any = None,
    backbone: str | nn.Module | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    checkpoint_every: float | None = None,
    init: str | Path | ImageMap | None = None,
    features: str | Path | np.ndarray | nn.Module | None = None,
    feature_size: int | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    metric: str | None = None,
    pca: int | None = None,
    whitening: float | None = None,
    perplexity: float | None = None,
    exaggeration: float | None = None,
    iterations: int | None = None,
    jobs: int | None = None,
    neighbors: int | None = None,
    min_dist: float | None = None,
    listeners: Sequence[Listener] = (),
    say: Say = lambda line: None,
    progress: Bars | None = None,
) -> ImageMap:
    """Map images by a method that t-SimCNE is compared with.

    An option that means nothing for the method that is named is refused.

    Parameters
    ----------
    name : str
        A name in :data:`augmap.baselines.options.BASELINES`.
    images
        As for :func:`augmap.fit`.
    output : path, optional
        Save the map there.
    overwrite, resume : bool
        Replace what is there; go on from its checkpoint (methods that train).
    seed : int
        Of everything random.
    dim : int, optional
        Dimension of the map: 2, and 128 for ``simclr``.
    image_size, labels, only_split, exclude, strict, max_pixels, cache
        See :func:`augmap.images.open.open_images`. Only ``supervised`` looks at labels.
    budget, epochs, augment, backbone, batch_size, precision, device, threads, checkpoint_every
        See :func:`augmap.fit`; for methods that train. ``device`` also for a network that makes features.
    init : path or ImageMap, optional
        ``simclr+tsne`` and ``simclr+umap``: take the features of this SimCLR map of the same images.
    features, feature_size, mean, std
        ``features+tsne`` and ``features+umap``: see :func:`augmap.baselines.features.read_features`.
    metric : str, optional
        Distance of features: euclidean, the default, or cosine.
    pca : int, optional
        Lay out this many principal components.
    whitening : float, optional
        In [0, 1]: how far features are whitened before they are laid out.
    perplexity, exaggeration, iterations, jobs
        See :func:`augmap.baselines.tsne.tsne_layout`.
    neighbors, min_dist
        See :func:`augmap.baselines.umap.umap_layout`.
    listeners, say, progress
        See :func:`augmap.fit`.

    Returns
    -------
    ImageMap
        ``info`` says method, settings, versions, seconds and, with labels, the kNN accuracy. Only methods
        that train an encoder to the end place new images.

    Raises
    ------
    InputError
        Something that was given does not fit, or a library is missing; the message says what to do.
    Interrupted
        While training: a checkpoint is in ``output``.
    """
    started = time.monotonic()
    check_name(name)
    a_seed(seed)
    output = Path(output) if output is not None else None
    train = {
        "budget": budget,
        "epochs": epochs,
        "augment": augment,
        "backbone": backbone,
        "batch_size": batch_size,
        "precision": precision,
        "device": device,
        "threads": threads,
        "checkpoint_every": checkpoint_every,
    }
    read = {"feature_size": feature_size, "mean": mean, "std": std}
    tsne = {"perplexity": perplexity, "exaggeration": exaggeration, "iterations": iterations, "jobs": jobs}
    umap = {"neighbors": neighbors, "min_dist": min_dist}
    rest = {"init": init, "features": features, "metric": metric, "resume": resume or None}
    before = {"pca": pca, "whitening": whitening}
    refuse(name, {**train, **read, **tsne, **umap, **rest, **before})
    opening = {
        "image_size": image_size,
        "labels": labels,
        "only_split": only_split,
        "exclude": exclude,
        "strict": strict,
        "max_pixels": max_pixels,
        "cache": cache,
    }
    speak = {"say": say, "progress": progress}
    if name in TRAINED:
        return trained(
            name,
            images,
            output=output,
            overwrite=overwrite,
            resume=resume,
            seed=seed,
            dim=dim,
            listeners=listeners,
            **given(train),
            **opening,
            **speak,
        )
    with place(output, resume=resume, overwrite=overwrite):
        opened = open_images(
            images,
            progress=progress("reading images") if progress else None,
            **opening,
        )
        check_enough(opened)
        for note in opened.notes:
            say(note)
        settings = given({**tsne, **umap, "dim": dim})
        made = _laid_out(
            name,
            opened,
            settings,
            before=given(before),
            metric=metric,
            features=features,
            read=given({"size": feature_size, "mean": mean, "std": std, "device": device}),
            simclr={
                "init": init,
                "output": output,
                "resume": resume,
                "started": started,
                "listeners": listeners,
                **given(train),
            },
            seed=seed,
            **speak,
        )
        made.thumbs = make_thumbs(
            opened.pixels, made.positions, progress=progress("thumbnails") if progress else None
        )
        if made.labels is not None:
            from augmap.evaluate.accuracy import accuracy

            found = accuracy(made.positions, made.labels, made.splits)
            made.info["knn"] = None if found is None else given(found)
        made.info["seconds"] = round(time.monotonic() - started, 2)
        if output is not None:
            made.write(output)
            unfinished.remove(output)
    return made


def _laid_out(
    name: str,
    images: ImageSet,
    settings: dict[str, Any],
    *,
    before: dict[str, Any],
    metric: str | None,
    features: Any,
    read: dict[str, Any],
    simclr: dict[str, Any],
    seed: int,
    say: Say,
    progress: Bars | None,
) -> ImageMap:
    """Make the map of a method that does not end in an encoder; each is imported when it is asked for."""
    from augmap.baselines.features import features_tsne, features_umap
    from augmap.baselines.pca import pca as pca_map
    from augmap.baselines.tsne import tsne
    from augmap.baselines.umap import umap

    common: dict[str, Any] = {"seed": seed, "progress": progress}
    if name == "pca":
        return pca_map(images, **settings, **common)
    if name == "tsne":
        return tsne(images, **before, **settings, **common)
    if name == "umap":
        return umap(images, say=say, **before, **settings, **common)
    if name.startswith("features+"):
        if features is None:
            raise InputError(f"{name} needs features: give --features (a .npy file or a model)")
        if metric is not None:
            settings = {**settings, "metric": metric}
        make = features_tsne if name == "features+tsne" else features_umap
        return make(images, features, read=read, say=say, **before, **settings, **common)
    from augmap.baselines.simclr import simclr_layout

    how = name.removeprefix("simclr+")
    return simclr_layout(images, how, layout=settings, say=say, **before, **simclr, **common)
