"""Numbers: .npy and .npz files, arrays, tensors, and lists of pictures.

Images are (n, h, w) or (n, h, w, c), of uint8, bool or floats in [0, 1]; a torch tensor is (n, c, h, w) as
torch has it. An array in memory and a .npy or uncompressed .npz file are used where they lie when their
images have the right size already: nothing is copied.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from augmap.errors import InputError
from augmap.images.listing import Listing, from_paths
from augmap.images.names import SPLITS, escape, label_of, numbered, split_of

_IMAGES = ("images", "x", "X", "data", "arr_0")
_LABELS = ("labels", "label", "y", "targets")
_CLASSES = ("classes", "class_names", "label_names")
_NAMES = ("names", "name", "filenames", "files")


def list_npy(path: str | os.PathLike[str]) -> Listing:
    """List the images of a .npy file, which is memory-mapped."""
    path = os.fspath(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as an array ({_first_line(error)})") from None
    return list_array(array, source=path, stamp=_stamp(path))


def list_npz(path: str | os.PathLike[str]) -> Listing:
    """List the images of a .npz file.

    Images are the array ``images`` (or ``x``, ``X``, ``data``, ``arr_0``, or the only one of 3 or 4 axes);
    ``labels`` and ``names`` are used when they are there, ``classes`` names integer labels.
    """
    path = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            shapes = {i.filename.removesuffix(".npy"): _npy_header(archive, i) for i in archive.infolist()}
            key = _images_key(path, {k: v[0] for k, v in shapes.items()})
            array = _npz_array(path, archive, f"{key}.npy", *shapes[key])
        with np.load(path, allow_pickle=False) as content:
            small = {k: content[k] for k in shapes if k in (*_LABELS, *_CLASSES, *_NAMES)}
            extra = {k: content[k] for k in shapes if k.endswith(("_labels", "_label")) and k not in small}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as .npz ({_first_line(error)})") from None
    labels = _first(small, _LABELS)
    columns = {"label": labels} if labels is not None else {}
    columns |= extra
    return list_array(
        array,
        names=_first(small, _NAMES),
        labels=columns,
        classes=_first(small, _CLASSES),
        split=SPLITS.get(os.path.basename(path).removesuffix(".npz").lower(), ""),
        source=path,
        stamp=_stamp(path),
    )


def list_array(
    array: np.ndarray,
    *,
    names: Sequence[Any] | np.ndarray | None = None,
    labels: dict[str, Any] | None = None,
    classes: Sequence[Any] | np.ndarray | None = None,
    split: str = "",
    source: str = "array",
    stamp: str | None = None,
    channels_first: bool = False,
) -> Listing:
    """List the rows of an array (n, h, w) or (n, h, w, c).

    Parameters
    ----------
    names : n names, optional
        Where two are equal, all are replaced by numbers.
    labels : dict of n values, optional
        Label columns; integers are looked up in ``classes``.
    split : str
        For all the images; else the folders in the names tell it.
    stamp : str, optional
        What changes when the file behind the array changes.
    channels_first : bool
        The array is (n, c, h, w).

    Raises
    ------
    InputError
        When the shape or type is not one of images.
    """
    counted = names is not None or bool(labels)  # as many as there are images, which is seen to below
    array = check_array(array, source, channels_first, one_possible=not counted)
    n, notes = len(array), []
    texts = numbered(n) if names is None else [escape(_text(x)).lstrip("/") for x in names]
    if len(texts) != n:
        raise InputError(f"{source}: {len(texts)} names for {n} images")
    if len(set(texts)) < n:
        notes.append(f"{source}: names are not unique, so the images are numbered")
        texts = numbered(n)
    columns = {k: label_texts(v, n, k, source, classes) for k, v in (labels or {}).items()}
    if "label" not in columns and any(map(label_of, texts)):
        columns = {"label": [label_of(t) for t in texts], **columns}
    return Listing(
        source=source,
        names=texts,
        splits=[split or split_of(t) for t in texts],
        labels=columns,
        read=array.__getitem__,
        stamps=None if stamp is None else [stamp] * n,
        array=array if array.dtype == np.uint8 else None,
        notes=notes,
    )


def list_sequence(items: Sequence[Any]) -> Listing:
    """List PIL images or arrays (h, w[, c]) of any sizes, given one by one."""
    for i, item in enumerate(items):
        if not (is_array(item) or hasattr(item, "getexif")):
            raise InputError(
                "a list of images must hold paths, PIL images or arrays, of one kind; "
                f"item {i} is {type(item).__name__}"
            )
    images = [channels_last(array_of(x)) if _is_tensor(x) else x for x in items]
    for i, image in enumerate(images):
        if isinstance(image, np.ndarray) and not _may_be_one(image.shape):
            raise InputError(
                f"item {i} is an array of shape {tuple(items[i].shape)}, not one image (h, w) or (h, w, c); "
                "pass an array of many images by itself, labels with names in a CSV file or an .npz"
            )
    return Listing(source="list", **from_paths(numbered(len(images))), read=images.__getitem__, stamps=None)


def _may_be_one(shape: tuple[int, ...]) -> bool:
    """Return whether a shape can be that of one image (h, w[, c]), and is not rather that of many."""
    # one image of so many channels is rarer than a stack that stands in a pair (X, y) or (X_train, X_test)
    return len(shape) == 2 or (len(shape) == 3 and (shape[2] <= 4 or shape[2] < min(shape[1], 17)))


def check_array(
    array: np.ndarray, source: str, channels_first: bool = False, one_possible: bool = True
) -> np.ndarray:
    """Return the array as (n, h, w, c) without copying it.

    Parameters
    ----------
    channels_first : bool
        The array is (n, c, h, w).
    one_possible : bool
        An array of 3 axes that looks like one image is refused; False where the number of images is known.
    """
    if array.ndim == 2:
        side = round(array.shape[1] ** 0.5)
        hint = (
            f"X.reshape(-1, {side}, {side})"
            if side * side == array.shape[1]
            else "X.reshape(-1, height, width)"
        )
        raise InputError(
            f"{source}: shape {array.shape} is flat; give images (n, h, w) or (n, h, w, c): {hint}, "
            "or X[None] if it is one image"
        )
    if array.ndim not in (3, 4):
        raise InputError(f"{source}: images must have shape (n, h, w) or (n, h, w, c), got {array.shape}")
    if array.dtype.kind not in "ufb" or (array.dtype.kind == "u" and array.dtype != np.uint8):
        low, high = (
            (array[:1000].min(), array[:1000].max())
            if array.dtype.kind in "iu" and array.size
            else ("?", "?")
        )
        raise InputError(
            f"{source}: images must be uint8 or floats in [0, 1], got {array.dtype} (values {low}..{high}): "
            "pass X.astype(numpy.uint8) if they lie in 0..255, else X / X.max()"
        )
    if 0 in array.shape:
        raise InputError(f"{source}: shape {array.shape} holds no images")
    if array.ndim == 3:
        if one_possible:
            _check_many(array.shape, source, channels_first)
        return array[:, :, :, None]
    if channels_first:
        return array.transpose(0, 2, 3, 1)
    if array.shape[1] in (1, 3, 4) and min(array.shape[2:]) > 4:  # not images 3 high with many channels
        raise InputError(
            f"{source}: shape {array.shape} looks like (n, c, h, w); channels come last: "
            "X.transpose(0, 2, 3, 1)"
        )
    return array


def _check_many(shape: tuple[int, ...], source: str, channels_first: bool) -> None:
    """Refuse 3 axes that are rather one image, (h, w, c) or a tensor (c, h, w), than n grey ones."""
    first = channels_first and shape[0] == 3 and min(shape[1:]) > 4
    if first or (shape[2] in (1, 3, 4) and min(shape[:2]) > 4):
        many = "X[:, None]" if first else "X[..., None]"
        raise InputError(
            f"{source}: shape {tuple(shape)} may be one image or {shape[0]} grey ones; "
            f"give X[None] for the one, {many} for the many"
        )


def label_texts(
    values: Any, n: int, column: str, source: str, classes: Sequence[Any] | np.ndarray | None = None
) -> list[str]:
    """Return labels as text: integers by their class names where these are known; -1 and None as ``""``."""
    values = np.asarray(values.cpu() if hasattr(values, "cpu") else values).reshape(-1)
    if len(values) != n:
        raise InputError(f"{source}: {len(values)} values of {column!r} for {n} images")
    if values.dtype.kind == "f":  # numbers that pandas or a CSV file have made floats; NaN is no label
        # not tolist: the text of a float32 is the shortest that tells it from other float32
        return ["" if np.isnan(v) else str(int(v) if v.is_integer() else v) for v in values]
    if values.dtype.kind in "iu":
        names = None if classes is None else [_text(c) for c in classes]
        if names is not None and len(values) and values.max() >= len(names):
            raise InputError(
                f"{source}: label {values.max()} has no name, there are {len(names)} class names"
            )
        return ["" if v < 0 else names[v] if names else str(v) for v in values.tolist()]
    return ["" if v is None else _text(v) for v in values.tolist()]


def is_array(source: Any) -> bool:
    """Return whether ``source`` is an array or a torch tensor, without importing torch."""
    return isinstance(source, np.ndarray) or _is_tensor(source)


def list_arraylike(source: Any) -> Listing:
    """List a numpy array, or a torch tensor (n, c, h, w); a uint8 tensor (n, h, w, c) is recognised by its
    shape."""
    if isinstance(source, np.ndarray):
        return list_array(source)
    array = array_of(source)
    last = array.ndim == 4 and array.shape[-1] in (1, 3, 4) and array.shape[1] not in (1, 3, 4)
    return list_array(array, source="tensor", channels_first=not last)


def join_splits(folder: str, parts: dict[str, str]) -> dict[str, Listing]:
    """Open train.npz, test.npz, ... of one folder."""
    return {
        s: (list_npz if p.endswith(".npz") else list_npy)(os.path.join(folder, p)) for s, p in parts.items()
    }


def channels_last(image: np.ndarray) -> np.ndarray:
    """Return one image (c, h, w), as torch has it, as (h, w, c); (h, w) stays."""
    return image.transpose(1, 2, 0) if image.ndim == 3 else image


def _is_tensor(x: Any) -> bool:
    return hasattr(x, "detach") and hasattr(x, "cpu") and hasattr(x, "numpy")


def array_of(tensor: Any) -> np.ndarray:
    """Return a torch tensor as an array, without importing torch."""
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.numpy()


def _images_key(path: str, shapes: dict[str, tuple[int, ...]]) -> str:
    for key in _IMAGES:
        if key in shapes:
            return key
    candidates = [k for k, shape in shapes.items() if len(shape) in (3, 4)]
    if len(candidates) != 1:
        found = ", ".join(f"{k} {shape}" for k, shape in shapes.items()) or "nothing"
        raise InputError(f"{path}: which array holds the images? Name it 'images'; the file holds {found}")
    return candidates[0]


def _npy_header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Return shape, Fortran order, dtype and length of the header of a .npy inside a zip."""
    with archive.open(info) as file:
        return _read_header(file)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    return shape, fortran, dtype, file.tell()


def _npz_array(
    path: str,
    archive: zipfile.ZipFile,
    member: str,
    shape: tuple[int, ...],
    fortran: bool,
    dtype: np.dtype,
    header: int,
) -> np.ndarray:
    """Map the array in the file where it is stored as it is (numpy.savez); read it where it is compressed."""
    info = archive.getinfo(member)
    if info.compress_type != zipfile.ZIP_STORED or fortran:
        with archive.open(info) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        local = file.read(30)
    if local[:4] != b"PK\x03\x04":
        raise ValueError("no local file header")
    name, extra = struct.unpack("<HH", local[26:30])
    return np.memmap(path, dtype, "r", info.header_offset + 30 + name + extra + header, shape)


def _first(content: dict[str, np.ndarray], keys: tuple[str, ...]) -> np.ndarray | None:
    return next((content[k] for k in keys if k in content), None)


def _stamp(path: str) -> str:
    status = os.stat(path)
    return f"{status.st_size} {status.st_mtime_ns}"


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
