"""``augmap evaluate``: how good is the map, and what do its labels say?"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augmap.cli.words import STDOUT
from augmap.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from augmap.evaluate.score import Measures
    from augmap.imagemap import ImageMap

METRICS_FILE = "metrics.json"


def evaluate(
    map: Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map.", show_default=False)],
    labels: Annotated[
        str,
        typer.Option(
            metavar="folder|FILE.csv|none",
            help="The map's own labels, a table with the columns name and label, or none.",
        ),
    ] = "folder",
    images: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGES|none",
            help="The images of the map, for metrics of pixels and views.",
            show_default="where the map was made from, if it is there",
        ),
    ] = None,
    k: Annotated[
        str | None,
        typer.Option(
            "-k",
            metavar="K,...",
            help="Numbers of neighbours, the main one first.",
            show_default="15, of few images fewer",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Only these, as docs/metrics.md names them; gcn trains for minutes and has to be named.",
            show_default="all but gcn",
        ),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", help="Look at N random images only, as if they were all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides random splits, pairs, views and samples.")] = 0,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write everything for programs; - for stdout alone."),
    ] = None,
    save: Annotated[
        bool,
        typer.Option(
            "--save/--no-save", help="Keep metrics.json and the scores of single images in the map."
        ),
    ] = True,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="Skip images with more pixels.")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the pixel store.")] = None,
) -> None:
    """Measure a map: with labels, where they lie; without, how true it is to the features.

    A few minutes for 20,000 images on two cores. What each number means stands in docs/metrics.md.
    """
    ks = None if k is None else _numbers(k)
    _check_places(map, json_file, save)

    from augmap.cli.measures import lines
    from augmap.cli.progress import Progress
    from augmap.evaluate.measure import measure_each
    from augmap.folder import json_bytes, write_file
    from augmap.imagemap import ImageMap
    from augmap.images.labels import read_labels

    m = ImageMap.load(map)
    columns: Mapping[str, Any] | None = None if labels == "folder" else {}
    if labels not in ("folder", "none"):
        columns = read_labels(labels, m.names, [name for name, _ in m.skipped], of_more=True)
    wanted = None if metrics is None else [name.strip() for name in metrics.split(",")]
    with Progress() as progress:
        pixels, note = map_pixels(m, images, cache, progress.counter("reading images"), max_pixels)
        encoder, augmentation = (None, None) if pixels is None else map_views(m)
        measures, each = measure_each(
            m,
            labels=None if columns is None else _arrays(columns),
            pixels=pixels,
            encoder=encoder,
            augmentation=augmentation,
            ks=ks,
            metrics=wanted,
            sample=sample,
            seed=seed,
            progress=lambda title, done, total: progress.update(
                "measuring", round(done, 1), total, unit="step", note=title
            ),
        )
    record = _record(m, measures, labels, note)
    if json_file is not None and str(json_file) not in STDOUT:
        write_file(json_file, json_bytes(record))
    if str(json_file) in STDOUT:
        print(json_bytes(record).decode(), end="")
    else:
        print("\n".join(lines(str(map), measures, without="" if pixels is not None else note)))
    if save:
        _save(map, record, {} if sample is not None else each)


def _check_places(map: Path, json_file: Path | None, save: bool) -> None:
    """See that the results can be written before minutes go into them."""
    from augmap.folder import check_file

    if json_file is not None and str(json_file) not in STDOUT:
        check_file(json_file)
    if save and map.is_dir() and not os.access(map, os.W_OK):
        raise InputError(f"{map}: may not be written to; pass --no-save")


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"-k must be whole numbers of at least 1, as in 15 or 15,5; got {text!r}")
    return [int(part) for part in parts]


def _arrays(columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    import numpy as np

    return {name: np.array(column, dtype=str) for name, column in columns.items()}


def map_pixels(
    m: ImageMap,
    images: str | None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    max_pixels: int | None = None,
) -> tuple[np.ndarray | None, str]:
    """Return the map's pixels and where they lay, or None and why not.

    Parameters
    ----------
    images : str, optional
        Where they are, or ``"none"``; by default where the map was made from, if that is still there.

    Raises
    ------
    InputError
        Images that were named cannot be opened, or are not those of the map.
    """
    if images == "none":
        return None, "left out by --images none"
    from augmap.images.recorded import recorded_source

    try:
        source = recorded_source(m.info, m.names, cache=cache) if images is None else images
        return _opened(m, source, cache, progress, max_pixels), source
    except InputError as error:
        if images is not None:
            raise
        return None, f"{error}; give --images"


def _opened(
    m: ImageMap,
    source: str,
    cache: Path | None,
    progress: Callable[[int, int], None] | None,
    max_pixels: int | None,
) -> np.ndarray:
    """Open the images and bring them into the order of the map.

    Raises
    ------
    InputError
        The map does not say how its images were made, or these are others.
    """
    from augmap.images.open import open_images

    if m.preprocessing is None or "fingerprint" not in m.info:
        raise InputError("the map does not say which images it shows, so that none can be held against it")
    opened = open_images(
        source,
        preprocessing=m.preprocessing,
        labels="none",
        cache=cache,
        progress=progress,
        max_pixels=max_pixels,
    )
    known = opened.fingerprint == m.info["fingerprint"]
    if not known or opened.names != m.names:  # there are more, or the map is a part of the one that was made
        row = {name: i for i, name in enumerate(opened.names)}
        if missing := opened.missing(m.names):
            raise InputError(
                f"{source}: {len(missing)} of the map's {m.n} images are not there, first {missing[0]}"
            )
        opened = opened.subset([row[name] for name in m.names])
    if not known and opened.fingerprint != m.info["fingerprint"]:
        raise InputError(f"{source}: its images differ from those of the map (fingerprint)")
    return opened.pixels


def map_views(m: ImageMap) -> tuple[Any, Any]:
    """Return the encoder and what draws its views, or None for each that the folder does not hold."""
    if m.weights is None or m.config is None:
        return None, None
    from augmap.method.weights import from_weights
    from augmap.settings import make_augmentation

    encoder = augmentation = None
    if m.weights.spec.get("backbone") != "custom":  # a module of the user's, which no folder holds
        encoder = from_weights(m.weights)
    if m.config.augment != "custom":
        augmentation = make_augmentation(m.config)
    return encoder, augmentation


def _record(m: ImageMap, measures: Measures, labels: str, note: str) -> dict[str, Any]:
    import augmap

    record = measures.to_dict()
    record["settings"] |= {
        "augmap": augmap.__version__,
        "method": m.info.get("method"),
        "fingerprint": m.info.get("fingerprint"),
        "labels": labels,
        "pixels": note,
    }
    return record


def _save(path: Path, record: Mapping[str, Any], each: Mapping[str, Any]) -> None:
    """Write metrics.json, and scores of single images into items.csv as it is now: time has passed."""
    from augmap.folder import json_bytes, read_file, read_record, update
    from augmap.items import Items

    now = read_record(path)
    files = {}
    scores = list(now.get("scores", ()))
    if each:
        items = Items.from_csv(
            read_file(path, "items.csv", now), scores=scores, where=str(path / "items.csv")
        ).with_scores(**each)
        files["items.csv"], scores = items.to_csv(), list(items.scores)
    if METRICS_FILE in now["files"]:
        record = _joined(json.loads(read_file(path, METRICS_FILE, now)), record)
    update(path, {METRICS_FILE: json_bytes(record), **files}, {"scores": scores})


def _joined(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keep the metrics that were measured before in the same way and not now, so that one can be added."""
    same = ("n", "of", "ks", "seed", "columns", "labels", "fingerprint", "augmap")
    if any(old["settings"].get(key) != new["settings"].get(key) for key in same):
        return new
    fresh = set(new["settings"]["metrics"])
    kept = [score for score in old["scores"] if score["metric"] not in fresh]
    there = sorted({*fresh, *(score["metric"] for score in kept)})
    left_out = {k: v for k, v in old["settings"]["left_out"].items() if k not in there}
    settings = new["settings"]
    return {
        "scores": [*new["scores"], *kept],
        "tables": {**old["tables"], **new["tables"]},
        "seconds": {**old["seconds"], **new["seconds"]},
        "settings": {**settings, "metrics": there, "left_out": {**left_out, **settings["left_out"]}},
    }
