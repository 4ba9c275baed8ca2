"""The record of a map, ``map.json``: what it has to say, and how it is told from other files of that name."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from augmap.errors import DamagedMapError, InputError

FORMAT_VERSION = 1
RECORD = "map.json"
CHECKPOINT = "checkpoint"
INCOMING = ".incoming"
ALWAYS = ("positions.npy", "items.csv")
"""Files that every map has."""


def is_record(path: Path) -> bool:
    """Whether a file is the record of a map; one that is damaged is known by the files that lie beside it.

    ``map.json`` is also what games and web pages call theirs.
    """
    if not is_file(path):
        return False
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and "format_version" in found and "files" in found:
        return True
    return all(is_file(path.parent / name) for name in ALWAYS)


def is_file(path: Path) -> bool:
    """Whether a file is there, as far as one may look."""
    try:
        return path.is_file()
    except OSError:  # no permission to look
        return False


def parse(data: bytes, path: Path) -> dict[str, Any]:
    """Read a record, and see that what everybody relies on has the right types."""
    try:
        record = json.loads(data, parse_constant=_no_constant)
        version, files = record["format_version"], record["files"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"no entry {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise DamagedMapError(f"{path}: damaged ({reason}); copy the map again") from error
    if type(version) is int and version > FORMAT_VERSION:
        raise InputError(
            f"{path.parent}: written in format {version} by augmap {record.get('augmap', '?')}; "
            f"this program reads up to format {FORMAT_VERSION}: update augmap"
        )
    strange = None
    if type(version) is not int or version < 1:
        strange = f"format_version is {version!r}"
    elif not isinstance(files, dict):
        strange = f"files is {files!r}"
    elif any(type(record.get(key, 0)) is not int for key in ("n", "dim")):
        strange = f"n is {record.get('n')!r}, dim {record.get('dim')!r}"
    else:
        for name, entry in files.items():
            if not is_name(name):
                strange = f"it names {name!r}, which is no file of a map"
            elif not _is_entry(entry) or not _is_entry(entry.get("before") or entry):
                strange = f"the entry of {name!r} is {entry!r}"
    if strange:
        raise DamagedMapError(f"{path}: damaged ({strange[:200]}); copy the map again")
    return record


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def is_name(name: str) -> bool:
    """Whether a name in a record stays inside the folder, on any system."""
    parts = PurePosixPath(name).parts
    inside = bool(parts) and ".." not in parts and not name.startswith("/")
    windows = "\\" in name or PureWindowsPath(name).drive or "\0" in name
    return inside and not windows and parts[0] not in (RECORD, CHECKPOINT, INCOMING)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry.get("size")) is int and isinstance(entry.get("sha256"), str)
