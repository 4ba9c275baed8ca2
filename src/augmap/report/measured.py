"""The numbers of a map: those that lie in its folder where they are the ones asked for, else measured now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from augmap import folder as disk
from augmap.errors import DamagedMapError, InputError
from augmap.evaluate.measure import METRICS, Watch, measure
from augmap.evaluate.score import Measures
from augmap.imagemap import ImageMap
from augmap.report.columns import Key

FILE = "metrics.json"
K = 15

_TOGETHER = (
    ("kmeans_ari", "kmeans_ami"),
    ("hdbscan_ari", "hdbscan_ami"),
    ("neighbor_recall", "trustworthiness", "continuity", "distance_correlation"),
)
"""Metrics that share work, and that a map has all of or none."""


def measured(
    path: Path,
    m: ImageMap,
    *,
    metrics: Sequence[str] | None = None,
    k: int = K,
    seed: int = 0,
    progress: Watch | None = None,
) -> Measures:
    """Return what is measured of a map.

    ``metrics.json`` in the map's folder is taken where it was measured of all images with this ``k`` and
    ``seed``, and knows of every metric that is asked for; it may hold more than is measured here, such as
    what needs the images themselves. The folder is not changed.

    Parameters
    ----------
    metrics : sequence of str, optional
        By default all that the map allows, but those that are only measured on request. What a map
        cannot have is left out, and ``settings["left_out"]`` says why.
    """
    names = check(metrics)
    found = stored(path)
    if found is not None and _fits(found, m, names, k, seed):
        return _only(found, names)
    if names is None:
        return measure(m, ks=(k,), seed=seed, progress=progress)
    return _each(m, names, k, seed, progress)


def check(metrics: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of metrics, each once; None stays None.

    Raises
    ------
    InputError
        None of them, or one that there is not.
    """
    if metrics is None:
        return None
    names = tuple(dict.fromkeys(metrics))
    for name in names or ("",):
        if name not in METRICS:
            raise InputError(f"unknown metric {name!r}; choose from {', '.join(METRICS)}")
    return names


def stored(path: Path) -> Measures | None:
    """Read ``metrics.json`` of a map; None where there is none.

    Raises
    ------
    DamagedMapError
        It cannot be understood.
    """
    record = disk.read_record(path)
    if FILE not in record["files"]:
        return None
    try:
        return Measures.from_dict(json.loads(disk.read_file(path, FILE, record)))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedMapError(
            f"{path / FILE}: cannot be understood ({error!r}); measure again with augmap evaluate"
        ) from error


def reason(key: Key, m: ImageMap, features: int | None, measures: Measures) -> str:
    """Say why a map lacks a score that another one has."""
    metric, space, column, _ = key
    left_out = measures.settings.get("left_out") or {}
    if column is not None and column not in m.items.labels:
        return f"no labels in a column {column}" if m.items.labels else "no labels"
    if "features" in space and features is None:
        return "no features: the method has none beside the map"
    if metric in left_out:
        return str(left_out[metric])
    group = metric.rsplit("_", 1)[0] if metric.endswith(("_ari", "_ami")) else metric
    for title, why in left_out.items():
        head, _, place = title.partition(", ")
        if head.split(" ")[0] == group and (not place or place.split(",")[0] == space):
            return str(why)
    if "pixels" in space or metric == "agreement":
        return "measured only with the images at hand: augmap evaluate"
    return "not measured"


def _fits(found: Measures, m: ImageMap, names: Sequence[str] | None, k: int, seed: int) -> bool:
    settings: Mapping[str, Any] = found.settings
    known = {s.metric for s in found.scores} | set(settings.get("left_out") or {})
    return (
        settings.get("n") == m.n
        and settings.get("labels", "folder") == "folder"  # not of a table that the other map may not know
        and settings.get("seed") == seed
        and k in (settings.get("ks") or ())
        and set(names or ()) <= known
        # a label column that came later, or was brought from outside, is not in both
        and set(settings.get("columns", m.items.labels)) >= set(m.items.labels)
    )


def _only(found: Measures, names: Sequence[str] | None) -> Measures:
    if names is None:
        return found
    kept = [s for s in found.scores if s.metric in names]
    tables = found.tables if "knn" in names else {}
    return Measures(scores=kept, tables=tables, seconds=found.seconds, settings=found.settings)


def _each(m: ImageMap, names: Sequence[str], k: int, seed: int, progress: Watch | None) -> Measures:
    """Measure what is asked for and possible, piece by piece: one that cannot be had stops no other."""
    scores, left_out = [], {}
    tables: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    settings: dict[str, Any] = {"n": m.n, "of": m.n, "ks": [k], "seed": seed}
    groups = _groups(names)
    for number, group in enumerate(groups):
        watch = partial(_of_all, progress, number, len(groups)) if progress else None
        try:
            found = measure(m, metrics=group, ks=(k,), seed=seed, progress=watch)
        except InputError as error:
            left_out |= dict.fromkeys(group, str(error).partition(" cannot be measured: ")[2] or str(error))
            continue
        scores += found.scores
        tables |= found.tables
        seconds |= found.seconds
        left_out |= found.settings["left_out"]
        settings["columns"] = found.settings["columns"]
    order = {name: number for number, name in enumerate(METRICS)}
    scores.sort(key=lambda score: order[score.metric])
    return Measures(
        scores=scores, tables=tables, seconds=seconds, settings={**settings, "left_out": left_out}
    )


def _of_all(progress: Watch, number: int, groups: int, task: str, done: float, total: int) -> None:
    progress(task, number + done / total, groups)


def _groups(names: Sequence[str]) -> list[tuple[str, ...]]:
    of = {name: group for group in _TOGETHER for name in group}
    grouped: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        grouped.setdefault(of.get(name, (name,)), []).append(name)
    return [tuple(group) for group in grouped.values()]
