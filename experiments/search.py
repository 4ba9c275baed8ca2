"""How the first stage of the preset ``quick`` was chosen: changes of it as it was, in equal time.

    python experiments/search.py --images cifar10/                         one seed, 1,000 steps of two views
    python experiments/search.py --images cifar10/ --seeds 0 1 2 --only "before|0.05, temperature 0.15"

All 60,000 images of CIFAR-10 are trained on, without labels. Variants are compared by the kNN accuracy
(k = 15) of 5,000 training images against the other 45,000 training images; test labels are never looked
at. A change that leaves the price of a step as it is gets 1,000 steps, two minutes of two cores; any other
gets as many as fit into the same processor time of one thread (``coreminutes.py``), by the price of both,
measured in turns first. Results are written as they come; what is there already is not made again.
``ways.py`` is the same for the way into two dimensions.

    python experiments/search.py --images flowers5/ --steps 1200 \
        --only "^before|^4 views, rate 0.05, .*15$" --results experiments/results/search-flowers5.json
    python experiments/search.py --images fashion_mnist/ --steps 1200 \
        --only "^before|^4 views, rate 0.05, .*(15|is|0.4)$" \
        --results experiments/results/search-fashion-mnist.json

holds what was chosen against what was before on other images, and grey ones with and without other light.
"""

from __future__ import annotations

import coreminutes  # noqa: F401 # first: the clock, and one thread

import argparse  # isort: skip
import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from choosing import DEFAULTS, QUICK, held_out_accuracy, read, write
from common import HERE, hardware
from patched import (
    JORDAN,
    POLAR,
    TIGHT,
    convolutions,
    falling,
    net,
    patches,
    progressive,
    rounds,
    seen,
)

import augmap
from augmap.config import Config
from augmap.images.imageset import ImageSet
from augmap.images.open import open_images
from augmap.method import muon, winograd
from augmap.method.whiten import whitened
from augmap.settings import BATCH

TURNS, TIMED = 3, 40
"""How often the price of a step is measured in turns with that of :data:`BEFORE`, and over how many steps."""
BEFORE = dataclasses.replace(
    QUICK.stages[0], share=None, steps=1, views=2, lr=0.02, temperature=0.2, steady=0.0
)
"""The first stage as it was before this search; the variants change it."""
WARMUP = 0.1
"""Share of the steps, as the planner of a budget has it."""
HALF = 0.5
"""Power of the whitening of the second score."""


@dataclass(frozen=True)
class Change:
    """What a variant does differently."""

    stage: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    patch: Callable[[], None] = lambda: None
    """For what augmap itself cannot do: a change of its code in this process."""
    same_price: bool = False
    """Whether a step computes what one of :data:`BEFORE` does."""


ADAMW = {"optimizer": "adamw", "momentum": 0.9, "lr": 3e-3, "weight_decay": 0.05, "vector_lr": 3e-3}


def same(**stage: Any) -> Change:
    """Return a change of the stage at the same price."""
    return Change(stage, same_price=True)


