"""augmap.report.pictures: small, transparent, the names where the labels are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from augmap.plots.colours import label_colours
from augmap.report.pictures import MOST_BYTES, picture
from compared import KINDS, a_map

COLOURS = label_colours(np.array(KINDS))


def of(m, kind="scatter", color_by="label", names=True):
    return picture(m, kind, color_by=color_by, colours=COLOURS, names=names)


def pixels(p):
    return np.asarray(Image.open(io.BytesIO(p.webp)).convert("RGBA")).astype(int)


def test_points_on_nothing_and_names_as_text():
    p = of(a_map())
    shown = pixels(p)
    assert shown.shape == (900, 900, 4)
    assert shown[0, 0, 3] < 16  # the corner is transparent
    assert (shown[..., 3] > 128).any()
    assert sorted(n.text for n in p.names) == sorted(KINDS)
    assert "90 images" in p.caption


def test_a_name_stands_among_its_points():
    p = of(a_map(noise=0.1))
    shown = pixels(p)
    for name in p.names:
        x, y = (round(v * 900 / p.side) for v in (name.x, name.y))
        near = shown[max(0, y - 40) : y + 40, max(0, x - 40) : x + 40].reshape(-1, 4)
        colour = near[near[:, 3] > 200][:, :3].mean(0)
        distance = {k: np.abs(colour - _rgb(c)).sum() for k, c in COLOURS.items()}
        assert min(distance, key=distance.get) == name.text


def _rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def test_no_names_and_no_colours():
    assert of(a_map(), names=False).names == []
    bare = of(a_map(labels={}), color_by=None)
    assert bare.names == []


def test_pictures_at_their_places():
    p = of(a_map(pictures=True), kind="thumbnails")
    assert "as pictures" in p.caption
    assert p.webp != of(a_map(pictures=True)).webp


def test_a_picture_stays_small_however_busy_it_is():
    rng = np.random.default_rng(0)
    m = a_map(30_000, features=False)
    m.positions = rng.random((30_000, 2)).astype(np.float32)
    assert len(of(m, names=False).webp) <= MOST_BYTES


def test_the_same_map_gives_the_same_bytes():
    assert of(a_map()).uri == of(a_map()).uri
    assert of(a_map()).uri.startswith("data:image/webp;base64,")


@pytest.mark.parametrize("n", [1, 2])
def test_one_image_or_two(n):
    assert of(a_map(n)).webp
