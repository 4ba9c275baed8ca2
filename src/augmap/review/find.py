"""``find``: a map in, what is worth looking at out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augmap.imagemap import ImageMap
from augmap.neighbors import nearest
from augmap.review.clusters import find_clusters, to_json
from augmap.review.disagreement import auroc, disagreement
from augmap.review.duplicates import NEIGHBOURS, Duplicates, find_duplicates
from augmap.review.islands import Island, find_islands
from augmap.review.outliers import K, outliers
from augmap.review.pictures import Pictures, small_grey
from augmap.review.queues import (
    Queue,
    clusters_queue,
    disagreement_queue,
    duplicates_queue,
    islands_queue,
    outliers_queue,
    uncertain_queue,
)

Progress = Callable[[int, int], None]
Bars = Callable[[str], Progress]
Spread = Callable[[Any, np.ndarray, Progress], np.ndarray]
"""Of pixels (n, s, s, c) and local spacing (n,): how far views of each image scatter, (n,)."""

TOP = 100
"""Images in a queue that has no groups, and islands."""
_PREDICTS = 0.6
"""Area under the ROC curve from which a spread is said to predict errors; 0.5 is chance."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """What was found on a map.

    Parameters
    ----------
    queues : list of Queue
        Those that could be made.
    scores : dict of str to (n,) float arrays
        Columns of ``items.csv``: ``outlier``, ``duplicate_group``, ``disagreement``, ``spread``, ``island``.
    regions : dict
        What ``regions.json`` holds.
    absent : dict of str to str
        Queues that could not be made, and why.
    facts : dict
        Numbers behind it, in plain types: thresholds, auroc, seconds.
    duplicates, islands
        As they were found.
    """

    queues: list[Queue]
    scores: dict[str, np.ndarray]
    regions: dict[str, Any]
    absent: dict[str, str]
    facts: dict[str, Any]
    duplicates: Duplicates
    islands: list[Island] = field(default_factory=list)


def find(
    m: ImageMap,
    pictures: Pictures | None = None,
    *,
    spread: Spread | str = "not asked for",
    top: int = TOP,
    progress: Bars | None = None,
) -> Found:
    """Look for duplicates, outliers, label disagreements, uncertain images, islands and clusters.

    Labels are used for disagreements, for the make-up of what was found, and to judge whether spread
    predicts errors; nothing else depends on them.

    Parameters
    ----------
    m : ImageMap
        Whoever made it. Without features only the map and the pictures speak.
    pictures : Pictures, optional
        See :func:`augmap.review.pictures.open_pictures`.
    spread : callable or str
        How far augmented views of each image scatter: :func:`augmap.review.uncertainty.spread_of` makes it
        of the map's encoder. It is handed in, so that nothing here needs torch. A str says why there is none.
    top : int
        Images in each queue without groups, and islands.
    progress : callable
        Given a title, returns a function of (done, total).
    """
    start = progress or (lambda title: lambda done, total: None)
    seconds: dict[str, float] = {}
    clock = _Clock(seconds)
    absent: dict[str, str] = {}
    grey = small_grey(pictures, start("looking at the images")) if pictures is not None else None
    exact = pictures.digests if pictures is not None else None
    in_features: tuple[np.ndarray, np.ndarray] | None = None
    if m.features is not None and m.n > 1:
        in_features = nearest(
            m.features,
            min(NEIGHBOURS, m.n - 1),
            metric="cosine",
            progress=start("neighbours in the features"),
        )
    clock("reading and neighbours")
    found = find_duplicates(grey, digests=exact, in_features=in_features, splits=m.splits, progress=progress)
    clock("duplicates")
    queues = [duplicates_queue(m, found)]
    if grey is None and m.features is None:
        queues, absent["duplicates"] = [], "the map has neither pictures nor features"
    scores = {}
    if not absent:
        scores["duplicate_group"] = _numbered(m.n, [g.rows for g in found.groups])

    k = min(K, m.n - 1)
    if k < 1:
        why = "a single image has no neighbours"
        absent |= dict.fromkeys(("outliers", "disagreement", "uncertain", "islands", "clusters"), why)
        return Found(queues=queues, scores=scores, regions=to_json([], m.n), absent=absent,
                     facts=_facts(found, seconds), duplicates=found)  # fmt: skip
    near, distances = nearest(m.positions, k, progress=start("neighbours on the map"))
    near_in_features, far = (None, None) if in_features is None else (a[:, :k] for a in in_features)
    scored = outliers(near, distances, far)
    scores["outlier"] = scored.score
    queues.append(outliers_queue(m, scored, top))
    clock("outliers")

    votes = None
    if m.labels is None:
        absent["disagreement"] = "the map has no labels"
    elif (votes := disagreement(m.labels, near, near_in_features)) is None:
        absent["disagreement"] = "fewer than two labels are known, or none has two images"
    else:
        scores["disagreement"] = votes.score
        spaces = f"{k} on the map" + (f" and {k} in the features" if in_features is not None else "")
        queues.append(disagreement_queue(m, votes, top, spaces))
    clock("disagreement")

    quality: float | None = None
    if isinstance(spread, str):
        absent["uncertain"] = spread
    elif not distances.any():
        absent["uncertain"] = "all images lie at one place"
    elif pictures is None or pictures.pixels is None:
        absent["uncertain"] = "the images cannot be opened, and thumbnails are not what the encoder takes"
    else:
        scattered = spread(pictures.pixels, distances.mean(1, dtype=np.float64), start("augmented views"))
        scores["spread"] = scattered
        if votes is not None:
            known = ~np.isnan(votes.wrong_on_map)
            quality = auroc(scattered[known], votes.wrong_on_map[known] == 1)
        queues.append(uncertain_queue(m, scattered, top, verdict(quality)))
    clock("uncertain")

    islands: list[Island] = []
    if m.dim > 3:
        absent["islands"] = f"a map of {m.dim} dimensions; they are looked for in up to 3"
    else:
        islands = find_islands(m.positions, distances[:, min(2, k - 1)])
        scores["island"] = _numbered(m.n, [i.rows for i in islands])
        queues.append(islands_queue(m, islands, top))
    clock("islands")
    splits = np.array(m.splits) if any(m.splits) else None
    levels = find_clusters(
        m.positions, features=m.features, labels=m.labels, splits=splits, progress=start("clusters")
    )
    if levels:
        queues.append(clusters_queue(m, levels))
    else:
        absent["clusters"] = "there are none"
    clock("clusters")
    return Found(
        queues=queues,
        scores=scores,
        regions=to_json(levels, m.n),
        absent=absent,
        facts={**_facts(found, seconds), "auroc_spread": quality},
        duplicates=found,
        islands=islands,
    )


def verdict(area: float | None) -> str:
    """Say whether the spread of views predicts the errors of kNN on the map."""
    if area is None:
        return "Whether that predicts errors cannot be said: there are no labels, or no errors."
    does = "predicts" if area >= _PREDICTS else "does not predict"
    how = "spread against leave-one-out kNN errors on the map; 0.5 is chance"
    return f"uncertainty {does} errors: AUROC {area:.2f} ({how})."


class _Clock:
    """Seconds of each part."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds, self._last = seconds, time.monotonic()

    def __call__(self, name: str) -> None:
        now = time.monotonic()
        self._seconds[name] = round(now - self._last, 2)
        self._last = now


def _numbered(n: int, groups: list[np.ndarray]) -> np.ndarray:
    out = np.full(n, np.nan)
    for number, rows in enumerate(groups, start=1):
        out[rows] = number
    return out


def _facts(found: Duplicates, seconds: dict[str, float]) -> dict[str, Any]:
    return {"thresholds": found.thresholds, "pairs_compared": found.compared, "seconds": seconds}
