"""The blobs of a map, against what the map holds."""

from __future__ import annotations

import io
import itertools
import json

import numpy as np
import pytest
from PIL import Image

from augmap.explorer import nearby
from augmap.explorer.build import build, make_scale, with_neighbors
from augmap.explorer.nearby import Nearby
from augmap.explorer.regions import Level
from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.thumbs import Thumbs
from madeup import full_map


def read_text(data, n):
    offsets = np.frombuffer(data[: 4 * (n + 1)], "<u4")
    body = data[4 * (n + 1) :]
    return [body[a:b].decode() for a, b in itertools.pairwise(offsets)]


def numbers(blobs, id, dtype="<f4"):
    return np.frombuffer(blobs.column(id), dtype)


def entry(blobs, id):
    return next(c for c in blobs.meta()["columns"] if c["id"] == id)


def test_positions_are_scaled_by_one_factor_and_come_back():
    m = full_map(30)
    m.positions *= np.float32([3, 100])
    blobs = build(m, title="t")
    u, v = numbers(blobs, "x"), numbers(blobs, "y")
    assert max(np.abs(u).max(), np.abs(v).max()) <= 1
    assert np.ptp(v) == pytest.approx(2, abs=1e-5)
    scale = blobs.meta()["scale"]
    back = np.stack([u, v], 1) / scale["factor"] + scale["centre"]
    np.testing.assert_allclose(back, m.positions, atol=1e-5 * np.ptp(m.positions))


def test_three_points_counted():
    m = ImageMap(positions=np.array([[0, 0], [4, 0], [4, 2]]), items=Items(["a", "b", "c"]))
    blobs = build(m, title="t")
    np.testing.assert_allclose(numbers(blobs, "x"), [-1, 1, 1], atol=2e-6)
    np.testing.assert_allclose(numbers(blobs, "y"), [-0.5, -0.5, 0.5], atol=2e-6)
    assert blobs.meta()["scale"]["centre"] == [2, 1]
    assert blobs.meta()["scale"]["factor"] == pytest.approx(0.5, abs=1e-6)


def test_labels_are_codes_and_nothing_is_code_0():
    items = Items(
        list("abcd"), labels={"label": ["dog", "", "cat", "dog"]}, scores={"odd": [1.5, np.nan, np.inf, -2]}
    )
    blobs = build(ImageMap(positions=np.eye(4)[:, :2], items=items), title="t")
    assert numbers(blobs, "c0", "u1").tolist() == [2, 0, 1, 2]
    label = entry(blobs, "c0")
    assert (label["categories"], label["counts"], label["dtype"]) == (["", "cat", "dog"], [1, 1, 2], "u8")
    assert blobs.meta()["color_by"] == "c0"
    np.testing.assert_array_equal(numbers(blobs, "s0"), np.float32([1.5, np.nan, np.nan, -2]))
    assert entry(blobs, "s0")["range"] == [-2, 1.5]
    assert entry(blobs, "s0")["name"] == "odd"


@pytest.mark.parametrize(
    ("kinds", "dtype", "size"), [(255, "u8", 1), (256, "u16", 2), (65535, "u16", 2), (65536, "u32", 4)]
)
def test_codes_are_as_wide_as_they_need_be(kinds, dtype, size):
    labels = np.array([f"{i:06d}" for i in range(kinds)])
    blobs = build(
        ImageMap(positions=np.zeros((kinds, 2)), items=Items(labels, labels={"label": labels})), title="t"
    )
    assert entry(blobs, "c0")["dtype"] == dtype
    codes = numbers(blobs, "c0", f"<u{size}")
    assert codes.tolist() == list(range(1, kinds + 1))


def test_names_with_anything_in_them():
    names = ["a", "", "<img src=x onerror=alert(1)>", "ü日本.png", "bad\udcff", "half\ud800", "😀"]
    blobs = build(ImageMap(positions=np.zeros((7, 2)), items=Items(names)), title="t")
    assert read_text(blobs.column("name"), 7) == [*names[:4], "bad�", "half�", "😀"]


