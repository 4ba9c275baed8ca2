"""Turning a map onto another one: distances stay, old images go home, new ones follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import procrustes as scipy_procrustes

from augmap.errors import InputError
from augmap.imagemap import ImageMap, Weights
from augmap.items import Items
from augmap.method.align import align, procrustes


def orthogonal(rng, d):
    q, r = np.linalg.qr(rng.normal(size=(d, d)))
    return q * np.sign(np.diag(r))


@given(st.integers(0, 2**31), st.integers(1, 5), st.booleans())
def test_a_rotation_a_mirror_and_a_shift_are_found(seed, d, mirrored):
    rng = np.random.default_rng(seed)
    x, turn, shift = rng.normal(size=(20, d)), orthogonal(rng, d), 100 * rng.normal(size=d)
    if mirrored:
        turn[:, 0] *= -1
    rotation, moved = procrustes(x, x @ turn + shift)
    np.testing.assert_allclose(rotation, turn, atol=1e-9)
    np.testing.assert_allclose(moved, shift, atol=1e-9)


@given(st.integers(0, 2**31))
def test_no_other_turn_is_closer(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(15, 2)), rng.normal(size=(15, 2))
    rotation, shift = procrustes(x, y)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(2), atol=1e-12)
    best = ((x @ rotation + shift - y) ** 2).sum()
    for _ in range(20):
        assert best <= ((x @ orthogonal(rng, 2) + rng.normal(size=2) / 10 - y) ** 2).sum() + 1e-9
    # scipy's also scales, with which the error of unit-length configurations is 1 - s²
    a, b = (v - v.mean(0) for v in (x, y))
    s = np.trace(rotation.T @ a.T @ b) / np.linalg.norm(a) / np.linalg.norm(b)
    assert scipy_procrustes(y, x)[2] == pytest.approx(1 - s**2)


def linear_map(names, h, weight, bias):
    """A map whose head is one linear layer."""
    arrays = {"head.last.weight": weight.astype(np.float32), "head.last.bias": bias.astype(np.float32)}
    return ImageMap(
        positions=h @ weight.T + bias,
        items=Items(names),
        features=h,
        weights=Weights({"backbone": "x"}, arrays),
    )


@pytest.mark.parametrize("d", [1, 2, 3])
def test_old_images_go_home_and_new_ones_follow(d):
    rng = np.random.default_rng(d)
    h, weight, bias = rng.normal(size=(30, 6)), 50 * rng.normal(size=(d, 6)), rng.normal(size=d)
    turn, shift = orthogonal(rng, d), 300 * rng.normal(size=d)
    names = [f"{i}.png" for i in range(30)]
    new = linear_map(names, h, weight, bias)
    # the old map lacks images 0 to 4, has five others, and another order
    old_rows = rng.permutation(np.arange(5, 30))
    home = (h @ weight.T + bias) @ turn + shift
    old = ImageMap(
        positions=np.vstack([home[old_rows], rng.normal(size=(5, d))]),
        items=Items([names[i] for i in old_rows] + [f"gone{i}" for i in range(5)]),
    )
    before = new.positions.copy()
    assert align(new, old) == 25
    span = np.ptp(home)
    np.testing.assert_allclose(new.positions, home, atol=1e-5 * span)  # float32
    after = np.linalg.norm(new.positions[:1] - new.positions, axis=1)
    np.testing.assert_allclose(after, np.linalg.norm(before[:1] - before, axis=1), atol=1e-5 * span)
    arrays = new.weights.arrays  # what embed will use
    placed = h @ arrays["head.last.weight"].T.astype(float) + arrays["head.last.bias"]
    np.testing.assert_allclose(placed, new.positions, atol=1e-5 * span)
    assert {a.dtype for a in arrays.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("shared", [0, 1, 2])
def test_too_few_shared_images_turn_nothing(shared):
    rng = np.random.default_rng(0)
    new = linear_map(list("abcdef"), rng.normal(size=(6, 4)), rng.normal(size=(2, 4)), np.zeros(2))
    before, weights = new.positions.copy(), new.weights
    old = ImageMap(positions=rng.normal(size=(6, 2)), items=Items([*"abcdef"[:shared], *"uvwxyz"[shared:]]))
    assert align(new, old) == shared
    np.testing.assert_array_equal(new.positions, before)
    assert new.weights is weights


def test_other_dimensions():
    a, b = (ImageMap(positions=np.eye(4, d), items=Items(list("abcd"))) for d in (2, 3))
    with pytest.raises(InputError, match="a 2-D map cannot be turned onto a 3-D one"):
        align(a, b)
