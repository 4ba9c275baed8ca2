"""Splits: who learns, who is asked, and who is left out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.evaluate.clusters import kmeans_agreement
from augmap.evaluate.splits import known_twice, label_splits, mean_and_sd, short_seed


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


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range(seed):
    with pytest.raises(InputError, match=rf"seed must lie in \[0, 2\*\*63\), got {seed}"):
        label_splits(np.repeat(list("ab"), 30), seed=seed)


def test_mean_and_sd():
    assert mean_and_sd([0.5, 0.7]) == pytest.approx((0.6, math.sqrt(0.02)))
    assert mean_and_sd([0.5])[0] == 0.5
    assert math.isnan(mean_and_sd([0.5])[1])
