"""How well an encoder places images that training never saw, beside those that it did.

    python experiments/unseen.py --images cifar10/ --work DIR

``augmap fit`` maps the folder ``train`` of CIFAR-10 in ten minutes of two cores (``coreminutes.py``), the
encoder places the folder ``test``, and the 15 nearest training images vote: on the map and in the features h,
for the test images, and for as many training images that trained like all others and only have no vote.
Labels are for evaluation only. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from common import HERE, hardware

BUDGET = "10m"


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
    seen = augmap.load(folder)
    new = seen.embed(given.images / "test")
    voters = np.random.default_rng(0).permutation(seen.n)
    asked, voters = voters[: new.n], voters[new.n :]

    def accuracy(space: str, metric: str) -> dict[str, float]:
        x, z = getattr(seen, space), getattr(new, space)
        return {
            "new images": share(x, seen.labels, z, new.labels, metric),
            "images of the map": share(x[voters], seen.labels[voters], x[asked], seen.labels[asked], metric),
        }

    result = {
        "experiment": "unseen",
        "n": seen.n,
        "new": new.n,
        "seed": seen.config.seed,
        "budget": BUDGET,
        "knn_2d": accuracy("positions", "euclidean"),
        "knn_features_cosine": accuracy("features", "cosine"),
        "history": seen.info["history"],
        "config": seen.config.to_dict(),
        "machine": hardware(),
    }
    given.results.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k.startswith("knn")}, indent=1))


def share(x: np.ndarray, y: np.ndarray, z: np.ndarray, asked: np.ndarray, metric: str) -> float:
    """Return how many of the rows of ``z`` their 15 nearest rows of ``x`` name rightly."""
    from augmap.evaluate.knn import knn_accuracy

    parts = ["train"] * len(x) + ["test"] * len(z)
    labels = np.concatenate([y, asked])
    return round(knn_accuracy(np.concatenate([x, z]), labels, parts, metric=metric).accuracy, 4)


if __name__ == "__main__":
    main()
