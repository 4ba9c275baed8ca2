"""Projector files, read as TensorBoard reads them."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from augmap.export import tensorboard
from augmap.export.tensorboard import projector_files
from augmap.imagemap import ImageMap
from augmap.items import Items
from madeup import full_map


def numbers(data: bytes) -> np.ndarray:
    return np.array([list(map(float, line.split("\t"))) for line in data.decode().splitlines()], np.float32)


def test_files_belong_together():
    m = full_map(50)
    files = projector_files(m)
    config = files["projector_config.pbtxt"].decode()
    named = set(re.findall(r'_path: "(.*)"', config))
    assert named == set(files) - {"projector_config.pbtxt"}
    assert re.findall(r"tensor_shape: \[(\d+), (\d+)\]", config) == [("50", "2"), ("50", "5")]
    np.testing.assert_allclose(numbers(files["map.tsv"]), m.positions, rtol=1e-5)
    np.testing.assert_allclose(numbers(files["features.tsv"]), m.features, rtol=1e-5)
    header, *lines = files["metadata.tsv"].decode().splitlines()
    assert header == "name\tsplit\tlabel\tcoarse_label\toutlier"
    assert [line.split("\t")[0] for line in lines] == m.names
    assert lines[2].split("\t")[1] == "-"


def test_the_sprite_is_in_the_order_of_the_rows():
    m = full_map(50)  # 8 across
    sheet = np.asarray(Image.open(io.BytesIO(projector_files(m)["sprite.png"])))
    assert sheet.shape == (7 * 8, 8 * 8, 3)
    pictures = m.thumbs.images(np.arange(50))
    for row in (0, 7, 8, 49):
        y, x = row // 8 * 8, row % 8 * 8
        np.testing.assert_array_equal(sheet[y : y + 8, x : x + 8], pictures[row])


def test_many_images_get_smaller_pictures(monkeypatch):
    monkeypatch.setattr(tensorboard, "EDGE", 40)  # 8 across leave 5 px
    files = projector_files(full_map(50))
    assert Image.open(io.BytesIO(files["sprite.png"])).size == (40, 35)
    assert "single_image_dim: [5, 5]" in files["projector_config.pbtxt"].decode()
    monkeypatch.setattr(tensorboard, "EDGE", 24)
    files = projector_files(full_map(50))
    assert "sprite.png" not in files
    assert "sprite" not in files["projector_config.pbtxt"].decode()


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\r\u2028b", "caf\udce9", ""])
def test_names_cannot_break_the_table(name):
    m = ImageMap(positions=np.zeros((2, 2)), items=Items([name, "b"]))
    lines = projector_files(m)["metadata.tsv"].decode("utf-8").splitlines()
    assert len(lines) == 3
    assert all(line.count("\t") == 1 for line in lines)
