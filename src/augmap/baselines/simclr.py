"""SimCLR, then t-SNE or UMAP of its features: two steps where t-SimCNE has one.

The layout belongs to these images alone, so the map keeps the features h and no encoder.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augmap import folder as disk
from augmap import unfinished
from augmap.api import Bars, Say
from augmap.baselines.layout import library, to_map
from augmap.baselines.options import given
from augmap.baselines.trained import trained
from augmap.baselines.tsne import EARLY, ITERATIONS, reduced, tsne_layout
from augmap.baselines.umap import umap_layout
from augmap.config import parse_duration
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.imageset import ImageSet

RECORD, ENCODER = "baseline.json", "simclr.map"
"""In the map's checkpoint: what was begun, and the SimCLR map, finished or with a checkpoint of its own."""
SECONDS = {"tsne": (15.0, 0.006), "umap": (70.0, 0.006)}
"""Reserved for a layout: at all (umap-learn compiles itself first), and an image; twice what one thread of
openTSNE took for 10,000 images of 512 features (29 s), and umap-learn (56 s)."""


def simclr_layout(
    images: ImageSet,
    how: str,
    *,
    init: ImageMap | str | Path | None = None,
    output: Path | None = None,
    resume: bool = False,
    budget: str | float | None = None,
    epochs: Any = None,
    started: float | None = None,
    pca: int | None = None,
    whitening: float | None = None,
    layout: dict[str, Any] | None = None,
    seed: int = 0,
    say: Say = lambda line: None,
    progress: Bars | None = None,
    **training: Any,
) -> ImageMap:
    """Return the t-SNE or UMAP of SimCLR's features h by their cosine distance.

    Parameters
    ----------
    how : {"tsne", "umap"}
    init : ImageMap or path, optional
        A SimCLR map of the same images, whose features are taken; else one is trained.
    output : path, optional
        Training keeps its checkpoint there, and the SimCLR map until the layout is done.
    resume : bool
        Go on from what is in ``output``.
    budget : str or float, optional
        Time for all; the layout's part, which grows with the images, is kept free.
    started : float, optional
        Reading of ``time.monotonic`` that the budget counts from.
    pca, whitening
        See :func:`augmap.baselines.features.features_tsne`.
    layout : dict, optional
        Settings of :func:`~augmap.baselines.tsne.tsne_layout` or :func:`~augmap.baselines.umap.umap_layout`.
    **training
        Options of :func:`augmap.api.fit`.

    Raises
    ------
    InputError
        ``init`` is no SimCLR map of these images; the budget leaves no time to train.
    Interrupted
        While training: a checkpoint is in ``output``.
    """
    library(*{"tsne": ("openTSNE", "openTSNE"), "umap": ("umap", "umap-learn")}[how], "baselines")
    settings = dict(layout or {})
    place: Callable[..., Any] = {"tsne": tsne_layout, "umap": umap_layout}[how]
    if how == "umap":
        settings["say"] = say
    if init is not None:
        encoder = _given(init, images)
    else:
        begun = time.monotonic() if started is None else started
        encoder = _trained(
            images,
            how,
            output,
            resume,
            budget,
            epochs,
            begun,
            settings,
            seed=seed,
            say=say,
            progress=progress,
            **training,
        )
    assert encoder.features is not None
    x, _ = reduced(encoder.features.astype("float32"), pca, seed, progress, whitening=whitening)
    say(f"{'t-SNE' if how == 'tsne' else 'UMAP'} of {x.shape[1]} features of {len(x):,} images")
    found = place(x, metric="cosine", seed=seed, progress=progress, **settings)
    return to_map(
        images,
        found,
        f"SimCLR, then {'t-SNE' if how == 'tsne' else 'UMAP'} of its features",
        encoder.features,
        simclr={
            "config": encoder.config.to_dict() if encoder.config else None,
            "seconds": encoder.info.get("seconds"),
            **given({"pca": pca, "whitening": whitening}),
        },
    )


