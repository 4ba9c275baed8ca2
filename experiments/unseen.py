"""How well an encoder places images that training never saw, beside those that it did.

    python experiments/unseen.py --images cifar10/ --work DIR

``augmap fit`` maps the folder ``train`` of CIFAR-10 in five minutes of two cores (``coreminutes.py``), the
encoder places the folder ``test``, and the 15 nearest training images vote: on the map and in the features h,
for the test images, and for as many training images that trained like all others and only have no vote.
Then the same with a head that learns the place of each image itself, as ``quick`` had it, on the same
features and in as many steps. Labels are for evaluation only. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, hardware

BUDGET = "5m"
BEFORE: dict[str, Any] = {"cells": None, "hidden": (512, 512, 512), "end_temperature": 0.05**2}
"""The head that learned the place itself."""


def main() -> None:
    """Make both maps, place the test images, write down who is named rightly."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--work", type=Path, required=True, help="where the maps are kept")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "unseen.json")
    given = parser.parse_args()
    import augmap
    from augmap.folder import is_map

    train, cache = given.images / "train", given.work / "unseen.cache"
    first, second = given.work / "unseen.map", given.work / "unseen-before.map"
    if not is_map(first):
        command = [sys.executable, str(HERE / "coreminutes.py"), "fit", str(train), "-o", str(first)]
        subprocess.run([*command, "--budget", BUDGET, "--overwrite", "--cache", str(cache)], check=True)
    m = augmap.load(first)
    if not is_map(second):
        stage = dataclasses.replace(m.config.stages[-1], **BEFORE)
        config = m.config.replace(stages=(stage,), budget=None, init=_fingerprint(m))
        augmap.fit(train, config=config, init=m, output=second, overwrite=True, cache=cache)
    result = {
        "experiment": "unseen",
        "n": m.n,
        "seed": m.config.seed,
        "budget": BUDGET,
        "cells": told(m, given.images / "test"),
        "places": told(augmap.load(second), given.images / "test"),
        "history": m.info["history"],
        "config": m.config.to_dict(),
        "machine": hardware(),
    }
    given.results.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


def _fingerprint(m: Any) -> str:
    from augmap.settings import fingerprint

    return fingerprint(m)


def told(m: Any, test: Path) -> dict[str, dict[str, float]]:
    """Return the kNN accuracy of new images and of the map's own, on the map and in the features."""
    new = m.embed(test)
    voters = np.random.default_rng(0).permutation(m.n)
    asked, voters = voters[: new.n], voters[new.n :]
    found = {}
    for space, metric in (("positions", "euclidean"), ("features", "cosine")):
        x, z = getattr(m, space), getattr(new, space)
        found[space] = {
            "new": share(x, m.labels, z, new.labels, metric),
            "own": share(x[voters], m.labels[voters], x[asked], m.labels[asked], metric),
        }
    return found


def share(x: np.ndarray, y: np.ndarray, z: np.ndarray, asked: np.ndarray, metric: str) -> float:
    """Return how many of the rows of ``z`` their 15 nearest rows of ``x`` name rightly."""
    from augmap.evaluate.knn import knn_accuracy

    parts = ["train"] * len(x) + ["test"] * len(z)
    labels = np.concatenate([y, asked])
    return round(knn_accuracy(np.concatenate([x, z]), labels, parts, metric=metric).accuracy, 4)


def table(result: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    rows = ["| the head learns | images of the map, % | new images, % |", "| --- | --- | --- |"]
    for key, name in (("places", "the place of each image"), ("cells", "which places it is near: `quick`")):
        found = result[key]["positions"]
        rows.append(f"| {name} | {100 * found['own']:.1f} | {100 * found['new']:.1f} |")
    found = result["cells"]["features"]
    rows.append(f"| (features h, by their cosine) | {100 * found['own']:.1f} | {100 * found['new']:.1f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