def test_every_blob_has_the_length_that_meta_says():
    m = full_map(40)
    near = Nearby(nearby.find_map(m), *nearby.find_features(m))
    level = Level("coarse", np.arange(40) % 3, np.array([5, 7]))
    blobs = build(m, title="t", near=near, levels=[level])
    files, meta = blobs.files(), json.loads(json.dumps(blobs.meta()))
    sizes = {"f32": 4, "u8": 1, "u16": 2, "u32": 4}
    for column in meta["columns"]:
        data = files[f"col/{column['id']}.bin"]
        assert column["ready"]
        if column["dtype"] != "utf8":
            assert len(data) == meta["n"] * column["k"] * sizes[column["dtype"]]
    assert len(files["col/density.bin"]) == 4 * meta["density"]["width"] * meta["density"]["height"] <= 1e6
    assert json.loads(files["meta.json"]) == meta
    assert sorted(numbers(blobs, "hilbert", "<u4").tolist()) == list(range(40))
    np.testing.assert_array_equal(numbers(blobs, "nn_map", "<u4").reshape(40, 15), near.map)
    np.testing.assert_array_equal(numbers(blobs, "thumb", "<u4"), m.thumbs.slots)
    assert files["thumbs/0.webp"] == m.thumbs.pages[0]


def test_neighbours_come_later():
    m = full_map(20)
    blobs = build(m, title="t", near=Nearby(nearby.find_map(m, 5)))
    assert blobs.column("nn_features") is None
    assert not entry(blobs, "neighbor_recall")["ready"]
    assert "col/nn_features.bin" not in blobs.files()
    assert blobs.meta()["neighbors"] == {"k": 5, "features": True, "map": True, "reason": None}
    later = with_neighbors(blobs, m, Nearby(nearby.find_map(m, 5), *nearby.find_features(m, 5)))
    assert len(later.column("nn_features")) == 20 * 5 * 4
    assert entry(later, "nn_features")["ready"]
    recall = numbers(later, "neighbor_recall")
    expected = [
        len(set(nearby.find_map(m, 5)[i]) & set(nearby.find_features(m, 5)[0][i])) / 5 for i in range(20)
    ]
    np.testing.assert_allclose(recall, expected, rtol=1e-6)
    assert 0 < recall.mean() < 1


def test_a_map_without_features_says_so():
    m = full_map(20)
    m.features = None
    meta = build(m, title="t", near=Nearby(nearby.find_map(m))).meta()
    assert meta["neighbors"]["features"] is False
    assert "no features" in meta["neighbors"]["reason"]
    assert not any(c["id"] == "nn_features" for c in meta["columns"])


def test_density_counts_every_image_where_it_lies():
    positions = np.concatenate([np.full((300, 2), [-1.0, -1.0]), np.full((100, 2), [1.0, 0.5])])
    blobs = build(ImageMap(positions=positions, items=Items([str(i) for i in range(400)])), title="t")
    grid = numbers(blobs, "density").reshape(256, 256)
    assert grid.sum() == pytest.approx(400, rel=0.02)
    row, column = np.unravel_index(grid.argmax(), grid.shape)
    low, high = blobs.meta()["density"]["extent"]
    at = low + (np.array([column, row]) + 0.5) * (high - low) / 256
    np.testing.assert_allclose(at, [-1, -0.75], atol=0.01)
    assert blobs.meta()["density"]["max"] == pytest.approx(grid.max())


