"""How the head of the preset ``quick`` was chosen: what it learns of a layout, and of which images.

    python experiments/heads.py --map cifar10.map
    python experiments/heads.py --map unseen.map --images 50000 --seeds 0 1 2 --only "[24],000 anchors" \
        --results experiments/results/heads-images.json

lays out all images of a map but 5,000 training images that are held out, as ``quick`` does, and lets heads
learn that layout from the features h. Each then places all images, and the 15 nearest training images vote:
for those that were held out (``new``), and for as many others, which only have no vote (``own``). No label of
the test part is read. With ``--images`` so many of the training images are drawn, others for each seed, of
which at most a fifth is held out. The seconds are one thread's processor time. Results are written as they
come; what is there already is not made again.
"""

from __future__ import annotations

import coreminutes  # noqa: F401 # first: the clock, and one thread

import argparse  # isort: skip
import math
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from choosing import HELD_OUT, QUICK, read, write
from common import HERE, hardware
from torch import nn
from ways import ours

from augmap.evaluate.knn import knn_accuracy
from augmap.imagemap import ImageMap
from augmap.method import anchors as anchoring
from augmap.method.edges import LayoutGraph
from augmap.method.encoder import Encoder, make_encoder
from augmap.method.schedule import learning_rate, log_temperature
from augmap.method.seeds import generator
from augmap.method.source import Source
from augmap.method.step import make_kernel, make_optimizer, set_rate, set_trained, stage_loss
from augmap.method.train import place_anchors, renew
from augmap.method.whiten import whitened
from augmap.stage import Stage

MAP = replace(QUICK.stages[-1], share=None, steps=300, anchors=2000, hidden=(512, 512))
NARROW = (512, 256)
"""Hidden layers by which twice the anchors cost the same."""
BEFORE = replace(
    MAP, anchors=None, hidden=(512, 512, 512), batch_size=1024, end_temperature=0.05**2, steps=2000
)


@dataclass(frozen=True)
class Way:
    """A stage that learns the layout, and how places are read from its head."""

    stage: Stage = MAP
    window: float = anchoring.WINDOW
    offsets: bool = True
    muon: bool = False
    """For the anchors as well."""


HEADS: dict[str, Way] = {
    "the place itself": Way(BEFORE),
    "2,000 anchors": Way(),
    **{f"{n:,} anchors": Way(replace(MAP, anchors=n)) for n in (500, 1000, 4000)},
    **{
        f"{n:,} anchors, by {NARROW[-1]} columns": Way(replace(MAP, anchors=n, hidden=NARROW))
        for n in (1000, 2000, 4000)
    },
    **{f"{n:,} steps": Way(replace(MAP, steps=n)) for n in (150, 600, 1200)},
    "one hidden layer": Way(replace(MAP, hidden=(512,))),
    "three hidden layers": Way(replace(MAP, hidden=(512, 512, 512))),
    "256 images a step, 600 steps": Way(replace(MAP, batch_size=256, steps=600)),
    "1,024 images a step, 150 steps": Way(replace(MAP, batch_size=1024, steps=150)),
    "Muon for the anchors": Way(muon=True),
    "no offsets": Way(offsets=False),
    "mean of all anchors": Way(window=math.inf),
    "mean of all anchors, no offsets": Way(window=math.inf, offsets=False),
    **{f"window {w:g}": Way(window=w) for w in (1.0, 6.0)},
}


