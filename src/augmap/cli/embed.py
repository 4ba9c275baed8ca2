"""``augmap embed``: place new images on a map."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augmap.cli.words import STDOUT, count

if TYPE_CHECKING:
    from augmap.imagemap import ImageMap


def embed(
    map: Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map.", show_default=False)],
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES", help="Folder, glob, archive, array file or known name.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="CSV file to write; - for stdout.")
    ],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first unreadable file.")] = False,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="Skip images with more pixels.")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the pixel store.")] = None,
) -> None:
    """Place new images on an existing map: one forward pass, the same answer every time.

    Writes a table with the columns name, x, y (and z), one row an image, in the map's coordinates. Files that
    cannot be read are named on stderr.
    """
    from augmap.folder import check_file, write_file

    if str(output) not in STDOUT:
        check_file(output)

    from augmap.api import load
    from augmap.cli.progress import Progress
    from augmap.images.open import open_images

    m = load(map, device=device)
    if m.embedder is None:
        m.embed(images)  # raises, and says why this map takes no images, before any is decoded
    with Progress() as progress:
        opened = open_images(
            images,
            preprocessing=m.preprocessing,
            strict=strict,
            cache=cache,
            progress=progress.counter("reading images"),
            max_pixels=max_pixels,
        )
        for skipped in opened.skipped:  # all of them: no other file lists what has no row in the table
            progress.say(f"skipped {skipped}")
    placed = m.embed(opened)
    table = points_csv(placed)
    if str(output) in STDOUT:
        sys.stdout.buffer.write(table)
        return
    write_file(output, table)
    skipped = f", {count(len(opened.skipped), 'file')} skipped" if opened.skipped else ""
    print(f"{output}: {count(placed.n, 'image')} placed{skipped}")


def points_csv(placed: ImageMap) -> bytes:
    """Return name and position of each image as UTF-8 CSV; the numbers read back to the same float32."""
    axes = "xyz"[: placed.dim] if placed.dim <= 3 else [f"x{i + 1}" for i in range(placed.dim)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *axes])
    # str of a numpy float32 is the shortest text that reads back as the same number
    rows = zip(placed.names, placed.positions, strict=True)
    writer.writerows([name, *(str(x) for x in row)] for name, row in rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
