"""What the page says about a map in words: how it was made, how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augmap.imagemap import ImageMap


def rows(m: ImageMap) -> list[tuple[str, str]]:
    """Return (word, value) pairs for a table."""
    found: list[tuple[str, Any]] = [("images", f"{m.n:,}"), ("method", m.info.get("method"))]
    found.append(("source", m.info.get("source")))
    if m.dim != 2:
        shown = "its first two principal components" if m.dim > 2 else "on one axis"
        found.append(("dimensions", f"{m.dim}; the page shows {shown}"))
    if m.config is not None:
        found.append(("preset", m.config.preset))
        found.append(("stages", ", ".join(stage.name for stage in m.config.stages)))
        found += [("backbone", m.config.backbone), ("seed", m.config.seed)]
    if m.preprocessing is not None:
        found.append(("image size", f"{m.preprocessing.image_size} px"))
    seconds = m.info.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        found.append(("time", f"{seconds / 60:,.0f} min" if seconds >= 120 else f"{seconds:.0f} s"))
    if m.skipped:
        found.append(("skipped files", f"{len(m.skipped):,}"))
    return [(word, str(value)) for word, value in found if value is not None]


def quality(m: ImageMap, metrics: Any = None) -> list[dict[str, Any]]:
    """Return measures in [0, 1] with their controls: what the fit measured, then ``metrics.json``."""
    return _of_fit(m.info.get("quality")) + _of_metrics(metrics)


def _of_fit(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, Mapping):
        return []
    here, before = (x if isinstance(x, Mapping) else {} for x in (found.get("map"), found.get("untrained")))
    made = []
    if isinstance(knn := found.get("knn"), Mapping):
        control, sample = before.get("knn_sample"), found.get("sample")
        few = f"; untrained: {sample:,} of the images" if isinstance(sample, int) else ""
        made.append(
            _measure(
                "kNN accuracy",
                knn.get("accuracy"),
                {"untrained": control.get("accuracy") if isinstance(control, Mapping) else None},
                f"k={knn.get('k')}, {knn.get('split')}{few}",
            )
        )
    for name, key in (("neighbour recall", "neighbor_recall"), ("agreement of views", "agreement")):
        note = (
            f"of {found.get('k')} neighbours" if key == "neighbor_recall" else "two views against other pairs"
        )
        made.append(_measure(name, here.get(key), {"untrained": before.get(key)}, note))
    return [x for x in made if x]


def _of_metrics(found: Any) -> list[dict[str, Any]]:
    """Scores of ``augmap evaluate`` that lie in [0, 1], with what stands beside them."""
    scores = found.get("scores") if isinstance(found, Mapping) else None
    made = []
    for score in scores if isinstance(scores, list) else []:
        if not isinstance(score, Mapping) or not isinstance(score.get("metric"), str):
            continue
        words = [score.get("space"), score.get("column"), score.get("setting")]
        beside = score.get("beside")
        controls = beside if isinstance(beside, Mapping) else {}
        made.append(
            _measure(score["metric"], score.get("value"), controls, ", ".join(str(w) for w in words if w))
        )
    return [x for x in made if x]


def _measure(name: str, value: Any, controls: Mapping[str, Any], note: str) -> dict[str, Any] | None:
    if not _is_share(value):
        return None
    kept = {str(k): float(v) for k, v in controls.items() if _is_share(v)}
    return {"name": name, "value": float(value), "controls": kept, "note": note}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
