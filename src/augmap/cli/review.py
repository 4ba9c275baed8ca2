"""``augmap review``: what on a map is worth looking at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from augmap.cli.words import count


def review(
    map: Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.", show_default=False)
    ],
    images: Annotated[
        str | None,
        typer.Option(metavar="IMAGES", help="Where the images are now.", show_default="as the map says"),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images in each queue that has no groups, and islands.")
    ] = 100,
    views: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Augmented views an image to find uncertain ones, or 0."),
    ] = 8,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the augmented views.")] = 0,
    device: Annotated[str, typer.Option(help="Where the encoder computes: auto, cpu, cuda or mps.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a review; what was decided in it is carried over.")
    ] = False,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="Skip images with more pixels.")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the pixel store.")] = None,
) -> None:
    """Find duplicates, outliers, label disagreements, uncertain images, islands and clusters.

    Writes review.csv, contact sheets and summary.md into a folder, and the scores of all images into the
    map's items.csv. Decide in review.csv, then run augmap apply.
    """
    from augmap.errors import InputError
    from augmap.imagemap import ImageMap
    from augmap.review.write import SUMMARY, TABLE, check_output, write_review

    if views in (1, 2):
        raise InputError(f"--views must be 0, or at least 3 to have a spread, got {views}")
    check_output(output, overwrite=overwrite)
    m = ImageMap.load(map)
    from augmap.cli.progress import Progress
    from augmap.review.find import find
    from augmap.review.pictures import open_pictures
    from augmap.review.uncertainty import cannot_spread, spread_of

    with Progress() as progress:
        pictures, seen = open_pictures(
            m,
            images,
            cache=cache,
            progress=progress.counter("reading images"),
            max_pixels=max_pixels,
        )
        spread: Any = "not asked for (--views 0)"
        if views:
            spread = cannot_spread(m)
        if not spread:
            from augmap.method.launch import pick_device

            spread = spread_of(m, views=views, seed=seed, device=pick_device(device))
        found = find(m, pictures, spread=spread, top=top, progress=progress.work)
        sheets = write_review(
            output,
            m,
            found,
            pictures,
            map_folder=map,
            seen=seen,
            root=None if pictures is None else pictures.root,
            progress=progress.counter("contact sheets", unit="sheet"),
        )
    print(f"looked at {seen}")
    for queue in found.queues:
        print(f"{queue.name}: {queue.found}")
    for name, why in found.absent.items():
        print(f"{name}: not looked for; {why}")
    pages = sum(len(drawn.files) for drawn in sheets.values())
    rows = sum(len(queue.entries) for queue in found.queues)
    print(f"{output}: {TABLE} with {count(rows, 'row')}, {count(pages, 'contact sheet')}, {SUMMARY}")
