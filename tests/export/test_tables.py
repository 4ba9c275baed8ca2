"""Tables: every row and every digit comes back, whatever the names are."""

from __future__ import annotations

import csv
import io
import sys

import numpy as np
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from augmap.errors import InputError
from augmap.export.tables import axis_names, columns, to_csv, to_parquet
from augmap.imagemap import ImageMap
from augmap.items import Items
from madeup import full_map

HOSTILE = ['a,"b".png', "=1+1\n.png", "caf\udce9.png", "\ud83d.png", "</script>.png", ""]


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")))


def test_csv_reads_back_to_the_last_bit():
    m = full_map(50)
    m.items.scores["outlier"][3] = np.nan
    found = rows(to_csv(m))
    assert list(found[0]) == ["name", "split", "label", "coarse_label", "x", "y", "outlier"]
    assert [r["name"] for r in found] == m.names
    assert [r["split"] for r in found] == m.splits
    xy = np.array([[r["x"], r["y"]] for r in found], np.float32)
    np.testing.assert_array_equal(xy, m.positions)
    assert found[3]["outlier"] == ""
    known = [float(r["outlier"]) for i, r in enumerate(found) if i != 3]
    np.testing.assert_array_equal(known, np.delete(m.items.scores["outlier"], 3))


def test_hostile_names_stay_in_their_cell():
    n = len(HOSTILE)
    m = ImageMap(positions=np.zeros((n, 2)), items=Items(HOSTILE, labels={"label": np.array(HOSTILE)}))
    found = rows(to_csv(m))
    assert [r["name"] for r in found] == [x.replace("\ud83d", "\ufffd") for x in HOSTILE]
    table = parquet.read_table(io.BytesIO(to_parquet(m))).to_pydict()
    assert table["name"] == [x.replace("\ud83d", "\ufffd").replace("\udce9", "\ufffd") for x in HOSTILE]
    assert "image" not in table


def test_small_and_large_numbers_have_no_exponent():
    m = ImageMap(positions=np.array([[1e-7, 1e9], [0.1, -2]]), items=Items(["a", "b"]))
    assert to_csv(m).decode().splitlines()[1:] == ["a,,0.0000001,1000000000", "b,,0.1,-2"]


@pytest.mark.parametrize(("dim", "axes"), [(1, "x"), (2, "xy"), (3, "xyz")])
def test_axes(dim, axes):
    assert axis_names(dim) == list(axes)
    assert [name for name in columns(full_map(dim=dim)) if name in axes] == list(axes)
    assert axis_names(4) == ["x1", "x2", "x3", "x4"]


def test_a_label_named_like_an_axis_moves_aside():
    m = ImageMap(
        positions=np.array([[1, 2]]),
        items=Items(["a"], labels={"x": np.array(["lab"]), "x_": np.array(["other"])}, scores={"y": [7.0]}),
    )
    assert rows(to_csv(m)) == [
        {"name": "a", "split": "", "x__": "lab", "x_": "other", "x": "1", "y": "2", "y_": "7"}
    ]


def test_parquet_has_what_embedding_atlas_reads():
    m = full_map(30)
    ids = np.arange(30)[:, None] + np.array([[1, 2, 3]])
    distances = np.tile(np.array([[0.5, 1, 2]], np.float32), (30, 1))
    m.items.scores["outlier"][4] = np.nan
    table = parquet.read_table(io.BytesIO(to_parquet(m, (ids % 30, distances))))
    found = table.to_pydict()
    np.testing.assert_array_equal(np.column_stack([found["x"], found["y"]]).astype(np.float32), m.positions)
    assert found["outlier"][4] is None
    assert found["outlier"][5] == m.items.scores["outlier"][5]
    assert found["neighbors"][29] == {"ids": [0, 1, 2], "distances": [0.5, 1.0, 2.0]}
    pictures = m.thumbs.images(np.arange(30))
    for i in (0, 17, 29):
        image = found["image"][i]
        assert image["path"] == m.names[i]
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(image["bytes"]))), pictures[i])
    assert table.schema.metadata[b"method"] == b"t-SimCNE"


def test_a_label_named_image_moves_aside():
    m = full_map(4)
    m = ImageMap(positions=m.positions, thumbs=m.thumbs, items=Items(m.names, labels={"image": ["q"] * 4}))
    found = parquet.read_table(io.BytesIO(to_parquet(m))).to_pydict()
    assert found["image_"] == ["q"] * 4
    assert found["image"][0]["path"] == m.names[0]


def test_without_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pyarrow.*pip install 'augmap\[parquet\]'"):
        to_parquet(full_map(4))
