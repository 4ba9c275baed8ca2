"""A map for TensorBoard's projector: vectors, metadata, a sprite, and the file that names them."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from augmap.export.tables import axis_names, columns, unicode
from augmap.imagemap import ImageMap
from augmap.images.mark import mark
from augmap.thumbs import Thumbs

EDGE = 8192
"""Largest edge of the sprite, px: more is more than many graphics cards take."""
_SMALLEST = 4  # px of a picture: below, more than 4,194,304 images, there is nothing to see
_BLOCK = 4096


def projector_files(m: ImageMap, *, progress: Callable[[int, int], None] | None = None) -> dict[str, bytes]:
    """Return the files of a folder for ``tensorboard --logdir FOLDER``, by name.

    ``map.tsv`` holds the positions, ``features.tsv`` the features where the map has them, ``metadata.tsv``
    name, split, labels and scores, ``sprite.png`` the thumbnails row by row, at most :data:`EDGE` px wide:
    many images get smaller ones. ``projector_config.pbtxt`` joins them.
    """
    sprite, cell = (None, 0) if m.thumbs is None else _sprite(m.thumbs, progress)
    files = {"metadata.tsv": _metadata(m), "map.tsv": _numbers(m.positions)}
    tensors = [("map", "map.tsv", m.positions.shape)]
    if m.features is not None:
        files["features.tsv"] = _numbers(m.features)
        tensors.append(("features", "features.tsv", m.features.shape))
    if sprite is not None:
        files["sprite.png"] = sprite
    entries = [_entry(*tensor, cell if sprite else 0) for tensor in tensors]
    return {**files, "projector_config.pbtxt": "".join(entries).encode()}


def _entry(name: str, file: str, shape: tuple[int, int], cell: int) -> str:
    picture = (
        f'  sprite {{\n    image_path: "sprite.png"\n    single_image_dim: [{cell}, {cell}]\n  }}\n'
        if cell
        else ""
    )
    return (
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{file}"\n'
        f"  tensor_shape: [{shape[0]}, {shape[1]}]\n"
        f'  metadata_path: "metadata.tsv"\n{picture}}}\n'
    )


def _metadata(m: ImageMap) -> bytes:
    """Return names, splits, labels and scores. There is a header because there are two columns at least."""
    kept = {name: values for name, values in columns(m).items() if name not in axis_names(m.dim)}
    texts = [[_flat(str(x)) for x in values] for values in kept.values()]
    lines = ["\t".join(map(_flat, kept)), *("\t".join(row) for row in zip(*texts, strict=True))]
    return ("\n".join(lines) + "\n").encode()


def _flat(text: str) -> str:
    """Return text without what separates cells and lines."""
    return " ".join(unicode(text).split()) or "-"


def _numbers(x: np.ndarray) -> bytes:
    file = io.StringIO()
    np.savetxt(file, x, fmt="%.6g", delimiter="\t")
    return file.getvalue().encode()


def _sprite(thumbs: Thumbs, progress: Callable[[int, int], None] | None) -> tuple[bytes | None, int]:
    """Return the sprite in the order of the rows, and the edge of a picture in it."""
    n = len(thumbs.slots)
    across = math.ceil(math.sqrt(n))
    cell = min(thumbs.size, EDGE // across)
    if cell < _SMALLEST:
        return None, 0
    sheet = Image.new("RGB", (across * cell, math.ceil(n / across) * cell))
    order = np.argsort(thumbs.slots, kind="stable")
    for start in range(0, n, _BLOCK):
        rows = order[start : start + _BLOCK]
        for row, pixels in zip(rows, thumbs.images(rows), strict=True):
            picture = Image.fromarray(pixels)
            if cell != thumbs.size:
                picture = picture.resize((cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(picture, (int(row) % across * cell, int(row) // across * cell))
        if progress:
            progress(min(n, start + _BLOCK), n)
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=6, pnginfo=mark())
    return file.getvalue(), cell
