"""``baseline``: every name makes a map that is saved and judged like ours; options arrive or are refused."""

from __future__ import annotations

import inspect
import re
import types

import numpy as np
import pytest

from augmap import unfinished
from augmap.api import load
from augmap.baselines import baseline as home
from augmap.baselines.baseline import baseline
from augmap.baselines.options import _APPLIES, BASELINES
from augmap.baselines.trained import TRAINED
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.presets import PRESETS

OF_ALL = {"name", "images", "output", "overwrite", "seed", "dim", "image_size", "labels", "only_split"}
OF_ALL |= {"exclude", "strict", "max_pixels", "cache", "listeners", "say", "progress"}
TINY = {"epochs": (1, 1), "batch_size": 16, "backbone": "slim", "precision": "float32", "device": "cpu"}


def test_every_option_is_of_all_or_of_some():
    assert set(inspect.signature(baseline).parameters) == OF_ALL | set(_APPLIES)
    assert set().union(*_APPLIES.values()) == set(BASELINES) - {"pca"}
    assert set(TRAINED) <= set(PRESETS)


@pytest.mark.parametrize("option", _APPLIES)
def test_options_that_mean_nothing_are_refused(option, stripes):
    values = {"resume": True, "epochs": (1,), "mean": [0.5], "std": [0.5], "metric": "cosine"}
    values |= dict.fromkeys(("features", "init", "backbone", "precision", "device"), "x")
    for name in BASELINES:
        if name not in _APPLIES[option]:
            with pytest.raises(
                InputError, match=f"{option} means nothing for {re.escape(name)}: .*; leave --"
            ):
                baseline(name, stripes, **{option: values.get(option, 1)})


def test_unknown_names(stripes):
    with pytest.raises(InputError, match="unknown baseline 'mds'; choose one of pca, tsne,"):
        baseline("mds", stripes)
    with pytest.raises(InputError, match="ablations are four maps"):
        baseline("ablations", stripes)


@pytest.mark.parametrize(
    ("seed", "message"),
    [(None, "seed must be a whole number, got None"), (-1, "seed must lie in [0, 2**63), got -1")],
)
def test_seeds_that_are_none(seed, message, stripes):
    with pytest.raises(InputError, match=re.escape(message)):
        baseline("pca", stripes, seed=seed)


def test_a_map_like_any_other(photos, tmp_path):
    said, titles = [], set()

    def progress(title):
        titles.add(title)
        return lambda done, total: None

    made = baseline("pca", photos, output=tmp_path / "p.map", say=said.append, progress=progress)
    read = load(tmp_path / "p.map")
    np.testing.assert_array_equal(read.positions, made.positions)
    assert read.names == made.names
    assert read.info == made.info
    assert read.thumbs.images(np.arange(3)).shape == (3, 24, 24, 3)
    assert (read.config, read.weights, read.features, read.log) == (None, None, None, [])
    assert read.preprocessing.image_size == 24
    assert 0 <= read.info["knn"]["accuracy"] <= 1
    assert read.info["seconds"] > 0
    assert said
    assert titles == {"reading images", "principal components", "thumbnails"}
    with pytest.raises(InputError, match="PCA of pixels cannot place new images"):
        read.embed(photos)


def test_what_is_there_stays_unless_it_is_to_be_replaced(photos, tmp_path):
    out = tmp_path / "p.map"
    baseline("pca", photos, output=out)
    with pytest.raises(InputError, match="there is a map already; give --overwrite"):
        baseline("pca", photos, output=out, dim=3)
    with pytest.raises(InputError, match="must lie in"):
        baseline("pca", photos, output=out, dim=300, overwrite=True)
    assert ImageMap.load(out).dim == 2
    baseline("pca", photos, output=out, dim=3, overwrite=True)
    assert ImageMap.load(out).dim == 3
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a map"):
        baseline("pca", photos, output=tmp_path / "notes", overwrite=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_stopped_layout_leaves_nothing(photos, tmp_path, monkeypatch, error):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr("augmap.baselines.tsne.tsne_layout", stop)
    with pytest.raises(error):
        baseline("tsne", photos, output=tmp_path / "t.map", perplexity=5)
    assert list(tmp_path.iterdir()) == []


def test_layouts_get_their_options(stripes, monkeypatch):
    seen = {}

    def watch(x, **options):
        seen.update(options, x=x)
        return types.SimpleNamespace(positions=np.array(x[:, :2]), settings={}, versions={})

    monkeypatch.setattr("augmap.baselines.tsne.tsne_layout", watch)
    asked = {"perplexity": 7, "exaggeration": 4, "iterations": 9, "jobs": 2, "seed": 5, "dim": 3}
    baseline("tsne", stripes, **asked)
    assert {k: seen[k] for k in asked} == asked
    monkeypatch.setattr("augmap.baselines.umap.umap_layout", watch)
    asked = {"neighbors": 7, "min_dist": 0.3, "seed": 6}
    baseline("umap", stripes, pca=9, **asked)
    assert {k: seen[k] for k in asked} == asked
    assert seen["x"].shape == (120, 9)
    monkeypatch.setattr("augmap.baselines.features.tsne_layout", watch)
    monkeypatch.setattr("augmap.baselines.features.umap_layout", watch)
    h = np.random.default_rng(0).normal(size=(120, 6))
    for name in ("features+tsne", "features+umap"):
        made = baseline(name, stripes, features=h, metric="cosine")
        assert seen["metric"] == "cosine"
        np.testing.assert_array_equal(made.features, h.astype(np.float32))


def test_networks_get_their_options(stripes, monkeypatch):
    seen = {}

    def watch(source, images, **options):
        seen.update(options, source=source)
        return np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32), {"source": "x"}

    monkeypatch.setattr("augmap.baselines.features.read_features", watch)
    baseline(
        *("features+tsne", stripes),
        features="m.onnx",
        feature_size=9,
        mean=[0.1],
        std=[0.2],
        device="cpu",
        perplexity=5,
        iterations=5,
        jobs=1,
    )
    assert (seen["source"], seen["size"], seen["mean"], seen["std"], seen["device"]) == (
        *("m.onnx", 9, [0.1], [0.2], "cpu"),
    )


