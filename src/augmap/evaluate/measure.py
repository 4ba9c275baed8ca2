"""``measure``: every metric that a map allows, from what is known of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from augmap.errors import InputError
from augmap.evaluate import labelled, unlabelled
from augmap.evaluate.accuracy import taught
from augmap.evaluate.knn import K
from augmap.evaluate.score import Measures, Score
from augmap.evaluate.subject import Found, Subject, Task
from augmap.fields import a_seed
from augmap.imagemap import ImageMap
from augmap.items import label_column
from augmap.neighbors import Progress, floats

if TYPE_CHECKING:  # torch is imported where views are asked for
    from augmap.method.augment import Augmentation, UserTransform
    from augmap.method.encoder import Encoder

WITH_LABELS = (
    *("knn", "linear", "silhouette", "kmeans_ari", "kmeans_ami", "hdbscan_ari", "hdbscan_ami"),
    *("purity", "superclass", "rld", "gcn"),
)
WITHOUT_LABELS = ("neighbor_recall", "trustworthiness", "continuity", "distance_correlation", "agreement")
METRICS = (*WITH_LABELS, *WITHOUT_LABELS)
WITH_KS = ("knn", "superclass", "neighbor_recall", "trustworthiness", "continuity")
"""Measured for each number of neighbours."""
ON_REQUEST = ("gcn",)
"""Left out unless asked for: training it takes minutes."""
VIEWS = 2000
"""Images whose views are looked at: encoding them takes a network's time, and the mean is known to 0.01."""

Watch = Callable[[str, float, int], None]
"""Told what is being measured, how many pieces of work are done (with a fraction), and how many there are."""


def measure(
    m: ImageMap,
    *,
    labels: Mapping[str, np.ndarray] | None = None,
    pixels: np.ndarray | None = None,
    encoder: Encoder | None = None,
    augmentation: Augmentation | UserTransform | None = None,
    ks: int | Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
    sample: int | None = None,
    seed: int = 0,
    progress: Watch | None = None,
) -> Measures:
    """Measure a map, whoever made it.

    Parameters
    ----------
    m : ImageMap
        In any dimension, with or without features.
    labels : mapping of str to (n,) arrays of str, optional
        Label columns, the finest first, ``""`` where not known; by default the map's own. ``{}``: none.
    pixels : uint8 array of shape (n, h, w, c), optional
        The images, in the order of the map: a space of their own, what a map without features is held
        against, and what views are made of.
    encoder, augmentation : optional
        The map's encoder and what its views are drawn by; without them (or pixels) there is no agreement.
    ks : int or sequence of int, optional
        Numbers of neighbours; by default 15, and fewer than half of the images where these are few. The first
        one is that of tables and of scores of single images.
    metrics : sequence of str, optional
        Some of :data:`METRICS`; by default all but :data:`ON_REQUEST`, as far as the map allows.
    sample : int, optional
        Look at so many random images only, as if they were all.
    seed : int
        Decides random splits, pairs, samples and starts.
    progress : callable, optional
        Called with what is being measured, pieces of work done (a fraction counts), and their number.

    Returns
    -------
    Measures
        ``settings["left_out"]`` says what could not be measured, and why.

    Raises
    ------
    InputError
        An argument does not fit the map, or a metric that was asked for cannot be measured.
    """
    return measure_each(
        m,
        labels=labels,
        pixels=pixels,
        encoder=encoder,
        augmentation=augmentation,
        ks=ks,
        metrics=metrics,
        sample=sample,
        seed=seed,
        progress=progress,
    )[0]


def measure_each(
    m: ImageMap,
    *,
    labels: Mapping[str, np.ndarray] | None = None,
    pixels: np.ndarray | None = None,
    encoder: Encoder | None = None,
    augmentation: Augmentation | UserTransform | None = None,
    ks: int | Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
    sample: int | None = None,
    seed: int = 0,
    progress: Watch | None = None,
) -> tuple[Measures, dict[str, np.ndarray]]:
    """Measure a map as :func:`measure` does, and return what is known of each image beside it.

    Returns
    -------
    measures : Measures
    each : dict of str to (n,) float64 arrays
        ``trustworthiness``, ``continuity``, ``neighbor_recall``, ``agreement``, ``knn_correct``, as far as
        they were measured; NaN for images that were not looked at.
    """
    asked = _asked(metrics)
    a_seed(seed)
    s, rows, left_out = _subject(m, labels, pixels, ks, sample, seed)
    scores: list[Score] = []
    tables: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    each: dict[str, np.ndarray] = {}
    failed: list[tuple[Task, str]] = []
    work = [*labelled.tasks(s), *unlabelled.tasks(s), *_agreement_tasks(s, encoder, augmentation)]
    work = [task for task in work if asked & set(task.metrics)]
    for number, task in enumerate(work):
        began = time.perf_counter()
        show = partial(_show, progress, task.title, number, len(work))
        show(0, 1)
        try:
            found = task.work(show)
        except InputError as error:
            failed.append((task, str(error)))
            continue
        finally:
            seconds[task.group] = round(seconds.get(task.group, 0.0) + time.perf_counter() - began, 3)
        show(1, 1)
        scores += [score for score in found.scores if score.metric in asked]
        for name, table in found.tables.items():
            tables.setdefault(name, {}).update(table)
        for name, column in found.each.items():
            each[name] = np.full(m.n, np.nan)
            each[name][rows] = column
    missing = _missing(asked - {score.metric for score in scores}, s, failed, encoder, augmentation)
    left_out |= missing | {t.title: reason for t, reason in failed if not missing.keys() >= set(t.metrics)}
    if metrics is not None and missing:
        name, reason = next(iter(missing.items()))
        raise InputError(f"{name} cannot be measured: {reason}")
    left_out |= _too_large(scores, s)
    order = {name: number for number, name in enumerate(METRICS)}
    scores.sort(key=lambda score: order[score.metric])
    settings = {
        "n": s.n,
        "of": m.n,
        "dim": s.dim,
        "ks": list(s.ks),
        "seed": seed,
        "columns": {name: len(set(y.tolist()) - {""}) for name, y in s.labels.items()},
        "metrics": sorted({score.metric for score in scores}, key=order.__getitem__),
        "left_out": left_out,
    }
    return Measures(scores=scores, tables=tables, seconds=seconds, settings=settings), each


def _too_large(scores: Sequence[Score], s: Subject) -> dict[str, str]:
    """Return which numbers of neighbours a metric had to leave out, where it could take others."""
    taken: dict[str, set[str]] = {}
    for score in scores:
        if score.metric in WITH_KS:
            taken.setdefault(score.metric, set()).add(score.setting.split(",")[0])
    of_known = f"those of {s.n:,} images whose labels it knows"
    return {
        f"{metric}, k={k}": f"{k} neighbours are too many among "
        + (of_known if metric in WITH_LABELS and k < s.n else f"{s.n:,} images")
        for metric, settings in taken.items()
        for k in s.ks
        if f"k={k}" not in settings
    }


def _show(progress: Watch | None, title: str, number: int, tasks: int, done: int, total: int) -> None:
    if progress:
        progress(title, number + done / max(total, 1), tasks)


def _asked(metrics: Sequence[str] | None) -> set[str]:
    if metrics is None:
        return set(METRICS) - set(ON_REQUEST)
    if isinstance(metrics, str) or not len(metrics):
        raise InputError(f"metrics must be a list of {', '.join(METRICS)}; got {metrics!r}")
    for name in metrics:
        if name not in METRICS:
            raise InputError(f"unknown metric {name!r}; choose from {', '.join(METRICS)}")
    return set(metrics)


