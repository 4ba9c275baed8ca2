"""Likeness: copies are alike whatever happened to their light; pictures that share a frame are not."""

from __future__ import annotations

import numpy as np
import pytest

from augmap.review.likeness import gradient_hash, likeness
from looked_at import brighter, grey_of, recompressed, resized, textures

PICTURES = textures(60)
GREY = grey_of(PICTURES)


def alike(a: np.ndarray, b: np.ndarray, **options: bool) -> float:
    both = np.stack([a, b])
    return float(likeness(both, np.array([0]), np.array([1]), **options)[0])


def test_the_same_picture_is_as_alike_as_it_gets():
    np.testing.assert_allclose(likeness(GREY, np.arange(60), np.arange(60)), 1, atol=1e-6)


def test_strangers_are_not():
    other = likeness(GREY, np.arange(60), np.roll(np.arange(60), 1))
    assert other.max() < 0.6


@pytest.mark.parametrize("change", [brighter, recompressed, resized])
def test_a_changed_copy_is_nearer_than_any_stranger(change):
    changed = grey_of(np.stack([change(p) for p in PICTURES]))
    both = np.concatenate([GREY, changed])
    copies = likeness(both, np.arange(60), np.arange(60, 120))
    strangers = likeness(both, np.arange(60), np.roll(np.arange(60, 120), 1))
    assert copies.min() > 0.7 > strangers.max() + 0.1
    hashes = gradient_hash(both)
    products = hashes[:60] @ hashes[60:].T
    assert (products.argmax(1) == np.arange(60)).all()


def test_light_alone_changes_the_hash_hardly_at_all():
    dark = (GREY * 0.5).astype(np.uint8)
    same = (gradient_hash(GREY) * gradient_hash(dark)).sum(1)
    assert same.min() > 0.95  # rounding to whole grey levels is all that is left
    negative = (gradient_hash(GREY) * gradient_hash(255 - GREY)).sum(1)
    np.testing.assert_allclose(negative, -1, atol=1e-5)


def test_a_mirrored_copy_is_told_only_when_asked():
    flipped = GREY[0][:, ::-1]
    assert alike(GREY[0], flipped) < 0.6
    # a step has one side, which the mirror changes: not quite 1
    assert alike(GREY[0], flipped, mirror=True) > 0.95


def test_a_frame_is_not_enough():
    # eight pixels in a frame of white: the whole picture correlates, its blocks do not
    framed = np.full((2, 32, 32), 255, np.uint8)
    framed[:, 3:29, 3:29] = GREY[:2, 3:29, 3:29]
    flat = framed.reshape(2, -1).astype(float)
    assert np.corrcoef(flat)[0, 1] > 0.5
    assert alike(framed[0], framed[1]) < 0.7


def test_nothing_is_like_nothing():
    plain = np.full((2, 32, 32), 200, np.uint8)
    assert alike(plain[0], plain[1]) == 0.5  # undecided blocks alone
    assert (gradient_hash(plain) == 0).all()


def test_each_block_may_move_by_a_pixel():
    moved = np.roll(GREY[0], (1, -1), (0, 1))
    far = np.roll(GREY[0], (5, -4), (0, 1))
    assert alike(GREY[0], moved) > 0.8 > 0.6 > alike(GREY[0], far)


def test_a_speck_alone_does_not_decide():
    # two blocks of the same blot: (2 + 0.5 * 3) / (2 + 3)
    speck = np.full((32, 32), 200, np.uint8)
    speck[10:14, 3:13] = 20
    assert alike(speck, speck) == pytest.approx(0.7, abs=0.02)


def test_pairs_do_not_depend_on_their_company():
    first, second = np.array([0, 1, 2]), np.array([3, 1, 5])
    one_by_one = [alike(GREY[a], GREY[b]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(likeness(GREY, first, second), one_by_one, atol=1e-6)
