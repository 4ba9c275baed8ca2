"""The metrics that need no labels: the map held against the features, and views against images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from augmap.evaluate import trust
from augmap.evaluate.correlation import distance_correlation
from augmap.evaluate.recall import shared
from augmap.evaluate.score import Score
from augmap.evaluate.subject import MAP, Found, Space, Subject, Task
from augmap.neighbors import Progress


def tasks(s: Subject) -> Iterator[Task]:
    """Yield the work for each space that the map is held against; ranks, the slowest, in the first only."""
    for number, space in enumerate(s.references):
        where = space.title

        def task(metric: str, work: partial[Found], where: str = where) -> Task:
            return Task(group=metric, metrics=(metric,), title=f"{metric}, {where}", work=work)

        yield task("neighbor_recall", partial(_recall, s, space, number == 0))
        yield task("distance_correlation", partial(_correlation, s, space))
        if number == 0:
            yield task("trustworthiness", partial(_trust, s, space))
            yield task("continuity", partial(_continuity, s, space))


def _recall(s: Subject, space: Space, with_each: bool, progress: Progress) -> Found:
    on_map, apart = s.near(s.map), s.near(space)
    ks = s.ks_up_to(s.n - 1)
    each = {k: shared(on_map[:, :k], apart[:, :k]) for k in ks}
    scores = [_score(s, "neighbor_recall", space, k, each[k], k / (s.n - 1)) for k in ks]
    return Found(scores=scores, each={"neighbor_recall": each[ks[0]]} if with_each else {})


def _trust(s: Subject, space: Space, progress: Progress) -> Found:
    ks = _trusted(s)
    ranks = trust.neighbour_ranks(
        space.floats, s.near(s.map)[:, : max(ks)], metric=space.metric, progress=progress
    )
    return _ranked(s, ks, "trustworthiness", space, ranks)


def _continuity(s: Subject, space: Space, progress: Progress) -> Found:
    ks = _trusted(s)
    ranks = trust.neighbour_ranks(s.positions, s.near(space)[:, : max(ks)], progress=progress)
    return _ranked(s, ks, "continuity", space, ranks)


def _trusted(s: Subject) -> tuple[int, ...]:
    ks = s.ks_up_to((s.n - 1) // 2)
    trust.check_k(max(ks), s.n)
    return ks


def _ranked(s: Subject, ks: Sequence[int], metric: str, space: Space, ranks: np.ndarray) -> Found:
    each = {k: trust.rank_score(ranks[:, :k]) for k in ks}
    scores = [_score(s, metric, space, k, each[k], trust.chance(s.n, k)) for k in ks]
    return Found(scores=scores, each={metric: each[ks[0]]})


def _score(s: Subject, metric: str, space: Space, k: int, each: np.ndarray, random: float) -> Score:
    return Score(
        metric=metric,
        space=f"{MAP} against {space.name}",
        value=float(each.mean()),
        setting=space.setting(f"k={k}"),
        detail=f"{s.n:,} images",
        beside={"random map": random},
    )


def _correlation(s: Subject, space: Space, progress: Progress) -> Found:
    value, pairs = distance_correlation(
        s.positions, space.floats, metric=space.metric, seed=s.seed, progress=progress
    )
    score = Score(
        metric="distance_correlation",
        space=f"{MAP} against {space.name}",
        value=value,
        setting=space.setting(),
        detail=f"{pairs:,} pairs",
        beside={"random map": 0.0},
    )
    return Found(scores=[score])
