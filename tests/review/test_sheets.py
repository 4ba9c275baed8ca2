"""Contact sheets: every picture where it belongs, pages that end, names that nobody trusts."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from augmap.review.queues import Entry, Queue
from augmap.review.sheets import CELL, COLUMNS, GROUP_MOST, PAGES, draw_sheets
from looked_at import map_of


def flat_map(n: int, names: list[str] | None = None):
    return map_of(np.zeros((n, 2)), names=names)


def shades(rows: np.ndarray) -> np.ndarray:
    """Each picture is one shade of its own."""
    return np.broadcast_to((20 + 3 * (rows % 70)).astype(np.uint8)[:, None, None, None], (len(rows), 8, 8, 3))


def grid(rows: list[int], **entry) -> Queue:
    entries = [Entry(row=r, rank=i, score=1.0, **entry) for i, r in enumerate(rows, 1)]
    return Queue(name="outliers", entries=entries, found="")


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_pictures_stand_in_rank_order():
    rows = [5, 3, 9, *range(20, 40)]
    sheets = draw_sheets(flat_map(50), grid(rows), shades)
    assert list(sheets.files) == ["outliers.png"]
    assert sheets.shown == len(rows)
    page = opened(sheets.files["outliers.png"])
    for i, row in enumerate(rows):
        top, left = 6 + (i // COLUMNS) * (CELL + 26 + 6), 6 + (i % COLUMNS) * (CELL + 6)
        cell = page[top : top + CELL, left : left + CELL]
        assert (cell == 20 + 3 * row).all()


def test_groups_are_cut_and_say_so():
    n = GROUP_MOST + 30
    entries = [Entry(row=i, rank=1, group=1, score=1.0) for i in range(n)]
    entries += [Entry(row=0, rank=2, group=2, score=1.0)]
    queue = Queue(name="duplicates", entries=entries, titles={1: "group 1", 2: "group 2"}, found="")
    sheets = draw_sheets(flat_map(n), queue, shades)
    assert sheets.shown == GROUP_MOST + 1


def test_pages_end():
    sheets = draw_sheets(flat_map(70), grid([i % 70 for i in range(5000)]), shades)
    assert list(sheets.files) == ["outliers.png", *(f"outliers-{i}.png" for i in range(2, PAGES + 1))]
    assert sheets.shown < 5000


def test_an_empty_queue_has_no_sheet():
    assert draw_sheets(flat_map(3), grid([]), shades).files == {}


@pytest.mark.parametrize(
    "name", ["x" * 400, "日本/語.png", "\ud800.png", "a\x00b", "", "no_folder", "a/b/c/.hidden", "tab\there"]
)
def test_any_name_can_be_drawn(name):
    queue = grid([0], caption="cat → dog " * 9)
    assert opened(draw_sheets(flat_map(1, [name]), queue, shades).files["outliers.png"]).ndim == 3


@pytest.mark.parametrize("size", [1, 28, 64, 96, 97, 300])
def test_pictures_of_any_size_fill_their_cell(size):
    def read(rows: np.ndarray) -> np.ndarray:
        return np.full((len(rows), size, size, 3), 90, np.uint8)

    page = opened(draw_sheets(flat_map(2), grid([0, 1]), read).files["outliers.png"])
    assert (page[6 : 6 + CELL, 6 : 6 + CELL] == 90).all()
    # between the pictures is paper
    assert (page[6 : 6 + CELL, 6 + CELL : 6 + CELL + 6] == 255).all()


@pytest.mark.parametrize(("size", "sharp"), [(32, True), (48, True), (64, False)])
def test_pixels_stay_sharp_where_a_whole_factor_magnifies_them(size, sharp):
    def read(rows: np.ndarray) -> np.ndarray:
        board = np.indices((size, size)).sum(0) % 2 * 255
        return np.repeat(board.astype(np.uint8)[None, :, :, None], 3, axis=3)

    page = opened(draw_sheets(flat_map(1), grid([0]), read).files["outliers.png"])
    assert (set(page[6 : 6 + CELL, 6 : 6 + CELL].ravel()) == {0, 255}) == sharp


def test_names_that_differ_in_their_ending_alone_are_told_apart():
    """A camera writes both; which of the two goes is what the sheet is looked at for."""
    page = opened(
        draw_sheets(flat_map(2, ["IMG_1.jpg", "IMG_1.png"]), grid([0, 1]), shades).files["outliers.png"]
    )
    captions = [page[6 + CELL : 6 + CELL + 14, left : left + CELL] for left in (6, 6 + CELL + 6)]
    assert (captions[0] < 255).any()
    assert (captions[0] != captions[1]).any()
