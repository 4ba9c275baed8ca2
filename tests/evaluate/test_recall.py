"""Neighbour recall: shared neighbours of map and features."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augmap.errors import InputError
from augmap.evaluate.recall import neighbor_recall


def by_loops(z, h, k, metric):
    out = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]

        def far(x, j, kind, i=i):
            if kind == "euclidean":
                return ((x[i] - x[j]) ** 2).sum()
            return 1 - x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j])

        near = [
            set(sorted(others, key=lambda j: far(x, j, m))[:k]) for x, m in ((z, "euclidean"), (h, metric))
        ]
        out.append(len(near[0] & near[1]) / k)
    return np.array(out)


@given(st.integers(0, 2**31), st.integers(1, 6), st.sampled_from(["cosine", "euclidean"]))
def test_as_by_loops(seed, k, metric):
    rng = np.random.default_rng(seed)
    z, h = rng.normal(size=(12, 2)), rng.normal(size=(12, 6))
    np.testing.assert_allclose(neighbor_recall(z, h, k=k, metric=metric), by_loops(z, h, k, metric))


def test_counted_and_bounds():
    z = np.array([[0.0], [1], [2.5], [4.5]])
    assert neighbor_recall(z, z, k=2, metric="euclidean").tolist() == [1, 1, 1, 1]
    swapped = z[[0, 3, 2, 1]]  # nearest: 0-1, 1-0, 2-1, 3-2 on the map; 0-3, 1-2, 2-3, 3-0 there
    assert neighbor_recall(z, swapped, k=1, metric="euclidean").tolist() == [0, 0, 0, 0]
    assert neighbor_recall(z, swapped, k=3, metric="euclidean").tolist() == [1, 1, 1, 1]


def test_some_rows_are_judged_among_all():
    rng = np.random.default_rng(0)
    z, h = rng.normal(size=(50, 2)), rng.normal(size=(50, 4))
    rows = np.array([7, 3, 40])
    whole = neighbor_recall(z, h, k=4)
    np.testing.assert_array_equal(neighbor_recall(z, h, k=4, rows=rows), whole[rows])
    np.testing.assert_array_equal(neighbor_recall(z, h, k=4, rows=rows - 50), whole[rows])
    mask = np.arange(50) % 3 == 0
    np.testing.assert_array_equal(neighbor_recall(z, h, k=4, rows=mask), whole[mask])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k of neighbour recall must lie in [1, 11] for 12 images, got 0"),
        ({"k": 12}, "k of neighbour recall must lie in [1, 11] for 12 images, got 12"),
        ({"k": 2, "rows": [True] * 5}, "a mask of rows must have shape (12,), got (5,)"),
        ({"k": 2, "rows": [12]}, "rows must lie in [0, 12)"),
    ],
)
def test_refuses(options, message):
    x = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.raises(InputError, match=re.escape(message)):
        neighbor_recall(x, x, **options)


def test_a_random_map():
    rng = np.random.default_rng(0)
    z, h = rng.normal(size=(600, 2)), rng.normal(size=(600, 8))
    assert neighbor_recall(z, h, k=30).mean() == pytest.approx(30 / 599, abs=0.01)  # k / (n - 1)


def test_duplicates_never_count_an_image_as_its_own_neighbour():
    assert neighbor_recall(np.zeros((5, 2)), np.ones((5, 3)), k=4).tolist() == [1] * 5
