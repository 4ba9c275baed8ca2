"""augmap.report.aligned: copies go home, whatever was done to them; strangers stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import procrustes as scipy_procrustes

from augmap.report.aligned import onto, place
from compared import a_map

NAMES = [f"{i}.png" for i in range(40)]


def cloud(seed=0, n=40):
    return np.random.default_rng(seed).normal(size=(n, 2)) * [1.0, 3.0]


@given(st.integers(0, 2**31), st.floats(-3, 3), st.floats(1e-3, 1e3), st.booleans())
def test_a_turned_scaled_mirrored_and_moved_copy_goes_home(seed, angle, scale, mirrored):
    rng = np.random.default_rng(seed)
    home = cloud(seed)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    order = rng.permutation(40)
    copy = (scale * home @ turn + 50 * rng.normal(size=2))[order]
    found = onto(copy, [NAMES[i] for i in order], home, NAMES)
    np.testing.assert_allclose(found.positions, home[order], atol=1e-6)
    assert found.correlation == pytest.approx(1)
    assert found.shared == 40


def test_the_correlation_is_that_of_scipy():
    x, y = cloud(1), cloud(2)
    found = onto(x, NAMES, y, NAMES)
    # scipy scales by least squares, after which the error of unit-length configurations is 1 - r²
    assert found.correlation == pytest.approx(np.sqrt(1 - scipy_procrustes(y, x)[2]))
    assert 0 < found.correlation < 0.9
    spread = [np.sqrt(((v - v.mean(0)) ** 2).sum()) for v in (found.positions, y)]
    assert spread[0] == pytest.approx(spread[1])  # not shrunk, although the maps agree little


def test_only_shared_images_turn_the_map_and_all_move_with_it():
    home = cloud()
    copy = 2 * home[:, ::-1] + 7
    mine = [*NAMES[:10], *(f"mine{i}" for i in range(30))]
    found = onto(copy, mine, home, NAMES)
    assert found.shared == 10
    np.testing.assert_allclose(found.positions, home, atol=1e-9)


def test_a_name_that_occurs_twice_turns_nothing():
    home = cloud()
    copy = home[:, ::-1].copy()
    twice = [NAMES[0], NAMES[0], *NAMES[2:]]  # image 1 calls itself image 0
    found = onto(copy, twice, home, NAMES)
    assert found.shared == 38
    np.testing.assert_allclose(found.positions, home, atol=1e-9)


@pytest.mark.parametrize("shared", [0, 1, 2])
def test_too_few_shared_images_turn_nothing(shared):
    x = cloud(1)
    names = [*NAMES[:shared], *(f"other{i}" for i in range(40 - shared))]
    found = onto(x, names, cloud(2), NAMES)
    np.testing.assert_array_equal(found.positions, x)
    assert (found.shared, found.correlation) == (0, None)


def test_images_at_one_place_turn_nothing():
    x = np.ones((40, 2))
    found = onto(x, NAMES, cloud(), NAMES)
    np.testing.assert_array_equal(found.positions, x)
    assert found.correlation is None


def test_the_first_map_of_two_dimensions_is_the_one_to_turn_onto():
    maps = [a_map(dim=5), a_map(turn=1.0), a_map(), a_map(dim=1)]
    placed, reference = place(maps)
    assert reference == 1
    assert placed[1].aligned is None
    np.testing.assert_array_equal(placed[1].positions, maps[1].positions)
    np.testing.assert_allclose(placed[2].positions, maps[1].positions, atol=1e-5)
    np.testing.assert_allclose(placed[0].positions, maps[1].positions, atol=1e-5)
    assert "principal axes of 5 dimensions" in placed[0].note
    assert placed[3] is None


def test_there_may_be_none_of_two_dimensions():
    assert place([a_map(dim=5), a_map(dim=3)])[1] == 0
    assert place([a_map(dim=1), a_map(dim=1)]) == ([None, None], None)
