"""A map on disk: files that are written whole or not at all, and the record that vouches for them.

``map.json`` holds size and SHA-256 of every other file; a file that differs from its entry is damaged, and
nothing in the folder is ever executed. A new map is first written whole to ``.incoming/`` inside the folder,
its ``map.json`` last. From that moment on it *is* the map: readers look there first, and moving its files up
is housekeeping that whoever writes next finishes. So at no moment is there neither the old nor the new map.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from augmap.errors import NO_ROOM, AugmapError, DamagedMapError, InputError, cannot
from augmap.lock import alone
from augmap.record import FORMAT_VERSION, INCOMING, RECORD, is_file, is_name, is_record, parse
from augmap.unfinished import is_begun


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to a temporary name beside ``path``, sync it and rename it into place.

    Raises
    ------
    NoRoomError
        The disk is full.
    InputError
        The place may not be written; what was there before is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:  # Ctrl-C too leaves nothing half-written behind
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise _not_written(path, error, data) from error


def check_file(path: Path) -> None:
    """See that a file which the user names can be written, before any work is done.

    Raises
    ------
    InputError
        It is a folder, its folder does not exist, or it is one of a map's files, also behind a link.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; choose another name")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: its folder {path.parent} does not exist; create it or choose another")
    meant = Path(os.path.realpath(path))
    for folder in meant.parents:
        if is_map(folder):
            name = meant.relative_to(folder).as_posix()
            if name == RECORD or name in read_record(folder)["files"]:
                raise InputError(f"{path}: belongs to the map {folder}; choose another name")


def write_file(path: Path, data: bytes) -> None:
    """Write a file that the user names: behind a link, or straight into a pipe or a device.

    (The files of a map are left to :func:`write_atomic`, which puts a file where a link was: so no link that
    came with a map leads what is written to somewhere else.) Raises as that does.
    """
    if path.exists() and not path.is_file():
        try:
            with path.open("wb") as pipe:
                pipe.write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _not_written(path, error, data) from error
    else:
        write_atomic(Path(os.path.realpath(path)), data)


def make_folder(path: Path) -> Path:
    """Create a folder and its parents, or say why not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot(
            error, f"{path}: cannot create this folder ({error.strerror}); choose another place"
        ) from error
    return path


def check_writable(folder: Path) -> None:
    """Make a file in the folder, which does not stay; raise what :func:`write_atomic` raises."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _not_written(folder, error) from error


def is_map(path: Path) -> bool:
    """Whether the folder holds a finished map."""
    return any(is_record(Path(path) / name) for name in (RECORD, f"{INCOMING}/{RECORD}"))


def is_foreign(path: Path) -> bool:
    """Whether there is something that is neither a map nor the beginnings of one."""
    path = Path(path)
    if is_map(path) or not path.exists():
        return False
    if not path.is_dir():
        return True
    there = [p.name for p in path.iterdir() if not p.name.startswith(".")]
    return bool(there) and not is_begun(path)


def commit(
    folder: Path,
    files: Mapping[str, bytes],
    record: Mapping[str, Any],
    *,
    keep: Callable[[], Mapping[str, bytes]] = dict,
) -> None:
    """Make ``folder`` a map of exactly these files.

    A full disk, or an end at any moment, leaves an earlier map as it was or the new one complete.

    Parameters
    ----------
    keep : callable
        Returns what else the map is to hold, from the earlier one; called when no other writer is at work.

    Raises
    ------
    NoRoomError
        The disk is full.
    InputError
        The place may not be written.
    """
    folder = make_folder(Path(folder))
    with alone(folder):
        _finish(folder)
        files = {**keep(), **files}
        entries = {name: _entry(data) for name, data in files.items()}
        whole = json_bytes({**record, "format_version": FORMAT_VERSION, "files": entries})
        _commit(folder, files, whole)


def _commit(folder: Path, files: Mapping[str, bytes], whole: bytes) -> None:
    incoming = folder / INCOMING
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        for name, data in files.items():
            make_folder((incoming / name).parent)
            write_atomic(incoming / name, data)
        for place in {(incoming / name).parent for name in files}:
            _sync(place)
        write_atomic(incoming / RECORD, whole)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    _finish(folder)


def update(folder: Path, files: Mapping[str, bytes], changes: Mapping[str, Any] | None = None) -> None:
    """Add or replace files of a finished map, and top-level entries of its record.

    New files are written before the record names them. Where files are replaced, the record first admits
    both contents, so the map can be read whenever this is interrupted. Of several writers, in this process or
    others, each waits for the one before it.
    """
    folder = Path(folder)
    read_record(folder)  # what is no map gets no lock either
    with alone(folder):
        _update(folder, files, changes or {})


