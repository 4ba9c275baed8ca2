"""A map as a table, one row an image: CSV for everybody, Parquet with pictures and neighbours."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer
from PIL import Image

import augmap
from augmap.export.library import library
from augmap.imagemap import ImageMap
from augmap.items import write_table
from augmap.thumbs import Thumbs

_BLOCK = 4096  # thumbnails that are unpacked together


def axis_names(dim: int) -> list[str]:
    """Return the names of a map's axes: x, y, z up to three, x1, x2, ... of more."""
    return list("xyz"[:dim]) if dim <= 3 else [f"x{i + 1}" for i in range(dim)]


def columns(m: ImageMap) -> dict[str, np.ndarray | list[str]]:
    """Return name, split, labels, position and scores of ``n`` images, by the names that the table gives.

    A label or score column with the name of an axis gets an underscore behind it.
    """
    axes = axis_names(m.dim)
    names = _free([*m.items.labels, *m.items.scores], axes)
    found: dict[str, np.ndarray | list[str]] = {"name": m.names, "split": m.splits}
    found |= {names[name]: values for name, values in m.items.labels.items()}
    found |= dict(zip(axes, m.positions.T, strict=True))
    return found | {names[name]: values for name, values in m.items.scores.items()}


def to_csv(m: ImageMap) -> bytes:
    """Return the table as CSV in UTF-8, quoted where needed.

    Numbers are the shortest that read back the same, positions as float32, scores as float64; a score that is
    not known is empty. A name whose bytes are no UTF-8 comes out as those bytes.
    """
    found = columns(m)
    texts = [v if isinstance(v, list) else _texts(v) for v in found.values()]
    return write_table([tuple(found), *zip(*texts, strict=True)])


def to_parquet(
    m: ImageMap,
    neighbors: tuple[Integer[np.ndarray, "n k"], Float[np.ndarray, "n k"]] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> bytes:
    """Return the table as Parquet, in the form that embedding-atlas opens.

    Beside the columns of :func:`to_csv`: ``image``, a struct of ``bytes`` (a PNG of the thumbnail) and
    ``path``, as Hugging Face keeps images, where the map has thumbnails; ``neighbors``, a struct of ``ids``
    (row numbers from 0, nearest first) and ``distances``. Where a label or score has one of these two names,
    it gets an underscore behind it. Missing numbers are null.

    Parameters
    ----------
    m : ImageMap
    neighbors : (indices, distances), optional
        Of each image, without itself.

    Raises
    ------
    InputError
        pyarrow is not installed.
    """
    pa, parquet = library("pyarrow", "parquet"), library("pyarrow.parquet", "parquet")
    found = columns(m)
    names = _free(list(found), ["image", "neighbors"])
    arrays = {names[name]: _array(pa, values) for name, values in found.items()}
    if m.thumbs is not None:
        pictures = pa.array(_pngs(m.thumbs, progress), pa.binary())
        arrays["image"] = pa.StructArray.from_arrays([pictures, arrays["name"]], ["bytes", "path"])
    if neighbors is not None:
        ids, distances = (_lists(pa, values) for values in neighbors)
        arrays["neighbors"] = pa.StructArray.from_arrays([ids, distances], ["ids", "distances"])
    about = {"augmap": augmap.__version__, "method": str(m.info.get("method", ""))}
    file = io.BytesIO()
    parquet.write_table(pa.table(arrays).replace_schema_metadata(about), file, compression="zstd")
    return file.getvalue()


def unicode(text: str) -> str:
    """Return valid Unicode: bytes that were no UTF-8 and halves of surrogate pairs become U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _free(names: list[str], taken: list[str]) -> dict[str, str]:
    """Return what each name becomes so that none is in ``taken`` and all differ."""
    found = {name: name for name in names if name not in taken}
    for name in names:
        new = name
        while new in taken or (new != name and new in {*names, *found.values()}):
            new += "_"
        found[name] = new
    return found


def _texts(values: np.ndarray) -> list[str]:
    if values.dtype.kind == "U":
        return values.tolist()
    # positional, unlike str: a table program may not know exponents
    return ["" if np.isnan(x) else np.format_float_positional(x, unique=True, trim="-") for x in values]


def _array(pa, values):
    if isinstance(values, list) or values.dtype.kind == "U":
        return pa.array([unicode(str(v)) for v in values], pa.string())
    return pa.array(values, from_pandas=True)  # NaN becomes null


def _lists(pa, values: np.ndarray):
    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    flat = values.astype(np.int64 if values.dtype.kind in "iu" else np.float32).ravel()
    return pa.ListArray.from_arrays(offsets, flat)


def _pngs(thumbs: Thumbs, progress: Callable[[int, int], None] | None) -> list[bytes]:
    n = len(thumbs.slots)
    order = np.argsort(thumbs.slots, kind="stable")  # page by page: each sheet is unpacked once or twice
    found = [b""] * n
    for start in range(0, n, _BLOCK):
        rows = order[start : start + _BLOCK]
        for row, pixels in zip(rows, thumbs.images(rows), strict=True):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG", compress_level=1)
            found[row] = file.getvalue()
        if progress:
            progress(min(n, start + _BLOCK), n)
    return found
