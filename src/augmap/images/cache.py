"""Where pixel stores and downloads live, and how the place is kept small.

A store is a folder named by its key. When a new one is written, those used longest ago are removed until all
together are below the cap; one that is open in this process is never removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CAP_BYTES = 50 * 10**9
"""All stores of one cache together, but for the newest; 60,000 images of 32 x 32 x 3 are 0.18 GB."""
RECORD = "store.json"
BUILDING = ".building-"
_ABANDONED_SECONDS = 24 * 3600
_in_use: set[Path] = set()


@dataclass(frozen=True)
class StoreInfo:
    """One pixel store: where, of what, how large, and when it was last used (seconds since 1970)."""

    path: Path
    source: str
    images: int
    image_size: int
    channels: int
    bytes: int
    used: float


def cache_directory(cache: str | os.PathLike[str] | None = None) -> Path:
    """Return ``cache`` if given, else the user's cache folder for augmap (``$XDG_CACHE_HOME/augmap``)."""
    if cache is not None:
        return Path(cache)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "augmap"
    if sys.platform == "win32" and (base := os.environ.get("LOCALAPPDATA")):
        return Path(base) / "augmap" / "Cache"
    return Path.home() / ".cache" / "augmap"


def downloads_directory(name: str, cache: str | os.PathLike[str] | None = None) -> Path:
    """Return where the files of the known data set ``name`` are put."""
    return cache_directory(cache) / "downloads" / name


def list_stores(cache: str | os.PathLike[str] | None = None) -> list[StoreInfo]:
    """Return the pixel stores of a cache, the one used last first."""
    return sorted(filter(None, map(_info, _folders(cache_directory(cache)))), key=lambda s: -s.used)


def clear(cache: str | os.PathLike[str] | None = None) -> int:
    """Remove all pixel stores, also half-built ones, and return how many bytes that freed.

    Downloads stay, and so does anything that augmap did not write.
    """
    freed = 0
    root = cache_directory(cache)
    for info in list_stores(cache):
        freed += info.bytes
        shutil.rmtree(info.path, ignore_errors=True)
    if root.is_dir():
        for folder in root.glob(f"{BUILDING}*"):
            freed += _size(folder)
            shutil.rmtree(folder, ignore_errors=True)
    return freed


def use(folder: Path) -> None:
    """Note that a store is open here, and used now."""
    _in_use.add(folder.resolve())
    with contextlib.suppress(OSError):
        os.utime(folder / RECORD)


def evict(cache: str | os.PathLike[str] | None = None, cap: int | None = None) -> list[Path]:
    """Remove the stores used longest ago until the rest fits ``cap`` bytes; return what was removed."""
    root = cache_directory(cache)
    for folder in root.glob(f"{BUILDING}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    stores = list_stores(cache)
    total, removed = sum(s.bytes for s in stores), []
    for info in reversed(stores):
        if total <= (CAP_BYTES if cap is None else cap):
            break
        if info.path.resolve() not in _in_use:
            shutil.rmtree(info.path, ignore_errors=True)
            total -= info.bytes
            removed.append(info.path)
    return removed


def _folders(root: Path) -> list[Path]:
    try:
        return [p for p in root.iterdir() if not p.name.startswith(".") and (p / RECORD).is_file()]
    except OSError:
        return []


def _info(folder: Path) -> StoreInfo | None:
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        n, size, _, channels = record["shape"]
        return StoreInfo(
            path=folder,
            source=str(record["source"]),
            images=n,
            image_size=size,
            channels=channels,
            bytes=_size(folder),
            used=(folder / RECORD).stat().st_mtime,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.glob("*") if p.is_file())
