"""How the way of the preset ``quick`` into two dimensions was chosen, from the features of a finished map.

    python experiments/ways.py --map cifar10.map
    python experiments/ways.py --map flowers.map --only "as it is|^power [^,]*$" \
        --results experiments/results/ways-flowers5.json

lays the images out as :func:`augmap.method.layout.layout` does for the head to learn, from features that are
whitened more or less and with other neighbours or weights, and lets openTSNE do it. Each is scored by 5,000
held-out training labels (``choosing.py``). What the weights do for fewer images is read off some of the
training images, each asked about by the others, in the mean of 4 to 16 sets. Other maps of fewer than 40,000
images are laid out three times. The seconds are those of one thread's processor time, the neighbour graph
included. Results are written as they come; what is there already is not made again.
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

from augmap.evaluate.knn import K, vote
from augmap.imagemap import ImageMap
from augmap.method import layout as layouts
from augmap.method.graphs import SHARED
from augmap.method.layout import shared
from augmap.method.seeds import generator
from augmap.method.whiten import whitened
from augmap.neighbors import nearest

MAP = QUICK.stages[-1]
Weights = Callable[[torch.Tensor, int], torch.Tensor]


def ours(
    h: np.ndarray,
    k: int = MAP.neighbors,
    compared: int = SHARED,
    weights: Weights = shared,
    seed: int = 0,
) -> np.ndarray:
    """Lay out as ``quick`` does, or from other neighbours, compared within ``compared`` times as many."""
    table = torch.from_numpy(nearest(h, compared * k, metric="cosine")[0])
    random = generator(seed, "layout")
    with mock.patch.object(layouts, "shared", weights):
        places = layouts.layout(torch.from_numpy(h), table, random, pulling=k, passes=MAP.layout_passes)
    return places.numpy()


def alike(neighbors: torch.Tensor, k: int) -> torch.Tensor:
    """Weigh all neighbours the same."""
    return torch.ones(len(neighbors), k)


def squared(neighbors: torch.Tensor, k: int) -> torch.Tensor:
    """Weigh by the square of what neighbours share."""
    weights = shared(neighbors, k).square()
    return weights / weights.mean(1, keepdim=True)


def tsne(h: np.ndarray, seed: int = 0) -> np.ndarray:
    """Lay out by openTSNE with its own defaults: perplexity 30."""
    return np.asarray(openTSNE.TSNE(metric="cosine", n_jobs=1, random_state=seed).fit(h))


Score = Callable[..., float]
Way = tuple[float | None, Callable[..., np.ndarray]]
CHOSEN = MAP.whitening
COMPARED = {f"compared among {m * MAP.neighbors}": partial(ours, compared=m) for m in (1, 2, 8)}
ALIKE = partial(ours, weights=alike)
WAYS: dict[str, Way] = {
    "h as it is": (None, ours),
    **{f"power {power:g}": (power, ours) for power in (0.0, 0.5, 0.75, 1.0)},
    **{f"power {CHOSEN:g}, {name}": (CHOSEN, way) for name, way in COMPARED.items()},
    f"power {CHOSEN:g}, all neighbours alike": (CHOSEN, ALIKE),
    f"power {CHOSEN:g}, squared weights": (CHOSEN, partial(ours, weights=squared)),
    **{f"power {CHOSEN:g}, {k} neighbours": (CHOSEN, partial(ours, k=k)) for k in (10, 30)},
    f"power {CHOSEN:g}, openTSNE": (CHOSEN, tsne),
}
"""How far features are whitened, and who lays them out, from which neighbours."""
FEW = (500, 1_000, 4_000, 16_000)
"""So many of the training images are laid out with weights and without."""
FEW_WAYS = {"": ours, ", compared among 15": partial(ours, compared=1), ", all neighbours alike": ALIKE}
SEEDS, ONCE = 3, 40_000
"""Layouts of fewer than :data:`ONCE` images."""
DRAWN, FEWEST, MOST = 32_000, 4, 16
"""Images of all sets of so many, each of which is laid out once; and sets, at least and at most."""


Case = tuple[np.ndarray, Score, int]
"""Features, their score, and the seed of their layout."""


def among_themselves(n: int, made: ImageMap, seed: int) -> Case:
    """Return n training images; each is asked about by its 15 nearest among the others."""
    training = np.flatnonzero(np.array(made.splits) == "train")
    rows = np.random.default_rng(seed).permutation(training)[:n]

    names, codes = np.unique(made.labels[rows], return_inverse=True)

    def score(x: np.ndarray, metric: str = "euclidean") -> float:
        found, _ = nearest(x, K, metric=metric)
        return 100 * float((vote(codes[found], len(names)) == codes).mean())

    return made.features[rows], score, seed


def parts(made: ImageMap) -> Iterator[tuple[str, Way, list[Case]]]:
    """Yield what is to be laid out: name, way and cases."""
    score = partial(held_out_accuracy, made=made)
    for name, way in WAYS.items():
        yield name, way, [(made.features, score, seed) for seed in range(SEEDS if made.n < ONCE else 1)]
    for n in FEW if made.n >= ONCE else ():
        cases = [among_themselves(n, made, seed) for seed in range(max(FEWEST, min(MOST, DRAWN // n)))]
        for name, way in FEW_WAYS.items():
            yield f"{n:,} images{name}", (CHOSEN, way), cases


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
    for name, (power, way), cases in parts(m):
        if name in read(given.results) or not re.search(given.only, name):
            continue
        seconds, h_scores, scores = 0.0, [], []
        for features, score, seed in cases:
            h = features if power is None else whitened(features, power)
            began = time.process_time()
            places = way(h, seed=seed)
            seconds += (time.process_time() - began) / len(cases)
            h_scores.append(score(h, metric="cosine"))
            scores.append(score(places))
        entry = {
            "h": round(float(np.mean(h_scores)), 2),
            "xy": round(float(np.mean(scores)), 2),
            "layouts": len(cases),
            "seconds": round(seconds, 1),
            "machine": hardware(),
        }
        write(given.results, name, entry)
        print(name, {k: v for k, v in entry.items() if k != "machine"}, flush=True)


if __name__ == "__main__":
    main()
