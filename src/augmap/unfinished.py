"""What an interrupted run left in its output, ``checkpoint/``: whether it is ours, and when it goes.

The content of the files is the business of whoever wrote them (``method.checkpoint``, ``baselines.simclr``).
A folder of that name may also be a person's own, so nothing but files that augmap writes is ever removed.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from augmap.errors import InputError
from augmap.record import CHECKPOINT, RECORD, is_record

_KEYS = {"checkpoint.json": ("stage", "step"), "baseline.json": ("how", "images")}
"""Records of a run, and some of what each says."""
_FILES = r"state-\d+\.safetensors|checkpoint\.json|baseline\.json"
_TEMPORARY = rf"\.({_FILES})\.[0-9a-f]+\.tmp"
_ENCODER = "simclr.map"
"""The map inside a checkpoint whose features are laid out later."""
_BEFORE = ".checkpoint.before"
"""Where the checkpoint of an earlier run waits until the new one has something of its own."""


def is_begun(folder: Path) -> bool:
    """Whether an interrupted run of augmap is in the folder."""
    return _is_ours(Path(folder) / CHECKPOINT)


def is_taken(folder: Path) -> bool:
    """Whether ``checkpoint`` is there, but is somebody else's."""
    place = Path(folder) / CHECKPOINT
    return (place.exists() or place.is_symlink()) and not _is_ours(place)


def remove(folder: Path) -> None:
    """Remove what interrupted runs left, where there is anything."""
    for name in (CHECKPOINT, _BEFORE):
        _clear(Path(folder) / name)


@contextlib.contextmanager
def set_aside(folder: Path) -> Iterator[None]:
    """Put what an earlier run left out of the way; where the new one fails with nothing saved, it comes back.

    Where the new one is done, :func:`remove` is to be called once its map is saved.
    """
    folder = Path(folder)
    settle(folder)
    if is_begun(folder):
        (folder / CHECKPOINT).rename(folder / _BEFORE)
    try:
        yield
    except BaseException as error:
        if isinstance(error, InputError) and not _has_saved(folder / CHECKPOINT):
            _clear(folder / CHECKPOINT)
        settle(folder)
        raise


def settle(folder: Path) -> None:
    """Bring back a checkpoint that was set aside, or remove it where a newer one has been saved."""
    place, before = Path(folder) / CHECKPOINT, Path(folder) / _BEFORE
    if not before.is_dir():
        return
    if _has_saved(place):
        _clear(before)
        return
    _clear(place)
    with contextlib.suppress(OSError):  # then a person's files are in the place
        before.rename(place)


def _is_ours(place: Path) -> bool:
    if not place.is_dir():
        return False
    for name, keys in _KEYS.items():
        try:
            found = json.loads((place / name).read_bytes())
        except (OSError, ValueError, RecursionError):  # there is none, or it is damaged
            continue
        return isinstance(found, dict) and set(keys) <= found.keys()
    return all(name == _ENCODER or re.fullmatch(_FILES, name) for name in _visible(place))


def _has_saved(place: Path) -> bool:
    """Whether there is something to go on with."""
    inside = place / _ENCODER
    saved = (place / "checkpoint.json", inside / RECORD, inside / CHECKPOINT / "checkpoint.json")
    return any(path.is_file() for path in saved)


def _clear(place: Path) -> None:
    """Remove the files of a checkpoint that augmap writes, and the folder when nothing else is in it."""
    if not _is_ours(place):
        return
    inside = place / _ENCODER
    if is_record(inside / RECORD) or _is_ours(inside / CHECKPOINT) or not _visible(inside):
        shutil.rmtree(inside, ignore_errors=True)
    with contextlib.suppress(OSError):
        for path in list(place.iterdir()):
            if re.fullmatch(f"{_FILES}|{_TEMPORARY}", path.name):
                path.unlink(missing_ok=True)
        place.rmdir()


def _visible(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []
