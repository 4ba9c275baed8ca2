"""The metrics that ask whether a label is where its images are: each label column, in each space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int

from augmap.evaluate import clusters
from augmap.evaluate.knn import accuracy_of, confusion, knn_votes, vote
from augmap.evaluate.linear import linear_accuracy
from augmap.evaluate.purity import KS, is_superclass, neighbour_purity, superclass_share
from augmap.evaluate.rld import relative_local_density
from augmap.evaluate.score import Score
from augmap.evaluate.splits import LabelSplits, known_twice, label_splits
from augmap.evaluate.subject import FEATURES, MAP, Found, Space, Subject, Task
from augmap.neighbors import Progress, nearest

LARGEST_TABLE = 1000
"""Labels up to which the whole confusion matrix is kept."""
HDBSCAN_UP_TO = 4
"""Dimensions up to which HDBSCAN takes seconds."""


def tasks(s: Subject) -> Iterator[Task]:
    """Yield the work for every label column and space, the quick first."""
    first = next(iter(s.labels), None)
    everywhere = [s.map, *s.in_features("cosine")]
    for column, y in s.labels.items():

        def task(group: str, space: Space, work: Any, *metrics: str, column: str = column) -> Task:
            title = f"{group} of {column}, {space.title}"
            return Task(group=group, metrics=metrics or (group,), title=title, work=work)

        known_at = [s.map, *s.in_features("cosine", "euclidean"), *([s.pixels] if s.pixels else [])]
        for space in known_at:
            yield task("knn", space, partial(_knn, s, column, y, space, column == first))
        for space in everywhere:
            yield task("purity", space, partial(_purity, s, column, y, space))
        if s.dim <= HDBSCAN_UP_TO:
            yield task("hdbscan", s.map, partial(_hdbscan, s, column, y), "hdbscan_ari", "hdbscan_ami")
        for space in everywhere:
            work = partial(_kmeans, s, column, y, space)
            yield task("kmeans", space, work, "kmeans_ari", "kmeans_ami")
        for space in everywhere:
            yield task("silhouette", space, partial(_silhouette, column, y, space))
        for space in everywhere:
            yield task("linear", space, partial(_linear, s, column, y, space))
        for space in everywhere:
            yield task("rld", space, partial(_rld, column, y, space))
        for space in everywhere:
            yield task("gcn", space, partial(_gcn, s, column, y, space))
    for column, y in list(s.labels.items())[1:]:
        if is_superclass(s.labels[str(first)], y):
            for space in everywhere:
                title = f"superclass {column}, {space.title}"
                work = partial(_superclass, s, column, s.labels[str(first)], y, space)
                yield Task(group="superclass", metrics=("superclass",), title=title, work=work)


def _knn(s: Subject, column: str, y: np.ndarray, space: Space, with_each: bool, progress: Progress) -> Found:
    parted = label_splits(known_twice(y), s.splits, seed=s.seed, what="kNN accuracy")
    ks = s.ks_up_to(min(len(train) for train, _ in parted.pairs))
    votes = knn_votes(space.x, parted, ks, metric=space.metric, progress=progress)
    majority = np.mean([np.bincount(t).max() / len(t) for t in parted.test_labels()])
    scores = []
    for k in ks:
        found = accuracy_of(votes[k], parted, k)
        scores.append(
            Score(
                metric="knn",
                space=space.name,
                value=found.accuracy,
                sd=_or_none(found.sd),
                column=column,
                setting=space.setting(f"k={k}"),
                detail=_parted(found.n_train, found.n_test, found.split)
                + (f", labels without a test image: {parted.unasked}" if parted.unasked else "")
                + _seen(s, column, found.split),
                beside={"majority": float(majority)},
            )
        )
    if space.name != MAP:
        return Found(scores=scores)
    counts = confusion(votes[ks[0]], parted)
    tables: dict[str, Any] = {"per_class": {column: _per_class(counts, parted)}}
    if len(parted.names) <= LARGEST_TABLE:
        tables["confusion"] = {column: {"labels": parted.names.tolist(), "counts": counts.tolist()}}
    return Found(scores=scores, tables=tables, each={"knn_correct": _correct(s, y)} if with_each else {})


def _per_class(counts: Int[np.ndarray, "c c"], parted: LabelSplits) -> dict[str, Any]:
    """Return, for each label with test images, how many its neighbours name, and what they say instead."""
    out: dict[str, Any] = {}
    repeats = len(parted.pairs)
    for i, name in enumerate(parted.names.tolist()):
        n = int(counts[i].sum())
        if not n:
            continue
        wrong = counts[i].copy()
        wrong[i] = 0
        worst = int(wrong.argmax())
        out[name] = {
            "n": n / repeats if n % repeats else n // repeats,
            "accuracy": float(counts[i, i] / n),
            "confused_with": parted.names[worst].item() if wrong[worst] else None,
            "confused": float(wrong[worst] / n),
        }
    return out


def _correct(s: Subject, y: np.ndarray) -> np.ndarray:
    """Return 1 where an image's neighbours on the map, all others being known, vote for its label; else 0."""
    rows = np.flatnonzero(y != "")
    names, codes = np.unique(y[rows], return_inverse=True)
    k = s.ks_up_to(len(rows) - 1)[0]
    out = np.full(s.n, np.nan)
    out[rows] = vote(codes[_near(s, s.map, rows, k)], len(names)) == codes
    return out


def _near(s: Subject, space: Space, rows: Int[np.ndarray, " m"], k: int) -> Int[np.ndarray, "m k"]:
    """Return the neighbours of some images among themselves, as indices into ``rows``."""
    if len(rows) == s.n:
        return s.near(space)[:, :k]
    return nearest(space.floats[rows], k, metric=space.metric)[0]


def _purity(s: Subject, column: str, y: np.ndarray, space: Space, progress: Progress) -> Found:
    n = int((y != "").sum())
    ks = [k for k in KS if k < n] or [1]
    found = neighbour_purity(space.x, y, ks=ks, metric=space.metric, progress=progress)
    return Found(
        scores=[
            Score(
                metric="purity",
                space=space.name,
                value=p.value,
                column=column,
                setting=space.setting(f"k={p.k}"),
                detail=f"{p.n:,} images",
                beside={"chance": p.chance, "ceiling": p.ceiling},
            )
            for p in found
        ]
    )


def _kmeans(s: Subject, column: str, y: np.ndarray, space: Space, progress: Progress) -> Found:
    found = clusters.kmeans_agreement(space.x, y, metric=space.metric, seed=s.seed)
    return Found(scores=_agreement("kmeans", found, column, space))


def _hdbscan(s: Subject, column: str, y: np.ndarray, progress: Progress) -> Found:
    return Found(scores=_agreement("hdbscan", clusters.hdbscan_agreement(s.positions, y), column, s.map))


def _agreement(name: str, found: clusters.Agreement, column: str, space: Space) -> list[Score]:
    detail, beside = f"{found.n:,} images, {found.clusters} clusters", {"clusters": float(found.clusters)}
    if name == "hdbscan":
        detail += (
            f", min_samples {clusters.MIN_SAMPLES}, min_cluster_size {clusters.cluster_size(found.n)}, "
            f"{100 * found.noise:.1f} % in none"
        )
        beside["noise"] = found.noise
    return [
        Score(
            metric=f"{name}_{index}",
            space=space.name,
            value=value,
            column=column,
            setting=space.setting(),
            detail=detail,
            beside=beside,
        )
        for index, value in (("ari", found.ari), ("ami", found.ami))
    ]


def _silhouette(column: str, y: np.ndarray, space: Space, progress: Progress) -> Found:
    found = clusters.silhouette(space.x, y, metric=space.metric)
    score = Score(
        metric="silhouette",
        space=space.name,
        value=float(np.nanmean(found)),
        column=column,
        setting=space.setting(),
        detail=f"{int((y != '').sum()):,} images",
    )
    return Found(scores=[score])


def _linear(s: Subject, column: str, y: np.ndarray, space: Space, progress: Progress) -> Found:
    found = linear_accuracy(space.x, known_twice(y), s.splits, seed=s.seed, progress=progress)
    note = "" if found.converged else "; the optimum was not reached"
    score = Score(
        metric="linear",
        space=space.name,
        value=found.accuracy,
        sd=_or_none(found.sd),
        column=column,
        detail=_parted(found.n_train, found.n_test, found.split) + _seen(s, column, found.split) + note,
    )
    return Found(scores=[score])


def _rld(column: str, y: np.ndarray, space: Space, progress: Progress) -> Found:
    unit = space.name == FEATURES
    found = relative_local_density(space.x, y, normalize=unit, progress=progress)
    scores = [
        Score(
            metric="rld",
            space=space.name,
            value=d.rld,
            column=column,
            setting=f"τ={d.temperature:g}" + (", unit length" if unit else ""),
            detail=f"{d.n:,} images, {d.labels} labels, {d.dtype}",
            beside={
                "ceiling": d.ceiling,
                "shuffled": d.shuffled,
                "effective_neighbors": d.effective_neighbors,
            },
        )
        for d in found
    ]
    return Found(scores=scores)


def _gcn(s: Subject, column: str, y: np.ndarray, space: Space, progress: Progress) -> Found:
    from augmap.evaluate.gcn import gcn_accuracy  # torch, and only when asked for

    unit = space.name == FEATURES
    found = gcn_accuracy(space.x, known_twice(y), s.splits, normalize=unit, seed=s.seed, progress=progress)
    score = Score(
        metric="gcn",
        space=space.name,
        value=found.accuracy,
        sd=_or_none(found.sd),
        column=column,
        setting=f"τ={found.temperature:g}" + (", unit length" if unit else ""),
        detail=_parted(found.n_train, found.n_test, found.split)
        + _seen(s, column, found.split)
        + f", {found.n_val:,} for validation",
        beside={
            "linear": found.linear,
            "parameters": float(found.parameters),
            "linear_parameters": float(found.linear_parameters),
        },
    )
    return Found(scores=[score])


def _superclass(
    s: Subject, column: str, fine: np.ndarray, coarse: np.ndarray, space: Space, progress: Progress
) -> Found:
    rows = np.flatnonzero((fine != "") & (coarse != ""))
    ks = s.ks_up_to(len(rows) - 1)
    near = _near(s, space, rows, max(ks))
    scores = []
    for k in ks:
        found: Mapping[str, float] = vars(superclass_share(near[:, :k], fine[rows], coarse[rows]))
        scores.append(
            Score(
                metric="superclass",
                space=space.name,
                value=found["value"],
                column=column,
                setting=space.setting(f"k={k}"),
                detail=f"{len(rows):,} images",
                beside={name: x for name, x in found.items() if name != "value" and not np.isnan(x)},
            )
        )
    return Found(scores=scores)


def _parted(n_train: int, n_test: int, how: str) -> str:
    return f"{n_train:,} -> {n_test:,} images, {how}{' split' if how == 'official' else ''}"


def _seen(s: Subject, column: str, how: str) -> str:
    """Say where the encoder had seen the answers: labels of an official split's test images never train."""
    return "; these labels trained the encoder" if column in s.learned and how != "official" else ""


def _or_none(sd: float) -> float | None:
    return None if np.isnan(sd) else sd
