"""``augmap cache``: the pixel stores that earlier runs left."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from augmap.cli.words import count, size


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

    from augmap.images import cache as stores

    found = stores.list_stores(cache)
    if action is Action.clear:
        freed = stores.clear(cache)
        print(f"{count(len(found), 'pixel store')} removed, {size(freed)} freed")
        return
    for store in found:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(store.used))
        shape = f"{store.images:,} × {store.image_size} × {store.image_size} × {store.channels}"
        print(f"{size(store.bytes):>9}  {day}  {shape:>24}  {store.source}")
    total = sum(store.bytes for store in found)
    print(f"{size(total):>9}  in {stores.cache_directory(cache)}")
