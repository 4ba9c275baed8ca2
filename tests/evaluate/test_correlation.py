"""Rank correlation of distances: scipy on all pairs, and the sampled pairs against it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import rankdata, spearmanr

from augmap.errors import InputError
from augmap.evaluate.correlation import distance_correlation


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_all_pairs_are_scipys(metric):
    rng = np.random.default_rng(0)
    h = rng.normal(size=(60, 5)).astype(np.float32)
    z = h[:, :2] + rng.normal(size=(60, 2)).astype(np.float32) / 2
    found, pairs = distance_correlation(z, h, metric=metric)
    assert pairs == 60 * 59 // 2
    assert found == pytest.approx(spearmanr(pdist(z), pdist(h, metric)).statistic, abs=1e-12)
    assert 0.3 < found < 0.95


def test_a_sample_of_pairs_comes_near():
    rng = np.random.default_rng(0)
    h = rng.normal(size=(800, 6))
    z = h[:, :2] + rng.normal(size=(800, 2)) / 2
    whole, _ = distance_correlation(z, h, pairs=10**6)
    seen = []
    for seed in range(3):
        some, pairs = distance_correlation(z, h, pairs=20_000, seed=seed, progress=lambda *a: seen.append(a))
        assert pairs == 20_000
        assert some == pytest.approx(whole, abs=4 / np.sqrt(20_000))
    assert seen[-1] == (20_000, 20_000)
    assert distance_correlation(z, h, pairs=500, seed=1) == distance_correlation(z, h, pairs=500, seed=1)
    assert distance_correlation(z, h, pairs=500, seed=1) != distance_correlation(z, h, pairs=500, seed=2)


def test_counted():
    z, h = np.array([[0.0], [1], [3]]), np.array([[0.0], [5], [1]])
    # distances of 0-1, 0-2, 1-2: 1 3 2 on the map, 5 1 4 in the features: ranks 1 3 2 and 3 1 2
    assert distance_correlation(z, h, metric="euclidean") == (pytest.approx(-1), 3)
    h = np.array([[0.0], [2], [2]])  # 2 2 0: ranks 2.5 2.5 1
    a, b = rankdata([1, 3, 2]), rankdata([2, 2, 0])
    assert distance_correlation(z, h, metric="euclidean")[0] == pytest.approx(np.corrcoef(a, b)[0, 1])


def test_no_pair_is_of_one_image_and_a_random_map_has_none():
    rng = np.random.default_rng(0)
    z, h = rng.normal(size=(2000, 2)), rng.normal(size=(2000, 9))
    assert abs(distance_correlation(z, h)[0]) < 0.02
    from augmap.evaluate.correlation import _pairs

    first, second = _pairs(50, 1000, 0)
    assert (first != second).all()
    assert set(first) == set(second) == set(range(50))


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((5, 2)), "distances on the map are all equal"),
        (np.full((5, 2), np.nan), "distances on the map are all equal, or not finite"),
        (np.zeros((2, 2)), "needs 3 images and 2 pairs, got 2"),
    ],
)
def test_refuses(z, message):
    with pytest.raises(InputError, match=message):
        distance_correlation(z, np.random.default_rng(0).normal(size=(len(z), 3)))


def test_a_seed_out_of_range():
    with pytest.raises(InputError, match=r"seed must lie in .*, got -1"):
        distance_correlation(np.eye(5), np.eye(5), pairs=3, seed=-1)
