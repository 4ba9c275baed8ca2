"""What outlives a map that is written over: a person's decisions, and measures where nothing moved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augmap import folder as disk
from augmap.errors import InputError
from augmap.items import read_table

REVIEW = "review.csv"
_MEASURED_OF = ("positions.npy", "features.npy", "items.csv", "encoder.safetensors")
_MEASURED = ("metrics.json", "regions.json", "neighbors.npz", "replay.npz")


def carried_over(path: Path, files: Mapping[str, bytes], record: Mapping[str, Any]) -> dict[str, bytes]:
    """Return what of the map in ``path`` belongs to the one that is about to replace it.

    ``review.csv`` goes along where the new map shows the same images: equal names in equal order, equal
    fingerprint. Otherwise a copy of it, where somebody decided something in it, is put beside as
    ``review-1.csv``, ``review-2.csv``, ..., which is no part of the map. What was measured goes along where
    positions, features, table and encoder are the same to the last bit.

    A ``review.csv`` that the old record does not name is a person's file, and stays without help.

    Parameters
    ----------
    files, record : mapping
        The new map's.

    Raises
    ------
    InputError
        The old decisions cannot be read, or not be put beside.
    """
    try:
        old = disk.read_record(path)
    except InputError:  # there is none, or it is damaged
        old = {"files": {}}
    found: dict[str, bytes] = {}
    if all(_entry(old["files"], name) == disk.digest(files.get(name)) for name in _MEASURED_OF):
        for name in _MEASURED:
            if name in old["files"]:
                try:
                    found[name] = disk.read_file(path, name, old)
                except InputError:  # damaged: it can be measured again
                    continue
    if REVIEW in old["files"] and (review := _review(path)):
        if _shown(path, old) == (_names(files["items.csv"]), _fingerprint(record)):
            found[REVIEW] = review
        elif _has_decisions(review):
            _put_beside(path, review)
    return found


def _entry(entries: Mapping[str, Any], name: str) -> str | None:
    return entries[name]["sha256"] if name in entries else None


def _review(path: Path) -> bytes:
    """Return ``review.csv`` as it is now: a person may have edited it, against its hash."""
    try:
        return (path / REVIEW).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise InputError(
            f"{path / REVIEW}: cannot be read ({error.strerror}), and would be lost; move it away"
        ) from error


def _shown(path: Path, old: Mapping[str, Any]) -> tuple[list[str], Any] | None:
    """Return names and fingerprint of the images of a map, None where it does not say."""
    try:
        return _names(disk.read_file(path, "items.csv", old)), _fingerprint(old)
    except InputError:
        return None


def _names(items: bytes) -> list[str]:
    return [row[0] for row in read_table(items, where="items.csv")[1:] if row]


def _fingerprint(record: Mapping[str, Any]) -> Any:
    info = record.get("info")
    return info.get("fingerprint") if isinstance(info, Mapping) else None


def _has_decisions(review: bytes) -> bool:
    """Whether somebody wrote something; of a table that is none of ours nobody can tell."""
    try:
        header, *rows = read_table(review.removeprefix(b"\xef\xbb\xbf"), where=REVIEW)
        at = [name.strip() for name in header].index("decision")
    except ValueError:
        return True
    return any(row[at].strip() for row in rows if len(row) > at)


def _put_beside(path: Path, review: bytes) -> None:
    number = 1
    while (place := path / f"review-{number}.csv").exists():
        if place.read_bytes() == review:  # put there before an end came
            return
        number += 1
    disk.write_atomic(place, review)