def _subject(
    m: ImageMap,
    labels: Mapping[str, np.ndarray] | None,
    pixels: np.ndarray | None,
    ks: int | Sequence[int] | None,
    sample: int | None,
    seed: int,
) -> tuple[Subject, np.ndarray, dict[str, str]]:
    """Return what is measured, its rows on the map, and what of the map is of no use."""
    left_out = {}
    columns = {k: label_column(v) for k, v in (m.items.labels if labels is None else labels).items()}
    for name, y in columns.items():
        if y.shape != (m.n,):
            raise InputError(f"labels {name!r} must have shape ({m.n},), got {y.shape}")
    if pixels is not None and (pixels.ndim != 4 or len(pixels) != m.n or pixels.dtype != np.uint8):
        raise InputError(f"pixels must be uint8 of shape ({m.n}, h, w, c), got {pixels.dtype} {pixels.shape}")
    ks = (max(1, min(K, ((sample or m.n) - 1) // 2)),) if ks is None else ks
    ks = [ks] if np.isscalar(ks) else list(ks)
    if not ks or any(k != int(k) or k < 1 for k in ks):
        raise InputError(f"k must be whole numbers of at least 1, got {ks}")
    rows = np.arange(m.n)
    if sample is not None:
        if not 2 <= sample <= m.n:
            raise InputError(f"sample must lie in [2, {m.n}], the number of images, got {sample}")
        rows = np.sort(np.random.default_rng(seed).permutation(m.n)[:sample])
    features = m.features
    if features is not None and not np.isfinite(features).all():
        bad = int((~np.isfinite(features)).any(1).sum())
        left_out["features"] = f"features of {bad} of {m.n} images are not finite"
        features = None
    whole = sample is None
    return (
        Subject(
            positions=m.positions if whole else m.positions[rows],
            features=None if features is None else floats(features[rows]),
            images=pixels if whole or pixels is None else pixels[rows],
            labels={name: y[rows] for name, y in columns.items() if (y[rows] != "").any()},
            splits=[m.items.splits[i] for i in rows],
            ks=tuple(dict.fromkeys(int(k) for k in ks)),
            seed=seed,
            learned=_learned(m, columns),
        ),
        rows,
        left_out,
    )


def _learned(m: ImageMap, columns: Mapping[str, np.ndarray]) -> frozenset[str]:
    """Return the columns, under whatever name, that are the labels which trained the map's encoder."""
    if not taught(m.config) or m.labels is None:
        return frozenset()
    return frozenset(name for name, y in columns.items() if np.array_equal(y, m.labels))


def _agreement_tasks(
    s: Subject, encoder: Encoder | None, augmentation: Augmentation | UserTransform | None
) -> Iterator[Task]:
    if encoder is not None and augmentation is not None and s.images is not None:
        work = partial(_agreement, s, encoder, augmentation)
        yield Task(group="agreement", metrics=("agreement",), title="agreement of views", work=work)


def _agreement(
    s: Subject, encoder: Encoder, augmentation: Augmentation | UserTransform, progress: Progress
) -> Found:
    from augmap.evaluate.agreement import augmentation_agreement  # torch

    assert s.images is not None
    rows = np.sort(np.random.default_rng(s.seed).permutation(s.n)[:VIEWS])
    found = augmentation_agreement(encoder, np.asarray(s.images[rows]), augmentation, seed=s.seed)
    each = np.full(s.n, np.nan)
    each[rows] = found
    score = Score(
        metric="agreement",
        space="map",
        value=float(found.mean()),
        detail=f"{len(rows):,} images",
        beside={"random map": 0.5},
    )
    return Found(scores=[score], each={"agreement": each})


def _missing(
    names: set[str],
    s: Subject,
    failed: Sequence[tuple[Task, str]],
    encoder: Encoder | None,
    augmentation: Augmentation | UserTransform | None,
) -> dict[str, str]:
    """Say of each metric without a score why it has none."""
    reasons = {}
    for name in METRICS:
        if name not in names:
            continue
        if raised := [reason for task, reason in failed if name in task.metrics]:
            reasons[name] = raised[0]
        elif name in WITH_LABELS and not s.labels:
            reasons[name] = "it needs labels, and there are none"
        elif name == "superclass":
            reasons[name] = "it needs a second label column that groups the labels of the first"
        elif name.startswith("hdbscan"):
            reasons[name] = f"it is for maps of up to {labelled.HDBSCAN_UP_TO}-D, this one has {s.dim}"
        elif name == "agreement":
            lacking = {"the images": s.images, "the encoder": encoder, "the augmentation": augmentation}
            reasons[name] = "it needs " + " and ".join(k for k, v in lacking.items() if v is None)
        else:
            reasons[name] = "it needs features, or the images"
    return reasons