def _update(folder: Path, files: Mapping[str, bytes], changes: Mapping[str, Any]) -> None:
    record = {**read_record(folder), **changes}
    _finish(folder)
    entries = record["files"]
    fresh = {name: _entry(data) for name, data in files.items()}
    replaced = [name for name in files if name in entries]

    def write(names: list[str]) -> None:
        for name in names:
            make_folder(_inside(folder, name).parent)
            write_atomic(folder / name, files[name])

    write([name for name in files if name not in entries])
    if replaced:
        both = {name: {**fresh[name], "before": _bare(entries[name])} for name in replaced}
        write_atomic(folder / RECORD, json_bytes({**record, "files": {**entries, **both}}))
        write(replaced)
    write_atomic(folder / RECORD, json_bytes({**record, "files": {**entries, **fresh}}))
    _sync(folder)


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``map.json``.

    Raises
    ------
    InputError
        There is no such folder, it is no map, or a newer augmap wrote it.
    DamagedMapError
        ``map.json`` cannot be understood.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such map; give the folder that augmap fit wrote")
    for path in (folder / INCOMING / RECORD, folder / RECORD):
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        return parse(data, path)
    if is_begun(folder):
        raise InputError(f"{folder}: this map is not finished; go on with augmap fit ... --resume")
    raise InputError(f"{folder}: not a map, it has no {RECORD}; give the folder that augmap fit wrote")


def read_file(folder: Path, name: str, record: Mapping[str, Any]) -> bytes:
    """Read one file of the map and hold it against its entry in the record.

    Raises
    ------
    DamagedMapError
        The file is missing, cut short, or differs from what was written.
    """
    folder, entry = Path(folder), record["files"].get(name)
    if entry is None:
        raise DamagedMapError(f"{folder}: this map has no {name}; copy the map again")
    valid = {entry["sha256"], (entry.get("before") or entry)["sha256"]}
    path, problem = folder / name, ""
    for place in (path, folder / INCOMING / name):
        try:
            data = place.read_bytes()
        except OSError as error:
            problem = problem or f"cannot be read ({error.strerror}); copy the map again"
            continue
        found = _entry(data)
        if found["sha256"] in valid:
            return data
        if found["size"] != entry["size"]:
            problem = problem or (
                f"{entry['size']} bytes expected, {found['size']} found; "
                "the file is damaged: copy the map again"
            )
        problem = problem or "changed since the map was written; copy the map again or refit it"
    raise DamagedMapError(f"{path}: {problem}")


def json_bytes(value: Any, *, indent: int | None = 1) -> bytes:
    """Return readable JSON. It has no NaN and no infinity: they become null; numpy's numbers are numbers."""
    value = _plain(value)
    try:
        return (json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except UnicodeEncodeError:  # a path with bytes that are no UTF-8
        return (json.dumps(value, indent=indent, allow_nan=False) + "\n").encode()


def _finish(folder: Path) -> None:
    """Move a map that lies complete in ``.incoming`` up to its place; nothing to do where there is none."""
    incoming = folder / INCOMING
    if not is_file(incoming / RECORD):
        return
    new = parse((incoming / RECORD).read_bytes(), incoming / RECORD)["files"]
    try:
        old = parse((folder / RECORD).read_bytes(), folder / RECORD)["files"]
    except (OSError, InputError):  # there is none, or it is damaged: then its files stay
        old = {}
    try:
        for name in new:
            if is_file(incoming / name):
                make_folder(_inside(folder, name).parent)
                (incoming / name).replace(folder / name)
        (incoming / RECORD).replace(folder / RECORD)
        _sync(folder)
        for name in old.keys() - new.keys():
            if is_file(folder / name):
                _inside(folder, name).unlink()
    except OSError as error:
        raise cannot(
            error,
            f"{folder}: the map lies complete in {INCOMING}/, but cannot be moved up ({error.strerror})",
        ) from error
    shutil.rmtree(incoming, ignore_errors=True)


def _not_written(path: Path, error: OSError, data: bytes | None = None) -> AugmapError:
    size = "" if data is None else f", {len(data) / 1e6:.1f} MB"
    how = "make room or choose" if error.errno in NO_ROOM else "choose"
    return cannot(error, f"{path}: cannot be written ({error.strerror}{size}); {how} another place with -o")


def _bare(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("size", "sha256")}


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file to be written or removed; a folder that is a link may lead elsewhere."""
    path = folder / name
    if not is_name(name) or not path.parent.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: lies outside the map's folder; remove the link")
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def digest(data: bytes | None) -> str | None:
    """Return the SHA-256 of a file as a record holds it; None of no file."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def _entry(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": digest(data)}


def _sync(folder: Path) -> None:
    """Make the renames survive a power cut, where folders can be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
