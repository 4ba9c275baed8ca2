"""The review on disk: a folder for a person, and the same in the map for the explorer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import augmap
from augmap import folder as disk
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.review.find import Found
from augmap.review.pictures import Pictures
from augmap.review.sheets import Sheets, draw_sheets
from augmap.review.summary import summary
from augmap.review.table import earlier_decisions, review_csv

TABLE = "review.csv"
RECORD = "review.json"
SUMMARY = "summary.md"
Progress = Callable[[int, int], None]


def check_output(folder: Path, *, overwrite: bool) -> None:
    """See that a review can be written there.

    Raises
    ------
    InputError
        Something is there and ``overwrite`` is False, or it is not a review.
    """
    folder = Path(folder)
    if folder.suffix.lower() == ".csv":
        raise InputError(
            f"{folder}: a review is a folder, and {TABLE} lies in it; give a folder, as -o review/"
        )
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; a review is a folder, choose another name")
    if disk.is_map(folder):
        raise InputError(f"{folder}: is a map; a review is a folder of its own, choose another name with -o")
    there = {p.name for p in folder.iterdir()}
    if not there:
        return
    if not there & {TABLE, RECORD}:
        raise InputError(f"{folder}: exists and is not a review; choose another name with -o")
    if not overwrite:
        raise InputError(
            f"{folder}: there is a review already; choose another name, or pass --overwrite "
            "(what was decided in its review.csv is carried over)"
        )


def write_review(
    folder: Path,
    m: ImageMap,
    found: Found,
    pictures: Pictures | None = None,
    *,
    map_folder: Path | None = None,
    seen: str = "no pictures",
    root: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Sheets]:
    """Write ``review.csv``, contact sheets, ``summary.md`` and ``review.json``, each whole or not at all.

    What a person decided in an earlier ``review.csv``, in this folder or in the map, is carried over.

    Parameters
    ----------
    map_folder : path, optional
        The map's folder: its ``items.csv`` gets the scores, and ``review.csv`` and ``regions.json`` are put
        there too.
    seen : str
        Which pictures were looked at.
    root : str, optional
        Folder of the originals, for ``apply``.

    Raises
    ------
    InputError
        The disk is full, or an earlier ``review.csv`` cannot be understood.
    """
    folder = Path(folder)
    places = [folder / TABLE, *([map_folder / TABLE] if map_folder else [])]
    table = review_csv(m, found.queues, earlier_decisions(*places))
    disk.make_folder(folder)
    sheets: dict[str, Sheets] = {}
    if pictures is not None:
        for done, queue in enumerate(found.queues, start=1):
            sheets[queue.name] = draw_sheets(m, queue, pictures.read)
            for name, data in sheets[queue.name].files.items():
                disk.write_atomic(folder / name, data)
            if progress:
                progress(done, len(found.queues))
    known = {name for drawn in sheets.values() for name in drawn.files}
    for old in folder.glob("*.png"):  # pages of an earlier, longer review
        if old.name not in known and old.name.split(".")[0].split("-")[0] in _names(found):
            with contextlib.suppress(OSError):
                old.unlink()
    title = map_folder.name if map_folder else "this map"
    disk.write_atomic(
        folder / SUMMARY, summary(m, found, sheets, title=title, seen=seen).encode("utf-8", "replace")
    )
    record = {
        "augmap": augmap.__version__,
        "map": str(map_folder.resolve()) if map_folder else None,
        "source": m.info.get("source"),
        "fingerprint": m.info.get("fingerprint"),
        "root": root,
        "n": m.n,
        "queues": {q.name: {"entries": len(q.entries), "beyond": q.beyond} for q in found.queues},
        "absent": found.absent,
        **found.facts,
    }
    disk.write_atomic(folder / RECORD, disk.json_bytes(record))
    disk.write_atomic(folder / TABLE, table)
    if map_folder:
        items = m.items.with_scores(**found.scores)
        files = {
            "items.csv": items.to_csv(),
            TABLE: table,
            "regions.json": disk.json_bytes(found.regions, indent=None),
        }
        disk.update(map_folder, files, {"scores": list(items.scores)})
    return sheets


def _names(found: Found) -> set[str]:
    return {q.name for q in found.queues} | set(found.absent)
