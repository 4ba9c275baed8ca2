"""Placing one image: the same answer as ImageMap.embed, its neighbours, and how strange it is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from augmap import api, embedder
from augmap.explorer.build import make_scale
from augmap.explorer.nearby import unit
from augmap.explorer.placing import Outputs, Placing, spread
from augmap.explorer.upload import open_upload
from augmap.imagemap import ImageMap
from madeup import full_map


@pytest.fixture(scope="module")
def trained(photos):
    return api.fit(
        photos, preset="paper", epochs=(1, 1, 1), batch_size=16, image_size=16, backbone="slim", device="cpu",
        precision="float32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(trained):
    return embedder.placer(trained, device="cpu")


def files():
    """An image in forms that are decoded in different ways: larger, smaller, turned, with alpha, grey."""
    random = np.random.default_rng(0)
    big = Image.fromarray(random.integers(0, 256, (90, 61, 3), dtype=np.uint8)).resize((300, 200))
    turned = Image.Exif()
    turned[0x0112] = 6
    alpha = big.convert("RGBA")
    alpha.putalpha(big.convert("L"))
    for image, kind, options in (
        (big, "PNG", {}), (big, "JPEG", {"exif": turned}), (alpha, "PNG", {}), (big.convert("L"), "WEBP", {}),
        (big.resize((7, 9)), "BMP", {}), (big.resize((16, 16)), "PNG", {}),
    ):  # fmt: skip
        file = io.BytesIO()
        image.save(file, kind, **options)
        yield kind, file.getvalue()


def test_the_same_answer_as_embed(trained, place, tmp_path):
    span = np.ptp(trained.positions, axis=0).max()
    for number, (kind, data) in enumerate(files()):
        path = tmp_path / f"{number}.{kind.lower()}"
        path.write_bytes(data)
        embedded = trained.embed(str(path))
        position, features, views = place(open_upload(data, trained.preprocessing).pixels)
        np.testing.assert_allclose(position, embedded.positions[0], atol=1e-5 * span)
        np.testing.assert_allclose(features, embedded.features[0], atol=1e-5)
        assert views.shape == (32, 2)


def test_a_training_image_lands_where_it_lies(trained, place, photos):
    scale = make_scale(trained.positions)
    placing = Placing(trained, scale, lambda pixels: Outputs(*place(pixels)))
    row = 5
    found = placing(open_upload((photos / trained.names[row]).read_bytes(), trained.preprocessing).pixels)
    at = scale(trained.positions[row : row + 1])[0]
    assert (found["u"], found["v"]) == pytest.approx(tuple(at), abs=1e-4)
    assert (found["x"], found["y"]) == pytest.approx(tuple(trained.positions[row]), rel=1e-4, abs=1e-4)
    assert row in found["neighbours"]["map"][:3]  # another image may lie at the same place
    assert row in found["neighbours"]["features"][:3]
    assert found["distance"] == pytest.approx(0, abs=1e-5)
    assert found["out_of_map"] < 0.2


def test_the_same_image_has_the_same_cloud(place):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    first, again = place(pixels)[2], place(pixels)[2]
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first, axis=0)) > 16


def test_what_is_unlike_everything_is_out_of_the_map():
    m = full_map(200)
    m.features = np.abs(np.random.default_rng(0).normal(size=(200, 5))).astype(np.float32)
    scale = make_scale(m.positions)

    def away(factor):
        features = m.features[7] * factor
        return Placing(m, scale, lambda pixels: Outputs(np.zeros(2), features, np.zeros((0, 2))))

    pixels = np.zeros((8, 8, 3), np.uint8)
    opposite = away(-1)(pixels)
    assert opposite["out_of_map"] == 1
    assert opposite["distance"] > 1
    same = away(3)(pixels)  # cosine: length does not count
    assert (same["neighbours"]["features"][0], same["out_of_map"]) == (7, 0)
    assert same["spread"] is None
    expected = np.argsort(-(unit(m.features) @ unit(m.features)[7]), kind="stable")[:15]
    assert same["neighbours"]["features"] == expected.tolist()


def test_what_is_usual_is_the_distance_to_another_image():
    m = ImageMap(
        positions=np.zeros((3, 2)), items=full_map(3).items, features=np.array([[1.0, 0], [0, 1], [1, 1]])
    )
    found = Placing(m, make_scale(m.positions), lambda pixels: None).usual()
    np.testing.assert_allclose(found, [1 - 0.5**0.5] * 3, rtol=1e-6)


def test_spread_by_hand():
    found = spread(np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 3.0]]))["spread"]
    assert found["rms"] == pytest.approx(np.sqrt((1 + 1 + 1 + 1 + 0 + 4) / 3))
    np.testing.assert_allclose(found["cov"], [[1, 0], [0, 3]])


def test_a_map_without_features():
    m = full_map(20)
    m.features = None
    placing = Placing(
        m, make_scale(m.positions), lambda p: Outputs(m.positions[3], np.zeros(5), np.zeros((0, 2)))
    )
    found = placing(np.zeros((8, 8, 3), np.uint8))
    assert found["neighbours"]["map"][0] == 3
    assert (found["neighbours"]["features"], found["distance"], found["out_of_map"]) == (None, None, None)


@pytest.mark.parametrize("dim", [1, 3])
def test_other_dimensions_have_no_x_and_y(dim):
    m = full_map(20, dim=dim)
    outputs = Outputs(m.positions[3], np.ones(5), np.zeros((0, dim)))
    found = Placing(m, make_scale(m.positions), lambda pixels: outputs)(np.zeros((8, 8, 3), np.uint8))
    assert "x" not in found
    assert found["neighbours"]["map"][0] == 3


def test_a_map_without_encoder_says_so():
    m = full_map(3)
    m.weights, m.info["method"] = None, "UMAP"
    with pytest.raises(ValueError, match="UMAP cannot place new images"):
        embedder.placer(m)
    with pytest.raises(ValueError, match="backbone of your own"):
        embedder.placer(full_map(3))
