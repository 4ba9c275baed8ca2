"""fit, load, embed: the promises that hold between the modules."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import nn

import augmap
from augmap import folder as disk
from augmap.errors import DamagedMapError, InputError
from augmap.images.open import open_images
from madeup import full_map

# on the way from a map the preset asks for a probe of bfloat16, which takes seconds
PLAIN = {"epochs": (1,), "precision": "float32"}
TINY = {"preset": "direct", "epochs": (1,), "backbone": "slim", "batch_size": 32}


def images(n=64, channels=1, size=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


class Own(nn.Module):
    """A network of the user's."""

    def __init__(self, channels=1, features=6):
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(channels, features, 3), nn.BatchNorm2d(features), nn.ReLU())

    def forward(self, x):
        return self.layer(x)


def span(m):
    return np.ptp(m.positions, axis=0).max()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A map and where it was saved."""
    place = tmp_path_factory.mktemp("api") / "some.map"
    said = []
    return augmap.fit(images(), output=place, say=said.append, **TINY), place, said


# -- embed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "dim"), [(1, 2), (3, 2), (2, 1), (5, 3), (4, 7)])
def test_an_image_lands_at_the_same_place_alone_or_in_any_batch(tmp_path, channels, dim):
    x = images(40, channels)
    m = augmap.fit(x, output=tmp_path / "m", dim=dim, **TINY)
    assert m.positions.shape == (40, dim)
    loaded = augmap.load(tmp_path / "m")
    for rows in (slice(0, 1), slice(17, 18), slice(3, 20), slice(0, 40), slice(39, None, -1)):
        for one in (m, loaded):
            placed = one.embed(x[rows])
            assert np.abs(placed.positions - m.positions[rows]).max() <= 1e-5 * span(m)
            np.testing.assert_allclose(placed.features, m.features[rows], rtol=1e-4, atol=1e-5)


def test_what_embed_returns(made, tmp_path):
    m, _, _ = made
    placed = m.embed(images(5, seed=1))
    assert (placed.n, placed.dim, placed.names[0]) == (5, 2, "000000")
    again = placed.embed(images(5, seed=1))  # it is a map with an encoder itself
    np.testing.assert_array_equal(again.positions, placed.positions)
    placed.save(tmp_path / "placed.map")
    np.testing.assert_array_equal(
        augmap.load(tmp_path / "placed.map").embed(images(5, seed=1)).positions, placed.positions
    )
    some = m.take([3, 1])
    np.testing.assert_array_equal(some.embed(images(5, seed=1)).positions, placed.positions)


def test_pictures_of_other_kinds_are_brought_to_the_maps_size_and_colour(made):
    m, _, _ = made
    assert m.embed(images(3, channels=3, size=30)).n == 3
    with pytest.raises(
        InputError, match=re.escape("opened at 30 px with 3 channels, the map takes 8 px with 1")
    ):
        m.embed(open_images(images(3, channels=3, size=30)))


def test_a_network_of_the_users(tmp_path):
    net = Own()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    x = images(24)
    m = augmap.fit(x, output=tmp_path / "m", **{**TINY, "backbone": net})
    for k, v in net.state_dict().items():  # it was copied
        assert torch.equal(v, before[k])
    with_it = augmap.load(tmp_path / "m", backbone=Own())
    assert np.abs(with_it.embed(x[:3]).positions - m.positions[:3]).max() <= 1e-5 * span(m)
    without = augmap.load(tmp_path / "m")
    np.testing.assert_array_equal(without.positions, m.positions)
    without.take([1]).save(tmp_path / "one")
    assert without.thumbs.images([0]).shape == (1, 8, 8, 3)
    with pytest.raises(InputError, match=re.escape("read it with augmap.load(path, backbone=module)")):
        without.embed(x)
    with pytest.raises(InputError, match="the encoder was made with 6"):
        augmap.load(tmp_path / "m", backbone=Own(features=9)).embed(x)
    with pytest.raises(InputError, match="the saved weights do not fit the encoder"):
        augmap.load(tmp_path / "m", backbone=nn.Sequential(Own(), nn.Identity())).embed(x)
    again = augmap.fit(x, init=tmp_path / "m", backbone=net, **PLAIN)
    assert again.config.backbone == "custom"
    assert again.n == 24


def test_a_module_for_a_map_that_has_its_own_network(made):
    with pytest.raises(InputError, match=r"this encoder has the backbone 'slim': leave backbone=\.\.\. out"):
        augmap.load(made[1], backbone=Own()).embed(images(2))


@pytest.mark.parametrize(
    "change",
    [{"features": "x"}, {"hidden": 5}, {"mean": None}, {"channels": "3"}, {"dim": -1}, {"backbone": "vgg"}],
)
def test_an_encoder_whose_description_was_edited(made, tmp_path, change):
    m, _, _ = made
    m.take(range(4)).save(tmp_path / "m")
    record = json.loads((tmp_path / "m" / "map.json").read_text())
    record["encoder"] |= change
    (tmp_path / "m" / "map.json").write_text(json.dumps(record))
    loaded = augmap.load(tmp_path / "m")
    with pytest.raises(InputError, match=r"encoder|backbone|head|weights"):
        loaded.embed(images(2))


# -- fit ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        {"image_size": 16},
        {"labels": "none"},
        {"only_split": "train"},
        {"exclude": "x.csv"},
        {"max_pixels": 9},
    ],
)
def test_an_open_set_takes_no_options_of_opening(option):
    opened = open_images(images(8))
    with pytest.raises(InputError, match="array is open already; give these options where it is opened"):
        augmap.fit(opened, **option, **TINY)


def test_what_is_saved_is_what_is_returned(made):
    m, place, said = made
    again = augmap.load(place)
    np.testing.assert_array_equal(again.positions, m.positions)
    assert again.config == m.config
    assert again.info == json.loads(disk.json_bytes(m.info))
    assert set(again.info) == {"method", "source", "root", "fingerprint", "history", "quality", "seconds"}
    assert again.names == m.names
    assert not (place / "checkpoint").exists()
    assert any("64 images are few: below about 2,000 expect a rough map" in line for line in said)
    assert {p.name for p in place.iterdir()} == {
        *("map.json", "positions.npy", "features.npy", "items.csv", "encoder.safetensors"),
        *("thumbs", "thumbs.json", "log.jsonl", ".lock"),
    }


def test_the_resolved_configuration_gives_the_same_bits(made):
    m, _, _ = made
    again = augmap.fit(images(), config=m.config)
    np.testing.assert_array_equal(again.positions, m.positions)
    for name, array in m.weights.arrays.items():
        np.testing.assert_array_equal(again.weights.arrays[name], array)
    other = augmap.fit(images(), config=m.config.replace(seed=1))
    assert not np.array_equal(other.positions, m.positions)


def test_a_judgement_that_fails_is_no_reason_to_lose_the_map(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        assert disk.is_map(tmp_path / "m")  # it is saved before it is judged
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr("augmap.quality.quality", broken)
    said = []
    m = augmap.fit(images(), output=tmp_path / "m", say=said.append, **TINY)
    assert said[-1] == (
        "warning: the map could not be judged (ZeroDivisionError('by chance')); it is complete"
    )
    assert m.info["quality"] is None
    assert augmap.load(tmp_path / "m").info["quality"] is None


# -- init ---------------------------------------------------------------------------------------------------


def moved(new, old):
    """Correlation of the distances between shared images, and their median way as a share of the map."""
    rows = {name: i for i, name in enumerate(old.names)}
    here = [i for i, name in enumerate(new.names) if name in rows]
    a, b = new.positions[here], old.positions[[rows[new.names[i]] for i in here]]
    return (
        np.corrcoef(pdist(a), pdist(b))[0, 1],
        np.median(np.linalg.norm(a - b, axis=1)) / span(old),
        len(here),
    )


def test_after_cleaning_and_adding_images_the_rest_stays_where_it_was(tmp_path):
    from sklearn.datasets import load_digits

    digits = (load_digits().images[:300] * 255 / 16).astype(np.uint8)[..., None]
    opened = open_images(digits)
    old = augmap.fit(
        opened.subset(range(220)),
        output=tmp_path / "old",
        preset="direct",
        epochs=(8,),
        backbone="slim",
        batch_size=64,
        augment="glyph",
    )
    said = []
    rows = [*range(30, 220), *range(240, 300)]  # 30 left out, 60 added
    new = augmap.fit(opened.subset(rows), init=tmp_path / "old", say=said.append, **{**PLAIN, "epochs": (2,)})
    correlation, way, shared = moved(new, old)
    print(f"distances of shared images correlate by {correlation:.4f}, median way {way:.2%}")  # noqa: T201
    assert shared == 190
    assert correlation > 0.97  # 0.99 measured, 0.998 after longer training; a fresh encoder is far below
    assert way < 0.06
    assert not np.array_equal(new.positions[:190], old.positions[30:])  # it did learn
    assert "190 of 250 images are on the map to start from, turned onto their places" in said
    assert new.config.preset == "continue"
    assert new.config.augment == "glyph"
    placed = new.embed(opened.subset(rows[:5]))  # new images land in the turned map
    assert np.abs(placed.positions - new.positions[:5]).max() <= 1e-5 * span(new)
    fresh = augmap.fit(opened.subset(rows), **{**TINY, "epochs": (2,)}, seed=5)
    assert moved(fresh, old)[0] < correlation - 0.05


def test_labels_are_in_the_map_and_exclude_takes_a_reviewed_list(photos, tmp_path):
    old = augmap.fit(photos, output=tmp_path / "old", cache=tmp_path / "cache", **TINY)
    assert sorted(set(old.labels)) == ["across", "aslant", "down"]
    assert old.names[0] == "across/00.png"
    assert old.info["quality"]["knn"]["n_train"] + old.info["quality"]["knn"]["n_test"] == 48
    review = tmp_path / "review.csv"
    review.write_text("name,decision\nacross/00.png,drop\ndown/03.png,drop\naslant/01.png,keep\n")
    new = augmap.fit(photos, init=old, exclude=review, labels="none", cache=tmp_path / "cache", **PLAIN)
    assert set(old.names) - set(new.names) == {"across/00.png", "down/03.png"}
    assert new.n == 46
    assert new.labels is None


def test_another_preset_from_a_map(made):
    m, _, _ = made
    new = augmap.fit(images(), init=m, preset="paper", epochs=(1, 1, 1), batch_size=64)
    assert [s.new_layer for s in new.config.stages] == ["last", "last", "none"]
    assert new.dim == 2
    assert new.config.init == augmap.fit(images(), init=made[1], **PLAIN).config.init


def own_map():
    """A map that was made with a network of the user's."""
    made = full_map()
    made.weights.spec.update(hidden=[5], norm=None)
    return made


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"init": 5}, "init must be a map or its folder, got int"),
        ({"init": own_map()}, "give it as backbone=module"),
        ({"init": dataclasses.replace(full_map(), weights=None)}, "the map to start from has no encoder"),
        ({"image_size": 16}, "preprocessing asks for size 8 and 1 channels, image_size and channels for 16"),
        (
            {"images": open_images(images(9, channels=3))},
            "opened at 8 px with 3 channels, the map takes 8 px with 1",
        ),
    ],
)
def test_a_start_that_does_not_fit(made, given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        augmap.fit(**{"images": images(), "init": made[0], "epochs": (1,), **given})


def test_load_says_what_is_wrong(tmp_path, made):
    with pytest.raises(InputError, match="no such map; give the folder that augmap fit wrote"):
        augmap.load(tmp_path / "nothing")
    m, _, _ = made
    m.take([0]).save(tmp_path / "m")
    (tmp_path / "m" / "positions.npy").unlink()
    with pytest.raises(DamagedMapError, match=r"positions\.npy: cannot be read"):
        augmap.load(tmp_path / "m")
