"""Contact sheets: the pictures of a queue, large enough to skim, as PNG pages."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from augmap.imagemap import ImageMap
from augmap.images.mark import mark
from augmap.review.queues import Entry, Queue

Read = Callable[[np.ndarray], np.ndarray]

CELL = 96
"""Pixels: edge of a picture, whatever its own is."""
COLUMNS = 12
GROUP_MOST = 24
"""Pictures of a group that are drawn; the line above it says how many there are."""
PAGE_HEIGHT = 3200
PAGES = 10
"""Of a queue at most; ``review.csv`` has everything."""
_GAP, _LINE, _TITLE = 6, 13, 24
_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)


@dataclass(frozen=True)
class Sheets:
    """Pages of a queue.

    Parameters
    ----------
    files : dict of str to bytes
        PNG by file name.
    shown : int
        Entries that are drawn.
    """

    files: dict[str, bytes]
    shown: int


def draw_sheets(m: ImageMap, queue: Queue, read: Read) -> Sheets:
    """Draw a queue: its groups side by side, each below a line; else a grid by rank.

    Parameters
    ----------
    read : callable
        ``read(rows)`` returns uint8 (k, s, s, 3).
    """
    bands = list(_bands(queue))
    pages: list[list[_Band]] = [[]]
    height = 0
    for band in bands:
        if pages[-1] and height + band.height > PAGE_HEIGHT:
            pages.append([])
            height = 0
        pages[-1].append(band)
        height += band.height
    files, shown = {}, 0
    for number, page in enumerate(pages[:PAGES], start=1):
        if page:
            name = f"{queue.name}.png" if number == 1 else f"{queue.name}-{number}.png"
            files[name] = _page(m, page, read)
            shown += sum(len(band.entries) for band in page)
    return Sheets(files, shown)


@dataclass(frozen=True)
class _Band:
    """A row of pictures, with or without a line above it."""

    title: str
    entries: Sequence[Entry]

    @property
    def height(self) -> int:
        return (_TITLE if self.title else 0) + CELL + 2 * _LINE + _GAP


def _bands(queue: Queue) -> list[_Band]:
    bands = []
    for group, members in groupby(queue.entries, key=lambda e: e.group):
        entries = list(members)
        title = queue.titles.get(group, "") if group is not None else ""
        if group is not None and queue.name != "clusters" and len(entries) > GROUP_MOST:
            title += f"; {GROUP_MOST} are shown"
            entries = entries[:GROUP_MOST]
        for start in range(0, len(entries), COLUMNS):
            bands.append(_Band(title if start == 0 else "", entries[start : start + COLUMNS]))
    return bands


def _page(m: ImageMap, bands: list[_Band], read: Read) -> bytes:
    columns = max(len(band.entries) for band in bands)
    longest = max((_font(14).getlength(band.title) for band in bands), default=0)
    width = max(_GAP + columns * (CELL + _GAP), int(longest) + 2 * _GAP)
    sheet = Image.new("RGB", (width, sum(b.height for b in bands) + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    pictures = read(np.array([e.row for band in bands for e in band.entries], dtype=np.int64))
    top, done = _GAP, 0
    for band in bands:
        if band.title:
            draw.text((_GAP, top), _printable(band.title), _INK, _font(14))
            top += _TITLE
        for column, entry in enumerate(band.entries):
            left = _GAP + column * (CELL + _GAP)
            sheet.paste(_fitted(pictures[done]), (left, top))
            done += 1
            lines = (_tail(m.names[entry.row]), entry.caption)
            for line, (text, ink) in enumerate(zip(lines, (_FAINT, _INK), strict=True)):
                draw.text((left, top + CELL + 1 + line * _LINE), _cut(text), ink, _font(10))
        top += CELL + 2 * _LINE + _GAP
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True, pnginfo=mark())
    return file.getvalue()


def _fitted(pixels: np.ndarray) -> Image.Image:
    """A picture that fills a square of CELL; magnified by a whole factor its pixels stay sharp."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    whole = CELL % picture.width == 0
    return picture.resize((CELL, CELL), Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    # the one that comes with matplotlib: the same letters on every machine, Greek and Cyrillic among them
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _tail(name: str) -> str:
    """The end of a name says most: ``train/cat/0012.png`` becomes ``cat/0012.png``."""
    return "/".join(name.split("/")[-2:])


def _cut(text: str) -> str:
    """As much of a text as fits below a picture; of a long one the end."""
    text = _printable(text)
    if _font(10).getlength(text) <= CELL:
        return text
    while text and _font(10).getlength("…" + text) > CELL:
        text = text[1:]
    return "…" + text


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
