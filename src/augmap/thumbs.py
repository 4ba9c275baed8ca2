"""Thumbnails of a map: sprite pages in WebP, ordered so that neighbours on the map share a page."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from augmap.errors import InputError

GRID = 32  # cells a page edge: 1,024 thumbnails, about 0.27 MB a page at 32 px
MAX_CELL = 64  # px; a page of 64 px cells is 2,048 px wide, which every browser takes as a texture
_QUALITY = 75


@dataclass(frozen=True, eq=False)
class Thumbs:
    """Sprite pages and where each image lies in them.

    Parameters
    ----------
    pages : list of bytes
        WebP pictures of ``columns`` x ``columns`` cells, the last one cut to the rows in use.
    size : int
        Edge of a cell, px.
    columns : int
        Cells a row.
    slots : (n,) uint32 array
        Image ``i`` lies on page ``slots[i] // columns**2``, there in cell
        ``slots[i] % columns**2``, row-major.
    """

    pages: list[bytes]
    size: int
    columns: int
    slots: np.ndarray

    def __post_init__(self) -> None:
        for name, most in (("size", 4096), ("columns", 512)):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise InputError(f"{name} of thumbnails must lie in [1, {most}], got {value!r}")
        if len(self.slots) and int(self.slots.max()) >= len(self.pages) * self.columns**2:
            raise InputError(
                f"slot {int(self.slots.max())} lies beyond the {len(self.pages)} pages of thumbnails"
            )

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Return the thumbnails of these images, uint8 (k, size, size, 3)."""
        slots = self.slots[np.asarray(indices, dtype=np.int64)]
        page, cell = np.divmod(slots, self.columns**2)
        out = np.empty((len(slots), self.size, self.size, 3), np.uint8)
        for p in np.unique(page):
            sheet = np.asarray(Image.open(io.BytesIO(self.pages[p])).convert("RGB"))
            cells = _cells(sheet, self.size)
            here = np.flatnonzero(page == p)
            if cell[here].max() >= len(cells):
                raise InputError(f"{page_name(p)} has {len(cells)} thumbnails, not {cell[here].max() + 1}")
            out[here] = cells[cell[here]]
        return out

    def take(self, rows: np.ndarray) -> Thumbs:
        """Return the thumbnails of some rows; the pages are shared."""
        return Thumbs(self.pages, self.size, self.columns, self.slots[rows])

    def to_files(self) -> dict[str, bytes]:
        """Return the pages by file name, without the layout."""
        return {page_name(i): page for i, page in enumerate(self.pages)}


def page_name(page: int) -> str:
    """File of a sprite page inside the map folder."""
    return f"thumbs/page-{page:03d}.webp"


def make_thumbs(
    pixels: np.ndarray, positions: np.ndarray, *, progress: Callable[[int, int], None] | None = None
) -> Thumbs:
    """Draw sprite pages of all images along a Hilbert curve over the map.

    Parameters
    ----------
    pixels : uint8 array of shape (n, h, w, c)
        May be a memory map; one image is read at a time. Of more than 3 channels the first three are
        shown, of two the first.
    positions : float array of shape (n, d)
        The first two columns order the pages.
    """
    n, edge = len(pixels), pixels.shape[1]
    size = min(edge, MAX_CELL)
    order = hilbert_order(positions)
    slots = np.empty(n, np.uint32)
    slots[order] = np.arange(n, dtype=np.uint32)
    per_page = GRID * GRID
    starts = range(0, n, per_page)

    def page(start: int) -> bytes:
        rows = order[start : start + per_page]
        cells = np.empty((len(rows), size, size, 3), np.uint8)
        for k in np.argsort(rows):  # memory maps read forward, and never a whole page of large images
            cells[k] = _cell(pixels[rows[k]], size)
        return _encode(cells)

    pages = []
    with ThreadPoolExecutor() as pool:
        for i, data in enumerate(pool.map(page, starts)):
            pages.append(data)
            if progress:
                progress(min(n, (i + 1) * per_page), n)
    return Thumbs(pages, size, GRID, slots)


def hilbert_order(positions: np.ndarray, bits: int = 10) -> np.ndarray:
    """Return the permutation of the rows along a Hilbert curve, int64 (n,).

    Both axes are ranked first, so that a far outlier does not squeeze everything into one cell.
    """
    n = len(positions)
    xy = positions[:, :2] if positions.shape[1] > 1 else np.column_stack([positions[:, 0]] * 2)
    rank = np.argsort(np.argsort(xy, axis=0, kind="stable"), axis=0, kind="stable")
    x, y = (rank * (2**bits) // max(n, 1)).T
    key = np.zeros(n, np.int64)
    s = 2 ** (bits - 1)
    while s:
        rx, ry = (x & s) > 0, (y & s) > 0
        key += s * s * ((3 * rx) ^ ry)
        flip = ~ry & rx
        x, y = (
            np.where(flip, s - 1 - (x & (s - 1)), x & (s - 1)),
            np.where(flip, s - 1 - (y & (s - 1)), y & (s - 1)),
        )
        x, y = np.where(ry, x, y), np.where(ry, y, x)
        s //= 2
    return np.argsort(key, kind="stable")


def _cell(pixels: np.ndarray, size: int) -> np.ndarray:
    """One image as an RGB cell, uint8 (size, size, 3)."""
    rgb = pixels[..., :3] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, axis=-1)
    if rgb.shape[0] == size and rgb.shape[1] == size:
        return rgb
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(rgb)).resize((size, size), Image.Resampling.LANCZOS)
    )


def _encode(cells: np.ndarray) -> bytes:
    k, size = len(cells), cells.shape[1]
    rows = -(-k // GRID)
    sheet = np.zeros((rows * GRID, size, size, 3), np.uint8)
    sheet[:k] = cells
    sheet = sheet.reshape(rows, GRID, size, size, 3).swapaxes(1, 2).reshape(rows * size, GRID * size, 3)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "WEBP", quality=_QUALITY, method=2)
    return file.getvalue()


def _cells(sheet: np.ndarray, size: int) -> np.ndarray:
    rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
    grid = sheet[: rows * size, : columns * size].reshape(rows, size, columns, size, 3)
    return grid.swapaxes(1, 2).reshape(-1, size, size, 3)
