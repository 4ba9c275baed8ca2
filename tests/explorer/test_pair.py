"""A second map of the same images, in the rows of the first one."""

from __future__ import annotations

import numpy as np
import pytest

from augmap.explorer import nearby, pair
from augmap.explorer.build import make_scale
from augmap.explorer.columns import NOBODY
from augmap.imagemap import ImageMap
from augmap.items import Items
from madeup import full_map


def column(blobs, id, dtype="<f4"):
    return np.frombuffer(blobs.column(id), dtype)


def test_a_turned_shuffled_and_stretched_copy_lies_where_the_first_lies():
    first = full_map(30)
    c, s = np.cos(2.0), np.sin(2.0)
    order = np.random.default_rng(0).permutation(30)
    second = first.take(order)
    second.positions = (second.positions @ np.array([[c, -s], [s, c]]) @ np.diag([1, -1]) * 40 + 7).astype(
        np.float32
    )
    scale = make_scale(first.positions)
    blobs = pair.build_second(first, second, scale, "second")
    found = np.stack([column(blobs, "x"), column(blobs, "y")], 1)
    np.testing.assert_allclose(found, scale(first.positions), atol=1e-4)
    assert blobs.meta()["unmatched"]["only_here"] == 0
    # its scale leads back to the second map's units, turned: distances are the second map's
    back = found / blobs.meta()["scale"]["factor"]
    np.testing.assert_allclose(
        np.linalg.norm(back[0] - back[1]),
        40 * np.linalg.norm(first.positions[0] - first.positions[1]),
        rtol=1e-3,
    )


def test_neighbours_are_rows_of_the_first_map():
    first, second = full_map(30), full_map(30, seed=1).take(np.arange(29, 9, -1))
    blobs = pair.build_second(first, second, make_scale(first.positions), "b")
    table = column(blobs, "nn_map", "<u4").reshape(30, 15)
    assert (table[:10] == NOBODY).all()
    expected = 29 - nearby.find_map(second)[29 - 17]
    assert table[17].tolist() == expected.tolist()
    find = pair.near_finder(first, second)
    assert find(17)["map"] == table[17].tolist()
    assert find(3) == {"map": None, "features": None}
    features = 29 - nearby.find_features(second)[0][29 - 17]
    assert find(17)["features"] == features.tolist()
    assert np.isnan(column(blobs, "s0")[:10]).all()
    np.testing.assert_allclose(column(blobs, "s0")[10:], second.items.scores["outlier"][::-1], rtol=1e-6)


def test_who_is_missing_is_named():
    first = ImageMap(positions=np.random.default_rng(0).normal(size=(5, 2)), items=Items(list("abcde")))
    second = ImageMap(
        positions=np.random.default_rng(1).normal(size=(4, 2)), items=Items(["x", "c", "a", "c"])
    )
    found = pair.build_second(first, second, make_scale(first.positions), "b").meta()["unmatched"]
    assert found == {
        "only_here": 3,
        "only_there": 2,
        "names_here": ["b", "d", "e"],
        "names_there": ["x", "c"],
    }


@pytest.mark.parametrize("names", [["x", "y"], ["a", "y"]])
def test_maps_of_other_images_cannot_be_compared(names):
    first = ImageMap(positions=np.zeros((2, 2)), items=Items(["a", "b"]))
    second = ImageMap(positions=np.zeros((2, 2)), items=Items(names))
    with pytest.raises(ValueError, match="compared by the images they share"):
        pair.build_second(first, second, make_scale(first.positions), "other.map")


def test_three_dimensions_against_two():
    first, second = full_map(20), full_map(20, dim=3)
    blobs = pair.build_second(first, second, make_scale(first.positions), "b")
    assert np.abs(column(blobs, "x")).max() <= 1
    assert blobs.meta()["dim"] == 3
