"""Thumbnails: each image lies where its slot says, and neighbours on the map share pages."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from augmap import thumbs
from augmap.errors import InputError
from augmap.thumbs import GRID, Thumbs, hilbert_order, make_thumbs


def shades(n, edge=8, channels=3):
    return np.tile(np.linspace(0, 255, n).astype(np.uint8)[:, None, None, None], (1, edge, edge, channels))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_each_image_is_where_its_slot_says(channels):
    n, rng = GRID * GRID + 70, np.random.default_rng(0)  # two pages, the second with three rows in use
    pixels = shades(n, 6, channels)
    seen = []
    made = make_thumbs(pixels, rng.normal(size=(n, 2)), progress=lambda *a: seen.append(a))
    assert (len(made.pages), made.size, made.columns) == (2, 6, GRID)
    assert sorted(made.slots.tolist()) == list(range(n))
    assert [Image.open(io.BytesIO(p)).size for p in made.pages] == [(192, 192), (192, 18)]
    assert seen == [(GRID * GRID, n), (n, n)]
    rows = rng.permutation(n)[:50]
    found = made.images(rows)
    assert found.shape == (50, 6, 6, 3)
    # WebP, at quality 75, blurs across cells of 6 px
    off = np.abs(found.mean((1, 2, 3)) - pixels[rows].mean((1, 2, 3)))
    assert np.median(off) < 12
    assert made.take(rows).slots.tolist() == made.slots[rows].tolist()


def test_large_images_are_shrunk_and_one_is_read_at_a_time():
    class Rows:
        """Pixels that cannot be taken but by row."""

        shape = (3, 200, 200, 3)

        def __len__(self):
            return 3

        def __getitem__(self, row):
            assert np.ndim(row) == 0
            return shades(3, 200)[row]

    made = make_thumbs(Rows(), np.arange(6.0).reshape(3, 2))
    assert made.size == thumbs.MAX_CELL
    assert np.allclose(made.images(np.arange(3)).mean((1, 2, 3)), [0, 127, 255], atol=3)


def test_red_is_red():
    pixels = np.zeros((2, 16, 16, 3), np.uint8)
    pixels[0, ..., 0] = pixels[1, ..., 2] = 255
    found = make_thumbs(pixels, np.eye(2)).images([0, 1])
    assert found[0].mean((0, 1)).argmax() == 0
    assert found[1].mean((0, 1)).argmax() == 2


@given(st.integers(1, 4), st.booleans(), st.data())
def test_steps_of_a_hilbert_curve_lead_to_the_next_cell(bits, mirrored, data):
    edge = 2**bits
    cells = np.array([(x, y) for x in range(edge) for y in range(edge)], float)
    shuffled = cells[data.draw(st.permutations(range(edge * edge)))]
    if mirrored:
        shuffled = -shuffled
    way = shuffled[hilbert_order(shuffled, bits)]
    assert {tuple(c) for c in way} == {tuple(c) for c in shuffled}
    assert np.abs(np.diff(way, axis=0)).sum(1).max(initial=1) == 1


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_an_order_of_any_dimension_puts_neighbours_together(dim):
    positions = np.random.default_rng(0).normal(size=(400, dim))
    order = hilbert_order(positions)
    assert sorted(order.tolist()) == list(range(400))
    step = np.abs(np.diff(positions[order][:, :2], axis=0)).mean()
    assert step < 0.2 * np.abs(np.diff(positions[:, :2], axis=0)).mean() * (1 if dim < 3 else 2)


def test_far_outliers_do_not_squeeze_the_rest_together():
    positions = np.random.default_rng(0).normal(size=(300, 2))
    far = np.vstack([positions, [[1e6, 1e6]]])
    kept = [i for i in hilbert_order(far) if i < 300]
    step = np.abs(np.diff(positions[kept], axis=0)).mean()
    assert step < 0.3 * np.abs(np.diff(positions, axis=0)).mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "size of thumbnails must lie in [1, 4096], got 0"),
        ({"size": "8"}, "size of thumbnails must lie in"),
        ({"columns": 10**6}, "columns of thumbnails must lie in [1, 512], got 1000000"),
        ({"slots": np.array([1024], np.uint32)}, "slot 1024 lies beyond the 1 pages"),
    ],
)
def test_refuses(change, message):
    good = {"pages": [b""], "size": 8, "columns": 32, "slots": np.array([3], np.uint32)}
    with pytest.raises(InputError, match=re.escape(message)):
        Thumbs(**{**good, **change})


def test_a_page_that_is_too_short_for_its_slots():
    made = make_thumbs(shades(2), np.eye(2))
    with pytest.raises(InputError, match=r"page-000\.webp has 32 thumbnails, not 501"):
        Thumbs(made.pages, made.size, made.columns, np.array([500], np.uint32)).images([0])
