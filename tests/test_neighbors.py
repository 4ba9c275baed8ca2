"""Nearest neighbours: those of a plain search in float64, with duplicates, ties, and both metrics."""

from __future__ import annotations

import re
from inspect import unwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augmap import neighbors
from augmap.errors import InputError
from augmap.neighbors import nearest


def distances(x, q, metric):
    """All distances in float64, by the definition."""
    x, q = np.asarray(x, float), np.asarray(q, float)
    if metric == "euclidean":
        return np.sqrt(((q[:, None] - x[None]) ** 2).sum(-1))
    lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(x, axis=1)[None]
    cosine = np.divide((q[:, None] * x[None]).sum(-1), lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return 1 - cosine


def check(points, k, queries, metric):
    """The distances are the k smallest, in order, and belong to the indices."""
    indices, found = nearest(points, k, queries=queries, metric=metric)
    q = points if queries is None else queries
    assert indices.shape == found.shape == (len(q), k)
    assert (indices.dtype, found.dtype) == (np.int64, np.float32)
    true = distances(points, q, metric)
    if queries is None:
        np.fill_diagonal(true, np.inf)
        assert not (indices == np.arange(len(q))[:, None]).any()
    assert all(len(set(row)) == k for row in indices.tolist())
    # float32 of numbers up to 30: d² to 1e-4 here, so d near 0 to 1e-2
    np.testing.assert_allclose(np.take_along_axis(true, indices, 1), np.sort(true, 1)[:, :k], atol=1e-2)
    np.testing.assert_allclose(found, np.sort(true, 1)[:, :k], atol=1e-2)
    assert (np.diff(found, axis=1) >= 0).all()


@given(
    st.integers(2, 40),
    st.integers(1, 7),
    st.sampled_from(["euclidean", "cosine"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**31),
    st.data(),
)
def test_as_by_looking_at_all(n, d, metric, grid, own, seed, data):
    rng = np.random.default_rng(seed)
    # a small grid is full of ties, duplicates and rows of zeros
    points, queries = (rng.integers(-1, 2, s) if grid else rng.normal(size=s) for s in ((n, d), (5, d)))
    k = data.draw(st.integers(1, n - own))
    check(points.astype(float), k, None if own else queries.astype(float), metric)


@pytest.mark.parametrize("d", [2, 20])
@pytest.mark.parametrize("block", [100, 4000])
def test_blocks_and_groups_do_not_matter(monkeypatch, d, block):
    points = np.random.default_rng(0).normal(size=(700, d)).astype(np.float32)
    want = nearest(points, 5)
    monkeypatch.setattr(neighbors, "_BLOCK_ENTRIES", block * 700 // 100)
    seen = []
    found = nearest(points, 5, progress=lambda *a: seen.append(a))
    np.testing.assert_array_equal(found[0], want[0])
    np.testing.assert_allclose(found[1], want[1], rtol=1e-5)
    if d == 20:
        assert seen[-1] == (700, 700)
        assert len(seen) == -(-700 // (block // 100))
    check(points.astype(float), 5, None, "euclidean")


def test_far_from_the_origin():
    """Products of uncentred float32 rows would lose everything here."""
    points = 1000 + np.random.default_rng(0).normal(size=(200, 8))
    true = distances(points.astype(np.float32), points.astype(np.float32), "euclidean")
    np.fill_diagonal(true, np.inf)
    indices, found = nearest(points, 3)
    np.testing.assert_array_equal(indices, np.argsort(true, 1)[:, :3])
    np.testing.assert_allclose(found, np.sort(true, 1)[:, :3], rtol=1e-4)


@pytest.mark.parametrize("d", [2, 6])
def test_all_in_one_place(d):
    indices, found = nearest(np.ones((50, d)), 4)
    assert (found == 0).all()
    assert not (indices == np.arange(50)[:, None]).any()


def test_counted():
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    indices, found = nearest(line, 2)
    assert indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert found.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]
    indices, found = nearest(line, 1, queries=np.array([[2.9]]))
    assert indices.tolist() == [[2]]
    # a row of zeros is at distance 1 from everything, itself too
    _, found = nearest(np.array([[1.0, 0], [0, 2], [0, 0]]), 3, queries=np.zeros((1, 2)), metric="cosine")
    assert found.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("points", "k", "message"),
    [
        (np.zeros((5, 2)), 5, "must lie in [1, 4] for 5 images, got 5"),
        (np.zeros((5, 2)), 0, "must lie in [1, 4] for 5 images, got 0"),
        (np.array([[0, 1], [np.nan, 0], [np.inf, 1]]), 1, "2 of 3 rows are not finite"),
        (np.full((3, 9), np.nan), 1, "3 of 3 rows are not finite"),
    ],
)
def test_refuses(points, k, message):
    with pytest.raises(InputError, match=re.escape(message)):
        nearest(points, k)


@pytest.mark.parametrize("d", [2, 8])
def test_float64_far_from_the_origin(d):
    """Float32 would hold all of these points in one place."""
    rng = np.random.default_rng(0)
    points, queries = (np.round(rng.normal(size=(n, d)) * 2**25) / 2**30 for n in (200, 9))
    for own in (None, queries):
        want = nearest(points, 3, queries=own)
        found = nearest(points + 2.0**20, 3, queries=None if own is None else own + 2.0**20)
        np.testing.assert_array_equal(found[0], want[0])
        np.testing.assert_allclose(found[1], want[1], rtol=1e-5)


def test_very_small_numbers_have_directions():
    points = np.random.default_rng(0).normal(size=(50, 6))
    np.testing.assert_array_equal(
        nearest(points * 1e-25, 3, metric="cosine")[0], nearest(points, 3, metric="cosine")[0]
    )


@pytest.mark.parametrize("metric", ["Cosine", "manhattan", None])
def test_unknown_metrics(metric):
    with pytest.raises(InputError, match=f"metric must be one of euclidean, cosine; got {metric!r}"):
        nearest(np.eye(5), 2, metric=metric)


def test_lists_and_what_is_no_table():
    search = unwrap(nearest)  # without the test run's checker of shapes
    assert search([[0, 0], [3, 0], [1, 0]], 1)[0].tolist() == [[2], [2], [0]]
    for points in ([1.0, 2], [[1j], [2j]], [["a"], ["b"]]):
        with pytest.raises(InputError, match=r"the search for neighbours needs numbers of shape \(n, d\)"):
            search(points, 1)


def test_no_queries():
    for d in (2, 9):
        assert nearest(np.zeros((3, d)), 2, queries=np.zeros((0, d)))[0].shape == (0, 2)
