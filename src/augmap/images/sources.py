"""What kind of source is it? ``list_source`` looks, and asks the module that knows this kind."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from augmap.errors import InputError
from augmap.images import archive, arrays, cache, cifar, datasets, folder, idx, known, names
from augmap.images.listing import Listing, join

ACCEPTED = (
    "a folder, a glob, an image file, .zip, .tar[.gz], .npz, .npy, CIFAR batches, idx files, or one of "
    + ", ".join(known.KNOWN)
)
Progress = Callable[[int, int], None]


def list_source(
    source: Any, *, cache: str | os.PathLike[str] | None = None, download_progress: Progress | None = None
) -> Listing:
    """Return what ``source`` offers, before anything is decoded."""
    if isinstance(source, str | os.PathLike):
        return _list_path(os.fspath(source), cache, download_progress)
    if arrays.is_array(source):
        return arrays.list_arraylike(source)
    if isinstance(source, list | tuple):
        if not source:
            raise InputError("an empty list of images; pass at least one")
        if all(isinstance(x, str | os.PathLike) for x in source):
            return folder.list_files(source)
        if isinstance(source[0], tuple | Mapping):  # (image, label) pairs, or dicts with an image
            return datasets.list_dataset(source)
        return arrays.list_sequence(source)
    if datasets.is_dataset(source):
        return datasets.list_dataset(source)
    raise InputError(f"images cannot be read from a {type(source).__name__}: {datasets.why_not(source)}")


def _list_path(path: str, cache_dir: str | os.PathLike[str] | None, progress: Progress | None) -> Listing:
    lower = path.lower()
    if os.path.isdir(path):
        return _list_folder(path)
    if not os.path.lexists(path):
        if (name := known.known_name(path)) is not None:
            return known.list_known(name, cache.downloads_directory(name, cache_dir), progress)
        if glob.has_magic(path):
            return folder.list_glob(path)
        raise InputError(f"{path}: no such file or folder; give {ACCEPTED}")
    if not os.path.isfile(path):
        raise InputError(f"{path}: a dangling link or special file; give {ACCEPTED}")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: permission denied; give {ACCEPTED}")
    if lower.endswith(".npy"):
        return arrays.list_npy(path)
    if lower.endswith(".npz"):
        return arrays.list_npz(path)
    if lower.endswith(archive.SUFFIXES):
        return (
            cifar.list_batches_tar(path)
            if ".tar" in lower and cifar.is_batches_tar(path)
            else archive.list_archive(path)
        )
    if idx.find_idx({os.path.basename(path)}) or idx.is_idx(path):
        return idx.list_idx(path)
    if folder.looks_like_image(os.path.basename(path)):
        return folder.list_files([path])
    raise InputError(f"{path}: not a kind of file that is known; give {ACCEPTED}")


def _list_folder(path: str) -> Listing:
    """A folder of images, unless it holds CIFAR batches, idx files, or .npz files named after splits."""
    found = folder.folder_of(Path(path))
    if cifar.find_batches(found):
        return cifar.list_batches(path)
    if files := idx.find_idx(found):
        parts = [
            (f, idx.list_idx(Path(path) / f)) for f in files if not f.endswith(".gz") or f[:-3] not in files
        ]
        return join(path, {(part.splits[0] or f.split("-")[0]): part for f, part in parts})
    if len(inner := os.listdir(path) if os.access(path, os.R_OK) else []) == 1 and inner[0].startswith(
        "cifar-"
    ):
        within = os.path.join(path, inner[0])
        if os.path.isdir(within) and cifar.find_batches(folder.folder_of(Path(within))):
            return cifar.list_batches(within)
    listing = folder.list_folder(path)
    numeric = {n.rsplit(".", 1)[0]: n for n in sorted(found) if n.endswith((".npz", ".npy"))}
    splits = {s: n for s, n in numeric.items() if s.lower() in names.SPLITS}
    if not len(listing) and splits:
        return join(path, arrays.join_splits(path, splits))
    return listing
