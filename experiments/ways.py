"""How the way of the preset ``quick`` into two dimensions was chosen, from the features of a finished map.

    python experiments/ways.py --map cifar10.map
    python experiments/ways.py --map flowers.map --only "as it is|^power [^,]*$" \
        --results experiments/results/ways-flowers5.json

lays the images out as :func:`augmap.method.layout.layout` does for the head to learn, from features that are
whitened more or less and with other neighbours or weights, and lets openTSNE do it. Each is scored by 5,000
held-out training labels (``choosing.py``). From how many images on the weights help is read off some of the
training images, scored by random sixths of them. Fewer than 40,000 images are laid out three times, and the
mean counts. The seconds are those of one thread's processor time, the neighbour graph included. Results are
written as they come; what is there already is not made again.
"""

from __future__ import annotations

import coreminutes  # noqa: F401 # first: the clock, and one thread

import argparse  # isort: skip
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import openTSNE
import torch
from choosing import QUICK, held_out_accuracy, read, write
from common import HERE, hardware

from augmap.evaluate.knn import knn_accuracy
from augmap.imagemap import ImageMap
from augmap.method import layout as layouts
from augmap.method.layout import shared
from augmap.method.seeds import generator
from augmap.method.whiten import whitened
from augmap.neighbors import nearest

MAP = QUICK.stages[-1]
Weights = Callable[[torch.Tensor], torch.Tensor]


def ours(h: np.ndarray, k: int = MAP.neighbors, weights: Weights | None = None, seed: int = 0) -> np.ndarray:
    """Lay out as ``quick`` does, or from other neighbours or weights."""
    table = torch.from_numpy(nearest(h, k, metric="cosine")[0])
    random = generator(seed, "layout")
    own = {"shared": shared} if weights is None else {"shared": weights, "MANY": 0}
    with mock.patch.multiple(layouts, **own):
        places = layouts.layout(torch.from_numpy(h), table, random, passes=MAP.layout_passes)
    return places.numpy()


def alike(neighbors: torch.Tensor) -> torch.Tensor:
    """Weigh all neighbours the same."""
    return torch.ones(neighbors.shape)


def squared(neighbors: torch.Tensor) -> torch.Tensor:
    """Weigh by the square of what neighbours share."""
    weights = shared(neighbors).square()
    return weights / weights.mean(1, keepdim=True)


def tsne(h: np.ndarray, seed: int = 0) -> np.ndarray:
    """Lay out by openTSNE with its own defaults: perplexity 30."""
    return np.asarray(openTSNE.TSNE(metric="cosine", n_jobs=1, random_state=seed).fit(h))


Score = Callable[..., float]
Way = tuple[float | None, Callable[..., np.ndarray]]
WAYS: dict[str, Way] = {
    "h as it is": (None, ours),
    **{f"power {power:g}": (power, ours) for power in (0.0, 0.5, 0.75, 1.0)},
    "power 0.5, all neighbours alike": (0.5, partial(ours, weights=alike)),
    "power 0.5, squared weights": (0.5, partial(ours, weights=squared)),
    **{f"power 0.5, {k} neighbours": (0.5, partial(ours, k=k)) for k in (10, 30)},
    "power 0.5, openTSNE": (0.5, tsne),
}
"""How far features are whitened, and who lays them out, from which neighbours."""
FEW = (4_000, 8_000, 16_000, 32_000)
"""So many of the training images are laid out with weights and without."""
SEEDS, ONCE = 3, 40_000
"""Layouts of fewer than :data:`ONCE` images."""


def among_themselves(n: int, made: ImageMap) -> tuple[np.ndarray, Score]:
    """Return the features of n training images, and their score by random splits of these."""
    rows = np.random.default_rng(0).permutation(np.flatnonzero(np.array(made.splits) == "train"))[:n]

    def score(x: np.ndarray, metric: str = "euclidean") -> float:
        return round(100 * knn_accuracy(x, made.labels[rows], metric=metric).accuracy, 2)

    return made.features[rows], score


def parts(made: ImageMap) -> Iterator[tuple[str, Way, np.ndarray, Score]]:
    """Yield what is to be laid out: name, way, features and their score."""
    for name, way in WAYS.items():
        yield name, way, made.features, partial(held_out_accuracy, made=made)
    for n in FEW:
        features, score = among_themselves(n, made)
        for word, weights in (("shared neighbours", shared), ("all neighbours alike", alike)):
            yield f"{n:,} images, {word}", (0.5, partial(ours, weights=weights)), features, score


def main() -> None:
    """Make what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--map", required=True, help="of CIFAR-10, or other images with labels")
    parser.add_argument("--only", default="", help="only names that are found by this expression")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "ways.json")
    given = parser.parse_args()
    m = ImageMap.load(given.map)
    for name, (power, way), features, score in parts(m):
        if name in read(given.results) or not re.search(given.only, name):
            continue
        seeds = SEEDS if len(features) < ONCE else 1
        h = features if power is None else whitened(features, power)
        began = time.process_time()
        maps = [way(h, seed=seed) for seed in range(seeds)]
        seconds = (time.process_time() - began) / seeds
        entry = {
            "h": score(h, metric="cosine"),
            "xy": round(float(np.mean([score(places) for places in maps])), 2),
            "seconds": round(seconds, 1),
            "machine": hardware(),
        }
        write(given.results, name, entry)
        print(name, {k: v for k, v in entry.items() if k != "machine"}, flush=True)


if __name__ == "__main__":
    main()
