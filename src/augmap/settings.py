"""What the user asked for becomes a configuration, an augmentation and a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from augmap.config import Config, parse_duration
from augmap.errors import InputError
from augmap.method.augment import AUGMENTATIONS, Augmentation, UserTransform
from augmap.method.backbones import BACKBONES
from augmap.method.encoder import CUSTOM
from augmap.presets import PRESETS, make_config

if TYPE_CHECKING:
    from augmap.imagemap import ImageMap


BUDGET = {"cpu": "20m", "cuda": "10m", "mps": "20m"}
"""Time to be ready in where neither a budget nor epochs are given, by device."""
BACKBONE = {"cpu": "slim", "cuda": "resnet18", "mps": "resnet18"}
"""Network where none is asked for, by device."""


@dataclass(frozen=True, eq=False)
class Settings:
    """A configuration, and the two things that cannot be written into it."""

    config: Config
    augmentation: Augmentation | UserTransform
    module: nn.Module | None


def settle(
    config: Config | str | Path | None,
    *,
    start: ImageMap | None = None,
    budget: str | float | None = None,
    device: str,
    epochs: Sequence[float] | None = None,
    preset: str | None = None,
    dim: int = 2,
    seed: int = 0,
    augment: Any = None,
    backbone: Any = None,
    batch_size: int | None = None,
    precision: str | None = None,
) -> Settings:
    """Bring together what was given.

    Parameters
    ----------
    config : Config or path, optional
        Then it says everything, and what else was given must be left out.
    start : ImageMap, optional
        Map whose encoder training starts from; its backbone, augmentation and head stay.
    device : str
        cpu, cuda or mps: decides the backbone and the budget where they were not given.

    Raises
    ------
    InputError
        Unknown names, or things that exclude each other.
    """
    if config is not None:
        given = {
            "budget": budget,
            "epochs": epochs,
            "preset": preset,
            "batch_size": batch_size,
            "augment": augment,
        }
        named = [k for k, v in given.items() if v is not None and not callable(v)]
        if named:
            raise InputError(
                f"a configuration says everything: leave out {', '.join(named)}, or change it there"
            )
        whole = config if isinstance(config, Config) else Config.from_toml(Path(config))
        return Settings(whole, make_augmentation(whole, augment), _module(whole.backbone, backbone))
    seconds = None if budget is None else parse_duration(budget)
    preset = preset or ("continue" if start is not None else "quick")
    if preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
    if epochs is None and seconds is None and any(s.share for s in PRESETS[preset].stages):
        seconds = parse_duration(BUDGET[device])
    settings: dict[str, Any] = {"backbone": PRESETS[preset].settings.get("backbone", BACKBONE[device])}
    settings |= {"batch_size": batch_size, "precision": precision, "seed": seed}
    if start is not None:
        settings |= _kept(start, augment, backbone)
    module = backbone if isinstance(backbone, nn.Module) else None
    if isinstance(backbone, str | nn.Module):
        settings["backbone"] = backbone if isinstance(backbone, str) else CUSTOM
    if augment is not None:
        settings |= _augment_settings(augment)
    made = make_config(preset, epochs=epochs, budget=seconds, dim=dim, **settings)
    return Settings(made, make_augmentation(made, augment), _module(made.backbone, module))


def make_augmentation(config: Config, given: Any = None) -> Augmentation | UserTransform:
    """Return the augmentation that a configuration names; a callable must be handed in again.

    Raises
    ------
    InputError
        An unknown set or field, or ``custom`` without the callable.
    """
    if config.augment == CUSTOM:
        if isinstance(given, UserTransform):
            return given
        if callable(given):
            return UserTransform(function=given)
        raise InputError("the configuration has an augmentation of your own: give it as augment=callable")
    if config.augment not in AUGMENTATIONS:
        raise InputError(f"unknown augmentation {config.augment!r}; choose one of {', '.join(AUGMENTATIONS)}")
    known = {f.name for f in dataclasses.fields(Augmentation)}
    if unknown := sorted(set(config.augmentation) - known):
        raise InputError(f"unknown augmentation field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    return dataclasses.replace(AUGMENTATIONS[config.augment], **config.augmentation)


def _augment_settings(augment: str | Augmentation | UserTransform | Callable) -> dict[str, Any]:
    if isinstance(augment, str):
        return {"augment": augment}
    if isinstance(augment, Augmentation):
        natural = dataclasses.asdict(AUGMENTATIONS["natural"])
        changed = {k: v for k, v in dataclasses.asdict(augment).items() if v != natural[k]}
        return {"augment": "natural", "augmentation": changed}
    if callable(augment) or isinstance(augment, UserTransform):
        return {"augment": CUSTOM}
    raise InputError(f"augment must be a name, an Augmentation or a callable, got {type(augment).__name__}")


def _kept(start: ImageMap, augment: Any, backbone: Any) -> dict[str, Any]:
    """What a map to start from decides: the encoder cannot be another one."""
    if start.weights is None or start.config is None:
        raise InputError("the map to start from has no encoder; give one made by augmap fit")
    if isinstance(backbone, str) and backbone != start.config.backbone:
        raise InputError(
            f"the map to start from has the backbone {start.config.backbone!r}, got {backbone!r}"
        )
    kept = {"backbone": start.config.backbone, "hidden": start.config.hidden, "norm": start.config.norm}
    if augment is None:
        kept |= {"augment": start.config.augment, "augmentation": start.config.augmentation}
    return kept


def _module(name: str, module: Any) -> nn.Module | None:
    if name == CUSTOM:
        if not isinstance(module, nn.Module):
            raise InputError("the configuration has a backbone of your own: give it as backbone=module")
        return module
    if name not in BACKBONES:
        raise InputError(f"unknown backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    return None
