"""How the way of the preset ``quick`` into two dimensions was chosen, from the features of a finished map.

    python experiments/ways.py --map cifar10.map

lays the images out as :func:`augmap.method.layout.layout` does for the head to learn, from features that are
whitened more or less and with other neighbours or weights, and lets openTSNE do it. Each is scored by 5,000
held-out training labels (``choosing.py``); the seconds are those of one thread's processor time, the
neighbour graph included. Results are written as they come; what is there already is not made again.
"""

from __future__ import annotations

import coreminutes  # noqa: F401 # first: the clock, and one thread

import argparse  # isort: skip
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import openTSNE
import torch
from choosing import QUICK, held_out_accuracy, read, write
from common import HERE, hardware

from augmap.imagemap import ImageMap
from augmap.method import layout as layouts
from augmap.method.layout import shared
from augmap.method.seeds import generator
from augmap.method.whiten import whitened
from augmap.neighbors import nearest

MAP = QUICK.stages[-1]
Weights = Callable[[torch.Tensor], torch.Tensor]


def ours(h: np.ndarray, k: int = MAP.neighbors, weights: Weights = shared) -> np.ndarray:
    """Lay out as ``quick`` does, or from other neighbours or weights."""
    table = torch.from_numpy(nearest(h, k, metric="cosine")[0])
    random = generator(0, "layout")
    with mock.patch.object(layouts, "shared", weights):
        places = layouts.layout(torch.from_numpy(h), table, random, passes=MAP.layout_passes)
    return places.numpy()


def alike(neighbors: torch.Tensor) -> torch.Tensor:
    """Weigh all neighbours the same."""
    return torch.ones(neighbors.shape)


def squared(neighbors: torch.Tensor) -> torch.Tensor:
    """Weigh by the square of what neighbours share."""
    weights = shared(neighbors).square()
    return weights / weights.mean(1, keepdim=True)


def tsne(h: np.ndarray) -> np.ndarray:
    """Lay out by openTSNE with its own defaults: perplexity 30."""
    return np.asarray(openTSNE.TSNE(metric="cosine", n_jobs=1, random_state=0).fit(h))


Way = tuple[float | None, Callable[[np.ndarray], np.ndarray]]
WAYS: dict[str, Way] = {
    "h as it is": (None, ours),
    **{f"power {power:g}": (power, ours) for power in (0.0, 0.5, 1.0)},
    "power 0.5, all neighbours alike": (0.5, partial(ours, weights=alike)),
    "power 0.5, squared weights": (0.5, partial(ours, weights=squared)),
    **{f"power 0.5, {k} neighbours": (0.5, partial(ours, k=k)) for k in (10, 30)},
    "power 0.5, openTSNE": (0.5, tsne),
}
"""How far features are whitened, and who lays them out, from which neighbours."""


def main() -> None:
    """Make what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--map", required=True, help="of CIFAR-10, with its training and test images")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "ways.json")
    given = parser.parse_args()
    m = ImageMap.load(given.map)
    score = partial(held_out_accuracy, made=m)
    for name, (power, way) in WAYS.items():
        if name in read(given.results):
            continue
        h = m.features if power is None else whitened(m.features, power)
        began = time.process_time()
        places = way(h)
        seconds = time.process_time() - began
        entry = {
            "h": score(h, metric="cosine"),
            "xy": score(places),
            "seconds": round(seconds, 1),
            "machine": hardware(),
        }
        write(given.results, name, entry)
        print(name, {k: v for k, v in entry.items() if k != "machine"}, flush=True)


if __name__ == "__main__":
    main()
