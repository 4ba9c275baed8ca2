"""Trustworthiness and continuity: scikit-learn's number, loops over ranks, four points by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness as by_sklearn

from augmap.errors import InputError
from augmap.evaluate import trust
from augmap.evaluate.trust import chance, continuity, neighbour_ranks, trustworthiness


@given(
    st.integers(0, 2**31),
    st.integers(1, 9),
    st.sampled_from(["cosine", "euclidean"]),
    st.sampled_from([2, 7]),
    st.sampled_from([50, 2**24]),
)
def test_it_is_scikit_learns(seed, k, metric, d, entries):
    rng = np.random.default_rng(seed)
    z, h = rng.normal(size=(40, d)).astype(np.float32), rng.normal(size=(40, 6)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trust, "_BLOCK_ENTRIES", entries)  # one row at a time, or all
        t = trustworthiness(z, h, k=k, metric=metric)
        c = continuity(z, h, k=k, metric=metric)
    assert t.mean() == pytest.approx(by_sklearn(h, z, n_neighbors=k, metric=metric), abs=1e-12)
    unit = h if metric == "euclidean" else h / np.linalg.norm(h, axis=1, keepdims=True)
    assert c.mean() == pytest.approx(by_sklearn(z, unit, n_neighbors=k), abs=1e-12)


def test_at_the_coordinates_of_a_map():
    """Spans of hundreds, neighbours half a unit apart: products in float32 would lose the near ones."""
    rng = np.random.default_rng(0)
    z = (rng.uniform(-500, 500, (600, 2)) + rng.normal(0, 0.3, (600, 2))).astype(np.float32)
    h = np.maximum(rng.normal(size=(600, 32)), 0).astype(np.float32)
    for x, reference in ((z, h), (h, z)):
        found = trustworthiness(x, reference, k=15, metric="euclidean").mean()
        assert found == pytest.approx(by_sklearn(reference, x, n_neighbors=15), abs=1e-9)


def test_counted():
    z = np.array([[0.0], [1], [2.5], [4.5], [7]])
    h = z[[4, 1, 2, 3, 0]]  # the first and the last image changed places
    # k = 1, scale 2 / (1 * (10 - 3 - 1)) = 1/3. Nearest on the map: 1 0 1 2 3.
    # in h (7, 1, 2.5, 4.5, 0): rank of 1 for image 0 is 3 (behind 3, 2); of 0 for 1: 4 (behind all)
    # of 1 for 2: 1; of 2 for 3: 1; of 3 for 4: 3
    ranks = neighbour_ranks(h, np.array([[1], [0], [1], [2], [3]]))
    assert ranks[:, 0].tolist() == [3, 4, 1, 1, 3]
    found = trustworthiness(z, h, k=1, metric="euclidean")
    np.testing.assert_allclose(found, [1 / 3, 0, 1, 1, 1 / 3])


def test_equal_distances_share_their_ranks():
    x = np.array([[0.0], [1], [-1], [3]])
    assert neighbour_ranks(x, np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])).tolist() == [
        [1.5, 1.5, 3],
        [1, 2.5, 2.5],
        [1, 2, 3],
        [2, 1, 3],
    ]


def test_bounds_and_controls():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 2)).astype(np.float32)
    same, other = z @ np.array([[0, 2], [-2, 0]], np.float32), rng.normal(size=(300, 5)).astype(np.float32)
    assert (trustworthiness(same, z, metric="euclidean") == 1).all()
    assert (continuity(same, z, metric="euclidean") == 1).all()
    for measure in (trustworthiness, continuity):
        assert measure(z, other).mean() == pytest.approx(chance(300, 15), abs=0.03)
    # a map that fell into one point keeps nothing, and must not look as if it did
    flat = continuity(np.zeros((300, 2), np.float32), other)
    assert flat.mean() == pytest.approx(chance(300, 15), abs=0.01)


def test_chance_is_the_mean_over_all_ranks():
    n, k = 12, 3
    excess = np.mean([max(0, r - k) for r in range(1, n)])
    assert chance(n, k) == pytest.approx(1 - 2 / (k * (2 * n - 3 * k - 1)) * k * excess)


def test_progress_is_told_the_end():
    seen = []
    x = np.random.default_rng(0).normal(size=(300, 2))
    trustworthiness(x, x, k=2, progress=lambda *at: seen.append(at))
    assert seen == [(256, 300), (300, 300)]


@pytest.mark.parametrize("k", [0, 5, 20])
def test_refuses_k(k):
    for measure in (trustworthiness, continuity):
        with pytest.raises(
            InputError, match=re.escape("must lie in [1, n / 2) for trustworthiness of 10 images")
        ):
            measure(np.eye(10)[:, :2], np.eye(10), k=k)


def test_refuses_what_is_not_finite():
    x = np.random.default_rng(0).normal(size=(10, 3))
    bad = np.where(np.arange(10)[:, None] == 3, np.nan, x)
    with pytest.raises(InputError, match="1 of 10 rows are not finite"):
        trustworthiness(x, bad, k=2)
