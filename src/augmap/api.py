"""``augmap.fit`` and ``augmap.load``: images in, a map out, and back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augmap import folder as disk
from augmap.config import Config, Preprocessing, Runtime
from augmap.errors import InputError
from augmap.imagemap import ImageMap, Weights
from augmap.images.imageset import ImageSet
from augmap.images.open import open_images
from augmap.items import Items
from augmap.thumbs import make_thumbs

if TYPE_CHECKING:  # torch is imported when it is needed: loading and showing a map does without
    from torch import nn

    from augmap.method.augment import Augmentation, UserTransform
    from augmap.method.watch import Listener

SMALL = 2000
"""Images below which a map is announced as rough."""
Say = Callable[[str], None]
Bars = Callable[[str], Callable[[int, int], None]]


def fit(
    images: Any,
    *,
    output: str | Path | None = None,
    budget: str | float | None = None,
    epochs: Sequence[float] | None = None,
    preset: str | None = None,
    config: Config | str | Path | None = None,
    dim: int = 2,
    image_size: int | None = None,
    augment: str | Augmentation | UserTransform | Callable | None = None,
    backbone: str | nn.Module | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    seed: int = 0,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    threads: int | None = None,
    checkpoint_every: float | None = 300.0,
    resume: bool = False,
    overwrite: bool = False,
    labels: str | Path = "folder",
    only_split: str | None = None,
    init: str | Path | ImageMap | None = None,
    exclude: str | Path | None = None,
    strict: bool = False,
    max_pixels: int | None = None,
    cache: str | Path | None = None,
    listeners: Sequence[Listener] = (),
    say: Say = lambda line: None,
    progress: Bars | None = None,
) -> ImageMap:
    """Train an encoder on images without labels, and map them.

    Parameters
    ----------
    images
        A folder, a glob, an archive, an array file, a known name (``"cifar10"``), an array (n, h, w[, c]) of
        uint8 or of floats in [0, 1], paths, PIL images, a torch or Hugging Face data set, or an
        :class:`~augmap.images.imageset.ImageSet`.
    output : path, optional
        Save the map there, and checkpoints on the way.
    budget : str or float, optional
        Time in which the saved map is to be ready: ``"10m"``, or seconds. By default 20 minutes on a CPU,
        10 on a GPU.
    epochs : sequence of float, optional
        Length of each stage of the preset instead, in passes over the images.
    preset : str, optional
        A name in :data:`augmap.presets.PRESETS`.
    config : Config or path, optional
        Everything at once, or a TOML file of it; then no other setting of the method may be given.
    dim : int
        Dimension of the map.
    image_size : int, optional
        Edge in pixels that the images are brought to; by default chosen from the data.
    augment : str, Augmentation or callable, optional
        What the map is to be invariant to: ``natural``, ``glyph``, ``symmetric``, or a transform of yours.
    backbone : str or Module, optional
        A name in ``BACKBONES`` or a network of yours, which is copied.
    batch_size, precision, seed
        See :class:`~augmap.config.Config`.
    device, devices, nodes, threads, checkpoint_every
        See :class:`~augmap.config.Runtime`.
    resume : bool
        Go on from the checkpoint in ``output``.
    overwrite : bool
        Replace a map that is in ``output``; it stays until the new one is complete.
    labels, only_split, exclude, strict, max_pixels, cache
        See :func:`augmap.images.open.open_images`. Labels colour and judge the map; training never sees them.
    init : path or ImageMap, optional
        Start from this map's encoder and turn the new map onto the old one.
    listeners : sequence of callables
        Called with a :class:`~augmap.method.watch.Report` after each step.
    say : callable
        Called with sentences for the user.
    progress : callable
        Given a title, returns a function of (done, total).

    Returns
    -------
    ImageMap

    Raises
    ------
    InputError
        Something that was given does not fit; the message says what.
    TrainingError
        The loss is no longer finite.
    Interrupted
        Ctrl-C or SIGTERM: a checkpoint is in ``output``.
    """
    started = time.monotonic()
    runtime = Runtime(
        device=device, devices=devices, nodes=nodes, threads=threads, checkpoint_every=checkpoint_every
    )
    output = Path(output) if output is not None else None
    _check_output(output, resume, overwrite)
    start_from = load(init) if isinstance(init, str | Path) else init
    from augmap.method.launch import Task, launch, pick_device
    from augmap.settings import settle

    settings = settle(
        config,
        start=start_from,
        budget=budget,
        device=pick_device(device),
        epochs=epochs,
        preset=preset,
        dim=dim,
        seed=seed,
        augment=augment,
        backbone=backbone,
        batch_size=batch_size,
        precision=precision,
    )
    config = settings.config
    opened = images
    if not isinstance(images, ImageSet):
        opened = open_images(
            images,
            image_size=image_size,
            preprocessing=start_from.preprocessing if start_from else None,
            labels=labels,
            only_split=only_split,
            exclude=exclude,
            strict=strict,
            cache=cache,
            progress=progress("reading images") if progress else None,
            **({} if max_pixels is None else {"max_pixels": max_pixels}),
        )
    for note in opened.notes:
        say(note)
    if len(opened) < 2:
        raise InputError(f"{opened.source}: a map needs at least 2 images, found {len(opened)}")
    if len(opened) < SMALL:
        say(f"{len(opened):,} images are few: below about {SMALL:,} expect a rough map")
    if config.budget is not None:
        ready = time.strftime(
            "%H:%M:%S", time.localtime(time.time() + config.budget - (time.monotonic() - started))
        )
        say(f"{len(opened):,} images; the map will be ready at {ready}")
    request = {
        "images": opened.fingerprint,
        "preset": config.preset,
        "seed": config.seed,
        "backbone": config.backbone,
        "augment": config.augment,
        "budget": config.budget,
        "stages": hashlib.sha256(repr(config.stages).encode()).hexdigest()[:16],
        "batch_size": config.batch_size,
    }
    outcome = launch(
        Task(
            pixels=opened.pixels,
            config=config,
            runtime=runtime,
            augmentation=settings.augmentation,
            backbone=settings.module,
            init=start_from.weights if start_from else None,
            folder=output / disk.CHECKPOINT if output else None,
            resume=resume,
            identity=request,
            listeners=listeners,
            say=say,
            progress=progress,
            started=started,
        )
    )
    result = ImageMap(
        positions=outcome.positions,
        items=Items(opened.names, opened.splits, {k: np.array(v) for k, v in opened.labels.items()}),
        features=outcome.features,
        preprocessing=opened.preprocessing,
        config=outcome.config,
        weights=outcome.weights,
        info={
            "method": "t-SimCNE",
            "source": opened.source,
            "fingerprint": opened.fingerprint,
            "history": outcome.history,
        },
        log=outcome.log,
        skipped=[(s.name, s.reason) for s in opened.skipped],
    )
    if start_from is not None:
        from augmap.method.align import align

        align(result, start_from)
    result.thumbs = make_thumbs(
        opened.pixels, result.positions, progress=progress("thumbnails") if progress else None
    )
    result.embedder = embedder(result, settings.module, device)
    from augmap.quality import quality

    result.info["quality"] = quality(result, opened.pixels, settings.augmentation, settings.module)
    result.info["seconds"] = round(time.monotonic() - started, 2)
    if output is not None:
        result.save(output, overwrite=True)
        disk.remove_checkpoint(output)
    return result


def load(path: str | Path, *, backbone: nn.Module | None = None, device: str = "auto") -> ImageMap:
    """Read a map's folder, ready to place new images.

    Parameters
    ----------
    path : path
        Folder that ``augmap fit`` or :meth:`ImageMap.save` wrote.
    backbone : Module, optional
        The user's own module that the map was made with; without it everything but ``embed`` works.
    device : str
        Where ``embed`` computes: auto, cpu, cuda or mps.

    Raises
    ------
    InputError, DamagedMapError
        See :meth:`ImageMap.load`.
    """
    loaded = ImageMap.load(path)
    if loaded.weights is not None:
        loaded.embedder = embedder(loaded, backbone, device)
    return loaded


def embedder(of: ImageMap, backbone: nn.Module | None, device: str) -> Callable[[Any], ImageMap]:
    """Return the function behind :meth:`ImageMap.embed`; torch is imported when it is first called."""
    assert of.weights is not None
    assert of.preprocessing is not None
    return partial(_embed, of.weights, of.preprocessing, dict(of.info), backbone, device)


def _embed(
    weights: Weights,
    preprocessing: Preprocessing,
    info: dict[str, Any],
    backbone: nn.Module | None,
    device: str,
    images: Any,
) -> ImageMap:
    import torch

    from augmap.method.launch import pick_device
    from augmap.method.project import project
    from augmap.method.weights import from_weights

    if weights.spec.get("backbone") == "custom" and backbone is None:
        raise InputError(
            "this map was made with a backbone of your own: read it with augmap.load(path, backbone=module)"
        )
    encoder = from_weights(weights, backbone)
    opened = images if isinstance(images, ImageSet) else open_images(images, preprocessing=preprocessing)
    positions, features = project(encoder, opened.pixels, device=torch.device(pick_device(device)))
    return ImageMap(
        positions=positions,
        items=Items(opened.names, opened.splits, {k: np.array(v) for k, v in opened.labels.items()}),
        features=features,
        preprocessing=preprocessing,
        weights=weights,
        info={**info, "source": opened.source, "fingerprint": opened.fingerprint},
        skipped=[(s.name, s.reason) for s in opened.skipped],
        embedder=partial(_embed, weights, preprocessing, info, backbone, device),
    )


def _check_output(output: Path | None, resume: bool, overwrite: bool) -> None:
    if output is None:
        if resume:
            raise InputError("resume=True needs the output that holds the checkpoint")
        return
    if resume and overwrite:
        raise InputError("give --resume or --overwrite, not both")
    if output.is_file():
        raise InputError(f"{output}: is a file; a map is a folder, choose another name")
    unfinished = (output / disk.CHECKPOINT).is_dir()
    if disk.is_map(output) and not (overwrite or (resume and unfinished)):
        how = "it is finished: nothing to resume" if resume else "give --overwrite to replace it"
        raise InputError(f"{output}: there is a map already; {how}")
    if not disk.is_map(output) and unfinished and not (resume or overwrite):
        raise InputError(
            f"{output}: an interrupted run is there; go on with --resume, or give --overwrite to start over"
        )
    if not disk.is_map(output) and not unfinished and output.is_dir() and any(output.iterdir()):
        raise InputError(f"{output}: exists and is not a map; choose another name")
    disk.make_folder(output)
    disk.write_atomic(output / ".writable", b"")
    (output / ".writable").unlink()
    if overwrite:
        disk.remove_checkpoint(output)
