"""Acting on a reviewed list: which files are meant, and moving them. Nothing is deleted or overwritten."""

from __future__ import annotations

import csv
import filecmp
import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from augmap import folder as disk
from augmap.errors import InputError
from augmap.images.labels import read_excluded, read_rows
from augmap.images.names import escape, unescape
from augmap.items import read_table

LOG = "moved.csv"
"""In the folder that files are moved to: name, from, to."""
IMAGES = "the images"
"""What a list on its own is about."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a reviewed list asks for.

    Parameters
    ----------
    names : list of str
        Images that are to go, as the map names them, each once.
    root : path or None
        Folder that the names are relative to; None for an archive, an array, a data set.
    source : str
        What the images are, for messages.
    notes : list of str
        What the reader should know, a sentence each.
    """

    names: list[str]
    root: Path | None
    source: str
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What was done: names of files that were moved now, lie there already, or are nowhere."""

    now: list[str]
    before: list[str]
    missing: list[str]


def plan(table: str | os.PathLike[str], *, images: str | os.PathLike[str] | None = None) -> Plan:
    """Read a reviewed list: rows whose ``decision`` is ``drop``.

    Where the images are stands in ``review.json`` beside the list, or in ``map.json`` where the list lies in
    the map itself; ``images`` says it otherwise. Names must be images of the map, as far as it is found.

    Raises
    ------
    InputError
        The list cannot be read or has no ``decision`` column, or a name is not an image of the map or leads
        out of the folder.
    """
    table = Path(table)
    dropped = list(dict.fromkeys(read_excluded(table)))
    _has_decisions(table)
    source, root, known = _origin(table)
    notes = []
    if known is None:
        notes.append("the map is not where it was: names are not held against its items.csv")
    else:
        typed = {name: name if name in known else escape(name) for name in dropped}
        if strange := [name for name, meant in typed.items() if meant not in known]:
            raise InputError(
                f"{table}: {len(strange)} of {len(dropped)} names to drop are not images of the map, first "
                f"{strange[0]!r}; nothing was done"
            )
        dropped = list(dict.fromkeys(typed.values()))
    if images is not None:
        source = os.fspath(images)
        root = Path(source) if Path(source).is_dir() else None
        if not os.path.lexists(source):
            raise InputError(f"{source}: no such folder; give the folder that the map was made from")
    if root is not None:
        for name in dropped:
            path_of(name)  # raises
    return Plan(names=dropped, root=root, source=source or IMAGES, notes=notes)


def path_of(name: str) -> Path:
    """Return the relative path that a name stands for.

    Raises
    ------
    InputError
        It would lead out of the folder it is relative to.
    """
    try:
        text = os.fsdecode(unescape(name))
    except UnicodeEncodeError:  # bytes that were no UTF-8 in the list itself
        text = name
    parts = text.split("/")
    outside = not text or "\0" in text or any(p in ("", ".", "..") for p in parts)
    if os.name == "nt":
        outside = outside or "\\" in text or bool(PureWindowsPath(text).drive)
    if outside:
        raise InputError(f"the name {name!r} leads out of the images' folder; nothing was done")
    return Path(*parts)


def files(planned: Plan) -> list[Path]:
    """Return the files that are meant, in the order of the list."""
    assert planned.root is not None
    return [planned.root / path_of(name) for name in planned.names]


def check(planned: Plan, target: Path) -> list[tuple[str, Path, Path]]:
    """Return (name, from, to) of each file to be moved; look at all of them before any is touched.

    Raises
    ------
    InputError
        The images are no files in a folder, or none of them is there, the target lies in that folder, a path
        leads out of it through a link, or something else is in the way.
    """
    if planned.root is None and planned.source == IMAGES:
        raise InputError("the list does not say where its images are; say it with --images DIR")
    if planned.root is None:
        raise InputError(
            f"{planned.source}: not a folder of files, so nothing can be moved; --list prints the names, and "
            "augmap fit ... --exclude leaves them out"
        )
    if not planned.root.is_dir():
        raise InputError(f"{planned.root}: this folder is not there; say with --images where it is now")
    root, target = planned.root.resolve(), Path(target)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: is a file; give a folder to move to")
    if target.resolve().is_relative_to(root):
        raise InputError(
            f"{target}: lies in the images' folder {root}, where the next fit would find its files again; "
            "choose a folder outside"
        )
    steps, logged = [], _logged(target / LOG)
    for name in planned.names:
        relative = path_of(name)
        source, goal = planned.root / relative, target / relative
        if source.is_symlink():
            raise InputError(f"{source}: is a link; move it by hand, or keep it. Nothing was done")
        for place, inside, what in ((source, root, "images'"), (goal, target.resolve(), "target")):
            if not place.parent.resolve().is_relative_to(inside):
                raise InputError(f"{place}: a link leads out of the {what} folder; nothing was done")
        if source.exists() and not source.is_file():
            raise InputError(f"{source}: is not a file; nothing was done")
        if os.path.lexists(goal) and source.exists() and not _half_moved(name, source, goal, logged):
            raise _in_the_way(goal)
        steps.append((name, source, goal))
    if steps and not any(os.path.lexists(source) or os.path.lexists(goal) for _, source, goal in steps):
        raise InputError(
            f"{planned.root}: none of the {len(steps)} files to move is there, first {steps[0][0]!r}; "
            "say with --images where they are now"
        )
    return steps


def move(steps: Sequence[tuple[str, Path, Path]], target: Path, *, progress: Progress | None = None) -> Moved:
    """Move files, keeping their relative paths, and write each into ``moved.csv`` in the target folder.

    Interrupted anywhere, the same call goes on: a file is first put at its new place and then taken from
    the old one, so at no moment is it nowhere. A file that lies at its new place already is left alone.

    Raises
    ------
    InputError
        The disk is full, something may not be written, or a file is in the way that was not there before:
        another one of the list, where a disk does not tell ``a.JPG`` from ``A.jpg``.
    """
    now, before, missing = [], [], []
    target = disk.make_folder(Path(target))
    logged = _logged(target / LOG)
    for done, (name, source, goal) in enumerate(steps, start=1):
        there, arrived = os.path.lexists(source), os.path.lexists(goal)
        if there:
            if arrived and not _half_moved(name, source, goal, logged):
                raise _in_the_way(goal)
            disk.make_folder(goal.parent)
            if (name, str(source.absolute())) not in logged:
                _log(target / LOG, name, source, goal)
            try:
                if not arrived:
                    _place(source, goal)
                source.unlink()
            except OSError as error:
                raise InputError(
                    f"{source}: cannot be moved to {goal} ({error.strerror}); {len(now)} files were moved, "
                    "run the same command again to go on"
                ) from error
            now.append(name)
        else:
            (before if arrived else missing).append(name)
        if progress:
            progress(done, len(steps))
    return Moved(now=now, before=before, missing=missing)


def _origin(table: Path) -> tuple[str | None, Path | None, set[str] | None]:
    """What the images are, the folder they lie in, and the names on the map, as far as these are known."""
    place = table.absolute().parent
    try:
        if disk.is_map(place):
            return _from_map(place)
        record = _json(place / "review.json")
    except FileNotFoundError:
        return None, None, None
    source, root, where = (_text(record, key) for key in ("source", "root", "map"))
    known = _from_map(Path(where))[2] if where and disk.is_map(Path(where)) else None
    return source, Path(root) if root else None, known


def _from_map(place: Path) -> tuple[str | None, Path | None, set[str]]:
    record = disk.read_record(place)
    rows = read_table(disk.read_file(place, "items.csv", record), where=str(place / "items.csv"))
    info = record.get("info") if isinstance(record.get("info"), dict) else {}
    source, root = _text(info, "source"), _text(info, "root")
    if root is None and source and os.path.isabs(source) and os.path.isdir(source):
        root = source  # a relative one may be another folder here than where the map was made
    return source, Path(root) if root else None, {row[0] for row in rows[1:] if row}


def _text(record: Mapping[str, Any], key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) else None


def _json(path: Path) -> dict:
    import json

    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); say with --images where the images are") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: damaged; remove it and say with --images where the images are")
    return record


def _has_decisions(table: Path) -> None:
    header, _ = read_rows(table.read_bytes(), str(table))
    if "decision" not in header:
        raise InputError(
            f"{table}: has no column 'decision'; only rows in which someone decided to drop are acted on"
        )


def _half_moved(name: str, source: Path, goal: Path, logged: set[tuple[str, str]]) -> bool:
    """Whether a file lies at both places because its move was interrupted."""
    if goal.is_symlink() or not goal.is_file():
        return False
    if os.path.samefile(source, goal):
        return source.stat().st_nlink > 1
    return (name, str(source.absolute())) in logged and filecmp.cmp(source, goal, shallow=False)


def _in_the_way(goal: Path) -> InputError:
    return InputError(f"{goal}: exists already and is another file; choose another folder")


def _place(source: Path, goal: Path) -> None:
    """Put a file at its new place beside the old one; fails where something is there."""
    try:
        os.link(source, goal, follow_symlinks=False)
        return
    except FileExistsError:
        raise
    except OSError:  # another disk, or one without links: copy
        pass_on = goal.with_name(f".{goal.name}.part")
    try:
        shutil.copy2(source, pass_on)
        with pass_on.open("rb+") as file:
            os.fsync(file.fileno())
        if os.path.lexists(goal):
            raise FileExistsError(17, "exists already", str(goal))
        pass_on.rename(goal)
    finally:
        pass_on.unlink(missing_ok=True)


def _logged(path: Path) -> set[tuple[str, str]]:
    """Return the names that moved, or were about to, each with where it came from."""
    try:
        rows = read_table(path.read_bytes(), where=str(path))
    except FileNotFoundError:
        return set()
    return {(row[0], row[1]) for row in rows[1:] if len(row) > 1}


def _log(path: Path, name: str, source: Path, goal: Path) -> None:
    """Write the line before the file moves: what is logged and still at its old place was not moved."""
    new = not path.exists()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if new:
        writer.writerow(["name", "from", "to"])
    writer.writerow([name, str(source.absolute()), str(goal.absolute())])
    try:
        with path.open("ab") as file:
            file.write(text.getvalue().encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); nothing more was moved") from error
