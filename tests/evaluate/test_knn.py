"""kNN accuracy: scikit-learn's classifier on the same split."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.neighbors import KNeighborsClassifier

from augmap.errors import InputError
from augmap.evaluate.knn import accuracy_of, confusion, knn_accuracy, knn_votes, vote
from augmap.evaluate.splits import label_splits


@given(st.integers(0, 2**31), st.integers(1, 9), st.sampled_from([2, 12]), st.integers(2, 5))
def test_official_split_is_scikit_learns(seed, k, d, labels):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, d)).astype(np.float32)
    y = np.array(list("abcde"))[rng.integers(0, labels, 80)]
    y[:2] = ["a", "b"]
    splits = np.array(["train"] * 50 + ["test"] * 25 + ["val"] * 3 + [""] * 2)
    found = knn_accuracy(x, y, splits, k=k)
    # sorted labels, so an even vote goes to the first: the same rule
    judge = KNeighborsClassifier(k, algorithm="brute").fit(x[:50], y[:50])
    assert found.accuracy == pytest.approx(judge.score(x[50:75], y[50:75]), abs=1e-12)
    assert (found.n_train, found.n_test, found.split, found.k) == (50, 25, "official", k)
    assert math.isnan(found.sd)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_random_splits_are_the_papers_protocol(metric):
    rng = np.random.default_rng(0)
    y = np.repeat(["ant", "bee", "cat"], [60, 40, 20])
    x = rng.normal(size=(120, 5)) + 2 * (y == "bee")[:, None] + (y == "cat")[:, None]
    found = knn_accuracy(x, y, k=5, metric=metric, seed=3)
    scores = []
    for a, b in StratifiedShuffleSplit(5, test_size=20, random_state=3).split(x, y):
        judge = KNeighborsClassifier(5, metric=metric).fit(x[a], y[a])
        scores.append(judge.score(x[b], y[b]))
    assert found.accuracy == pytest.approx(np.mean(scores))
    assert found.sd == pytest.approx(np.std(scores, ddof=1))
    assert (found.n_train, found.n_test) == (100, 20)
    assert found.split == "stratified, 5 random splits"


def test_counted():
    x = np.array([[0.0], [1], [2], [10], [11], [12], [1.1], [5.9], [11.2]])
    y = np.array(list("aaabbbabb"))
    splits = np.array(["train"] * 6 + ["test"] * 3)
    # 5.9 lies between: its 3 nearest are 2, 10, 1, so two of three say a, and b is right
    assert knn_accuracy(x, y, splits, k=3).accuracy == 2 / 3
    assert knn_accuracy(x, np.where(y == "a", "b", "a"), splits, k=3).accuracy == 2 / 3  # names do not matter


def test_an_even_vote_goes_to_the_first_label():
    x, splits = np.array([[0.0], [2], [1]]), np.array(["train", "train", "test"])
    assert knn_accuracy(x, np.array(["b", "a", "a"]), splits, k=2).accuracy == 1
    assert knn_accuracy(x, np.array(["a", "b", "b"]), splits, k=2).accuracy == 0


def test_images_without_a_label_are_left_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = np.array(["a", "b"] * 30)
    with_gaps = np.concatenate([y, [""] * 20])
    assert knn_accuracy(np.vstack([x, np.zeros((20, 2))]), with_gaps, k=3) == knn_accuracy(x, y, k=3)


@pytest.mark.parametrize(
    ("y", "k", "message"),
    [
        (["a"] * 6, 1, "needs at least two labels with two images each, got 1"),
        ([""] * 6, 1, "needs at least two labels with two images each, got 0"),
        (["a"] * 5 + ["b"], 1, "label 'b' has one image; at least 2 are needed"),
        (["a", "b"] * 3, 5, "must lie in [1, 4] for 4 images, got 5"),
    ],
)
def test_refuses(y, k, message):
    with pytest.raises(InputError, match=re.escape(message)):
        knn_accuracy(np.eye(6), np.array(y), k=k)


def test_several_k_by_one_search_and_any_array():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (90, 12), dtype=np.uint8), np.array(list("abc") * 30)
    parted = label_splits(y, seed=4)
    votes = knn_votes(x, parted, [7, 1])
    for k in (7, 1):
        assert accuracy_of(votes[k], parted, k) == knn_accuracy(x.astype(np.float32), y, k=k, seed=4)


def test_confusion_is_scikit_learns():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(120, 3)), np.array(list("abcd"))[rng.integers(0, 4, 120)]
    y[5:9] = ""
    parted = label_splits(y, ["train"] * 80 + ["test"] * 40)
    voted = knn_votes(x, parted, [5])[5]
    judge = KNeighborsClassifier(5).fit(x[:80][y[:80] != ""], y[:80][y[:80] != ""])
    np.testing.assert_array_equal(
        confusion(voted, parted), confusion_matrix(y[80:], judge.predict(x[80:]), labels=list("abcd"))
    )


@given(st.integers(0, 2**31), st.integers(1, 8), st.integers(1, 5))
def test_a_vote_is_the_first_of_the_most_frequent(seed, k, labels):
    rows = np.random.default_rng(seed).integers(0, labels, (9, k))
    assert vote(rows, labels).tolist() == [np.bincount(row).argmax() for row in rows]


def test_progress_runs_over_all_splits():
    seen = []
    y = np.array(list("ab") * 30)
    knn_votes(np.eye(60), label_splits(y), [3], progress=lambda *at: seen.append(at))
    assert seen[-1] == (50, 50)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