def layout_seconds(how: str, n: int, iterations: int = ITERATIONS) -> float:
    """Return the seconds that are kept free for a layout of ``n`` images."""
    fixed, each = SECONDS[how]
    longer = (EARLY + iterations) / (EARLY + ITERATIONS) if how == "tsne" else 1.0
    return fixed + each * n * longer


def _given(init: Any, images: ImageSet) -> ImageMap:
    if not isinstance(init, ImageMap | str | Path):
        raise InputError(f"init must be a SimCLR map or its folder, got {type(init).__name__}")
    where = init if isinstance(init, str | Path) else "init"
    found = init if isinstance(init, ImageMap) else ImageMap.load(init)
    if found.info.get("method") != "SimCLR" or found.features is None:
        raise InputError(
            f"{where}: made by {found.info.get('method', '?')}; give a map of augmap baseline simclr, or lay "
            "out the features of any map with features+tsne --features MAP/features.npy"
        )
    if found.info.get("fingerprint") != images.fingerprint:
        raise InputError(
            f"{where}: a map of other images ({found.info.get('source', '?')}, {found.n:,}) than "
            f"{images.source} ({len(images):,}); give the map of the same images in the same size and order"
        )
    return found


def _trained(
    images: ImageSet,
    how: str,
    output: Path | None,
    resume: bool,
    budget: str | float | None,
    epochs: Any,
    started: float,
    layout: dict[str, Any],
    **options: Any,
) -> ImageMap:
    """Train SimCLR in the checkpoint of ``output``, or go on there."""
    from augmap.method.launch import pick_device
    from augmap.settings import BUDGET

    if epochs is None:
        budget = BUDGET[pick_device(options.get("device", "auto"))] if budget is None else budget
    elif budget is not None:
        raise InputError("give a budget or epochs, not both")
    wish = {
        "how": how,
        "images": images.fingerprint,
        "budget": None if budget is None else parse_duration(budget),
    }
    folder = None if output is None else output / unfinished.CHECKPOINT
    before = _begun(folder, wish) if resume and folder is not None else None
    seconds = before["train"] if before else None
    if before is None and budget is not None:
        reserve = layout_seconds(how, len(images), layout.get("iterations") or ITERATIONS)
        seconds = parse_duration(budget) - (time.monotonic() - started) - reserve
        if seconds < reserve / 10:
            raise InputError(
                f"a budget of {parse_duration(budget):.0f} s is too short: the layout of {len(images):,} "
                f"images alone is given {reserve:.0f} s; give more time, or fewer images"
            )
        options["say"](f"SimCLR for {seconds:.0f} s; {reserve:.0f} s are kept free for the layout")
    if folder is not None and before is not None and disk.is_map(folder / ENCODER):
        options["say"]("SimCLR is trained already")
        return ImageMap.load(folder / ENCODER)
    anew = None if folder is None or before is not None else folder
    with contextlib.nullcontext() if anew is None else unfinished.set_aside(anew.parent):
        if anew is not None:
            disk.make_folder(anew)
            disk.write_atomic(anew / RECORD, disk.json_bytes({**wish, "train": seconds}))
        return trained(
            "simclr",
            images,
            output=None if folder is None else folder / ENCODER,
            resume=before is not None,
            budget=seconds,
            epochs=epochs,
            **options,
        )


def _begun(folder: Path, wish: dict[str, Any]) -> dict[str, Any] | None:
    """Return the record of what was begun; None where nothing was."""
    path = folder / RECORD
    if not path.is_file():
        if folder.is_dir():
            raise InputError(f"{folder.parent}: another run was begun there; --overwrite starts over")
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
        strange = [name for name in wish if found[name] != wish[name]]
        found["train"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error!r}); --overwrite starts over") from error
    if strange:
        name = strange[0]
        raise InputError(
            f"{folder.parent}: begun with {name} {found[name]!r}, now it is {wish[name]!r}; "
            "use the same as before, or --overwrite to start over"
        )
    return found