def test_three_dimensions_show_the_widest_two():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) * [1, 10, 4]
    m = ImageMap(positions=x, items=Items([str(i) for i in range(200)]))
    blobs = build(m, title="t")
    u, v = numbers(blobs, "x"), numbers(blobs, "y")
    assert abs(np.corrcoef(u, x[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(v, x[:, 2])[0, 1]) > 0.99
    assert ["dimensions", "3; the page shows its first two principal components"] in json.loads(
        json.dumps(blobs.meta()["info"])
    )


@pytest.mark.parametrize(
    "positions", [np.zeros((0, 2)), np.zeros((1, 2)), np.full((5, 2), 7.0), np.arange(4.0)[:, None]]
)
def test_maps_without_extent_still_open(positions):
    n = len(positions)
    m = ImageMap(positions=positions, items=Items([str(i) for i in range(n)]))
    blobs = build(m, title="t", near=Nearby(nearby.find_map(m)))
    assert blobs.meta()["n"] == n
    assert np.isfinite(numbers(blobs, "x")).all()
    assert (blobs.meta()["density"] is None) == (n != 4)
    json.dumps(blobs.meta(), allow_nan=False)


def test_regions_have_a_medoid_and_a_majority():
    labels = ["cat", "cat", "dog", "", "dog", "bee"]
    m = ImageMap(
        positions=np.arange(12.0).reshape(6, 2), items=Items(list("abcdef"), labels={"label": labels})
    )
    level = Level("coarse", np.array([1, 1, 1, 2, 0, 1]), np.array([2, 3]))
    meta = build(m, title="t", levels=[level]).meta()
    first, second = meta["regions"]["levels"][0]["regions"]
    assert meta["pending"] == []
    assert (first["size"], first["medoid"], first["name"], first["share"]) == (4, 2, "cat", 0.5)
    assert (second["size"], second["name"], second["share"]) == (1, None, None)
    assert first["u"] == pytest.approx(make_scale(m.positions)(m.positions)[2, 0], abs=1e-6)
    column = next(c for c in meta["columns"] if c["id"] == "r0")
    assert column["counts"] == [1, 4, 1]


def webp(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "WEBP")
    return file.getvalue()


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (b"<svg onload=alert(1)>", "not a WebP"),
        (b"", "not a WebP"),
        (webp(8000, 8), "8000 x 8"),
        (webp(256, 4096), "256 x 4096"),
        (webp(256, 12), "256 x 12"),
        (webp(256, 8), "256 x 8"),  # 32 cells, 40 are asked for
    ],
)
def test_a_sprite_page_that_does_not_fit_is_left_out(page, why):
    m = full_map(40)
    m.thumbs = Thumbs([page], 8, 32, m.thumbs.slots)
    blobs = build(m, title="t")
    meta = blobs.meta()
    assert (meta["thumbs"], blobs.pages) == (None, [])
    assert why in meta["reasons"]["thumbs"]
    assert not any(c["id"] == "thumb" for c in meta["columns"])


def test_what_the_page_may_offer():
    meta = build(full_map(4), title="t", reasons={"embed": "no encoder"}).meta()
    assert meta["capabilities"]["embed"] is False
    assert meta["capabilities"]["review"] is True
    assert meta["reasons"] == {"embed": "no encoder"}


def test_quality_beside_its_controls():
    m = full_map(4)
    m.info["quality"] = {
        "map": {"agreement": 0.9, "neighbor_recall": None}, "k": 15, "sample": 2000,
        "untrained": {"agreement": 0.6, "neighbor_recall": 0.1, "knn_sample": {"accuracy": 0.2}},
        "knn": {"accuracy": 0.7, "k": 15, "split": "official"},
    }  # fmt: skip
    metrics = {"scores": [
        {"metric": "trustworthiness", "space": "map", "value": 0.8, "beside": {"PCA": 0.7, "x": 3}},
        {"metric": "silhouette", "value": -0.2}, {"metric": 3, "value": 0.5}, "nonsense",
    ]}  # fmt: skip
    found = build(m, title="t", metrics=metrics).meta()["quality"]
    assert [(q["name"], q["value"], q["controls"]) for q in found] == [
        ("kNN accuracy", 0.7, {"untrained": 0.2}),
        ("agreement of views", 0.9, {"untrained": 0.6}),
        ("trustworthiness", 0.8, {"PCA": 0.7}),
    ]
    assert found[0]["note"] == "k=15, official; untrained: 2,000 of the images"
