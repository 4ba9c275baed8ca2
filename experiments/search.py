"""How the preset ``quick`` was chosen: settings of the pretraining, and ways into two dimensions.

    python experiments/search.py --images cifar10/                 the first stage, one change at a time
    python experiments/search.py --images cifar10/ --map A.map     from the features of a finished map

All 60,000 images of CIFAR-10 are trained on, without labels. Variants are compared by the kNN accuracy
(k = 15) of 5,000 training images against the other 45,000 training images; test labels are never looked
at. A variant of the first stage gets two and a half minutes of two cores by the processor's clock
(``coreminutes.py``), so that other work on the machine changes nothing, a way into two dimensions takes
what it takes. Results are written as they come; what is there already is not made again.
"""

from __future__ import annotations

import coreminutes  # noqa: F401 # first: the clock, and one thread

import argparse  # isort: skip
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import HERE, hardware

import augmap
from augmap.config import Config
from augmap.evaluate.knn import knn_accuracy
from augmap.imagemap import ImageMap
from augmap.images.imageset import ImageSet
from augmap.images.open import open_images
from augmap.method import backbones, edges, train
from augmap.method.layout import layout
from augmap.method.seeds import generator
from augmap.method.whiten import whitened
from augmap.neighbors import nearest
from augmap.presets import PRESETS
from augmap.settings import BACKBONE, BATCH, fingerprint

SECONDS = 150.0
HELD_OUT = 5000
QUICK = PRESETS["quick"]
PRETRAIN, MAP = QUICK.stages
DEFAULTS = {"backbone": BACKBONE["cpu"], "batch_size": BATCH["cpu"], **QUICK.settings}


@dataclass(frozen=True)
class Change:
    """What a variant does differently from the first stage of ``quick``."""

    stage: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    patch: Callable[[], None] = lambda: None
    """For what augmap itself cannot do: a change of its code in this process."""


def net(widths: tuple[int, ...], blocks: tuple[int, ...]) -> Callable[[], None]:
    """Another network in the place of ``slim``."""

    def make(image_size: int, channels: int) -> backbones.ResNet:
        stem = backbones._stem(channels, widths[0], 3, 2)
        return backbones.ResNet(stem, backbones.BasicBlock, widths, blocks)

    def patch() -> None:
        backbones.BACKBONES["slim"] = make

    return patch


def progressive(size: int, share: float) -> Callable[[], None]:
    """Views of ``size`` pixels for the first ``share`` of the steps."""
    of: dict[str, int | None] = {"total": None}
    plain = train._train_stage

    def pairs(self, batches, part=edges.ALL):
        _, height, _, channels = self.source.shape
        for k, (batch, random) in enumerate(batches):
            images = self.source.take(batch)
            b = len(batch)
            drawn = edges.draw(self.augmentation, 2 * b, random, image_size=height, channels=channels)
            # while the pace is measured, before the total is known, both sizes come in their proportion
            early = k % 10 < share * 10 if of["total"] is None else k < share * of["total"]
            edge = size if early else self.view_size
            halves = (drawn[:b], drawn[b:])
            yield torch.cat([edges.apply(images, half, edge) for half in halves]), None

    def stage(run, config, graph, fabric, watch, span):
        of["total"] = span.steps
        return plain(run, config, graph, fabric, watch, span)

    def patch() -> None:
        edges.AugmentationGraph.pairs = pairs
        train._train_stage = stage

    return patch