class Nothing(nn.Module):
    """A backbone whose features are there already."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :1].expand(-1, self.features)


def learned(way: Way, graph: LayoutGraph, seed: int = 0) -> Encoder:
    """Train a head as ``quick`` does, in bfloat16; only the head of what is returned means anything."""
    stage, n = way.stage, len(graph.source)
    pixels: dict[str, Any] = {"image_size": 1, "channels": 1, "mean": [0.0], "std": [1.0]}
    encoder = make_encoder(Nothing(graph.source.shape[1]), dim=stage.dim, hidden=(), **pixels)
    renew(encoder, stage, generator(seed, "layer", 1))
    place_anchors(encoder, stage, graph, generator(seed, "anchors", 1))
    kernel, network = make_kernel(stage), set_trained(encoder, stage, graph)
    assert stage.steps is not None
    assert stage.batch_size is not None
    if way.muon:
        with mock.patch("augmap.method.step.Anchors", Nothing):
            optimizer = make_optimizer(network, kernel, stage, low=True)
    else:
        optimizer = make_optimizer(network, kernel, stage, low=True)
    per_epoch, random = n / stage.batch_size, generator(seed, "batches")
    warm = replace(stage, warmup_epochs=min(stage.warmup_epochs, stage.steps / per_epoch / 10))
    batches = ((torch.randint(n, (stage.batch_size,), generator=random), random) for _ in range(stage.steps))
    for step, (h, places) in enumerate(graph.pairs(batches)):
        set_rate(optimizer, learning_rate(warm, step, stage.steps, per_epoch, stage.batch_size))
        if stage.end_temperature is not None:
            kernel.log_temperature = log_temperature(stage, step, stage.steps)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(h)
        stage_loss(found, places, kernel, stage, encoder.head.anchors).backward()
        optimizer.step()
        optimizer.zero_grad()
    return encoder.eval()


@torch.no_grad()
def placed(way: Way, encoder: Encoder, features: np.ndarray) -> np.ndarray:
    """Return the places of all images by a trained head."""
    if not way.offsets:
        linear = encoder.head.anchors.linear
        linear.weight[way.stage.anchors :], linear.bias[way.stage.anchors :] = 0, 0
    with mock.patch.object(anchoring, "WINDOW", way.window):
        return torch.cat([encoder.head(h) for h in torch.from_numpy(features).split(512)]).numpy()


def main() -> None:
    """Make what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--map", required=True, help="of CIFAR-10, or other images with labels")
    parser.add_argument("--images", type=int, help="so many training images, in place of all images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", default="", help="only names that are found by this expression")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "heads.json")
    given = parser.parse_args()
    m = ImageMap.load(given.map)
    for seed in given.seeds:
        protocol = "" if given.images is None else f"{given.images:,} images: "
        keys = {f"{protocol}{name}, seed {seed}": way for name, way in HEADS.items()}
        keys = {k: way for k, way in keys.items() if re.search(given.only, k)}
        missing = {k: way for k, way in keys.items() if k not in read(given.results)}
        if missing:
            compare(m, given.images, seed, missing, given.results)


def compare(m: ImageMap, count: int | None, seed: int, ways: dict[str, Way], results: Path) -> None:
    """Let these heads learn one layout, of all images or of ``count`` training images."""
    features, labels = np.asarray(m.features, np.float32), m.labels
    splits = np.array(m.splits) if any(m.splits) else np.full(m.n, "train")
    mixed = np.random.default_rng(seed).permutation(np.flatnonzero(splits == "train"))[:count]
    held = min(HELD_OUT, len(mixed) // 5)
    new, own, others = mixed[:held], mixed[held : 2 * held], mixed[2 * held :]
    rest = np.setdiff1d(np.arange(m.n) if count is None else mixed, new)

    def asked(z: np.ndarray, rows: np.ndarray, voters: np.ndarray) -> float:
        parts = ["train"] * len(voters) + ["test"] * len(rows)
        both = np.concatenate([voters, rows])
        return round(100 * knn_accuracy(z[both], labels[both], parts).accuracy, 2)

    places = ours(whitened(features[rest], MAP.whitening))
    graph = LayoutGraph(
        Source(torch.from_numpy(features[rest]), torch.device("cpu")), torch.from_numpy(places)
    )
    for key, way in ways.items():
        began = time.process_time()
        encoder = learned(way, graph, seed)
        seconds = time.process_time() - began
        z = placed(way, encoder, features)
        entry = {
            "own": asked(z, own, others),
            "new": asked(z, new, np.concatenate([own, others])),
            "seconds": round(seconds, 1),
            "machine": hardware(),
        }
        write(results, key, entry)
        print(key, {k: v for k, v in entry.items() if k != "machine"}, flush=True)


if __name__ == "__main__":
    main()
