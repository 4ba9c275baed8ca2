"""UMAP: umap-learn gets what was asked for, and puts like to like (the one slow test)."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from augmap.baselines.umap import umap, umap_layout
from augmap.errors import InputError
from augmap.evaluate.knn import knn_accuracy


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)


def test_it_learns_and_a_random_layout_does_not(stripes):
    ticks, said = [], []
    made = umap(
        stripes, seed=1, say=said.append, progress=lambda title: lambda a, b: ticks.append((title, a, b))
    )
    labels = np.array(stripes.labels["label"])
    random = np.random.default_rng(0)
    assert knn_accuracy(made.positions, labels).accuracy > 0.9  # 1.0
    assert knn_accuracy(made.positions, random.permutation(labels)).accuracy < 0.5  # 0.2
    assert ticks[-1] == ("UMAP", 500, 500)
    assert said == []
    np.testing.assert_array_equal(umap(stripes, seed=1).positions, made.positions)
    assert not np.array_equal(umap(stripes, seed=2).positions, made.positions)
    whole = sys.modules["umap"].UMAP()  # the defaults are those of the installed version
    assert (whole.n_neighbors, whole.min_dist, whole.metric, whole.n_epochs) == (15, 0.1, "euclidean", None)


@pytest.mark.parametrize(
    ("asked", "name", "value"),
    [
        ({"neighbors": 4}, "n_neighbors", 4),
        ({"min_dist": 0.5}, "min_dist", 0.5),
        ({"metric": "cosine"}, "metric", "cosine"),
        ({"seed": 2**40 + 5}, "random_state", 5),
        ({"dim": 3}, "n_components", 3),
    ],
)
def test_every_option_arrives(fake_umap, x, asked, name, value):
    found = umap_layout(x, **asked)
    assert fake_umap[name] == value
    assert found.positions.shape == (50, asked.get("dim", 2))
    if "dim" not in asked:
        assert found.settings[next(iter(asked))] == next(iter(asked.values()))


def test_a_seed_means_one_thread(fake_umap, x):
    found = umap_layout(x)
    assert fake_umap["n_jobs"] == found.settings["jobs"] == 1


def test_few_images_lower_the_default_but_never_what_was_given(fake_umap, x):
    assert umap_layout(x[:9]).settings["neighbors"] == 8
    with pytest.raises(InputError, match=r"must lie in \[2, 8\] for 9 images, got 9"):
        umap_layout(x[:9], neighbors=9)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"neighbors": 1}, "neighbours must lie in"),
        ({"min_dist": -0.1}, "min_dist must lie in"),
        ({"min_dist": float("nan")}, "min_dist must lie in"),
        ({"dim": 49}, "1 to 48 dimensions, got dim=49"),
        ({"dim": 0}, "got dim=0"),
    ],
)
def test_mistakes(fake_umap, x, asked, message):
    with pytest.raises(InputError, match=message):
        umap_layout(x, **asked)


def test_three_images_are_too_few(fake_umap, x):
    with pytest.raises(InputError, match="at least 4 images, got 3"):
        umap_layout(x[:3])


def test_what_umap_learn_warns_of_is_passed_on(fake_umap, x, monkeypatch):
    real = sys.modules["umap"].UMAP.fit_transform

    def warn(self, x):
        warnings.warn("the graph falls apart", UserWarning, stacklevel=1)
        return real(self, x)

    monkeypatch.setattr(sys.modules["umap"].UMAP, "fit_transform", warn)
    said = []
    umap_layout(x, say=said.append)
    assert said == ["warning from umap-learn: the graph falls apart"]


def test_images_without_a_place_are_no_map(fake_umap, x, monkeypatch):
    monkeypatch.setattr(sys.modules["umap"].UMAP, "fit_transform", lambda self, x: np.full((50, 2), np.nan))
    with pytest.raises(InputError, match="no place for 50 of 50 images"):
        umap_layout(x)


def test_the_bar_counts_what_tqdm_writes(fake_umap, x):
    ticks = []
    umap_layout(x, progress=lambda title: lambda a, b: ticks.append((title, a, b)))
    file = fake_umap["tqdm_kwds"]["file"]
    for text in ("\r", "12/500", "\r 40/500 [A"):
        file.write(text)
    assert ticks == [("UMAP", 12, 500), ("UMAP", 40, 500)]


def test_components_in_place_of_pixels(fake_umap, stripes):
    made = umap(stripes, pca=7)
    assert fake_umap["x"].shape == (120, 7)
    assert made.info["method"] == "UMAP of 7 principal components of pixels"


def test_without_umap_learn(monkeypatch, x):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"umap-learn is not installed .*pip install 'augmap\[baselines\]'"):
        umap_layout(x)
