"""``augmap apply``: act on a reviewed list."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from augmap.cli.words import count, size


def apply(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="REVIEW.CSV", help="List with the columns name and decision.", show_default=False
        ),
    ],
    move_to: Annotated[
        Path | None,
        typer.Option("--move-to", metavar="DIR", help="Move the files there.", show_default=False),
    ] = None,
    as_list: Annotated[bool, typer.Option("--list", help="Print the files, one a line.")] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="With --list: end each with NUL instead, for xargs -0.")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the images are now.", show_default="as the review says"),
    ] = None,
) -> None:
    """Act on the rows whose decision is drop: list their files, or move them. Nothing is ever deleted.

    Files keep their paths below DIR, nothing there is overwritten, and DIR/moved.csv says what came from
    where. Of archives, arrays and data sets the names are listed.
    """
    from augmap.errors import InputError
    from augmap.review.apply import LOG, check, files, move, plan

    if as_list == (move_to is not None):
        raise InputError("give either --list or --move-to DIR")
    if null and not as_list:
        raise InputError("--null goes with --list")
    planned = plan(table, images=images)
    for note in planned.notes:
        print(f"note: {note}", file=sys.stderr)
    if as_list:
        texts = planned.names if planned.root is None else [str(path) for path in files(planned)]
        end = b"\0" if null else b"\n"
        sys.stdout.flush()
        sys.stdout.buffer.write(b"".join(os.fsencode(text) + end for text in texts))
        sys.stdout.buffer.flush()
        return
    assert move_to is not None
    if not planned.names:
        print(f"{table}: no row has the decision drop; nothing to do")
        return
    steps = check(planned, move_to)
    waiting = [source for _, source, _ in steps if source.exists()]
    if waiting:
        bytes_ = sum(source.stat().st_size for source in waiting)
        print(f"moving {count(len(waiting), 'file')} ({size(bytes_)}) from {planned.root} to {move_to}")
    from augmap.cli.progress import Progress

    with Progress() as progress:
        done = move(steps, move_to, progress=progress.counter("moving", unit="file"))
    if done.now:
        print(f"{move_to}: {count(len(done.now), 'file')} moved; {LOG} says what came from where")
    elif not done.missing:
        print("nothing to move: everything that was decided has been done")
    if done.before:
        print(f"{count(len(done.before), 'file')} had been moved before")
    if done.missing:
        print(
            f"{count(len(done.missing), 'file')} found neither in {planned.root} nor in {move_to}, first "
            f"{done.missing[0]!r}",
            file=sys.stderr,
        )
