"""Outliers: far from all in the features, or between clusters on the map."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.neighbors import LocalOutlierFactor

from augmap.neighbors import nearest
from augmap.review.outliers import K, outliers, robust
from looked_at import blobs


def scored(positions: np.ndarray, features: np.ndarray | None = None):
    near, far = nearest(positions, K)
    return outliers(near, far, None if features is None else nearest(features, K, metric="cosine")[1])


def test_an_image_between_clusters_stands_out():
    positions = np.concatenate([blobs([(0, 0), (40, 0)], [200, 200]), [[20.0, 0.0]]]).astype(np.float32)
    found = scored(positions)
    assert found.score.argmax() == 400
    assert found.score[400] > 5
    assert np.median(found.score) < 1
    assert found.features is None


def test_a_wide_cluster_is_not_an_outlier():
    # twice as sparse, but so are its neighbours: only the ratio counts
    positions = np.concatenate([blobs([(0, 0)], [300]), blobs([(90, 0)], [300], sd=8, seed=1)])
    found = scored(positions)
    assert np.median(found.map[300:]) < np.median(found.map[:300]) + 0.5


def test_ranks_like_scikit_learns_local_outlier_factor():
    rng = np.random.default_rng(0)
    positions = (rng.normal(size=(500, 2)) * rng.choice([1, 3], (500, 1))).astype(np.float32)
    theirs = -LocalOutlierFactor(K).fit(positions).negative_outlier_factor_
    ours = scored(positions).map
    # not the same formula: ours has no reachability distance, which smooths theirs (0.70; shuffled 0.0)
    assert spearmanr(ours, theirs).statistic > 0.6
    assert abs(spearmanr(rng.permutation(ours), theirs).statistic) < 0.15
    assert set(np.argsort(-ours)[:5]) & set(np.argsort(-theirs)[:5])


def test_features_and_map_are_combined():
    rng = np.random.default_rng(0)
    features = rng.normal([1, 0, 0, 0], 0.05, (401, 4))
    features[7] = [-1, 0.2, 0, 0]
    positions = np.concatenate([blobs([(0, 0), (40, 0)], [200, 200]), [[20.0, 0.0]]]).astype(np.float32)
    found = scored(positions, features.astype(np.float32))
    assert set(np.argsort(-found.score)[:2]) == {7, 400}
    both = np.sqrt(np.maximum(found.features, 0) ** 2 + np.maximum(found.map, 0) ** 2)
    np.testing.assert_allclose(found.score, both)


def test_counted():
    distances = np.array([[1.0, 3.0], [1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [1.0, 1.0]], np.float32)
    near = np.array([[1, 2], [0, 2], [0, 1], [0, 2], [0, 1]])
    # mean distances 2 1 2 4 1; of the neighbours 1.5 2 1.5 2 1.5
    ratio = np.log(np.array([2, 1, 2, 4, 1]) / [1.5, 2, 1.5, 2, 1.5])
    np.testing.assert_allclose(outliers(near, distances).map, robust(ratio), rtol=1e-6)


def test_robust_is_in_standard_deviations():
    x = np.random.default_rng(0).normal(3, 2, 40_000)
    assert robust(np.append(x, 1e9))[:-1].std() == pytest.approx(1, abs=0.02)
    assert robust(np.ones(5)).tolist() == [0] * 5


def test_images_at_one_place_are_no_outliers():
    positions = np.concatenate([np.zeros((40, 2)), blobs([(9, 9)], [60])]).astype(np.float32)
    found = scored(positions)
    assert np.isfinite(found.score).all()
    assert found.score[:40].max() < 1
    assert np.isfinite(scored(np.zeros((30, 2), np.float32)).score).all()
