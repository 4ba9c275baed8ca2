"""Weights of a neighbour graph, against scikit-learn's t-SNE and against umap-learn."""

import math
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.manifold._utils import _binary_search_perplexity

from augmap.errors import InputError
from augmap.method.affinity import affinities, memberships
from augmap.neighbors import nearest


def points(n=300, d=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def matrix(neighbors, weights):
    n, k = neighbors.shape
    return csr_array((weights.ravel(), neighbors.flatten(), np.arange(0, n * k + 1, k)), shape=(n, n))


@pytest.mark.parametrize(("k", "perplexity"), [(30, 10.0), (90, 30.0), (6, 5.5)])
def test_affinities_are_those_of_scikit_learn(k, perplexity):
    found, distances = nearest(points(), k)
    directed = matrix(
        found, _binary_search_perplexity(np.square(distances).astype(np.float32), perplexity, 0)
    ).toarray()
    p = affinities(found, distances, perplexity).toarray()
    # theirs stops at an entropy that is right to 1e-5
    np.testing.assert_allclose(p, (directed + directed.T) / 600, atol=2e-4 * p.max())
    assert p.sum() == pytest.approx(1)
    np.testing.assert_array_equal(p, p.T)


def test_affinities_counted():
    # two neighbours at d² = 1 and 2: p = 1/(1 + e^-b) and its complement; at 3/4 and 1/4, b = log 3
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    found = np.array([[1, 2], [2, 0], [0, 1]])
    distances = np.sqrt(np.array([[1.0, 2.0]] * 3, np.float32))
    p = affinities(found, distances, math.exp(entropy)).toarray()
    # each ordered pair is near in one direction and far in the other: (3/4 + 1/4) / 6
    np.testing.assert_allclose(p, (1 - np.eye(3)) / 6, rtol=1e-6)
    # one-sided: the far neighbours of 0 and of 1 do not point back
    found = np.array([[1, 2], [0, 2], [0, 1], [0, 1]])
    distances = np.sqrt(np.array([[1.0, 2.0]] * 4, np.float32))
    p = affinities(found, distances, math.exp(entropy)).toarray()
    np.testing.assert_allclose(p[0] * 8, [0, 1.5, 1.0, 0.75], rtol=1e-5)
    np.testing.assert_allclose(p[3] * 8, [0.75, 0.25, 0, 0], rtol=1e-5)


def test_affinities_where_all_are_equally_far():
    p = affinities(np.array([[1, 2], [2, 0], [0, 1]]), np.ones((3, 2), np.float32), 1.5)
    np.testing.assert_allclose(p.toarray(), (1 - np.eye(3)) / 6)


def test_as_many_neighbours_as_the_perplexity_are_too_few():
    found, distances = nearest(points(20), 10)
    with pytest.raises(
        InputError, match=r"perplexity 10 needs more than 10 neighbours, and there are 10 \(20"
    ):
        affinities(found, distances, 10.0)


@pytest.mark.parametrize("k", [4, 14])
def test_memberships_are_those_of_umap_learn(k):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        umap_ = pytest.importorskip("umap.umap_", reason="umap-learn is not installed")
    x = points()
    x[5] = x[6]  # a pair and a heap that coincide
    x[20:26] = x[20]
    found, distances = nearest(x, k)
    distances = np.where(distances < 1e-3, 0, distances)
    indices = np.c_[np.arange(300), found]
    lengths = np.c_[np.zeros(300), distances].astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = umap_.fuzzy_simplicial_set(
            x, k + 1, np.random.RandomState(0), "euclidean", knn_indices=indices, knn_dists=lengths
        )[0]
    ours = memberships(found, distances).toarray()
    np.testing.assert_allclose(ours, theirs.toarray(), atol=3e-5)  # their bisection stops at 1e-5
    np.testing.assert_array_equal(ours, ours.T)


def test_memberships_counted():
    # distances 1, 2, 4, rho 1: 1 + t + t³ = log2(4) with t = exp(-1/sigma)
    t = np.roots([1, 0, 1, -1])
    t = float(t[np.isreal(t)].real[0])
    found = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]])
    distances = np.array([[1.0, 2.0, 4.0]] * 5, np.float32)
    v = memberships(found, distances).toarray()
    assert v[4].tolist() == pytest.approx([1, t, t**3, 0, 0], rel=1e-6)
    assert v[3, 2] == pytest.approx(t**3 + t**3 - t**6, rel=1e-6)
    assert v[2, 1] == pytest.approx(t + t - t * t, rel=1e-6)


def test_the_table_is_left_as_it_was():
    found, distances = nearest(points(), 12)
    before = found.copy()
    affinities(found, distances, 5.0)
    memberships(found, distances)
    np.testing.assert_array_equal(found, before)
