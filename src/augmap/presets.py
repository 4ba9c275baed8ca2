"""Named lists of stages. All of them are data; none has code of its own in the trainer."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from augmap.config import Config
from augmap.errors import InputError
from augmap.stage import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """A list of stages, with the settings of a configuration that belong to it."""

    about: str
    stages: tuple[Stage, ...]
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


_PAPER: dict[str, Any] = {"lr": 0.03, "rate": "epoch"}  # SGD .9, weight decay 5e-4, linear in the batch
_PAPER_SETTINGS = {
    "batch_size": 1024,
    "keep_short_batch": True,
    "recompute_statistics": False,
    "precision": "float32",
    "backbone": "resnet18",
}
_READOUT = Stage(name="readout", epochs=50, new_layer="last", new_layer_std=1.0, train="last", **_PAPER)
_FINETUNE = Stage(name="finetune", epochs=450, warmup_epochs=10, **{**_PAPER, "lr": 3e-5})
_PRETRAIN = Stage(name="pretrain", epochs=1000, dim=128, warmup_epochs=10, **_PAPER)
_ADAMW: dict[str, Any] = {"optimizer": "adamw", "lr": 3e-3, "lr_batch": None, "momentum": 0.9}
_QUICK: dict[str, Any] = {"optimizer": "muon", "lr": 0.02, "lr_batch": None, "momentum": 0.95}
_QUICK_PRETRAIN = Stage(
    name="pretrain",
    share=0.94,
    dim=128,
    similarity="cosine",
    temperature=0.15,
    views=4,
    view_scale=None,
    weight_decay=0.01,
    steady=0.5,
    warmup_epochs=1,
    **{**_QUICK, "lr": 0.05},
)
_QUICK_MAP = Stage(
    name="map",
    share=0.06,
    edges="layout",
    whitening=0.75,
    train="head",
    new_layer="head",
    anchors=4000,
    hidden=(512, 256),
    norm="batch",
    on_sphere=True,
    weight_decay=0.01,
    batch_size=512,
    warmup_epochs=2,
    **_QUICK,
)
_QUICK_SETTINGS = {"hidden": (512,), "norm": "batch", "augmentation": {"grey": 0.1}}
_PARAMETRIC = Stage(
    name="map", share=1.0, edges="pixels", weight_decay=0.05, warmup_epochs=1, **_ADAMW
)  # the network and the batch of quick, with other edges
_COSINE: dict[str, Any] = {"similarity": "cosine", "temperature": 0.5}


def _shorter(*epochs: int) -> tuple[Stage, ...]:
    return tuple(
        dataclasses.replace(s, epochs=e, warmup_epochs=min(s.warmup_epochs, e / 10))
        for s, e in zip((_PRETRAIN, _READOUT, _FINETUNE), epochs, strict=True)
    )


PRESETS: dict[str, Preset] = {
    "quick": Preset(
        about="the best map found for minutes: cosine pretraining, then a head that learns a layout of h",
        stages=(_QUICK_PRETRAIN, _QUICK_MAP),
        settings=_QUICK_SETTINGS,
    ),
    "paper": Preset(
        about="Böhm, Berens & Kobak (2023): Cauchy in 128 dimensions, a new last layer, Cauchy in 2",
        stages=(_PRETRAIN, _READOUT, _FINETUNE),
        settings=_PAPER_SETTINGS,
    ),
    "paper-500": Preset(
        about="the paper's 500 epochs: 400, 25, 75",
        stages=_shorter(400, 25, 75),
        settings=_PAPER_SETTINGS,
    ),
    "paper-1000": Preset(
        about="the paper's 1000 epochs: 775, 25, 200",
        stages=_shorter(775, 25, 200),
        settings=_PAPER_SETTINGS,
    ),
    "cosine": Preset(
        about="the paper's ablation: SimCLR's cosine in 128 dimensions, then Cauchy in 2",
        stages=(dataclasses.replace(_PRETRAIN, **_COSINE), _READOUT, _FINETUNE),
        settings=_PAPER_SETTINGS,
    ),
    "direct": Preset(
        about="the paper's ablation: Cauchy in 2 dimensions from the start",
        stages=(dataclasses.replace(_PRETRAIN, name="direct", dim=2),),
        settings=_PAPER_SETTINGS,
    ),
    "annealed": Preset(
        about="tsimcne 0.4: one stage whose dimension falls from 128 to 2 along a cosine",
        stages=(dataclasses.replace(_PRETRAIN, name="annealed", end_dim=2),),
        settings=_PAPER_SETTINGS,
    ),
    "tiny-imagenet": Preset(
        about="the authors' chain for Tiny ImageNet: cosine, a norm penalty, Cauchy, readout, Cauchy in 2",
        stages=(
            dataclasses.replace(_PRETRAIN, **_COSINE),
            # rates are for 1024 images: 1.2e-3 and 1.2e-5; "distances x 200" is a temperature of 1 / 200²
            dataclasses.replace(_PRETRAIN, name="norms", epochs=100, lr=3e-4, norm_penalty=1.0, **_COSINE),
            dataclasses.replace(_PRETRAIN, name="cauchy", epochs=400, lr=3e-4, temperature=200.0**-2),
            dataclasses.replace(_READOUT, temperature=200.0**-2),
            dataclasses.replace(_FINETUNE, lr=3e-6, temperature=200.0**-2),
        ),
        settings=_PAPER_SETTINGS,
    ),
    "continue": Preset(
        about="go on from another map (--init): everything learns at a small rate, nothing is replaced",
        # dimension, kernel and edges are those of the map, see `continued`
        stages=(
            Stage(
                name="continue",
                share=1.0,
                max_epochs=20,
                optimizer="adamw",
                # on some 1,700 digits, 397 of them new, distances between the old ones correlate after 10
                # epochs with those before by more than 0.999 (maps of quick and of direct)
                lr=3e-5,
                lr_batch=None,
                weight_decay=1e-4,
                warmup_epochs=1,
            ),
        ),
        settings={"batch_size": 256},
    ),
    "simclr": Preset(
        about="baseline: SimCLR, the pretraining of quick alone; the map has its 128 dimensions",
        stages=(dataclasses.replace(_QUICK_PRETRAIN, share=1.0),),
        settings=_QUICK_SETTINGS,
    ),
    "parametric-tsne": Preset(
        about="baseline: the same trainer on neighbours of pixels in place of views (van der Maaten, 2009)",
        stages=(dataclasses.replace(_PARAMETRIC, affinity="perplexity"),),
        settings=_QUICK_SETTINGS,
    ),
    "parametric-umap": Preset(
        about="baseline: the same with UMAP's graph, kernel and loss (Sainburg, McInnes & Gentner, 2021)",
        stages=(
            dataclasses.replace(_PARAMETRIC, affinity="fuzzy", similarity="umap", loss="negative_sampling"),
        ),
        settings=_QUICK_SETTINGS,
    ),
    "supervised": Preset(
        about="baseline: a classifier of the training labels, then the layout of quick of its features",
        stages=(
            dataclasses.replace(
                _QUICK_PRETRAIN,
                name="classify",
                dim=1,
                loss="cross_entropy",
                views=2,
                label_smoothing=0.1,
                similarity="cauchy",
                temperature=1.0,
                weight_decay=0.05,
                **_ADAMW,
            ),
            dataclasses.replace(_QUICK_MAP, whitening=None),  # few strong directions are what a class leaves
        ),
        settings={**_QUICK_SETTINGS, "hidden": (), "norm": None},
    ),
}
"""Presets by name."""

_KERNEL = (
    *("loss", "negatives", "label_smoothing", "similarity", "dof", "min_dist", "decoupled", "norm_penalty"),
    *("norm_radius", "edges", "neighbors", "whitening", "affinity", "perplexity"),
)


def method_name(config: Config) -> str:
    """Return what a map of this configuration is to be called, from what its stages do."""
    last = config.stages[-1]
    if any(stage.loss == "cross_entropy" for stage in config.stages):
        return "supervised"
    if last.edges == "pixels":
        return "parametric UMAP" if last.loss == "negative_sampling" else "parametric t-SNE"
    return "SimCLR" if last.similarity == "cosine" else "t-SimCNE"


def continued(config: Config, last: Stage) -> Config:
    """Return a configuration whose stages keep what shaped a map in its last stage: its layout stays."""
    if last.edges == "layout":  # whose places were found by Cauchy among neighbours; the head learned them
        kept: dict[str, Any] = {
            "edges": "neighbors",
            "neighbors": last.neighbors,
            "whitening": last.whitening,
        }
    else:
        kept = {name: getattr(last, name) for name in _KERNEL}
        kept["temperature"] = last.end_temperature or last.temperature
    kept["dim"] = last.out_dim
    return config.replace(stages=tuple(dataclasses.replace(s, **kept) for s in config.stages))


def make_config(
    preset: str = "quick",
    *,
    epochs: Sequence[float] | None = None,
    budget: float | None = None,
    dim: int | None = None,
    **settings: Any,
) -> Config:
    """Return a configuration from a preset and what differs from it.

    Parameters
    ----------
    preset : str
        A key of :data:`PRESETS`.
    epochs : sequence of float, optional
        Length of each stage, in passes over the images.
    budget : float, optional
        Seconds in which the map is to be ready: each stage then gets a share of the time, that of the
        preset or in proportion to its epochs.
    dim : int, optional
        Dimension of the map; by default the preset's, which is 2 but for ``simclr``.
    **settings
        Fields of :class:`~augmap.config.Config`; None keeps the preset's.

    Raises
    ------
    InputError
        An unknown preset, a wrong number of epochs, both or neither of ``epochs`` and ``budget`` where one
        is needed.
    """
    if preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
    chosen = PRESETS[preset]
    stages = chosen.stages
    if epochs is not None and budget is not None:
        raise InputError("give a budget or epochs, not both")
    if epochs is not None:
        stages = _with_epochs(stages, epochs, preset)
    elif budget is not None:
        stages = tuple(_with_share(s) for s in stages)
    elif any(s.share for s in stages):
        raise InputError(f"preset {preset!r} needs a budget (10m), or epochs for its {len(stages)} stages")
    if dim is not None and dim != stages[-1].out_dim:
        if any(s.dim < dim for s in stages if s.end_dim):
            raise InputError(f"preset {preset!r} starts from {stages[0].dim} dimensions, got dim={dim}")
        stages = tuple(_with_dim(s, stages[-1].out_dim, dim) for s in stages)
    given = {k: v for k, v in settings.items() if v is not None}
    return Config(stages=stages, preset=preset, budget=budget, **{**chosen.settings, **given})


def _with_epochs(stages: tuple[Stage, ...], epochs: Any, preset: str) -> tuple[Stage, ...]:
    if isinstance(epochs, str) or not isinstance(epochs, Iterable):
        epochs = (epochs,)
    epochs = [_checked(e) for e in epochs]
    if len(epochs) != len(stages):
        names = ", ".join(s.name for s in stages)
        raise InputError(f"preset {preset!r} has {len(stages)} stages ({names}), got {len(epochs)} epochs")
    return tuple(
        dataclasses.replace(s, epochs=e, share=None, warmup_epochs=min(s.warmup_epochs, e / 10))
        for s, e in zip(stages, epochs, strict=True)
    )


def _checked(epochs: Any) -> float:
    if not (isinstance(epochs, numbers.Real) and epochs > 0 and math.isfinite(epochs)):
        raise InputError(f"epochs must be positive numbers, one a stage, got {epochs!r}")
    return float(epochs)


def _with_share(stage: Stage) -> Stage:
    return stage if stage.share else dataclasses.replace(stage, share=float(stage.epochs or 0), epochs=None)


def _with_dim(stage: Stage, old: int, new: int) -> Stage:
    if stage.end_dim is not None:
        return dataclasses.replace(stage, end_dim=new)
    return dataclasses.replace(stage, dim=new) if stage.dim == old else stage
