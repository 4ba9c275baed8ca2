"""Purity and superclasses: loops over all pairs, and neighbours counted by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augmap.errors import InputError
from augmap.evaluate import purity
from augmap.evaluate.purity import is_superclass, neighbour_purity, superclass_share


def by_loops(x, y, k):
    known = [i for i in range(len(x)) if y[i]]
    shares = []
    for i in known:
        near = sorted((j for j in known if j != i), key=lambda j, i=i: ((x[i] - x[j]) ** 2).sum())[:k]
        shares.append(np.mean([y[j] == y[i] for j in near]))
    pairs = [(i, j) for i in known for j in known if i != j]
    chance = np.mean([y[i] == y[j] for i, j in pairs])
    ceiling = np.mean([min(1, sum(y[j] == y[i] for j in known if j != i) / k) for i in known])
    return np.mean(shares), chance, ceiling


@given(st.integers(0, 2**31), st.sampled_from([2, 6]), st.sampled_from([3, 4096]))
def test_as_by_loops(seed, d, block):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, d)), np.array(["a", "b", "c", ""])[rng.integers(0, 4, 20)]
    y[:4] = ["a", "b", "a", "b"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(purity, "_BLOCK", block)
        found = neighbour_purity(x, y, ks=(1, 3))
    for p in found:
        assert (p.value, p.chance, p.ceiling) == pytest.approx(by_loops(x, y, p.k), abs=1e-12)
        assert p.n == (y != "").sum()


def test_counted():
    x = np.array([[0.0], [1], [2.5], [4.5], [7]])
    y = np.array(list("aabab"))
    # nearest: 0-1 same, 1-0 same, 2-1 other, 3-2 other, 4-3 other
    one, two, four = neighbour_purity(x, y, ks=(1, 2, 4))
    assert one.value == pytest.approx(2 / 5)
    # pairs: 0: 1, 2; 1: 0, 2; 2: 1, 3; 3: 2, 4; 4: 3, 2
    assert two.value == pytest.approx((1 + 1 + 0 + 0 + 1) / 10)
    assert four.value == pytest.approx((3 * 2 + 2 * 1) / 20) == four.chance == four.ceiling
    assert two.ceiling == pytest.approx((3 * 1 + 2 * 0.5) / 5)


def test_copies_are_not_their_own_neighbours():
    assert [p.value for p in neighbour_purity(np.zeros((6, 2)), np.array(list("aaaaab")), ks=(5,))] == [
        pytest.approx((5 * 4 / 5 + 0) / 6)
    ]


def test_by_cosine():
    x = np.array([[1.0, 0], [9, 1], [0, 1], [1, 9]])
    assert neighbour_purity(x, np.array(list("aabb")), ks=(1,), metric="cosine")[0].value == 1


@pytest.mark.parametrize(
    ("y", "ks", "message"),
    [
        (["a"] * 4, (1,), "purity needs at least two labels, got 1"),
        (["a", "a", "b", ""], (1, 3), "must lie in [1, 2] for 3 labelled images, got [1, 3]"),
        (["a", "a", "b", "b"], (0, 1), "must lie in [1, 3] for 4 labelled images, got [0, 1]"),
        (["a", "a", "b", "b"], (), "must lie in [1, 3] for 4 labelled images, got []"),
    ],
)
def test_refuses(y, ks, message):
    with pytest.raises(InputError, match=re.escape(message)):
        neighbour_purity(np.eye(4), np.array(y), ks=ks)


def test_superclass_counted():
    fine = np.array(["cat", "cat", "dog", "oak", "elm", ""])
    coarse = np.array(["animal", "animal", "animal", "tree", "tree", "tree"])
    near = np.array([[1, 2], [0, 3], [0, 1], [4, 0], [5, 3], [0, 1]])
    found = superclass_share(near, fine, coarse)
    # of 9 neighbours with labels (one of elm's has none): inside 1 1, 1 0, 1 1, 1 0, 1 = 7; same label 2
    assert found.value == pytest.approx(7 / 9)
    assert found.same_label == pytest.approx(2 / 9)
    assert found.others_inside == pytest.approx(5 / 7)
    assert found.chance == pytest.approx((3 * 2 + 2 * 1) / 20)
    assert found.others_chance == pytest.approx((8 - 2) / (20 - 2))


def test_a_neighbour_without_a_superclass_is_left_out():
    fine, coarse = np.array(["cat", "cat", "dog", "oak"]), np.array(["animal", "", "animal", "tree"])
    found = superclass_share(np.array([[1, 2], [0, 2], [0, 1], [0, 1]]), fine, coarse)
    # a cat sees a dog, the dog a cat, the oak a cat: the other cat has no superclass
    assert found.value == found.others_inside == pytest.approx(2 / 3)
    assert found.same_label == 0


def test_superclasses_of_other_images():
    near, y = np.array([[1], [0], [0]]), np.array(["cat", "dog", "oak"])
    with pytest.raises(InputError, match=r"neighbours of 3 images need as many labels .*, got 3 and 2"):
        superclass_share(near, y, y[:2])


def test_superclass_of_random_neighbours_is_chance():
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 12, 4000).astype(str)
    coarse = (fine.astype(int) // 3).astype(str)
    found = superclass_share(rng.integers(0, 4000, (4000, 20)), fine, coarse)
    assert found.value == pytest.approx(found.chance, abs=0.01)
    assert found.others_inside == pytest.approx(found.others_chance, abs=0.01)


def test_nothing_known_is_no_number():
    none = superclass_share(np.array([[1], [0]]), np.array(["", ""]), np.array(["", ""]))
    assert all(np.isnan(v) for v in vars(none).values())


@pytest.mark.parametrize(
    ("fine", "coarse", "grouped"),
    [
        ("abcd", "xxyy", True),
        ("aabb", "xxyy", False),  # the same partition
        ("abcd", "xxxx", False),  # one group
        ("aabc", "xyyy", False),  # a is in two
        ("abcd", "xyyz", True),
    ],
)
def test_what_groups_labels(fine, coarse, grouped):
    assert is_superclass(np.array(list(fine)), np.array(list(coarse))) is grouped
    # an image without a label is in no group, and in no group of such
    assert is_superclass([*fine, None, "a"], [*coarse, "x", None]) is grouped
