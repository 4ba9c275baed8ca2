"""A map on disk: files that are written whole or not at all, and the record that vouches for them.

``map.json`` is written last and holds size and SHA-256 of every other file. A folder without it is not
a map yet; a file that differs from its entry is damaged. Nothing in the folder is ever executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augmap.errors import DamagedMapError, InputError

FORMAT_VERSION = 1
RECORD = "map.json"
CHECKPOINT = "checkpoint"
_INCOMING = ".incoming"


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to a temporary name beside ``path``, sync it and rename it into place.

    Raises
    ------
    InputError
        The disk is full, or the place may not be written; what was there before is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InputError(
            f"{path}: cannot be written ({error.strerror}, {len(data) / 1e6:.1f} MB); "
            "make room or choose another place with -o"
        ) from error


def make_folder(path: Path) -> Path:
    """Create a folder and its parents, or say why not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot create this folder ({error.strerror})") from error
    return path


def is_map(path: Path) -> bool:
    """Whether the folder holds a finished map."""
    return (Path(path) / RECORD).is_file()


def commit(folder: Path, files: Mapping[str, bytes], record: Mapping[str, Any]) -> None:
    """Make ``folder`` a map of exactly these files; ``map.json`` comes last.

    Everything is first written whole to a folder inside, so a full disk leaves an earlier map as it was.
    """
    folder = make_folder(Path(folder))
    incoming = folder / _INCOMING
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        for name, data in files.items():
            make_folder((incoming / name).parent)
            write_atomic(incoming / name, data)
        entries = {name: _entry(data) for name, data in files.items()}
        whole = json_bytes({"format_version": FORMAT_VERSION, **record, "files": entries})
        write_atomic(incoming / RECORD, whole)
        old = _listed(folder)
        (folder / RECORD).unlink(missing_ok=True)
        for name in old - files.keys():
            (folder / name).unlink(missing_ok=True)
        for name in files:
            make_folder((folder / name).parent)
            (incoming / name).replace(folder / name)
        (incoming / RECORD).replace(folder / RECORD)
        _sync(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot write the map ({error.strerror})") from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def update(folder: Path, files: Mapping[str, bytes], changes: Mapping[str, Any] | None = None) -> None:
    """Add or replace files of a finished map, and top-level entries of its record.

    Between the two writes of the record either content of a replaced file is valid, so the map can be
    read whenever this is interrupted.
    """
    folder = Path(folder)
    record = {**read_record(folder), **(changes or {})}
    entries = record["files"]
    both = dict(entries)
    for name, data in files.items():
        both[name] = {**_entry(data), "before": entries.get(name)}
    write_atomic(folder / RECORD, json_bytes({**record, "files": both}))
    for name, data in files.items():
        make_folder((folder / name).parent)
        write_atomic(folder / name, data)
    entries = {**entries, **{name: _entry(data) for name, data in files.items()}}
    write_atomic(folder / RECORD, json_bytes({**record, "files": entries}))


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
    if not is_map(folder):
        if (folder / CHECKPOINT).is_dir():
            raise InputError(f"{folder}: this map is not finished; go on with augmap fit ... --resume")
        raise InputError(f"{folder}: not a map, it has no {RECORD}")
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        version, files = record["format_version"], record["files"]
    except OSError as error:
        raise InputError(f"{folder / RECORD}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedMapError(f"{folder / RECORD}: damaged ({error}); copy the map again") from error
    if not isinstance(version, int) or not isinstance(files, dict):
        raise DamagedMapError(f"{folder / RECORD}: damaged; copy the map again")
    if version > FORMAT_VERSION:
        raise InputError(
            f"{folder}: written in format {version} by augmap {record.get('augmap', '?')}; "
            f"this program reads up to format {FORMAT_VERSION}: update augmap"
        )
    return record


def read_file(folder: Path, name: str, record: Mapping[str, Any]) -> bytes:
    """Read one file of the map and hold it against its entry in the record.

    Raises
    ------
    DamagedMapError
        The file is missing, cut short, or differs from what was written.
    """
    path, entry = Path(folder) / name, record["files"].get(name)
    if entry is None:
        raise InputError(f"{folder}: this map has no {name}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedMapError(f"{path}: cannot be read ({error.strerror}); copy the map again") from error
    found = _entry(data)
    for valid in (entry, entry.get("before") or {}):
        if found["sha256"] == valid.get("sha256"):
            return data
    if found["size"] != entry.get("size"):
        raise DamagedMapError(
            f"{path}: {entry.get('size')} bytes expected, {found['size']} found; "
            "the file is damaged: copy the map again"
        )
    raise DamagedMapError(f"{path}: changed since the map was written; copy the map again or refit it")


def remove_checkpoint(folder: Path) -> None:
    """Remove what an interrupted run left, where there is anything."""
    shutil.rmtree(Path(folder) / CHECKPOINT, ignore_errors=True)


def json_bytes(value: Any) -> bytes:
    """Return readable JSON; NaN and infinities are refused, since JSON has none."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8", "surrogatepass"
    )


def _entry(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _listed(folder: Path) -> set[str]:
    """Names that an earlier record lists, where one can be read; only those may be removed."""
    try:
        files = read_record(folder)["files"]
    except InputError:
        return set()
    root = folder.resolve()
    return {name for name in files if (folder / name).resolve().is_relative_to(root)}


def _sync(folder: Path) -> None:
    """Make the renames survive a power cut, where folders can be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
