"""Small runs for the tests of training: stripes of 8 px, a network of two convolutions, a few steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from augmap.config import Config, Runtime
from augmap.method.audience import Audience
from augmap.method.control import Control
from augmap.method.launch import launch
from augmap.method.processes import rank
from augmap.method.run import Outcome, Task
from augmap.method.sets import AUGMENTATIONS
from augmap.method.watch import Report
from augmap.stage import Stage


def stripes(n: int = 96, size: int = 8, channels: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Stripes that run across, down or aslant, at a random phase, colour and contrast; and which they are."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, n)
    y, x = np.mgrid[:size, :size]
    along = np.stack([y, x, (x + y) / np.sqrt(2)])[kind]
    wave = np.cos(along * 2 * np.pi / 4 + random.uniform(0, 2 * np.pi, (n, 1, 1)))[..., None]
    middle = random.uniform(90, 165, (n, 1, 1, channels))
    strength = random.uniform(30, 80, (n, 1, 1, channels)) * random.choice([-1, 1], (n, 1, 1, channels))
    noise = random.normal(0, 8, (n, size, size, channels))
    return (middle + strength * wave + noise).clip(0, 255).astype(np.uint8), kind


class Small(nn.Module):
    """Two convolutions with BatchNorm."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(1)
            self.layers = nn.Sequential(
                *(nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
                *(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


AS_IT_IS = {"brightness": 0.0, "contrast": 0.0}
"""Of an augmentation: the stripes are grey, so their light is all of their colour that changes."""


def small_config(*stages: Stage, **settings: Any) -> Config:
    """A configuration that takes milliseconds a step."""
    chosen = {"batch_size": 32, "backbone": "custom", "hidden": (16,), "precision": "float32"}
    return Config(stages=stages or (Stage(name="map", epochs=2),), **{**chosen, **settings})


def three_stages(**settings: Any) -> Config:
    """The paper's three stages in small."""
    return small_config(
        Stage(name="pretrain", epochs=3, dim=16, warmup_epochs=1, rate="epoch", lr=0.3),
        Stage(name="readout", epochs=2, new_layer="last", new_layer_std=1.0, train="last", rate="epoch"),
        Stage(name="finetune", epochs=2, warmup_epochs=1, rate="epoch", lr=3e-4),
        **{"keep_short_batch": True, "recompute_statistics": False, **settings},
    )


def with_neighbors(**settings: Any) -> Config:
    """Cosine pretraining, then a new head on the graph of nearest neighbours."""
    return small_config(
        Stage(name="pretrain", epochs=3, dim=16, similarity="cosine", temperature=0.5, lr=0.3),
        Stage(
            name="map", steps=15, edges="neighbors", neighbors=5, train="head", new_layer="head", hidden=(8,),
            norm="batch", optimizer="adamw", lr=1e-2, lr_batch=None,
        ),
        **settings,
    )  # fmt: skip


def task(config: Config, pixels: np.ndarray | None = None, **settings: Any) -> Task:
    """A task of these images on one thread of the CPU."""
    pixels = stripes()[0] if pixels is None else pixels
    views = dataclasses.replace(AUGMENTATIONS["natural"], **config.augmentation)
    given: dict[str, Any] = {"augmentation": views, "backbone": Small(pixels.shape[-1])}
    given["runtime"] = Runtime(device="cpu", threads=1, checkpoint_every=settings.pop("every", None))
    if config.backbone != "custom":
        given["backbone"] = None
    return Task(pixels=pixels, config=config, **{**given, **settings})


def run(config: Config, pixels: np.ndarray | None = None, **settings: Any) -> Outcome:
    """The outcome of such a task."""
    return launch(task(config, pixels, **settings))


def finishing_at(step: int) -> Audience:
    """An audience that wishes for an early end after this step of the first stage."""

    def listen(report: Report) -> None:
        if (report.stage_number, report.step) == (0, step):
            control.finish()

    control = Control()
    return Audience(
        begin=lambda images: np.arange(4), show=lambda z, report: None, listen=listen, control=control
    )


def cpu() -> Fabric:
    """One process on the CPU."""
    return Fabric(accelerator="cpu", devices=1)


def same_bits(a: Outcome, b: Outcome) -> bool:
    """Whether positions, features and every weight are equal to the last bit."""
    arrays = a.weights.arrays
    return (
        np.array_equal(a.positions, b.positions)
        and np.array_equal(a.features, b.features)
        and list(arrays) == list(b.weights.arrays)
        and all(np.array_equal(v, b.weights.arrays[k]) for k, v in arrays.items())
    )


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def checkpoint_files(folder: Path) -> list[str]:
    """What lies in a folder, hidden files included."""
    return sorted(p.name for p in folder.iterdir())


Listeners = Sequence[Callable[[Any], None]]


class BrokenInOne(Small):
    """Fails in the second of two processes, as a GPU that is out of memory would."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and rank() == 1:
            raise ValueError("this process has had enough")
        return super().forward(x)
