"""Linear accuracy: the optimum of scikit-learn's other solvers, and what a line can and cannot tell."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler

from augmap.errors import InputError
from augmap.evaluate import linear, splits
from augmap.evaluate.clusters import kmeans_agreement
from augmap.evaluate.linear import linear_accuracy


def clouds(n=240, labels="abc", spread=1.0, d=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.array(list(labels))[rng.integers(0, len(labels), n)]
    centres = {name: rng.normal(size=d) for name in labels}
    return np.array([centres[v] for v in y]) + spread * rng.normal(size=(n, d)), y


def test_it_is_the_papers_model_by_another_solver():
    x, y = clouds()
    x = x * [1, 1e-3, 50, 7] + 3  # columns of any scale
    found = linear_accuracy(x, y, seed=5)
    scores = []
    for a, b in StratifiedShuffleSplit(5, test_size=40, random_state=5).split(x, y):
        scale = StandardScaler().fit(x[a])
        judge = LogisticRegression(solver="saga", max_iter=5000, tol=1e-8, random_state=0)
        judge.fit(scale.transform(x[a]), y[a])
        scores.append(judge.score(scale.transform(x[b]), y[b]))
    assert found.accuracy == pytest.approx(np.mean(scores), abs=1e-12)
    assert found.sd == pytest.approx(np.std(scores, ddof=1))
    assert 0.5 < found.accuracy < 0.95
    assert (found.n_train, found.n_test, found.split) == (200, 40, "stratified, 5 random splits")
    assert found.converged


def test_the_official_split_and_images_without_a_label():
    x, y = clouds()
    y[::10] = ""
    found = linear_accuracy(x, y, ["train"] * 200 + ["test"] * 40)
    assert (found.n_train, found.n_test, found.split) == (180, 36, "official")
    assert np.isnan(found.sd)


def test_a_line_does_not_see_rings():
    rng = np.random.default_rng(0)
    angle, y = rng.uniform(0, 2 * np.pi, 300), np.array(["in", "out"] * 150)
    x = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(y == "in", 1, 5)[:, None]
    assert linear_accuracy(x, y).accuracy < 0.65
    assert linear_accuracy(np.hstack([x, (x**2).sum(1, keepdims=True)]), y).accuracy == 1


def test_shuffled_labels_are_a_control():
    x, y = clouds(n=600, spread=0.3)
    assert linear_accuracy(x, y).accuracy > 0.9
    assert linear_accuracy(x, np.random.default_rng(1).permutation(y)).accuracy < 0.45


def test_columns_that_say_nothing_and_half_precision():
    x, y = clouds()
    dead = np.hstack([x, np.zeros((len(x), 2)), np.full((len(x), 1), 7.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert linear_accuracy(dead, y).accuracy == linear_accuracy(x, y).accuracy
    assert linear_accuracy(x.astype(np.float16), y).accuracy == pytest.approx(
        linear_accuracy(x, y).accuracy, abs=0.02
    )


def test_it_says_when_the_optimum_was_not_reached(monkeypatch):
    monkeypatch.setattr(linear, "MAX_ITERATIONS", 1)
    assert not linear_accuracy(*clouds()).converged


def test_progress_and_refusal():
    seen = []
    linear_accuracy(*clouds(), progress=lambda *at: seen.append(at))
    assert seen == [(i, 5) for i in range(1, 6)]
    with pytest.raises(InputError, match="linear accuracy needs at least two labels with two images"):
        linear_accuracy(np.eye(3), np.array(["a"] * 3))


def test_one_label_in_training_is_refused():
    """As where defects are only among the test images."""
    x, labels = np.random.default_rng(0).normal(size=(40, 3)), np.repeat(["good", "broken"], 20)
    splits = np.where((labels == "good") & (np.arange(40) % 2 == 0), "train", "test")
    with pytest.raises(InputError, match="needs two labels among the training images"):
        linear_accuracy(x, labels, splits)


def test_labels_of_two_images_and_too_many_labels(monkeypatch):
    y = np.array([str(i // 2) for i in range(60)])
    x = np.array([[int(v), 0.0] for v in y])
    assert 0 <= linear_accuracy(x, y, ["train", "test"] * 30).accuracy <= 1
    monkeypatch.setattr(splits, "MAX_LABELS", 29)
    with pytest.raises(
        InputError, match="linear accuracy takes at most 29 labels, got 30; give coarser ones"
    ):
        linear_accuracy(x, y)
    with pytest.raises(InputError, match="k-means takes at most 29 labels, got 30"):
        kmeans_agreement(x, y)
