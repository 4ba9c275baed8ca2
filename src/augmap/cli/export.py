"""``augmap export``: a map in the formats of other programs, or as one page."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augmap.cli.words import command, count
from augmap.cli.words import size as in_bytes
from augmap.errors import InputError

if TYPE_CHECKING:
    from augmap.cli.progress import Progress
    from augmap.export.onnx import Exported


class Format(StrEnum):
    """What a map can become."""

    html = "html"
    onnx = "onnx"
    csv = "csv"
    parquet = "parquet"
    tensorboard = "tensorboard"
    gif = "gif"
    mp4 = "mp4"


def export(
    map: Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map.", show_default=False)],
    to: Annotated[Format, typer.Option("--to", help="What to make.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; a folder for tensorboard.",
            show_default=False,
        ),
    ],
    with_encoder: Annotated[
        bool, typer.Option("--with-encoder", help="html: the page places new images by itself, offline.")
    ] = False,
    half: Annotated[
        bool, typer.Option("--half", help="onnx: weights as float16, half the size; arithmetic in float32.")
    ] = False,
) -> None:
    """Write a map as a page of one file, an ONNX model, a table, TensorBoard's projector files, or a film.

    html works offline, from a memory stick. gif and mp4 replay how a map formed (augmap fit --watch).
    """
    if with_encoder and to is not Format.html:
        raise InputError(f"--with-encoder belongs to --to html, not to {to.value}; leave it out")
    if half and to is not Format.onnx:
        raise InputError(f"--half belongs to --to onnx, not to {to.value}; leave it out")
    _check(output, to)
    from augmap.cli.progress import Progress

    with Progress() as progress:
        said = _WRITERS[to](map, output, with_encoder or half, progress)
    print(said)


def _html(map: Path, output: Path, with_encoder: bool, progress: Progress) -> str:
    from augmap.cli.explore import find_regions
    from augmap.explorer.single import of_folder
    from augmap.folder import write_file
    from augmap.imagemap import ImageMap
    from augmap.images.open import why_no_files

    if with_encoder and (at := ImageMap.load(map).preprocessing) and (why := why_no_files(at)):
        raise InputError(f"--with-encoder: {why}; leave it out")
    encoder = _encoder(map, half=True).data if with_encoder else None
    views = _views(map) if with_encoder else None
    if with_encoder and views is None:
        progress.say("the augmentation was your own, so the page shows no cloud of a placed image's views")
    made = of_folder(map, encoder=encoder, views=views, find_regions=find_regions)
    parts = ", ".join(f"{name} {in_bytes(number)}" for name, number in made.sizes.items())
    progress.say(f"{output}: {in_bytes(len(made.data))} ({parts})")
    write_file(output, made.data)
    return f"{output}: {in_bytes(len(made.data))}; open it in a browser, no network needed"


def _onnx(map: Path, output: Path, half: bool, progress: Progress) -> str:
    from augmap.folder import write_file

    made = _encoder(map, half=half)
    write_file(output, made.data)
    return (
        f"{output}: {in_bytes(len(made.data))}; agrees with PyTorch to {made.difference:.2g} map units "
        f"({made.difference / made.span:.1e} of the span)"
    )


def _csv(map: Path, output: Path, _: bool, progress: Progress) -> str:
    from augmap.export.tables import to_csv
    from augmap.folder import write_file
    from augmap.imagemap import ImageMap

    m = ImageMap.load(map)
    write_file(output, to_csv(m))
    return f"{output}: {count(m.n, 'image')}"


def _parquet(map: Path, output: Path, _: bool, progress: Progress) -> str:
    from augmap import folder as disk
    from augmap.explorer import nearby
    from augmap.export.library import library
    from augmap.export.tables import to_parquet
    from augmap.imagemap import ImageMap

    library("pyarrow.parquet", "parquet")  # missing: said before anything takes its time
    m = ImageMap.load(map)
    near = nearby.read(map, disk.read_record(map), m.n)
    neighbors = None if near.features is None or near.distances is None else (near.features, near.distances)
    if neighbors is None and nearby.why_not(m) is None:
        neighbors = nearby.find_features(m, progress=progress.counter("neighbours"))
    data = to_parquet(m, neighbors, progress=progress.counter("thumbnails"))
    disk.write_file(output, data)
    flags = " --image image" * (m.thumbs is not None) + " --neighbors neighbors" * (neighbors is not None)
    axes = "--x x --y y" if m.dim in (2, 3) else "--x x1 --y x2" if m.dim > 3 else "--x x"
    return (
        f"{output}: {count(m.n, 'image')}, {in_bytes(len(data))}; open it with\n"
        f"{command('embedding-atlas', output)} {axes}{flags}"
    )


def _tensorboard(map: Path, output: Path, _: bool, progress: Progress) -> str:
    from augmap.export.tensorboard import projector_files
    from augmap.folder import make_folder, write_atomic
    from augmap.imagemap import ImageMap

    m = ImageMap.load(map)
    files = projector_files(m, progress=progress.counter("sprite"))
    make_folder(output)
    for name, data in files.items():
        write_atomic(output / name, data)
    total = in_bytes(sum(len(data) for data in files.values()))
    how = command("tensorboard", "--logdir", output)
    return f"{output}: {count(m.n, 'image')}, {total}; look at it with\n{how}"


def _gif(map: Path, output: Path, _: bool, progress: Progress) -> str:
    from augmap.folder import write_file
    from augmap.report.film import to_gif

    data = to_gif(map, progress=progress.counter("pictures", "picture"))
    write_file(output, data)
    return f"{output}: {in_bytes(len(data))}"


def _mp4(map: Path, output: Path, _: bool, progress: Progress) -> str:
    from augmap.folder import write_file
    from augmap.report.film import to_mp4

    data = to_mp4(map, progress=progress.counter("pictures", "picture"))
    write_file(output, data)
    return f"{output}: {in_bytes(len(data))}"


_WRITERS: dict[Format, Callable[[Path, Path, bool, Progress], str]] = {
    Format.html: _html,
    Format.onnx: _onnx,
    Format.csv: _csv,
    Format.parquet: _parquet,
    Format.tensorboard: _tensorboard,
    Format.gif: _gif,
    Format.mp4: _mp4,
}


def _encoder(map: Path, *, half: bool) -> Exported:
    from augmap.export.library import library
    from augmap.imagemap import ImageMap

    for name in ("onnx", "onnxscript", "onnxruntime"):  # missing: said before torch is imported
        library(name, "onnx")
    m = ImageMap.load(map)
    if m.weights is not None and m.weights.spec.get("backbone") == "custom":
        raise InputError(
            "this map was made with a network of your own, which only Python can hand in: "
            "augmap.export.onnx.to_onnx(m, backbone=module)"
        )
    from augmap.export.onnx import to_onnx

    return to_onnx(m, half=half)


def _views(map: Path) -> bytes | None:
    """What makes the views of a placed image; None where the augmentation was the user's own."""
    from augmap.embedder import augmentation_of
    from augmap.export.views import to_views
    from augmap.imagemap import ImageMap

    m = ImageMap.load(map)
    augmentation = augmentation_of(m)
    return None if augmentation is None else to_views(m, augmentation)


def _check(output: Path, to: Format) -> None:
    """Refuse a place that the export cannot go to before any work is done."""
    from augmap.folder import check_file, is_map

    if to is Format.tensorboard:
        if not output.absolute().parent.is_dir():
            raise InputError(
                f"{output}: its folder {output.parent} does not exist; create it or choose another"
            )
        if output.exists() and not output.is_dir():
            raise InputError(f"{output}: is a file; tensorboard reads a folder, choose another name")
        if is_map(output):
            raise InputError(f"{output}: is a map; choose another folder")
        return
    if output.suffix.lower() != f".{to.value}":
        raise InputError(f"{output}: the name must end in .{to.value}, got {output.suffix or 'no ending'!r}")
    check_file(output)
