"""The official CIFAR-10 and CIFAR-100 python batches, as a folder or as the .tar.gz they come in.

Names are ``split/class/filename``, so that the batches and the same images as a folder of files agree. The
order is the official one.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from augmap.errors import InputError
from augmap.images import archive, unpickle
from augmap.images.arrays import list_array
from augmap.images.listing import Listing

_TEN = re.compile(r"data_batch_\d+|test_batch|batches\.meta")
_HUNDRED = re.compile(r"train|test|meta")


def find_batches(names: set[str]) -> bool:
    """Return whether these file names are those of the official batches."""
    return (
        any(re.fullmatch(r"data_batch_\d+|test_batch", n) for n in names)
        or {"meta", "train", "test"} <= names
    )


def list_batches(folder: str | os.PathLike[str]) -> Listing:
    """List a folder of batches."""
    folder = Path(folder)
    names = {p.name for p in folder.iterdir() if p.is_file()}
    return _list(str(folder), names, lambda name: (folder / name).read_bytes())


def is_batches_tar(path: str | os.PathLike[str]) -> bool:
    """Return whether a tar holds the official batches."""
    names = archive.tar_names(path)
    return any(re.search(r"(^|/)(data_batch_\d+|test_batch|cifar-100-python/train)$", n) for n in names)


def list_batches_tar(path: str | os.PathLike[str]) -> Listing:
    """List ``cifar-10-python.tar.gz`` or ``cifar-100-python.tar.gz`` without unpacking it."""
    try:
        content = archive.members(path, lambda n: bool(_TEN.fullmatch(n) or _HUNDRED.fullmatch(n)))
    except archive.BROKEN as error:
        raise InputError(f"{path}: the archive is damaged ({error}); download it again") from None
    return _list(os.fspath(path), set(content), content.__getitem__)


def _list(source: str, names: set[str], read: Callable[[str], bytes]) -> Listing:
    def load(name: str) -> dict:
        try:
            content = unpickle.loads(read(name))
        except pickle.UnpicklingError as error:
            raise InputError(f"{source}: {name} is not an official CIFAR batch: it {error}") from None
        except OSError as error:
            raise InputError(f"{source}: {name} cannot be read ({error.strerror})") from None
        if not isinstance(content, dict):
            raise InputError(f"{source}: {name} is not an official CIFAR batch: no dict")
        return content

    ten = any(_TEN.fullmatch(n) for n in names)
    wanted = sorted((n for n in names if n.startswith("data_batch_")), key=lambda n: int(n.rsplit("_", 1)[1]))
    wanted += [n for n in (["test_batch"] if ten else ["train", "test"]) if n in names]
    meta_name = "batches.meta" if ten else "meta"
    meta = load(meta_name) if meta_name in names else {}
    keys = {"labels": "label"} if ten else {"fine_labels": "label", "coarse_labels": "coarse_label"}
    classes = {
        "labels": "label_names",
        "fine_labels": "fine_label_names",
        "coarse_labels": "coarse_label_names",
    }

    blocks, texts = [], []
    columns: dict[str, list[str]] = {column: [] for column in keys.values()}
    for name in wanted:
        content, split = load(name), "test" if name.startswith("test") else "train"
        data = content.get("data")
        if not (
            isinstance(data, np.ndarray)
            and data.dtype == np.uint8
            and data.ndim == 2
            and data.shape[1] == 3072
        ):
            raise InputError(f"{source}: {name} is not an official CIFAR batch: no 'data' of shape (n, 3072)")
        blocks.append(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        for key, column in keys.items():
            columns[column] += _class_names(
                content.get(key), meta.get(classes[key]), len(data), f"{source}: {name}"
            )
        files = content.get("filenames") or [f"{name}-{i:05d}.png" for i in range(len(data))]
        of_block = columns["label"][-len(data) :] if len(data) else []
        texts += [
            f"{split}/{c}/{f.decode('latin1') if isinstance(f, bytes) else f}"
            for c, f in zip(of_block, files, strict=True)
        ]
    if not blocks:
        raise InputError(f"{source}: no data batch found, only {sorted(names)}")
    return list_array(
        np.concatenate(blocks), names=texts, labels=columns, source=source, stamp=_stamp(source)
    )


def _class_names(values: object, names: object, n: int, where: str) -> list[str]:
    if not isinstance(values, list) or len(values) != n:
        raise InputError(f"{where} holds no labels for its {n} images")
    if not isinstance(names, list):
        return [str(v) for v in values]
    try:
        return [names[v].decode("latin1") if isinstance(names[v], bytes) else str(names[v]) for v in values]
    except (IndexError, TypeError):
        raise InputError(f"{where} holds labels outside its {len(names)} classes") from None


def _stamp(source: str) -> str | None:
    status = os.stat(source)
    return None if os.path.isdir(source) else f"{status.st_size} {status.st_mtime_ns}"