def views(
    k: int,
    patch: Callable[[], None] = lambda: None,
    augmentation: dict[str, Any] | None = None,
    **stage: Any,
) -> Change:
    """Return a change to ``k`` views of an image, of so many images that a step has as many views.

    Such a step computes as much as one of two views; where a result of one has a price, it was measured.
    """
    config: dict[str, Any] = {"batch_size": 2 * BATCH["cpu"] // k}
    if augmentation is not None:
        config["augmentation"] = augmentation
    return Change({"views": k, **stage}, config, patch, same_price=True)


VARIANTS: dict[str, Change] = {
    "before": same(),
    "batch 256": Change(config={"batch_size": 256}),
    "16 px in the first half": Change(patch=progressive(16, 0.5)),
    "temperature 0.15": same(temperature=0.15),
    "temperature 0.3": same(temperature=0.3),
    "decoupled": same(decoupled=True),
    "4 views of 64 images": views(4),
    "8 views of 32 images": views(8),
    "4 views, rate 0.05": views(4, lr=0.05),
    "4 views, rate 0.05, temperature 0.15": views(4, lr=0.05, temperature=0.15),
    "4 views, rate 0.05, temperature 0.1": views(4, lr=0.05, temperature=0.1),
    **{
        f"4 views, rate 0.05, temperature {start:g} to {end:g}": views(
            4, lr=0.05, temperature=start, end_temperature=end
        )
        for start, end in ((0.3, 0.1), (0.2, 0.1), (0.1, 0.2))
    },
    "4 views, rate 0.1, temperature 0.15": views(4, lr=0.1, temperature=0.15),
    "8 views, rate 0.05, temperature 0.15": views(8, lr=0.05, temperature=0.15),
    "4 views, rate 0.02, temperature 0.15": views(4, temperature=0.15),
    "4 views, rate 0.05, temperature 0.15, light as it is": views(
        4,
        lr=0.05,
        temperature=0.15,
        augmentation={**QUICK.settings["augmentation"], "brightness": 0.0, "contrast": 0.0},
    ),
    "4 views, rate 0.05, temperature 0.15, crops from 0.4": views(
        4,
        lr=0.05,
        temperature=0.15,
        augmentation={**QUICK.settings["augmentation"], "crop_area": (0.4, 1.0)},
    ),
    **{
        f"4 views, rate 0.05, temperature 0.15, weight decay {decay:g}": views(
            4, lr=0.05, temperature=0.15, weight_decay=decay
        )
        for decay in (0.03, 0.1, 0.3)
    },
    **{
        f"4 views of {images} images, rate 0.05, temperature 0.15": Change(
            {"views": 4, "lr": 0.05, "temperature": 0.15}, {"batch_size": images}
        )
        for images in (128, 256)
    },
    **{
        f"4 views of 128 images, rate {rate:g}, temperature 0.15, weight decay {decay:g}": Change(
            {"views": 4, "lr": rate, "temperature": 0.15, "weight_decay": decay}, {"batch_size": 128}
        )
        for rate, decay in ((0.05, 0.03), (0.05, 0.1), (0.1, 0.03))
    },
    "4 views, rate 0.05, temperature 0.15, weight decay 0.03, in a line": views(
        4, falling(lambda x: 1 - x), lr=0.05, temperature=0.15, weight_decay=0.03
    ),
    "4 views, rate 0.05, temperature 0.15, weight decay 0.03, in the last half": views(
        4, falling(lambda x: min(1, 2 * (1 - x))), lr=0.05, temperature=0.15, weight_decay=0.03
    ),
    **{
        f"4 views, rate 0.05, temperature 0.15, weight decay 0.03, stem of patches times {scale}": views(
            4, patches(scale), lr=0.05, temperature=0.15, weight_decay=0.03
        )
        for scale in (1, 4)
    },
    "4 views, rate 0.05, temperature 0.15, Winograd": views(
        4, convolutions(winograd.CHANNELS_FROM), lr=0.05, temperature=0.15
    ),
    "4 views, rate 0.05, temperature 0.15, Winograd, four rounds without room": views(
        4, convolutions(winograd.CHANNELS_FROM, TIGHT), lr=0.05, temperature=0.15
    ),
    "4 views, rate 0.05, temperature 0.15, Winograd, four rounds": views(
        4, convolutions(winograd.CHANNELS_FROM, muon._ROUNDS), lr=0.05, temperature=0.15
    ),
    "4 views, rate 0.05, temperature 0.15, Winograd, four rounds, steady half": views(
        4, convolutions(winograd.CHANNELS_FROM, muon._ROUNDS), lr=0.05, temperature=0.15, steady=0.5
    ),
    "4 views, rate 0.05, temperature 0.15, Polar Express": views(
        4, rounds(*POLAR), lr=0.05, temperature=0.15
    ),
    "Muon, rate 0.1": same(lr=0.1),
    "crops from 0.12": Change(
        config={"augmentation": {"grey": 0.1, "crop_area": (0.12, 1.0)}}, same_price=True
    ),
    "Muon, rate 0.01": same(lr=0.01),
    "Muon, rate 0.05": same(lr=0.05),
    "Muon, momentum 0.9": same(momentum=0.9),
    "weight decay 0.1": same(weight_decay=0.1),
    "network 64, 128, 256": Change(patch=net((64, 128, 256), (1, 1, 1))),
    **{
        f"4 views, rate 0.05, temperature 0.15, weight decay 0.03, {name}": Change(
            {"views": 4, "lr": 0.05, "temperature": 0.15, "weight_decay": 0.03},
            {"batch_size": 64},
            net(widths, blocks),
        )
        for name, widths, blocks in (
            ("network 64, 128, 256", (64, 128, 256), (1, 1, 1)),
            ("network 32, 128, 512", (32, 128, 512), (1, 1, 1)),
            ("another block of 256", (32, 128, 256), (1, 1, 2)),
        )
    },
    "views as large as the image": Change({"view_scale": 1.0}),
    "Cauchy": Change({"similarity": "cauchy", "temperature": 1.0}),
    "AdamW": Change(ADAMW),
}
"""One change at a time, and what came of the good ones together."""


def main() -> None:
    """Run what is not there yet, each variant in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", required=True, help="CIFAR-10, or others with labels, as augmap fit takes them"
    )
    parser.add_argument(
        "--steps", type=int, default=1000, help="of the stage as it was; the others get the same time"
    )
    parser.add_argument(
        "--warmup", type=float, help="passes over the images in place of a tenth of the steps"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", default="", help="only names that are found by this expression")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "search.json")
    parser.add_argument("--cache", help="folder of the pixel store")
    parser.add_argument("--one", nargs=3, metavar=("NAME", "STEPS", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:  # the process that measures
        images = open_images(given.images, cache=given.cache)
        name, steps, seed = given.one
        print(json.dumps(trained(images, name, int(steps), int(seed), given.warmup)))
        return
    shared = ["--images", given.images]
    shared += [] if given.cache is None else ["--cache", given.cache]
    shared += [] if given.warmup is None else ["--warmup", str(given.warmup)]
    protocol = f"{given.steps} steps" + (f", warm-up {given.warmup:g}" if given.warmup else "")
    for seed in given.seeds:
        for name in VARIANTS:
            key = f"{protocol}: {name}, seed {seed}"
            if key in read(given.results) or not re.search(given.only, name):
                continue
            price = 1.0 if VARIANTS[name].same_price else priced(name, shared)
            made = run(name, round(given.steps / price), seed, shared)
            entry = {"price": round(price, 3), **made, "machine": hardware()}
            write(given.results, key, entry)
            print(key, {k: v for k, v in entry.items() if k != "machine"}, flush=True)


def run(name: str, steps: int, seed: int, shared: list[str]) -> dict[str, float]:
    """Train a variant in a process of its own; return what it says."""
    command = [sys.executable, __file__, *shared, "--one", name, str(steps), str(seed)]
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(made.splitlines()[-1])


def priced(name: str, shared: list[str]) -> float:
    """Return the price of a step, in steps of :data:`BEFORE`: the median of ratios measured in turns."""
    ratios = []
    for _ in range(TURNS):
        before, other = (run(k, -TIMED, 0, shared)["train_seconds"] for k in ("before", name))
        ratios.append(other / before)
    return float(np.median(ratios))


def trained(images: ImageSet, name: str, steps: int, seed: int, passes: float | None) -> dict[str, float]:
    """Train the first stage with a change; return what it scores, nothing where steps are below 0."""
    change, timed = VARIANTS[name], steps < 0
    seen["images"] = images
    muon._ROUNDS, winograd.CHANNELS_FROM = JORDAN, {}  # as they were
    change.patch()
    settings = {"seed": seed, **DEFAULTS, **change.config}
    warmup = passes or WARMUP * abs(steps) * settings["batch_size"] / len(images)
    stage = dataclasses.replace(BEFORE, **{"steps": abs(steps), "warmup_epochs": warmup, **change.stage})
    made = augmap.fit(
        images.subset(range(2000)) if timed else images, config=Config(stages=(stage,), **settings)
    )
    found = {"steps": abs(steps), "train_seconds": made.info["history"]["train_seconds"]}
    if timed:
        return found
    half = whitened(made.features, HALF)
    return found | {
        "h": held_out_accuracy(made.features, made, "cosine"),
        "h_whitened": held_out_accuracy(half, made, "cosine"),
    }


if __name__ == "__main__":
    main()
