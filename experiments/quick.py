"""How the preset ``quick`` was chosen: backbones, settings of the pretraining, and ways into two dimensions.

    python experiments/quick.py --images cifar10/

Every variant gets the same time on the same machine. All 60,000 images of CIFAR-10 are trained on, without
labels; variants are compared by the kNN accuracy (k = 15) of 5,000 training images against the other 45,000
training images. Test labels are never looked at. One seed: differences below about 1.5 points are ties.
Results are written as they come; what is there already is not made again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import hardware

import augmap
from augmap.config import Config, Stage
from augmap.evaluate.knn import knn_accuracy
from augmap.images.imageset import ImageSet
from augmap.images.open import open_images
from augmap.method.layout import layout
from augmap.method.seeds import generator
from augmap.neighbors import nearest
from augmap.presets import PRESETS
from augmap.settings import BACKBONE, BATCH, fingerprint

SECONDS = 45.0
"""Of pretraining, for each variant."""
LONG = 240.0
"""Of the pretraining that the ways into two dimensions start from."""
HELD_OUT = 5000

QUICK = PRESETS["quick"]
PRETRAIN, MAP = QUICK.stages
DEFAULTS = {"backbone": BACKBONE["cpu"], "batch_size": BATCH["cpu"], **QUICK.settings}
SGD = {"optimizer": "sgd", "lr": 0.2, "weight_decay": 5e-4}

VARIANTS: dict[str, dict[str, Any]] = {
    "quick": {},
    "views as large as the image": {"view_scale": 1.0},
    "SGD 0.2": SGD,
    "temperature 0.1": {"temperature": 0.1},
    "temperature 0.5": {"temperature": 0.5},
    "Cauchy": {"similarity": "cauchy", "temperature": 1.0},
    "DCL": {"decoupled": True},
    "batch 256": {"batch_size": 256},
    "batch 512": {"batch_size": 512},
    "resnet18": {"backbone": "resnet18"},
    "float32": {"precision": "float32"},
}
"""Changes to the first stage (or to the configuration), one at a time."""


def main() -> None:
    """Run what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", required=True, help="CIFAR-10 with train/ and test/, as augmap fit takes it"
    )
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "quick.json")
    parser.add_argument("--only", help="run only the variants whose name contains this")
    given = parser.parse_args()
    images = open_images(given.images)
    found: dict[str, Any] = json.loads(given.results.read_text()) if given.results.exists() else {}

    def do(name: str, run: Callable[[], dict[str, Any]]) -> None:
        if name in found or (given.only and given.only not in name):
            return
        began = time.monotonic()
        found[name] = {**run(), "seconds": round(time.monotonic() - began, 1), "machine": hardware()}
        given.results.write_text(json.dumps(found, indent=1) + "\n")
        print(name, {k: v for k, v in found[name].items() if k != "machine"}, flush=True)

    for name, change in VARIANTS.items():
        do(f"pretrain: {name}", lambda change=change: pretrained(images, change, SECONDS)[1])
    ways(images, do)


def pretrained(
    images: ImageSet, change: dict[str, Any], seconds: float
) -> tuple[augmap.ImageMap, dict[str, Any]]:
    """Train the first stage with a change for this time; return the map and what it scores."""
    of_stage = {
        k: v for k, v in change.items() if k in {f.name for f in dataclasses.fields(Stage)} - {"batch_size"}
    }
    of_config = {k: v for k, v in change.items() if k not in of_stage}
    stage = dataclasses.replace(PRETRAIN, **{"share": 1.0, **of_stage})
    settings = {"preset": "experiment", **DEFAULTS, **of_config}
    budget = seconds + overhead(images, stage, settings)
    made = augmap.fit(images, config=Config(stages=(stage,), budget=budget, **settings))
    history = made.info["history"]
    return made, {
        "h_cosine": accuracy(made.features, made, "cosine"),
        "h_euclidean": accuracy(made.features, made),
        "train_seconds": history["train_seconds"],
        "views_per_second": history["views_per_second"],
        "steps": made.config.stages[0].steps,
        "precision": made.config.precision,
    }


def overhead(images: ImageSet, stage: Stage, settings: dict[str, Any]) -> float:
    """Seconds that a budget keeps back for projecting and saving, measured once per backbone."""
    if settings["backbone"] not in _OVERHEAD:
        began = time.monotonic()
        one = dataclasses.replace(stage, share=None, steps=1, warmup_epochs=0.0)
        augmap.fit(images, config=Config(stages=(one,), **settings))
        _OVERHEAD[settings["backbone"]] = time.monotonic() - began
    return _OVERHEAD[settings["backbone"]]


_OVERHEAD: dict[str, float] = {}


def ways(images: ImageSet, do: Callable[[str, Callable[[], dict[str, Any]]], None]) -> None:
    """Compare ways into two dimensions from one pretraining."""
    state: dict[str, augmap.ImageMap] = {}

    def start() -> dict[str, Any]:
        state["map"], scores = pretrained(images, {}, LONG)
        return scores

    def head(**change: Any) -> dict[str, Any]:
        if "map" not in state:
            start()
        stage = dataclasses.replace(MAP, **{"share": None, "epochs": 100.0, **change})
        config = Config(stages=(stage,), preset="experiment", init=fingerprint(state["map"]), **DEFAULTS)
        made = augmap.fit(images, config=config, init=state["map"])
        return {"xy": accuracy(made.positions, made), "train_seconds": made.info["history"]["train_seconds"]}

    def points() -> dict[str, Any]:
        if "map" not in state:
            start()
        h = state["map"].features
        table = torch.from_numpy(nearest(h, MAP.neighbors, metric="cosine")[0])
        places = layout(torch.from_numpy(h), table, generator(0, "layout"), passes=MAP.layout_passes)
        return {"xy": accuracy(places.numpy(), state["map"])}

    do("two dimensions: pretraining", start)
    do("two dimensions: layout, free points", points)
    do("two dimensions: head learns the layout", head)
    do("two dimensions: the same, 25 epochs", lambda: head(epochs=25.0))
    do(
        "two dimensions: the same, Gaussian (squared distances)",
        lambda: head(similarity="gaussian", end_temperature=None),
    )
    do("two dimensions: head of 512, 512", lambda: head(hidden=(512, 512)))
    edges = {"edges": "neighbors", "end_temperature": None}
    do("two dimensions: head on neighbour edges", lambda: head(**edges))
    paper = {
        "edges": "augmentation",
        "train": "all",
        "new_layer": "last",
        "new_layer_std": 1.0,
        "epochs": 4.0,
    }
    do(
        "two dimensions: new last layer, all trained, Cauchy",
        lambda: head(**{**edges, **paper, "batch_size": 256, "lr": 1e-3}),
    )


def accuracy(x: np.ndarray, made: augmap.ImageMap, metric: str = "euclidean") -> float:
    """Return the kNN accuracy of the held-out training images, in per cent."""
    train = np.flatnonzero(np.array(made.splits) == "train")
    mixed = np.random.default_rng(0).permutation(train)
    rows = np.concatenate([mixed[HELD_OUT:], mixed[:HELD_OUT]])
    parts = ["train"] * (len(rows) - HELD_OUT) + ["test"] * HELD_OUT
    return round(100 * knn_accuracy(x[rows], made.labels[rows], parts, metric=metric).accuracy, 2)


if __name__ == "__main__":
    main()
