"""What choices are made by: training images held out from the labels, and results written as they come.

python experiments/choosing.py         the tables of what search.py, ways.py and heads.py have found
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE

from augmap.evaluate.knn import knn_accuracy
from augmap.imagemap import ImageMap
from augmap.plots.colours import natural
from augmap.presets import PRESETS
from augmap.settings import BACKBONE, BATCH

HELD_OUT = 5000
SEARCHES = ("search", "search-flowers5", "search-fashion-mnist")
WAYS = ("ways", "ways-flowers5", "ways-fashion-mnist")
HEADS = ("heads", "heads-images")
QUICK = PRESETS["quick"]
DEFAULTS: dict[str, Any] = {
    "preset": "experiment",
    "backbone": BACKBONE["cpu"],
    "batch_size": BATCH["cpu"],
    "precision": "bfloat16",
    **QUICK.settings,
}
"""Settings of a configuration that ``quick`` has on a CPU."""


def held_out_accuracy(x: np.ndarray, made: ImageMap, metric: str = "euclidean") -> float:
    """Return the kNN accuracy of the held-out training images, in per cent; no test label is read.

    A fifth of the images is held out where they are few; all of them train where there are no splits.
    """
    splits = np.array(made.splits) if any(made.splits) else np.full(made.n, "train")
    training = np.flatnonzero(splits == "train")
    mixed, held = np.random.default_rng(0).permutation(training), min(HELD_OUT, len(training) // 5)
    rows = np.concatenate([mixed[held:], mixed[:held]])
    parts = ["train"] * (len(rows) - held) + ["test"] * held
    return round(100 * knn_accuracy(x[rows], made.labels[rows], parts, metric=metric).accuracy, 2)


def read(path: Path) -> dict[str, Any]:
    """Return the results so far."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, key: str, entry: dict[str, Any]) -> None:
    """Add a result to those in the file now."""
    text = json.dumps(dict(sorted({**read(path), key: entry}.items())), indent=1) + "\n"
    (part := path.with_suffix(".part")).write_text(text)
    os.replace(part, path)


def tables(results: Path = HERE / "results") -> tuple[str, ...]:
    """Return in Markdown what was found: for the first stage, by protocol, the way into 2-D, and its head."""
    search = []
    for name in SEARCHES:
        found = read(results / f"{name}.json")
        for p in sorted({key.split(": ")[0] for key in found}):
            search.append(_first_stage({k: v for k, v in found.items() if k.split(": ")[0] == p}))
    ways = (_ways(read(results / f"{name}.json")) for name in WAYS)
    return (*search, *ways, *(_heads(read(results / f"{name}.json")) for name in HEADS))


def _ways(found: dict[str, Any]) -> str:
    """Return a row for each way."""
    rows = ["| laid out from | kNN in these, % | kNN on the map, % | seconds |", "| --- " * 4 + "|"]
    rows += [
        f"| {name} | {entry['h']:.1f} | {entry['xy']:.1f} | {entry['seconds']:.0f} |"
        for name, entry in sorted(found.items(), key=lambda item: natural(item[0].replace(",", "")))
    ]
    return "\n".join(rows)


def _heads(found: dict[str, Any]) -> str:
    """Return a row for each head, the best for new images first; of some numbers of images, by these."""
    rows = ["| the head | seeds | own images, % | new images, % | seconds |", "| --- " * 5 + "|"]
    heads = _by_name(found).items()
    images = {name: natural(name.partition(": ")[0] if ": " in name else "") for name, _ in heads}
    for name, entries in sorted(heads, key=lambda item: (images[item[0]], -_mean(item[1], "new"))):
        scores = " | ".join(_spread(entries, field) for field in ("own", "new"))
        rows.append(f"| {name} | {len(entries)} | {scores} | {_mean(entries, 'seconds'):.0f} |")
    return "\n".join(rows)


def _by_name(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the entries of all seeds by what was compared."""
    names: dict[str, list[dict[str, Any]]] = {}
    for key, entry in found.items():
        names.setdefault(re.sub(r", seed \d+$", "", key), []).append(entry)
    return names


def _first_stage(found: dict[str, Any]) -> str:
    """Return a row for each variant, the best first."""
    variants = _by_name({re.sub(r"^.*?: ", "", key): entry for key, entry in found.items()})
    rows = ["| the first stage | steps | seeds | kNN in h, % | h half whitened, % |", "| --- " * 5 + "|"]
    for name, entries in sorted(variants.items(), key=lambda item: -_mean(item[1], "h_whitened")):
        scores = [_spread(entries, field) for field in ("h", "h_whitened")]
        rows.append(f"| {name} | {_mean(entries, 'steps'):,.0f} | {len(entries)} | {' | '.join(scores)} |")
    return "\n".join(rows)


def _mean(entries: list[dict[str, Any]], field: str) -> float:
    return float(np.mean([entry[field] for entry in entries]))


def _spread(entries: list[dict[str, Any]], field: str) -> str:
    """Return the mean, with the standard deviation over seeds where there are several."""
    values = [entry[field] for entry in entries]
    deviation = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{deviation}"


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
