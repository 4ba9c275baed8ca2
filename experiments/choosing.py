"""What choices are made by: training images held out from the labels, and results written as they come."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from augmap.evaluate.knn import knn_accuracy
from augmap.imagemap import ImageMap
from augmap.presets import PRESETS
from augmap.settings import BACKBONE, BATCH

HELD_OUT = 5000
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
    """Return the kNN accuracy of the held-out training images, in per cent; no test label is read."""
    training = np.flatnonzero(np.array(made.splits) == "train")
    mixed = np.random.default_rng(0).permutation(training)
    rows = np.concatenate([mixed[HELD_OUT:], mixed[:HELD_OUT]])
    parts = ["train"] * (len(rows) - HELD_OUT) + ["test"] * HELD_OUT
    return round(100 * knn_accuracy(x[rows], made.labels[rows], parts, metric=metric).accuracy, 2)


def read(path: Path) -> dict[str, Any]:
    """Return the results so far."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, key: str, entry: dict[str, Any]) -> None:
    """Add a result to those in the file now."""
    text = json.dumps(dict(sorted({**read(path), key: entry}.items())), indent=1) + "\n"
    (part := path.with_suffix(".part")).write_text(text)
    os.replace(part, path)
