"""The closing measures of a fit: there for any set of images, and in words that fit what is known."""

from __future__ import annotations

import dataclasses
import re
from functools import cache

import numpy as np
import pytest

import augmap
from augmap.cli.words import quality as sentence
from augmap.imagemap import Weights
from augmap.images.open import open_images
from augmap.items import Items
from augmap.method.augment import AUGMENTATIONS
from augmap.quality import quality
from augmap.stage import Stage


@cache
def once(n):
    images = np.random.default_rng(n).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    opened = open_images(images)
    return augmap.fit(opened, preset="direct", epochs=(1,), backbone="slim", batch_size=32), opened.pixels


def fitted(n, labels=None, splits=()):
    """A map after a short training, which is the same for all labels."""
    made, pixels = once(n)
    columns = {"label": np.array(labels)} if labels else {}
    return dataclasses.replace(made, items=Items(made.names, splits, columns)), pixels


def measured(*args):
    made, pixels = fitted(*args)
    return quality(made, pixels, AUGMENTATIONS["natural"])


@pytest.mark.parametrize("n", [2, 3, 16, 17, 40])
def test_any_number_of_images(n):
    found = measured(n)
    assert found["sample"] == n
    assert found["k"] == min(15, n - 2)
    for part in ("map", "untrained"):
        assert 0 <= found[part]["agreement"] <= 1
        assert (found[part]["neighbor_recall"] is None) == (n == 2)
    assert "knn" not in found
    text = sentence(found)
    assert text.startswith("two views of an image lie closer than ")
    assert ("neighbour recall" in text) == (n > 2)
    assert not text.endswith((" ", ";"))


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (["a"] * 40, False),  # one label
        ([""] * 40, False),
        (["a", "b"] * 20, True),
        (["a", ""] * 10 + ["b", ""] * 10, True),  # some images have none
        (["a", "b"] * 19 + ["c", "d"], True),  # and labels of one image are left out
        ([str(i) for i in range(40)], False),
        (["a"] * 39 + ["b"], False),
    ],
)
def test_any_labels(labels, known):
    found = measured(40, labels)
    assert (found["knn"] is not None) == known
    assert ("kNN accuracy" in sentence(found)) == known
    if known:
        used = found["knn"]["n_train"] + found["knn"]["n_test"]
        assert used == sum(1 for label in labels if label and labels.count(label) > 1)
        assert 0 <= found["untrained"]["knn_sample"]["accuracy"] <= 1


def test_the_official_split():
    found = measured(60, ["a", "b"] * 30, ["train"] * 40 + ["test"] * 20)
    assert (found["knn"]["n_train"], found["knn"]["n_test"], found["knn"]["sd"]) == (40, 20, None)
    assert "40 -> 20 images, official; untrained" in sentence(found)


def test_the_control_says_when_it_is_of_few_images(monkeypatch):
    assert re.search(r"untrained [0-9.]+%\); two views", sentence(measured(60, ["a", "b"] * 30)))
    monkeypatch.setattr("augmap.quality.SAMPLE", 50)
    assert re.search(r"untrained [0-9.]+% of 50 images\); two views", sentence(measured(60, ["a", "b"] * 30)))


@pytest.mark.parametrize("splits", [[], ["train"] * 40 + ["test"] * 20])
def test_labels_that_trained_the_encoder(splits):
    made, pixels = fitted(60, ["a", "b"] * 30, splits)
    assert "trained the encoder" not in sentence(quality(made, pixels, AUGMENTATIONS["natural"]))
    stage = Stage(name="classify", epochs=1, loss="cross_entropy")
    made.config = made.config.replace(stages=(stage, *made.config.stages))
    said = sentence(quality(made, pixels, AUGMENTATIONS["natural"]))
    assert ("%; these labels trained the encoder)" in said) == (not splits)


def test_it_tells_a_good_map_from_a_bad_one():
    """Bright and dark images, and a map that knows or does not."""
    labels = ["a", "b"] * 30
    made, pixels = fitted(60, labels)
    made.positions = np.array([[10.0 * (x == "a"), i / 100] for i, x in enumerate(labels)], np.float32)
    made.features = made.positions.copy()
    good = quality(made, pixels, AUGMENTATIONS["natural"])
    assert good["knn"]["accuracy"] == 1
    assert good["map"]["knn_sample"]["accuracy"] == 1
    assert good["untrained"]["knn_sample"]["accuracy"] < 0.9
    assert "kNN accuracy 100.0% ± 0.0% (k=15, 50 -> 10 images, stratified, 5 random splits; " in sentence(
        good
    )


def test_a_measure_of_the_control_is_its_own():
    made, pixels = fitted(40)
    found = quality(made, pixels, AUGMENTATIONS["natural"])
    again = quality(made, pixels, AUGMENTATIONS["natural"])
    assert found == again
    flat = {k: 0 * v if k == "head.last.weight" else v for k, v in made.weights.arrays.items()}
    made.weights = Weights(made.weights.spec, flat)  # a map that collapsed
    assert quality(made, pixels, AUGMENTATIONS["natural"])["map"]["agreement"] == pytest.approx(0.5)
    assert quality(made, pixels, AUGMENTATIONS["natural"])["untrained"] == found["untrained"]
