"""The paper's ablations at equal budget: which of its two steps, and which kernel, makes the map?

======= ==========================================================================================
direct  Cauchy in 2 dimensions from the start
cosine  SimCLR's cosine in 128 dimensions, then Cauchy in 2
paper   Cauchy in 128 dimensions, then Cauchy in 2: t-SimCNE
simclr  SimCLR's cosine in 128 dimensions for all of the time: the features, no map in 2-D
======= ==========================================================================================

All four have the same images, network, batch, augmentation, optimiser and seed, and the same time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augmap import folder as disk
from augmap import unfinished
from augmap.api import Bars, Say, fit
from augmap.config import Config
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.open import open_images

if TYPE_CHECKING:
    from augmap.method.watch import Listener

ARMS = ("direct", "cosine", "paper", "simclr")
"""In the order in which they are made."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One of the four maps, and what its labels say of it."""

    name: str
    map: ImageMap
    made_now: bool
    """False where it was finished before."""
    knn: float | None
    """kNN accuracy of the positions, in [0, 1]; None without labels."""
    knn_features: float | None
    """The same of h, by cosine distance."""


def ablations(
    images: Any,
    folder: str | Path,
    *,
    budget: str | float | None = None,
    backbone: str | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    augment: str | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    checkpoint_every: float | None = 300.0,
    overwrite: bool = False,
    image_size: int | None = None,
    labels: str | Path = "folder",
    only_split: str | None = None,
    exclude: str | Path | None = None,
    strict: bool = False,
    max_pixels: int | None = None,
    cache: str | Path | None = None,
    listeners: Sequence[Listener] = (),
    say: Say = lambda line: None,
    progress: Bars | None = None,
) -> list[Arm]:
    """Make ``folder/direct.map``, ``cosine.map``, ``paper.map`` and ``simclr.map``.

    What is finished there is kept, what was interrupted goes on, so the same call carries on after a stop.

    Parameters
    ----------
    budget : str or float, optional
        Time of each map; by default that of :func:`augmap.fit`.
    backbone, batch_size : optional
        Of all four; by default those of :func:`augmap.fit` on this device, not the paper's, which take hours.
    overwrite : bool
        Make all four anew.

    Other parameters are those of :func:`augmap.fit`.

    Raises
    ------
    InputError
        A map that is there was made from other images or with other settings, or something does not fit.
    Interrupted
        A checkpoint is saved; the same call goes on.
    """
    from augmap.method.launch import pick_device

    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; the ablations are four maps in a folder, choose another name")
    configs = configurations(
        budget=budget,
        device=pick_device(device),
        backbone=backbone,
        batch_size=batch_size,
        precision=precision,
        augment=augment,
        seed=seed,
    )
    opened = open_images(
        images,
        image_size=image_size,
        labels=labels,
        only_split=only_split,
        exclude=exclude,
        strict=strict,
        cache=cache,
        progress=progress("reading images") if progress else None,
        max_pixels=max_pixels,
    )
    arms = []
    for number, name in enumerate(ARMS, 1):
        place, config = folder / f"{name}.map", configs[name]
        finished = disk.is_map(place) and not overwrite
        if finished:
            say(f"{place}: finished before ({number} of {len(ARMS)})")
            made = _same(ImageMap.load(place), config, opened.fingerprint, place)
        else:
            say(f"{place} ({number} of {len(ARMS)})")
            made = fit(
                opened,
                output=place,
                config=config,
                device=device,
                threads=threads,
                checkpoint_every=checkpoint_every,
                resume=not overwrite and unfinished.is_begun(place),
                overwrite=overwrite,
                listeners=listeners,
                say=say,
                progress=progress,
            )
        arms.append(_judged(name, made, not finished))
    return arms


def configurations(
    *,
    budget: str | float | None,
    device: str,
    backbone: str | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    augment: str | None = None,
    seed: int = 0,
) -> dict[str, Config]:
    """Return the configuration of each arm: they differ in their stages alone."""
    from augmap.settings import BACKBONE, BATCH, BUDGET, settle

    made = {
        name: settle(
            None,
            budget=BUDGET[device] if budget is None else budget,
            device=device,
            preset=name,
            seed=seed,
            augment=augment,
            backbone=backbone or BACKBONE[device],
            batch_size=batch_size or BATCH[device],
            precision=precision,
        ).config
        for name in ARMS[:3]
    }
    first = made["cosine"].stages[0]
    # the pretraining of cosine for all of the time, not the preset simclr, whose optimiser is another one
    alone = dataclasses.replace(first, share=1.0)
    return {**made, "simclr": made["cosine"].replace(stages=(alone,), preset="cosine, pretraining alone")}


def _same(found: ImageMap, config: Config, fingerprint: str, place: Path) -> ImageMap:
    """See that a finished map is what would be made now."""
    if found.info.get("fingerprint") != fingerprint:
        raise InputError(f"{place}: a map of other images; choose another folder, or give --overwrite")
    if found.config is None:
        raise InputError(f"{place}: not made by augmap fit; choose another folder, or give --overwrite")
    for name in ("preset", "seed", "backbone", "augment", "budget"):
        before, now = getattr(found.config, name), getattr(config, name)
        if before != now:
            raise InputError(
                f"{place}: made with {name} {before!r}, now it is {now!r}; use the same as before, "
                "choose another folder, or give --overwrite"
            )
    # fewer images than a batch make the batch smaller
    if found.config.batch_size != min(config.batch_size, found.n):
        raise InputError(
            f"{place}: made with batch_size {found.config.batch_size}, now it is {config.batch_size}; "
            "use the same as before, choose another folder, or give --overwrite"
        )
    return found


def _judged(name: str, made: ImageMap, made_now: bool) -> Arm:
    knn = knn_features = None
    if made.labels is not None:
        from augmap.evaluate.accuracy import accuracy

        on_map = accuracy(made.positions, made.labels, made.splits)
        assert made.features is not None
        # rows of length 1: the Euclidean order is that of the cosine
        h = made.features.astype(np.float32)
        h = h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), 1e-12)
        in_h = accuracy(h, made.labels, made.splits)
        knn, knn_features = (None if found is None else found["accuracy"] for found in (on_map, in_h))
    return Arm(name=name, map=made, made_now=made_now, knn=knn, knn_features=knn_features)
