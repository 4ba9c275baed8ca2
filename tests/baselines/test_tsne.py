"""t-SNE: openTSNE gets what was asked for, and puts like to like."""

from __future__ import annotations

import sys

import numpy as np
import openTSNE
import pytest

from augmap.baselines import layout
from augmap.baselines.tsne import EARLY, reduced, tsne, tsne_layout
from augmap.errors import InputError
from augmap.evaluate.knn import knn_accuracy


@pytest.fixture
def seen(monkeypatch):
    """What openTSNE is given; it answers with the start."""
    given = {}

    class Stub:
        def __init__(self, **settings):
            given.update(settings)

        def fit(self, x):
            given["x"] = x
            return given["initialization"]

    monkeypatch.setattr(openTSNE, "TSNE", Stub)
    return given


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)


def test_it_learns_and_a_random_layout_does_not(stripes):
    ticks = []
    made = tsne(
        stripes, perplexity=5, jobs=1, progress=lambda title: lambda a, b: ticks.append((title, a, b))
    )
    labels = np.array(stripes.labels["label"])
    random = np.random.default_rng(0)
    assert knn_accuracy(made.positions, labels).accuracy > 0.9  # 1.0
    assert knn_accuracy(made.positions, random.permutation(labels)).accuracy < 0.5  # 0.34
    assert knn_accuracy(random.normal(size=(len(labels), 2)), labels).accuracy < 0.6  # 0.42
    assert ticks[0] == ("t-SNE", 10, 750)
    assert ticks[-1] == ("t-SNE", 750, 750)
    assert [a for _, a, _ in ticks] == list(range(10, 751, 10))
    assert made.info["method"] == "t-SNE of pixels"
    assert made.info["versions"] == {"openTSNE": openTSNE.__version__}


def test_the_same_seed_gives_the_same_bits(x):
    first, again, other = (tsne_layout(x, iterations=20, jobs=1, seed=s).positions for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("asked", "name", "value"),
    [
        ({"perplexity": 12}, "perplexity", 12.0),
        ({"exaggeration": 4}, "exaggeration", 4),
        ({"iterations": 7}, "n_iter", 7),
        ({"metric": "cosine"}, "metric", "cosine"),
        ({"jobs": 3}, "n_jobs", 3),
        ({"seed": 2**40 + 5}, "random_state", 5),
        ({"dim": 1}, "n_components", 1),
        ({"dim": 3}, "negative_gradient_method", "bh"),
    ],
)
def test_every_option_arrives(seen, x, asked, name, value):
    found = tsne_layout(x, **asked)
    assert seen[name] == value
    assert found.positions.shape == (100, asked.get("dim", 2))
    if next(iter(asked)) not in ("dim", "iterations"):
        assert found.settings[next(iter(asked))] == next(iter(asked.values()))


def test_what_is_not_asked_for_is_opentsnes_default(seen, x):
    found = tsne_layout(x)
    assert (seen["perplexity"], seen["n_iter"], seen["exaggeration"]) == (30.0, 500, None)
    assert seen["early_exaggeration_iter"] == EARLY == 250
    assert seen["initialization"].std(0)[0] == pytest.approx(1e-4, rel=0.01)
    assert found.settings["early_exaggeration"] == 12


def test_the_defaults_are_those_of_the_installed_version():
    whole = openTSNE.TSNE()
    assert (whole.perplexity, whole.n_iter, whole.early_exaggeration_iter) == (30, 500, EARLY)
    assert (whole.exaggeration, whole.early_exaggeration, whole.metric) == (None, 12, "euclidean")


def test_few_images_lower_the_default_but_never_what_was_given(seen, x):
    assert tsne_layout(x[:31]).settings["perplexity"] == 10  # (31 - 1) / 3
    with pytest.raises(InputError, match=r"must lie in \[1, 10\] for 31 images, got 10.5"):
        tsne_layout(x[:31], perplexity=10.5)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"perplexity": 0.5}, "perplexity must lie in"),
        ({"perplexity": float("nan")}, "perplexity must lie in"),
        ({"exaggeration": 0.5}, "at least 1, got 0.5"),
        ({"exaggeration": float("inf")}, "at least 1, got inf"),
        ({"iterations": 0}, "at least 1 iteration, got 0"),
        ({"jobs": 0}, "at least 1 thread, got jobs=0"),
        ({"dim": 4}, "1, 2 or 3 dimensions, got dim=4"),
    ],
)
def test_mistakes(seen, x, asked, message):
    with pytest.raises(InputError, match=message):
        tsne_layout(x, **asked)
    assert "x" not in seen


def test_three_images_are_too_few(seen, x):
    with pytest.raises(InputError, match="t-SNE needs at least 4 images, got 3"):
        tsne_layout(x[:3])


def test_components_in_place_of_pixels(seen, stripes):
    made = tsne(stripes, pca=7)
    assert seen["x"].shape == (120, 7)
    assert made.info["method"] == "t-SNE of 7 principal components of pixels"


def test_too_much_memory_is_refused_with_what_to_do(seen, stripes, monkeypatch):
    monkeypatch.setattr(layout, "MATRIX_BYTES", 4 * 120 * 432 - 1)
    with pytest.raises(InputError, match=r"120 images of 432 numbers take 0.0 GB .* give --pca 50"):
        tsne(stripes)
    assert tsne(stripes, pca=5).n == 120  # in blocks


def test_pixels_are_numbers_from_0_to_1(stripes):
    x, how = reduced(stripes.pixels, None, 0, None)
    np.testing.assert_allclose(x, stripes.pixels.reshape(120, -1) / 255, atol=1e-7)
    assert how == ""


def test_threads_follow_the_environment(seen, x, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    tsne_layout(x)
    assert seen["n_jobs"] == 3
    monkeypatch.setattr("augmap.baselines.tsne.cpus", lambda: 5)
    for strange in ("", "0", "4,2"):
        monkeypatch.setenv("OMP_NUM_THREADS", strange)
        tsne_layout(x)
        assert seen["n_jobs"] == 5


def test_without_opentsne(monkeypatch, x):
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(InputError, match=r"openTSNE is not installed .*pip install 'augmap\[baselines\]'"):
        tsne_layout(x)
