"""Splits: who learns, who is asked, and who is left out."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.evaluate.clusters import kmeans_agreement
from augmap.evaluate.splits import known_twice, label_splits, mean_and_sd, short_seed


def test_two_folders_of_that_name_are_no_split():
    """``rose/training`` and ``rose/test`` among five kinds of flowers."""
    labels, splits = np.array(["a", "b"] * 20), np.full(40, "", "<U5")
    splits[:12:2], splits[1] = "train", "test"
    assert label_splits(labels, splits).how.startswith("stratified")
    splits[2:30] = "train"
    assert label_splits(labels, splits).how == "official"


def test_the_official_split_by_hand():
    y = np.array(["b", "", "a", "b", "a", "c"])
    parted = label_splits(y, ["train", "train", "test", "val", "train", "test"])
    assert parted.rows.tolist() == [0, 2, 3, 4, 5]
    assert parted.names.tolist() == ["a", "b", "c"]
    assert parted.codes.tolist() == [1, 0, 1, 0, 2]
    (train, test), *rest = parted.pairs
    assert (train.tolist(), test.tolist(), rest) == ([0, 3], [1, 4], [])
    assert (parted.how, parted.sizes) == ("official", (2, 2))
    assert [t.tolist() for t in parted.test_labels()] == [[0, 2]]


def test_without_one_every_label_is_taught_and_asked_for():
    y = np.repeat(list("abc"), [30, 20, 10])
    parted = label_splits(y, ["train"] * 60, repeats=4)  # nothing to be asked about: no split
    assert parted.how == "stratified, 4 random splits"
    assert parted.sizes == (50, 10)
    for train, test in parted.pairs:
        assert not set(train) & set(test)
        assert np.bincount(parted.codes[test]).tolist() == [5, 3, 2]
    assert not np.array_equal(parted.pairs[0][1], parted.pairs[1][1])
    again = label_splits(y, repeats=4)
    np.testing.assert_array_equal(parted.pairs[3][1], again.pairs[3][1])
    assert not np.array_equal(label_splits(y, seed=1).pairs[0][1], again.pairs[0][1])


def test_labels_of_one_image():
    assert known_twice(np.array(["a", "b", "a", "", "c", ""])).tolist() == ["a", "", "a", "", "", ""]
    with pytest.raises(InputError, match="label 'b' has one image; at least 2 are needed"):
        label_splits(np.array(["a", "a", "b"]))
    with pytest.raises(InputError, match="the score needs at least two labels with two images each, got 1"):
        label_splits(np.array(["a", "a", ""]), what="the score")


@pytest.mark.parametrize("seed", [2**32 - 1, 2**32, 5_000_000_000, 2**63 - 1])
def test_a_long_seed(seed):
    """scikit-learn takes 32 bits; what is longer still counts whole."""
    y = np.repeat(list("ab"), 30)
    drawn = label_splits(y, seed=seed).pairs[0][1]
    assert not np.array_equal(drawn, label_splits(y, seed=seed % 2**32 ^ 1).pairs[0][1])
    np.testing.assert_array_equal(drawn, label_splits(y, seed=seed).pairs[0][1])
    kmeans_agreement(np.arange(60.0)[:, None], y, seed=seed)


def test_short_seeds_are_themselves():
    assert [short_seed(seed) for seed in (0, 7, 2**32 - 1)] == [0, 7, 2**32 - 1]
    assert len({short_seed(seed) for seed in (2**32, 2**33, 2**62)} & {0}) == 0


def test_a_rare_label_may_have_no_test_image():
    y = np.array(["a"] * 200 + ["b"] * 200 + ["c"] * 2)
    assert label_splits(y, repeats=1).unasked == 1
    assert label_splits(y, ["train", "test"] * 201).unasked == 0
    assert label_splits(y, ["train", "test"] * 200 + ["train"] * 2).unasked == 1


@pytest.mark.parametrize("seed", [None, True, 1.0, "1"])
def test_a_seed_is_a_whole_number(seed):
    y = np.repeat(list("ab"), 30)
    for splits in ((), ["train", "test"] * 30):
        with pytest.raises(InputError, match=re.escape(f"seed must be a whole number, got {seed!r}")):
            label_splits(y, splits, seed=seed)
    assert label_splits(y, seed=np.int64(3)).how == label_splits(y, seed=3).how


@pytest.mark.parametrize("repeats", [0, -1])
def test_no_repeats(repeats):
    with pytest.raises(InputError, match=f"repeats must be at least 1, got {repeats}"):
        label_splits(np.repeat(list("ab"), 30), repeats=repeats)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range(seed):
    with pytest.raises(InputError, match=rf"seed must lie in \[0, 2\*\*63\), got {seed}"):
        label_splits(np.repeat(list("ab"), 30), seed=seed)


def test_mean_and_sd():
    assert mean_and_sd([0.5, 0.7]) == pytest.approx((0.6, math.sqrt(0.02)))
    assert mean_and_sd([0.5])[0] == 0.5
    assert math.isnan(mean_and_sd([0.5])[1])
