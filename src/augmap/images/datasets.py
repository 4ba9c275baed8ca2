"""Data sets of other libraries, known by what they can do: torch and torchvision, Hugging Face. None is
imported.

A torch data set is read item by item in one thread, because nothing is known about what its code shares.
What a torchvision data set is made of, files or an array, is used directly when it has no transform of the
user's.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from augmap.errors import InputError
from augmap.images.arrays import array_of, channels_last, is_array, label_texts, list_array
from augmap.images.folder import list_files
from augmap.images.listing import Labelled, Listing, from_paths, join
from augmap.images.names import numbered

_IMAGE_KEYS = ("image", "img", "pixel_values", "picture", "x")
_LABEL_KEYS = ("label", "labels", "target", "y", "fine_label")


def is_dataset(source: Any) -> bool:
    """Return whether ``source`` is a data set, or a dict of data sets by split."""
    if isinstance(source, Mapping):
        return bool(source) and all(isinstance(k, str) and is_dataset(v) for k, v in source.items())
    return (
        hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, str | bytes)
    )


def why_not(source: Any) -> str:
    """Return what to do with an object that looks like a data set but cannot be indexed."""
    if hasattr(source, "dataset"):
        return "a data loader: pass its data set (loader.dataset)"
    if isinstance(source, bytes | set | frozenset | Mapping):
        return "pass a list, an array, a data set, or the path of a folder or file"
    if hasattr(source, "__iter__"):
        return "read in a stream: images are looked at many times; pass something with a length"
    return "not known"


def list_dataset(source: Any) -> Listing:
    """List a data set, or a dict of data sets by split."""
    if isinstance(source, Mapping):
        if named := sorted({*_LABEL_KEYS, "names"} & source.keys()):
            raise InputError(
                f"a dict holds a data set for each split (train, test), got {', '.join(map(repr, source))}; "
                f"for images with {named[0]!r} pass (image, label) pairs, or an .npz file"
            )
        return join("data sets", {split: list_dataset(part) for split, part in source.items()})
    if isinstance(getattr(source, "features", None), Mapping) and hasattr(source, "column_names"):
        return _hugging_face(source)
    plain = all(
        getattr(source, name, None) is None for name in ("transform", "transforms", "target_transform")
    )
    if plain and isinstance(getattr(source, "samples", None), list) and hasattr(source, "classes"):
        return _image_folder(source)
    data, targets = getattr(source, "data", None), getattr(source, "targets", None)
    if plain and is_array(data) and targets is not None and len(data) == len(targets) == len(source):
        return _array_dataset(source, data, targets)
    return _items(source)


def _hugging_face(source: Any) -> Listing:
    kinds = {name: type(feature).__name__ for name, feature in source.features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    if not images:
        raise InputError(
            f"the data set has no column of type Image, only {kinds}; cast_column(name, datasets.Image())"
        )
    image = next((k for k in _IMAGE_KEYS if k in images), images[0])
    columns = {}
    for name in sorted((k for k, kind in kinds.items() if kind == "ClassLabel"), key=_label_order):
        key = "label" if "label" not in columns else name
        columns[key] = label_texts(
            source[name][:], len(source), name, "data set", source.features[name].names
        )
    paths = source
    if hasattr(source, "cast_column"):  # undecoded: bytes and paths, which our threads decode
        paths = source.cast_column(image, type(source.features[image])(decode=False))

    def read(i: int) -> Any:
        value = paths[i][image]
        if isinstance(value, Mapping):
            return value["bytes"] if value.get("bytes") is not None else os.fspath(value["path"])
        return value

    n, mark = len(source), getattr(source, "_fingerprint", None)
    return Listing(
        source=f"{type(source).__name__} of {n} images",
        **{**from_paths(numbered(n)), "labels": columns},
        read=read,
        stamps=None if mark is None else [f"{mark} {image}"] * n,
    )


def _image_folder(source: Any) -> Listing:
    """torchvision's ImageFolder: files with an index into ``classes``."""
    listing = list_files([path for path, _ in source.samples])
    kept = dict(zip(listing.names, range(len(listing)), strict=True))
    root = os.path.abspath(listing.root or ".")
    labels = [""] * len(listing)
    for path, label in source.samples:
        name = os.path.relpath(os.path.abspath(path), root).replace(os.sep, "/")
        if name in kept:
            labels[kept[name]] = str(source.classes[label])
    return dataclasses.replace(listing, labels={"label": labels})


def _array_dataset(source: Any, data: Any, targets: Any) -> Listing:
    """torchvision's CIFAR10, MNIST, ...: an array (n, h, w[, c]) and integer targets."""
    array = data if isinstance(data, np.ndarray) else array_of(data)
    # SVHN and STL10 keep (n, c, h, w), as torch does
    first = array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] not in (1, 3, 4)
    name = type(source).__name__
    classes = getattr(source, "classes", None)
    return list_array(array, labels={"label": targets}, classes=classes, source=name, channels_first=first)


def _items(source: Any) -> Listing:
    """Anything that is indexed: an image, an (image, label) pair, or a dict with an image."""
    n, name = len(source), type(source).__name__
    if not n:
        raise InputError(f"{name} is empty; pass at least one image")
    classes, targets = getattr(source, "classes", None), _targets(source, n)

    def read(i: int) -> Any:
        image, label = _parts(source[i])
        image = _image(image, i)
        if targets is not None or (label := _scalar(label)) is None:
            return image
        return Labelled(image, label_texts([label], 1, "label", name, classes)[0])

    labels = {} if targets is None else {"label": label_texts(targets, n, "label", name, classes)}
    return Listing(
        source=f"{name} of {n} images",
        **{**from_paths(numbered(n)), "labels": labels},
        read=read,
        stamps=None,
        positions=[0] * n,
    )


def _targets(source: Any, n: int) -> Any:
    for key in ("targets", "labels"):
        values = getattr(source, key, None)
        if values is not None and hasattr(values, "__len__") and len(values) == n:
            return values
    return None


def _parts(item: Any) -> tuple[Any, Any]:
    """Return image and label (or None) of one item."""
    if isinstance(item, Mapping):
        key = next((k for k in _IMAGE_KEYS if k in item), None)
        if key is None:
            raise InputError(f"the data set's items have no image, only {sorted(item)}; name it 'image'")
        return item[key], next((item[k] for k in _LABEL_KEYS if k in item), None)
    if isinstance(item, list | tuple):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _image(image: Any, i: int) -> Any:
    """Return a payload: PIL images and paths as they are, a tensor (c, h, w) as an array (h, w, c)."""
    if hasattr(image, "getexif") or isinstance(image, str | bytes):
        return image
    if isinstance(image, os.PathLike):
        return os.fspath(image)
    if isinstance(image, np.ndarray):
        return image
    if is_array(image):
        return channels_last(array_of(image))
    raise InputError(
        f"item {i} of the data set is a {type(image).__name__}; it must be a PIL image, an array or a tensor"
    )


def _scalar(label: Any) -> int | float | str | None:
    """Return a label as a number or text; boxes, masks and one-hot vectors are none."""
    if hasattr(label, "item") and hasattr(label, "shape"):
        label = label.item() if label.shape == () or tuple(label.shape) == (1,) else None
    return label if isinstance(label, int | float | str) else None


def _label_order(name: str) -> tuple[int, str]:
    return (_LABEL_KEYS.index(name) if name in _LABEL_KEYS else len(_LABEL_KEYS), name)
