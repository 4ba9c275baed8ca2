"""``augmap cache``: the pixel stores that earlier runs left."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Action(StrEnum):
    """What to do with the stores."""

    list = "list"
    clear = "clear"


def cache(
    action: Annotated[Action, typer.Argument(help="List them, or remove them all.")] = Action.list,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Their folder, if it is not the usual one.")
    ] = None,
) -> None:
    """List the pixel stores (decoded images, kept so that the next run starts at once), or remove them."""
