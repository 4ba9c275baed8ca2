"""``augmap compare``: maps side by side, in one HTML file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from augmap.errors import InputError


class Pictured(StrEnum):
    """What stands for an image in the pictures."""

    scatter = "scatter"
    thumbnails = "thumbnails"


def compare(
    maps: Annotated[list[Path], typer.Argument(metavar="MAP MAP...", help="Folders of maps.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Report to write: .html.", show_default=False),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the same numbers for programs.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="What to measure.", show_default="all that a map allows"),
    ] = None,
    k: Annotated[int, typer.Option("--k", metavar="N", help="Neighbours, at least 1.")] = 15,
    color_by: Annotated[
        str, typer.Option(metavar="COLUMN", help="Label column that colours the pictures.")
    ] = "label",
    kind: Annotated[Pictured, typer.Option(help="One point an image, or pictures at their places.")] = (
        Pictured.scatter
    ),
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Headline of the report.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of random splits and samples.")] = 0,
) -> None:
    """Hold maps side by side: pictures turned onto the first, scores with the best marked, methods, settings.

    Numbers that augmap evaluate left in a map are used where they were measured in the same way.
    """
    _check(output, ".html")
    if json_file is not None:
        _check(json_file, ".json")

    from datetime import date

    from augmap.cli.progress import Progress
    from augmap.folder import json_bytes, write_file
    from augmap.report.compare import compare as compared
    from augmap.report.page import page

    made = date.today().isoformat()
    with Progress() as progress:
        found = compared(
            maps,
            metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
            k=k,
            seed=seed,
            kind=kind.value,
            color_by=color_by,
            progress=lambda title, done, total, note: progress.update(
                title, round(done, 1), total, unit="step", note=note
            ),
        )
    html = page(found, title=title, made=made).encode("utf-8")
    if json_file is not None:
        write_file(json_file, json_bytes({**found.to_dict(), "made": made}))
    write_file(output, html)
    for warning in found.warnings:
        progress.say(f"note: {warning}")
    print(f"{output}: {len(maps)} maps, {len(found.columns)} scores, {len(html) / 1e6:.1f} MB")


def _check(path: Path, ending: str) -> None:
    """Refuse a place that the report cannot go to before any work is done."""
    from augmap.folder import check_file

    if path.suffix.lower() != ending:
        raise InputError(f"{path}: the name must end in {ending}, got {path.suffix or 'no ending'!r}")
    check_file(path)
