"""Groups from pairs: cliques stay together, chains do not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from augmap.review.groups import Pairs, grouped, join, pairs_of


def of(*pairs: tuple[int, int], alike: float = 0.9, kind: int = 1) -> Pairs:
    a = np.array(pairs).reshape(-1, 2)
    return pairs_of(a[:, 0], a[:, 1], np.full(len(a), alike), kind)


def never(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.zeros(len(first), bool)


def always(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.ones(len(first), bool)


def as_sets(groups: list[np.ndarray]) -> set[frozenset[int]]:
    return {frozenset(g.tolist()) for g in groups}


def test_pairs_come_once_the_smaller_row_first():
    pairs = of((4, 2), (2, 4), (1, 3))
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [(1, 3), (2, 4)]


def test_separate_pairs_are_separate_groups():
    assert as_sets(grouped(of((0, 1), (5, 3)), 6, never)) == {frozenset({0, 1}), frozenset({3, 5})}


def test_no_pairs_no_groups():
    assert grouped(join([]), 5, never) == []


def test_a_chain_falls_apart_where_its_ends_are_strangers():
    chain = of(*itertools.pairwise(range(9)))
    groups = grouped(chain, 9, never)
    assert all(len(g) <= 3 for g in groups)
    rows = np.concatenate(groups)
    assert len(set(rows.tolist())) == len(rows)


def test_a_chain_of_the_same_stays_whole():
    assert as_sets(grouped(of(*itertools.pairwise(range(9))), 9, always)) == {frozenset(range(9))}


def clique(rows: range) -> Pairs:
    """All pairs of some rows; the first is a little more like the others, so it is the most typical."""
    rest = list(itertools.combinations(rows[1:], 2))
    return join([of(*((rows[0], r) for r in rows[1:]), alike=0.95), *([of(*rest)] if rest else [])])


def test_two_cliques_with_a_bridge_are_two_groups():
    pairs = join([clique(range(7)), clique(range(7, 12)), of((5, 10), alike=0.1)])
    assert as_sets(grouped(pairs, 12, never)) == {frozenset(range(7)), frozenset(range(7, 12))}


@pytest.mark.parametrize("bonds", [1, 2, 3, 4])
def test_three_bonds_hold_what_is_not_like_the_middle(bonds):
    # 6 hangs on some of a clique of six, 7 hangs on 6 alone
    hanging = of(*((6, i) for i in range(1, 1 + bonds)), alike=0.01)
    groups = as_sets(grouped(join([clique(range(6)), hanging, of((7, 6), alike=0.01)]), 8, never))
    if bonds < 3:
        assert groups == {frozenset(range(6)), frozenset({6, 7})}
    else:
        assert groups == {frozenset(range(7))}


def test_a_pair_known_in_two_ways_binds_once():
    hanging = [of((6, 1), (6, 2), alike=0.01, kind=kind) for kind in (1, 2, 3)]
    assert as_sets(grouped(join([clique(range(6)), *hanging]), 7, never)) == {frozenset(range(6))}


def test_the_most_typical_comes_first():
    star = of((3, 0), (3, 1), (3, 2), (3, 4))
    (group,) = grouped(star, 5, never)
    assert group.tolist() == [3, 0, 1, 2, 4]


def test_same_is_not_asked_of_pairs():
    asked = []

    def note(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        asked.extend(zip(first.tolist(), second.tolist(), strict=True))
        return np.zeros(len(first), bool)

    grouped(of((0, 1), (1, 2), (2, 3)), 4, note)
    assert asked
    assert not {frozenset(p) for p in asked} & {frozenset(p) for p in [(0, 1), (1, 2), (2, 3)]}