def test_features_have_to_be_brought(stripes):
    with pytest.raises(InputError, match=r"features\+umap needs features: give --features"):
        baseline("features+umap", stripes)
    with pytest.raises(InputError, match="metric must be euclidean or cosine, got 'hamming'"):
        baseline("features+tsne", stripes, features="h.npy", metric="hamming")


@pytest.mark.parametrize("option", ["budget", "epochs", "backbone", "threads"])
def test_nothing_is_trained_where_features_are_there(stripes, option):
    with pytest.raises(InputError, match=f"{option} means nothing where --init brings the features"):
        baseline("simclr+tsne", stripes, init="s.map", **{option: 1})


@pytest.mark.parametrize("name", TRAINED)
def test_what_trains_is_a_fit_with_other_stages(name, monkeypatch, photos):
    seen = {}
    monkeypatch.setattr("augmap.baselines.trained.fit", lambda images, **options: seen.update(options))
    asked = {
        "output": "o.map",
        "overwrite": True,
        "resume": True,
        "seed": 3,
        "dim": 4,
        "image_size": 8,
        "labels": "l.csv",
        "only_split": "train",
        "exclude": "e.csv",
        "strict": True,
        "max_pixels": 9,
        "cache": "c",
        "budget": "5m",
        "augment": "glyph",
        "backbone": "slim",
        "batch_size": 7,
        "precision": "float32",
        "device": "cpu",
        "threads": 1,
        "checkpoint_every": 5,
        "listeners": [print],
    }
    baseline(name, photos, say=print, progress=None, **asked)
    assert str(seen.pop("output")) == "o.map"
    assert seen == {
        **{k: v for k, v in asked.items() if k != "output"},
        "preset": name,
        "say": print,
        "progress": None,
    }
    seen.clear()
    baseline(name, photos)
    assert not {"budget", "epochs", "backbone", "device", "checkpoint_every"} & set(
        seen
    )  # fit's defaults hold


@pytest.mark.parametrize(
    ("name", "method", "dim"),
    [
        ("simclr", "SimCLR", 128),
        ("parametric-tsne", "parametric t-SNE", 2),
        ("parametric-umap", "parametric UMAP", 2),
        ("supervised", "supervised", 2),
    ],
)
def test_they_train(name, method, dim, photos, tmp_path):
    epochs = {"supervised": (1, 1)}.get(name, (1,))
    made = baseline(name, photos, output=tmp_path / "m.map", image_size=16, **{**TINY, "epochs": epochs})
    assert (made.info["method"], made.dim, made.n) == (method, dim, 48)
    assert made.features.shape == (48, 256)
    assert load(tmp_path / "m.map").embed(photos).n == 48


def test_simclr_and_a_layout_end_in_one_map(photos, tmp_path):
    out = tmp_path / "s.map"
    made = baseline(
        *("simclr+tsne", photos), output=out, perplexity=5, iterations=10, jobs=1, **{**TINY, "epochs": (1,)}
    )
    assert (made.dim, made.weights) == (2, None)
    assert ImageMap.load(out).info["method"] == "SimCLR, then t-SNE of its features"
    assert not (out / unfinished.CHECKPOINT).exists()
    again = baseline("simclr", photos, **{**TINY, "epochs": (1,)})
    taken = baseline("simclr+tsne", photos, init=again, perplexity=5, iterations=10, jobs=1)
    np.testing.assert_array_equal(taken.positions, made.positions)  # the same features, seed and settings


def test_a_single_image_is_no_map():
    with pytest.raises(InputError, match="at least 2 images, found 1"):
        baseline("pca", np.zeros((1, 8, 8, 3), np.uint8))


def test_the_module_loads_no_library_by_itself():
    assert not {"umap", "openTSNE", "torch", "onnxruntime"} & set(vars(home))
