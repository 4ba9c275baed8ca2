"""``augmap augmentations``: what a map will be invariant to, as a picture."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from augmap.errors import InputError
from augmap.fields import a_seed


class Augment(StrEnum):
    """Sets of augmentations; a test holds these names to ``augmap.method.sets``."""

    natural = "natural"
    glyph = "glyph"
    symmetric = "symmetric"


def augmentations(
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES", help="Folder, glob, archive, array file or known name.", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="PNG to write.", show_default=False),
    ],
    augment: Annotated[
        Augment, typer.Option(help="Photographs; digits and letters; or pictures without up and left.")
    ] = Augment.natural,
    count: Annotated[int, typer.Option(min=1, max=200, help="Images, one a row.")] = 8,
    views: Annotated[int, typer.Option(min=1, max=50, help="Views of each.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of images and of the views.")] = 0,
    image_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Pixels of a side.", show_default="as fit chooses")
    ] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the pixel store.")] = None,
) -> None:
    """Draw a sheet of augmented views, each image at the left: what training will treat as the same thing.

    If a view has lost what matters to you, or all views look alike, choose another set.
    """
    if output.suffix.lower() != ".png":
        raise InputError(f"{output}: the sheet is written as PNG; choose a name that ends in .png")
    from augmap.folder import check_file, write_file

    check_file(output)
    a_seed(seed, "--seed")

    import io

    import numpy as np
    import torch
    from PIL import Image

    from augmap.cli.progress import Progress
    from augmap.images.mark import mark
    from augmap.images.open import open_images
    from augmap.method.sets import AUGMENTATIONS
    from augmap.method.sheet import views_sheet

    with Progress() as progress:
        opened = open_images(
            images,
            image_size=image_size,
            labels="none",
            cache=cache,
            progress=progress.counter("reading images"),
        )
    rows = np.random.default_rng(seed).permutation(len(opened))[:count]
    chosen = np.stack([opened.pixels[i] for i in sorted(rows)])
    generator = torch.Generator().manual_seed(seed)
    sheet = views_sheet(torch.from_numpy(chosen), AUGMENTATIONS[augment.value], generator, views=views)
    png = io.BytesIO()
    Image.fromarray(sheet).save(png, "PNG", pnginfo=mark())
    write_file(output, png.getvalue())
    print(f"{output}: {len(chosen)} of {len(opened):,} images, {views} views each ({augment.value})")
