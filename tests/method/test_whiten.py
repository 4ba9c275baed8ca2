"""Features whose strong directions are made weaker."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from augmap.method.whiten import whitened

RANDOM = np.random.default_rng(0)
# ten directions of very different strength, turned, off the origin
SIGMA = np.geomspace(10, 0.1, 10)
H = (RANDOM.normal(size=(4000, 10)) * SIGMA) @ np.linalg.qr(RANDOM.normal(size=(10, 10)))[0] + 3.0
H = H.astype(np.float32)


def test_a_power_of_one_is_scikit_learns_whitening():
    expected = PCA(whiten=True, svd_solver="full").fit_transform(H.astype(np.float64))
    found = whitened(H, 1.0)
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected * np.sqrt(4000 / 3999), rtol=1e-3, atol=1e-4)


def test_a_power_of_none_only_centres():
    centred = H - H.mean(0)
    np.testing.assert_allclose(whitened(H, 0.0) @ whitened(H, 0.0).T, centred @ centred.T, atol=2e-2)


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
def test_each_deviation_is_divided_by_its_power(power):
    found, plain = whitened(H, power).std(0), whitened(H, 0.0).std(0)
    np.testing.assert_allclose(found, plain ** (1 - power), rtol=1e-4)
    assert (np.diff(plain) < 0).all()  # strongest first


def test_where_an_image_stands_does_not_depend_on_the_block(monkeypatch):
    whole = whitened(H, 0.5)
    monkeypatch.setattr("augmap.method.whiten._BLOCK", 7)
    np.testing.assert_allclose(abs(whitened(H, 0.5)), abs(whole), rtol=1e-4, atol=1e-5)


def test_directions_that_nothing_varies_in_stay_small():
    flat = np.concatenate([H, np.ones((4000, 2), np.float32)], 1)
    found = whitened(flat, 1.0)
    assert np.isfinite(found).all()
    assert abs(found[:, 10:]).max() < 0.1
    np.testing.assert_array_equal(whitened(np.full((5, 3), 2.0, np.float32), 0.5), np.zeros((5, 3)))


def test_it_finds_neighbours_in_weak_directions():
    """Ten groups that differ in weak directions only, under two strong ones that are noise."""
    group = np.arange(1000) % 10
    weak = np.eye(10)[group] + 0.2 * RANDOM.normal(size=(1000, 10))
    h = np.concatenate([20 * RANDOM.normal(size=(1000, 2)), weak], 1)

    def purity(x):
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        likeness = x @ x.T - 2 * np.eye(1000)
        return (group[np.argsort(-likeness, 1)[:, :5]] == group[:, None]).mean()

    assert purity(h) < 0.5  # as it is, the control
    assert purity(whitened(h, 0.5)) > 0.6
    assert purity(whitened(h, 1.0)) > 0.9
