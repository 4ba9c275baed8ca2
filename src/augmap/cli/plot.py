"""``augmap plot``: a figure of a map."""

from __future__ import annotations

import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from augmap.imagemap import ImageMap


class Kind(StrEnum):
    """What stands for an image."""

    scatter = "scatter"
    thumbnails = "thumbnails"
    density = "density"


def plot(
    map: Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Figure to write: .png, .pdf or .svg.", show_default=False
        ),
    ],
    kind: Annotated[
        Kind, typer.Option(help="One point an image, pictures at their places, or where images pile up.")
    ] = Kind.scatter,
    color_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Labels or scores that colour the images, or none.",
            show_default="label, if any",
        ),
    ] = None,
    names: Annotated[
        bool, typer.Option("--names/--no-names", help="Write labels into their clusters.")
    ] = True,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Line above the map.")] = None,
    size: Annotated[float, typer.Option(metavar="INCHES", help="Longer side of the map.")] = 8.0,
    dark: Annotated[bool, typer.Option("--dark", help="Light on dark.")] = False,
    dpi: Annotated[float, typer.Option(metavar="N", help="Dots per inch, 20 to 1200.")] = 200,
) -> None:
    """Draw a map: points coloured and named by label, thumbnails at their places, or the density of images.

    The line below the map says how many images there are, what colours them, and what is not seen.
    """
    from augmap.errors import InputError
    from augmap.plots.save import check_path, save_figure

    check_path(output)
    from augmap.imagemap import ImageMap
    from augmap.plots import figure

    m = ImageMap.load(map)
    columns = m.items.columns
    if color_by not in (None, "none", *columns):
        raise InputError(
            f"--color-by {color_by}: {map} has no such column; it has: {', '.join(columns) or 'none'}"
        )
    by = "label" if color_by is None else None if color_by == "none" and "none" not in columns else color_by
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        drawn = figure.plot(m, kind.value, color_by=by, names=names, title=title, size=size, dark=dark)
        save_figure(drawn, output, dpi=dpi, title=title or map.name, about=_about(m))
    lacking = [warning for warning in said if "missing from font" in str(warning.message)]
    for other in (warning for warning in said if warning not in lacking):
        warnings.showwarning(other.message, other.category, other.filename, other.lineno)
    if lacking:
        print(
            "augmap: some names have letters that no installed font has, drawn as boxes; "
            "a font such as Noto Sans CJK has them",
            file=sys.stderr,
        )
    print(f"{output}: {kind} of {m.n:,} images")


def _about(m: ImageMap) -> str:
    """What made the map, for the file's metadata."""
    known = {
        "method": m.info.get("method"),
        "data": m.info.get("fingerprint"),
        "seed": getattr(m.config, "seed", None),
    }
    return ", ".join([f"{m.n} images", *(f"{k} {v}" for k, v in known.items() if v is not None)])
