"""How well an encoder places images that training never saw, beside those that it did.

    python experiments/unseen.py --images cifar10/ --work DIR

``augmap fit`` maps the folder ``train`` of CIFAR-10 in five minutes of two cores (``coreminutes.py``), the
encoder places the folder ``test``, and the 15 nearest training images vote: on the map and in the features h,
for the test images, and for as many training images that trained like all others and only have no vote.
Labels are for evaluation only. A map that is there already is not made again.

``unseen-before.json`` is what the commit that stands in it reached, whose head learned the places themselves.
``unseen-winograd-before.json`` and ``unseen-winograd.json`` ran beside each other, on a slower machine;
``unseen-anchors.json``, with twice the anchors, on one like it. ``unseen-steady-before.json`` and
``unseen-steady.json`` ran beside each other too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, hardware

BUDGET = "5m"


def main() -> None:
    """Make the map, place the test images, write down who is named rightly."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="folder with train/ and test/")
    parser.add_argument("--work", type=Path, required=True, help="where the map is kept")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "unseen.json")
    given = parser.parse_args()
    import augmap
    from augmap.folder import is_map

    folder = given.work / "unseen.map"
    if not is_map(folder):
        command = [sys.executable, str(HERE / "coreminutes.py"), "fit", str(given.images / "train")]
        command += ["-o", str(folder), "--budget", BUDGET, "--overwrite"]
        subprocess.run([*command, "--cache", str(given.work / "unseen.cache")], check=True)
    m = augmap.load(folder)
    new = m.embed(given.images / "test")
    result = {
        "experiment": "unseen",
        "n": m.n,
        "new": new.n,
        "seed": m.config.seed,
        "budget": BUDGET,
        "map": told(m, new, "positions", "euclidean"),
        "features": told(m, new, "features", "cosine"),
        "history": m.info["history"],
        "config": m.config.to_dict(),
        "machine": hardware(),
    }
    given.results.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result, json.loads((HERE / "results" / "unseen-before.json").read_text())))


def told(m: Any, new: Any, space: str, metric: str) -> dict[str, float]:
    """Return the kNN accuracy of new images, and of as many of the map's own."""
    x, z = getattr(m, space), getattr(new, space)
    voters = np.random.default_rng(0).permutation(m.n)
    asked, voters = voters[: new.n], voters[new.n :]
    return {
        "new": share(x, m.labels, z, new.labels, metric),
        "own": share(x[voters], m.labels[voters], x[asked], m.labels[asked], metric),
    }


def share(x: np.ndarray, y: np.ndarray, z: np.ndarray, asked: np.ndarray, metric: str) -> float:
    """Return how many of the rows of ``z`` their 15 nearest rows of ``x`` name rightly."""
    from augmap.evaluate.knn import knn_accuracy

    parts = ["train"] * len(x) + ["test"] * len(z)
    labels = np.concatenate([y, asked])
    return round(knn_accuracy(np.concatenate([x, z]), labels, parts, metric=metric).accuracy, 4)


def table(result: dict[str, Any], before: dict[str, Any]) -> str:
    """Return the table in Markdown, with what it was before."""
    rows = ["| kNN accuracy, % | images of the map | new images |", "| --- | --- | --- |"]
    for found, name in (
        (result["map"], "on the map"),
        (result["features"], "in the features h, by their cosine"),
        (before["map"], "before: on the map"),
        (before["features"], "before: in the features h"),
    ):
        rows.append(f"| {name} | {100 * found['own']:.1f} | {100 * found['new']:.1f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
