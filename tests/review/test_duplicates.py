"""Duplicates: copies that were planted among strangers, and nothing else, are found."""

from __future__ import annotations

import numpy as np
import pytest

from augmap.images.imageset import digest_rows
from augmap.neighbors import nearest
from augmap.review.duplicates import EXACT, far_below, find_duplicates
from looked_at import brighter, grey_of, recompressed, resized, textures

N = 300


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, dict[str, list[int]]]:
    """300 textures, some copies: exact, brighter, recompressed, cut, mirrored, and 12 of one picture."""
    pixels = textures(N)
    pixels[290] = pixels[0]
    pixels[291] = brighter(pixels[1])
    pixels[292] = recompressed(pixels[2])
    pixels[293] = resized(pixels[3])
    pixels[294] = pixels[4][:, ::-1]
    for i in range(270, 282):
        pixels[i] = recompressed(brighter(pixels[5], factor=0.6 + 0.03 * (i - 270)), quality=40 + i - 270)
    groups = {
        "exact": [0, 290], "brighter": [1, 291], "recompressed": [2, 292], "cut": [3, 293],
        "mirrored": [4, 294], "many": [5, *range(270, 282)],
    }  # fmt: skip
    return pixels, groups


def test_planted_copies_are_found_and_no_others(planted):
    pixels, groups = planted
    found = find_duplicates(grey_of(pixels), digests=digest_rows(pixels))
    sets = {frozenset(g.rows.tolist()) for g in found.groups}
    expected = {frozenset(v) for k, v in groups.items() if k != "mirrored"}
    assert sets == expected
    assert set(found.groups[0].rows.tolist()) == set(groups["many"])  # most images one could do without
    kinds = {frozenset(g.rows.tolist()): set(g.kinds) for g in found.groups}
    assert kinds[frozenset(groups["exact"])] == {"exact"}
    assert kinds[frozenset(groups["brighter"])] == {"copy"}


def test_strangers_alone_give_nothing():
    pixels = textures(N, seed=7)
    assert find_duplicates(grey_of(pixels), digests=digest_rows(pixels)).groups == []


def test_the_features_propose_mirrored_copies(planted):
    pixels, _ = planted
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, 16)).astype(np.float32)
    features[294] = features[4] + 1e-3  # an encoder that takes no notice of flips
    near = nearest(features, 20, metric="cosine")
    found = find_duplicates(grey_of(pixels), in_features=near)
    (group,) = [g for g in found.groups if 4 in g.rows]
    assert set(group.rows.tolist()) == {4, 294}
    assert group.kinds == ["mirrored", "mirrored"]
    assert (group.alike > 0.8).all()


def test_without_pictures_equal_features_are_told_and_usual_ones_not():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(N, 16)).astype(np.float32)
    features[7] = features[9] * 1.0001
    found = find_duplicates(in_features=nearest(features, 20, metric="cosine"))
    assert [sorted(g.rows.tolist()) for g in found.groups] == [[7, 9]]
    assert found.groups[0].kinds == ["features", "features"]
    assert np.isnan(found.groups[0].alike).all()
    assert found.compared == 0
    shuffled = find_duplicates(in_features=nearest(rng.normal(size=(N, 16)), 20, metric="cosine"))
    assert shuffled.groups == []


def test_groups_say_which_splits_they_join(planted):
    pixels, _ = planted
    splits = ["train"] * 280 + ["test"] * 20
    found = find_duplicates(grey_of(pixels), splits=splits)
    many = found.groups[0]
    assert many.splits == {"train": 11, "test": 2}
    assert many.leaks
    alone = find_duplicates(grey_of(pixels), splits=["train"] * N)
    assert not any(g.leaks for g in alone.groups)
    assert [g.rows.tolist() for g in alone.groups] == [g.rows.tolist() for g in found.groups]


def test_equal_pixels_need_no_pictures():
    digests = np.zeros((5, 16), np.uint8)
    digests[:, 0] = [1, 2, 1, 3, 1]
    (group,) = find_duplicates(digests=digests).groups
    assert group.rows.tolist() == [0, 2, 4]
    assert group.score == 2.0
    assert set(group.kinds) == {"exact"}
    assert EXACT == 0


def test_pictures_of_one_colour_are_no_copies_unless_equal():
    plain = (
        np.repeat(np.arange(0, 240, 4, dtype=np.uint8)[:, None, None, None], 32, 1).repeat(32, 2).repeat(3, 3)
    )
    assert find_duplicates(grey_of(plain), digests=digest_rows(plain)).groups == []
    plain[1] = plain[0]
    (group,) = find_duplicates(grey_of(plain), digests=digest_rows(plain)).groups
    assert sorted(group.rows.tolist()) == [0, 1]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_pictures(n):
    pixels = textures(n) if n else np.zeros((0, 32, 32, 3), np.uint8)
    assert find_duplicates(grey_of(pixels), digests=digest_rows(pixels) if n else None).groups == []


def test_rows_that_are_permuted_give_the_same_groups(planted):
    pixels, _ = planted
    order = np.random.default_rng(3).permutation(N)
    a = find_duplicates(grey_of(pixels), digests=digest_rows(pixels))
    b = find_duplicates(grey_of(pixels[order]), digests=digest_rows(pixels[order]))
    # the sample behind the bound differs with the order only where there are more than it takes
    assert {frozenset(g.rows.tolist()) for g in a.groups} == {
        frozenset(order[g.rows].tolist()) for g in b.groups
    }


def test_far_below_is_a_robust_bound():
    distances = np.exp(np.random.default_rng(0).normal(-1, 0.2, 20_000))
    assert np.log(far_below(distances, 3)) == pytest.approx(-1 - 3 * 0.2, abs=0.02)
    distances[:1500] = 1e-4  # copies: 7.5 % of them move the quartiles by 0.02 each, the bound by 0.08
    assert np.log(far_below(distances, 3)) == pytest.approx(-1 - 3 * 0.2, abs=0.1)
    assert far_below(np.zeros(5), 3) == 0
