"""Islands: small clusters with a gap around them, against scikit-learn's and scipy's trees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from augmap.neighbors import nearest
from augmap.review.islands import SMALLEST, _tree, find_islands
from looked_at import blobs


def core(positions: np.ndarray) -> np.ndarray:
    return nearest(positions, 3)[1][:, 2]


def test_planted_islands_are_found_and_the_mainland_is_not():
    positions = blobs([(0, 0), (30, 0), (0, -25)], [600, 12, 8])
    found = find_islands(positions, core(positions))
    sets = [set(i.rows.tolist()) for i in found[:2]]
    assert set(range(600, 612)) in sets
    assert set(range(612, 620)) in sets
    assert all(len(i.rows) <= 20 for i in found)
    assert all(i.isolation >= 5 for i in found)


def test_one_cluster_has_no_islands_whatever_its_seed():
    # a control: groups that chance makes at the rim of one cluster do not lie apart
    for seed in range(5):
        positions = blobs([(0, 0)], [500], seed=seed)
        assert find_islands(positions, core(positions)) == []


def test_the_gap_is_measured():
    x = np.arange(100.0)
    line = np.stack([np.concatenate([x, 150 + np.arange(10.0)]), np.zeros(110)], 1).astype(np.float32)
    (island,) = find_islands(line, np.zeros(110, np.float32))
    assert island.rows.tolist() == list(range(100, 110))
    assert (island.gap, island.spacing, island.isolation) == (51, 1, 51)


def test_fewer_than_five_are_no_island():
    positions = blobs([(0, 0), (40, 0)], [300, SMALLEST - 1])
    assert find_islands(positions, core(positions)) == []


def test_islands_do_not_overlap():
    positions = blobs([(0, 0), (100, 0), (104, 0)], [600, 9, 9], sd=0.1)
    found = find_islands(positions, core(positions))
    rows = np.concatenate([i.rows for i in found])
    assert len(set(rows.tolist())) == len(rows) == 18


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_tree_is_as_short_as_single_linkage(d):
    x = np.random.default_rng(d).normal(size=(80, d))
    lengths = _tree(x, np.zeros(80))[2]
    np.testing.assert_allclose(lengths, linkage(x, "single")[:, 2], rtol=1e-6)


def test_images_at_one_place_hang_together():
    x = np.repeat(np.random.default_rng(0).normal(size=(40, 2)), 3, axis=0)
    first, second, length = _tree(x, np.zeros(120))
    assert len(length) == 119
    assert (length[:80] < 1e-9).all()
    assert ((first[:80] // 3) == (second[:80] // 3)).all()


@pytest.mark.parametrize(
    "positions",
    [np.zeros((50, 2)), np.zeros((3, 2)), np.stack([np.arange(50.0)] * 2, 1), np.arange(50.0)[:, None]],
    ids=["one place", "three", "a line aslant", "one dimension"],
)
def test_flat_maps(positions):
    positions = positions.astype(np.float32)
    assert find_islands(positions, np.zeros(len(positions), np.float32)) == []


def test_more_than_three_dimensions_have_none():
    assert find_islands(np.zeros((50, 4), np.float32), np.zeros(50, np.float32)) == []
