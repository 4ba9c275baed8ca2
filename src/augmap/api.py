"""``augmap.fit`` and ``augmap.load``: images in, a map out, and back."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augmap import folder as disk
from augmap import unfinished
from augmap.config import Config, Runtime
from augmap.display import display
from augmap.embedder import embedder, open_for
from augmap.errors import InputError, Interrupted, NoRoomError
from augmap.imagemap import ImageMap
from augmap.images import classes as labelled
from augmap.items import Items
from augmap.presets import method_name
from augmap.thumbs import make_thumbs

if TYPE_CHECKING:  # torch is imported when it is needed: loading and showing a map does without
    from torch import nn

    from augmap.images.imageset import ImageSet
    from augmap.method.audience import Audience
    from augmap.method.augment import Augmentation, UserTransform
    from augmap.method.watch import Listener
    from augmap.settings import Settings

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
    dim: int | None = None,
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
    audience: Audience | None = None,
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
        Dimension of the map: 2, or that of the map to start from, where it is not given.
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
        See :func:`augmap.images.open.open_images`. Labels colour and judge the map; training never sees them,
        but for the preset ``supervised`` (stages with the loss ``cross_entropy``), which learns those of the
        training split: see :func:`augmap.images.classes.training_classes`.
    init : path or ImageMap, optional
        Start from this map's encoder and turn the new map onto the old one. Without ``preset`` everything
        learns on at a small rate and the images that are in both keep their places, roughly.
    listeners : sequence of callables
        Called with a :class:`~augmap.method.watch.Report` after each step.
    audience : Audience, optional
        Sees a probe of the images move while training goes, and may hold the run or end it early; what
        ``augmap fit --watch`` serves. One process alone can be watched.
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
    from augmap.method.launch import Task, launch, leads, pick_device
    from augmap.settings import settle

    if not leads():  # torchrun's other processes train along, in silence; the first one saves
        say, progress = (lambda line: None), None
    new = output is not None and not output.exists()
    with place(output, resume=resume, overwrite=overwrite) if leads() else contextlib.nullcontext():
        start_from = _start_from(init)
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
        opened = open_for(
            images,
            start_from.preprocessing if start_from else None,
            image_size=image_size,
            labels=labels,
            only_split=only_split,
            exclude=exclude,
            strict=strict,
            cache=cache,
            progress=progress("reading images") if progress else None,
            max_pixels=max_pixels,
        )
        check_enough(opened)
        config, classes = settings.config, None
        if any(stage.loss == "cross_entropy" for stage in config.stages):  # the one place where labels train
            classes = labelled.training_classes(opened)
        probe = None if audience is None else audience.begin(opened)
    for note in opened.notes:
        say(note)
    if len(opened) < SMALL:
        say(f"{len(opened):,} images are few: below about {SMALL:,} expect a rough map")
    if config.budget is not None:
        ready = time.strftime(
            "%H:%M:%S", time.localtime(time.time() + config.budget - (time.monotonic() - started))
        )
        say(f"{len(opened):,} images; the map will be ready at {ready}")
    ours = output is not None and leads()
    with _begun(output, new=new, overwrite=overwrite) if ours else contextlib.nullcontext():
        outcome = launch(
            Task(
                pixels=opened.pixels,
                config=config,
                runtime=runtime,
                augmentation=settings.augmentation,
                backbone=settings.module,
                classes=classes,
                init=start_from.weights if start_from else None,
                folder=output / unfinished.CHECKPOINT if output else None,
                resume=resume,
                identity={
                    "number of images": len(opened),
                    "image size": opened.preprocessing.image_size,
                    "channels": opened.preprocessing.channels,
                    "images": opened.fingerprint,
                }
                | ({} if classes is None else {"labels": labelled.fingerprint(classes)}),
                listeners=listeners,
                audience=audience,
                probe=probe,
                say=say,
                progress=progress,
                started=started,
                clock=time.monotonic if audience is None else audience.control.clock,
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
            "method": method_name(outcome.config),
            "source": opened.source,
            "root": opened.root,
            "fingerprint": opened.fingerprint,
            "history": outcome.history,
        },
        log=outcome.log,
        skipped=[(s.name, s.reason) for s in opened.skipped],
    )
    if start_from is not None:
        from augmap.method.align import align

        shared = align(result, start_from)
        turned = "turned onto their places" if shared > result.dim else "too few to turn the map by"
        say(f"{shared:,} of {result.n:,} images are on the map to start from, {turned}")
    result.embedder = embedder(result, settings.module, device)
    result.display = partial(display, title=output.absolute().name if output else None)
    if not leads():
        return result
    with _not_lost(output):
        result.thumbs = make_thumbs(
            opened.pixels, result.positions, progress=progress("thumbnails") if progress else None
        )
        result.info["seconds"] = round(outcome.before + time.monotonic() - started, 2)
        if output is not None:
            result.write(output)
            unfinished.remove(output)
    result.info["quality"] = _quality(result, opened.pixels, settings, pick_device(device), say, output)
    result.info["seconds"] = round(outcome.before + time.monotonic() - started, 2)
    if output is not None:
        disk.update(output, {}, {"info": result.info})
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
    loaded.display = partial(display, title=Path(path).absolute().name)
    if loaded.weights is not None:
        loaded.embedder = embedder(loaded, backbone, device)
    return loaded


def _start_from(init: Any) -> ImageMap | None:
    if init is None or isinstance(init, ImageMap):
        return init
    if isinstance(init, str | Path):
        return ImageMap.load(init)
    raise InputError(f"init must be a map or its folder, got {type(init).__name__}")


@contextlib.contextmanager
def _not_lost(output: Path | None) -> Iterator[None]:
    """Make and save a map that took long to train; where that fails or is stopped, its checkpoint stays."""
    try:
        yield
    except (InputError, NoRoomError, KeyboardInterrupt) as error:
        if output is None:
            raise
        if not unfinished.is_begun(output):
            unfinished.settle(output)
            raise
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted("stopped after training, which is not lost: go on with --resume") from None
        raise type(error)(f"{error}; training is not lost: go on with --resume") from error


def _quality(
    result: ImageMap, pixels: np.ndarray, settings: Settings, device: str, say: Say, output: Path | None
) -> dict[str, Any] | None:
    """Measure the map; whatever happens there, it is no reason to lose the map."""
    from augmap.quality import quality

    try:
        return quality(result, pixels, settings.augmentation, settings.module, device)
    except KeyboardInterrupt:
        how = "" if output is None else f"; {shlex.join(['augmap', 'evaluate', str(output)])} does that"
        say(f"stopped: the map is complete, its quality was not measured{how}")
        return None
    except Exception as error:  # also what a transform or a module of the user's may raise
        say(f"warning: the map could not be judged ({error!r}); it is complete")
        return None


def check_enough(images: ImageSet) -> None:
    """Refuse too few images for a map, and say why there are no more."""
    n, skipped = len(images), images.skipped
    if n >= 2:
        return
    words = f"{images.source}: a map needs at least 2 images, found {n}"
    if skipped:
        words += f"; {len(skipped)} of {n + len(skipped)} files cannot be read, first {skipped[0]}"
    raise InputError(words)


@contextlib.contextmanager
def place(output: Path | None, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """See that a map can be written there; a user's mistake in what follows leaves nothing behind."""
    if output is None:
        if resume:
            raise InputError("resume=True needs the output that holds the checkpoint")
        yield
        return
    if resume and overwrite:
        raise InputError("give --resume or --overwrite, not both")
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; a map is a folder, choose another name")
    unfinished.settle(output)
    if disk.is_foreign(output):
        raise InputError(f"{output}: exists and is not a map; choose another name")
    if unfinished.is_taken(output):
        raise InputError(
            f"{output / unfinished.CHECKPOINT}: was not written by augmap, which needs the place; "
            "move it away or choose another name"
        )
    finished, begun = disk.is_map(output), unfinished.is_begun(output)
    if finished and not (overwrite or (resume and begun)):
        how = "it is finished: nothing to resume" if resume else "give --overwrite to replace it"
        raise InputError(f"{output}: there is a map already; {how}")
    if not finished and begun and not (resume or overwrite):
        raise InputError(
            f"{output}: an interrupted run is there; go on with --resume, or give --overwrite to start over"
        )
    with _leaving_no_empty(output, new=not output.exists()):
        disk.make_folder(output)
        disk.check_writable(output)
        yield


@contextlib.contextmanager
def _begun(output: Path, *, new: bool, overwrite: bool) -> Iterator[None]:
    """While a run trains: what was there stays until the run has something of its own."""
    aside = unfinished.set_aside(output) if overwrite else contextlib.nullcontext()
    with _leaving_no_empty(output, new=new), aside:
        yield


@contextlib.contextmanager
def _leaving_no_empty(output: Path, *, new: bool) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if new:
            with contextlib.suppress(OSError):
                output.rmdir()  # which leaves alone what is not empty
        raise
