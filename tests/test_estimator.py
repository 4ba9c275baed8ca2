"""TSimCNE keeps scikit-learn's conventions."""

from __future__ import annotations

import inspect
import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

import augmap
from augmap import TSimCNE
from augmap.errors import InputError

TINY = {"preset": "direct", "epochs": (1,), "backbone": "slim", "batch_size": 32}
X = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def fitted():
    return TSimCNE(**TINY).fit(X)


def test_the_constructor_stores_what_it_is_given():
    marks = {name: object() for name in inspect.signature(TSimCNE).parameters}
    made = TSimCNE(**marks)
    assert made.get_params(deep=False) == marks
    assert {k: v for k, v in vars(made).items() if v is not marks[k]} == {}  # nothing else, nothing checked


def test_every_parameter_reaches_fit(monkeypatch):
    seen = {}

    def watch(images, **options):
        seen.update(options)
        raise KeyError("watched")

    monkeypatch.setattr("augmap.estimator.fit", watch)
    names = list(inspect.signature(TSimCNE).parameters)
    marks = {name: f"mark {name}" for name in names}
    with pytest.raises(KeyError, match="watched"):
        TSimCNE(**marks).fit(X)
    assert seen.pop("seed") == "mark random_state"
    assert seen == {k: v for k, v in marks.items() if k != "random_state"}
    assert set(seen) <= set(inspect.signature(augmap.fit).parameters)


def test_clone_get_and_set():
    made = TSimCNE(**TINY, random_state=3)
    again = clone(made)
    assert again is not made
    assert again.get_params() == made.get_params()
    again.set_params(dim=3, random_state=4)
    assert (again.dim, again.random_state, made.dim, made.random_state) == (3, 4, None, 3)
    with pytest.raises(ValueError, match="Invalid parameter 'dims' for estimator TSimCNE"):
        made.set_params(dims=3)
    assert repr(made).startswith("TSimCNE(backbone='slim', batch_size=32, epochs=(1,)")
    assert clone(TSimCNE(backbone=nn.Conv2d(3, 4, 3))).backbone is not None


@pytest.mark.parametrize(
    "use",
    [
        lambda t: t.transform(X),
        lambda t: t.get_feature_names_out(),
        lambda t: t.save("x"),
    ],
)
def test_before_fit(use):
    with pytest.raises(NotFittedError, match="This TSimCNE instance is not fitted yet"):
        use(TSimCNE())


def test_what_fit_leaves(fitted):
    assert fitted.embedding_.shape == (60, 2)
    assert fitted.embedding_.dtype == np.float32
    np.testing.assert_array_equal(fitted.embedding_, fitted.map_.positions)
    assert fitted.n_features_in_ == 8 * 8 * 3
    assert list(fitted.get_feature_names_out()) == ["tsimcne0", "tsimcne1"]
    span = np.ptp(fitted.embedding_, axis=0).max()
    assert np.abs(fitted.transform(X) - fitted.embedding_).max() <= 1e-5 * span
    assert np.abs(fitted.transform(X[7:8]) - fitted.embedding_[7:8]).max() <= 1e-5 * span


def test_fit_transform_and_refit_are_the_same(fitted):
    model = TSimCNE(**TINY)
    np.testing.assert_array_equal(model.fit_transform(X, y=np.arange(60)), fitted.embedding_)
    model.set_params(dim=3)
    assert model.fit(X[..., :1]).transform(X[:2, ..., 0]).shape == (2, 3)
    assert model.n_features_in_ == 64
    assert model.set_params(image_size=16).fit(X[:, :6]).n_features_in_ == 6 * 8 * 3  # as given, not as read


def test_random_state(fitted, monkeypatch):
    def seed(state):
        seeds = []
        monkeypatch.setattr("augmap.estimator.fit", lambda X, **o: seeds.append(o["seed"]) or fitted.map_)
        TSimCNE(random_state=state).fit(X)
        return seeds[0]

    assert seed(7) == 7
    assert seed(np.random.RandomState(1)) == seed(np.random.RandomState(1))
    state = np.random.RandomState(1)
    assert seed(state) != seed(state)
    assert seed(None) != seed(None)


@pytest.mark.parametrize("own", [False, True])
def test_pickling(own, fitted):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model = TSimCNE(**{**TINY, "backbone": network}).fit(X) if own else fitted
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.embedding_, model.embedding_)
    np.testing.assert_array_equal(again.transform(X[:9]), model.transform(X[:9]))
    assert pickle.loads(pickle.dumps(TSimCNE(dim=3))).dim == 3


def test_a_pipeline():
    flat, y = X.reshape(60, -1), np.array(["a", "b"] * 30)
    model = make_pipeline(
        FunctionTransformer(np.reshape, kw_args={"shape": (-1, 8, 8, 3)}),
        TSimCNE(**TINY),
        KNeighborsClassifier(3),
    )
    model.fit(flat, y)
    assert model.predict(flat[:4]).shape == (4,)
    assert list(model[1:-1].get_feature_names_out()) == ["tsimcne0", "tsimcne1"]
    assert clone(model).set_params(tsimcne__dim=3)["tsimcne"].dim == 3


def test_a_flat_array_gets_a_sentence():
    with pytest.raises(InputError, match=re.escape("(60, 64)")) as refused:
        TSimCNE(**TINY).fit(np.zeros((60, 64)))
    assert "flat; give images (n, h, w) or (n, h, w, c)" in str(refused.value)
    assert "reshape" in str(refused.value)


def test_no_row_goes_missing(fitted, photos, tmp_path):
    good, bad = str(photos / "down" / "00.png"), tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1 images cannot be read, first .*bad\.png.*use map_\.embed"):
        fitted.transform([good, str(bad)])
    with pytest.raises(InputError, match=r"1 of 2 files cannot be read, first .*bad\.png"):
        TSimCNE(**TINY).fit_transform([good, str(bad)])
    with pytest.raises(InputError, match="stands twice in the list of paths, as entries 0 and 1"):
        fitted.transform([good, good])


def test_a_folder_and_saving(photos, tmp_path):
    model = TSimCNE(**TINY).fit(photos)
    model.save(tmp_path / "m")
    loaded = augmap.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.positions, model.embedding_)
    assert loaded.names == model.map_.names