def more_views(k: int) -> Callable[[], None]:
    """``k`` views of an image, each pair of them an edge, of fewer images: as many views a step."""

    def pairs(self, batches, part=edges.ALL):
        _, height, _, channels = self.source.shape
        for batch, random in batches:
            b = 2 * len(batch) // k
            images = self.source.take(batch[:b])
            drawn = edges.draw(self.augmentation, k * b, random, image_size=height, channels=channels)
            views = [edges.apply(images, drawn[i * b : (i + 1) * b], self.view_size) for i in range(k)]
            yield torch.cat(views), None

    def loss(z, places, similarity, stage):
        z = torch.nn.functional.normalize(z.float(), dim=1)
        likeness = z @ z.T / stage.temperature
        image = torch.arange(len(z)) % (len(z) // k)
        same = image[:, None] == image
        others = likeness.masked_fill(same, -torch.inf).logsumexp(1, keepdim=True)
        each = torch.logaddexp(others, likeness) - likeness
        return each[same & ~torch.eye(len(z), dtype=torch.bool)].mean()

    def patch() -> None:
        edges.AugmentationGraph.pairs = pairs
        train.stage_loss = loss

    return patch


ADAMW = {"optimizer": "adamw", "momentum": 0.9, "lr": 3e-3, "weight_decay": 0.05, "vector_lr": 3e-3}

VARIANTS: dict[str, Change] = {
    "quick": Change(),
    "AdamW": Change(ADAMW),
    "Muon, rate 0.01": Change({"lr": 0.01}),
    "Muon, rate 0.05": Change({"lr": 0.05}),
    "weight decay 0.1": Change({"weight_decay": 0.1}),
    "batch 256": Change(config={"batch_size": 256}),
    "batch 256, 4 views of 128 images": Change(config={"batch_size": 256}, patch=more_views(4)),
    "16 px in the first half": Change(patch=progressive(16, 0.5)),
    "network 64, 128, 256": Change(patch=net((64, 128, 256), (1, 1, 1))),
    "temperature 0.15": Change({"temperature": 0.15}),
    "temperature 0.3": Change({"temperature": 0.3}),
    "Cauchy": Change({"similarity": "cauchy", "temperature": 1.0}),
    "crops from 0.12": Change(config={"augmentation": {"grey": 0.1, "crop_area": (0.12, 1.0)}}),
    "views as large as the image": Change({"view_scale": 1.0}),
}
"""One change at a time; two of them go together where the name says so."""


def main() -> None:
    """Run what is not there yet, each variant in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", required=True, help="CIFAR-10, as augmap fit takes it")
    parser.add_argument("--map", help="a map of them, for the ways into two dimensions")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "search.json")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="only names that contain this")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # the process that measures
    parser.add_argument("--cache", help="folder of the pixel store")
    given = parser.parse_args()
    if given.one:
        images = open_images(given.images, cache=given.cache)
        work = ways(images, given.map)[given.one] if given.map else None
        made = work() if work else pretrained(images, given.one, given.seed)
        print(json.dumps({**made, "machine": hardware()}))
        return
    names = list(WAYS) if given.map else list(VARIANTS)
    for name in names:
        key = f"two dimensions: {name}" if given.map else f"pretrain: {name}, seed {given.seed}"
        found = json.loads(given.results.read_text()) if given.results.exists() else {}
        if key in found or (given.only and given.only not in name):
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--one", name]
        made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        found = json.loads(given.results.read_text()) if given.results.exists() else {}
        found[key] = json.loads(made.splitlines()[-1])
        given.results.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
        print(key, {k: v for k, v in found[key].items() if k != "machine"}, flush=True)


def pretrained(images: ImageSet, name: str, seed: int) -> dict[str, Any]:
    """Train the first stage with a change; return what it scores."""
    change = VARIANTS[name]
    change.patch()
    stage = dataclasses.replace(PRETRAIN, **{"share": 1.0, **change.stage})
    settings = {"preset": "experiment", "seed": seed, **DEFAULTS, **change.config}
    made = augmap.fit(images, config=Config(stages=(stage,), budget=SECONDS, **settings))
    history = made.info["history"]
    return {
        "h": accuracy(made.features, made, "cosine"),
        "h_whitened": accuracy(whitened(made.features, MAP.whitening or 0.0), made, "cosine"),
        "train_seconds": history["train_seconds"],
        "views_per_second": history["views_per_second"],
        "steps": made.config.stages[0].steps,
        "precision": made.config.precision,
    }


WAYS = (
    *("free points, h as it is", "free points, power 0", "free points, power 0.25", "free points, power 0.5"),
    *("free points, power 0.75", "free points, power 1", "head, 80 epochs", "head, 40 epochs"),
    *("head, AdamW, 80 epochs", "head, AdamW, 1024 wide, 80 epochs", "head, h as it is, 80 epochs"),
)


def ways(images: ImageSet, path: str) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the ways into two dimensions from the features of one map, by name."""
    m = ImageMap.load(path)
    assert m.features is not None

    def points(power: float | None) -> dict[str, Any]:
        h = m.features if power is None else whitened(m.features, power)
        began = time.monotonic()
        table = torch.from_numpy(nearest(h, MAP.neighbors, metric="cosine")[0])
        found = layout(torch.from_numpy(h), table, generator(0, "layout"), passes=MAP.layout_passes)
        seconds = time.monotonic() - began
        return {
            "h": accuracy(h, m, "cosine"),
            "xy": accuracy(found.numpy(), m),
            "seconds": round(seconds, 1),
        }

    def head(epochs: float, **change: Any) -> dict[str, Any]:
        stage = dataclasses.replace(MAP, **{"share": None, "epochs": epochs, **change})
        config = Config(stages=(stage,), preset="experiment", init=fingerprint(m), **DEFAULTS)
        made = augmap.fit(images, config=config, init=m)
        return {"xy": accuracy(made.positions, made), "seconds": made.info["history"]["train_seconds"]}

    adamw = {**ADAMW, "weight_decay": 0.01}
    powers = (None, 0.0, 0.25, 0.5, 0.75, 1.0)
    found = [*(lambda p=p: points(p) for p in powers), lambda: head(80), lambda: head(40)]
    found += [lambda: head(80, **adamw), lambda: head(80, **adamw, hidden=(1024,) * 3)]
    found += [lambda: head(80, whitening=None)]
    return dict(zip(WAYS, found, strict=True))


def accuracy(x: np.ndarray, made: ImageMap, metric: str = "euclidean") -> float:
    """Return the kNN accuracy of the held-out training images, in per cent."""
    training = np.flatnonzero(np.array(made.splits) == "train")
    mixed = np.random.default_rng(0).permutation(training)
    rows = np.concatenate([mixed[HELD_OUT:], mixed[:HELD_OUT]])
    parts = ["train"] * (len(rows) - HELD_OUT) + ["test"] * HELD_OUT
    return round(100 * knn_accuracy(x[rows], made.labels[rows], parts, metric=metric).accuracy, 2)


if __name__ == "__main__":
    main()
