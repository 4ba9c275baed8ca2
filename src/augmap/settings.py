"""What the user asked for becomes a configuration, an augmentation and a network."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from augmap.config import Config, parse_duration
from augmap.errors import InputError
from augmap.method.augment import AUGMENTATIONS, Augmentation, UserTransform
from augmap.method.backbones import BACKBONES
from augmap.method.encoder import CUSTOM
from augmap.presets import PRESETS, continued, make_config

if TYPE_CHECKING:
    from augmap.imagemap import ImageMap


BUDGET = {"cpu": "20m", "cuda": "10m", "mps": "20m"}
"""Time to be ready in where neither a budget nor epochs are given, by device."""
BACKBONE = {"cpu": "slim", "cuda": "resnet18", "mps": "resnet18"}
"""Network where none is asked for, by device."""
BATCH = {"cpu": 128, "cuda": 512, "mps": 256}
"""Images a step, two views each, where neither preset nor user says how many; by device."""


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
    dim: int | None = None,
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
        Then it says everything, and what else was given must be left out, or be the same.
    start : ImageMap, optional
        Map whose encoder training starts from; its backbone, augmentation, dimension and kernel stay.
    device : str
        cpu, cuda or mps: decides the backbone and the budget where they were not given.

    Raises
    ------
    InputError
        Unknown names, or things that exclude each other.
    """
    if config is not None:
        whole = _given(config)
        named = [k for k, v in (("epochs", epochs), ("preset", preset)) if v is not None]
        same = {
            "budget": None if budget is None else parse_duration(budget),
            "dim": dim,
            "seed": seed or None,
            "batch_size": batch_size,
            "precision": precision,
            "augment": augment if isinstance(augment, str | Augmentation) else None,
            "backbone": backbone if isinstance(backbone, str) else None,
        }
        named += [k for k, v in same.items() if v is not None and v != getattr(whole, k)]
        if named:
            raise InputError(
                f"a configuration says everything: leave out {', '.join(named)}, or change it there"
            )
        if whole.init != (start and fingerprint(start)):
            raise InputError(
                "the configuration starts from the encoder of a map: give that map as init (--init)"
                if start is None
                else "the configuration starts from no map or from another one: leave init out"
            )
        return Settings(whole, make_augmentation(whole, augment), _module(whole.backbone, backbone))
    seconds = None if budget is None else parse_duration(budget)
    preset = preset or ("continue" if start is not None else "quick")
    if preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
    if preset == "continue" and start is None:
        raise InputError("preset 'continue' goes on from a map: give it as init (--init)")
    if epochs is None and seconds is None and any(s.share for s in PRESETS[preset].stages):
        seconds = parse_duration(BUDGET[device])
    settings: dict[str, Any] = {"backbone": BACKBONE[device], "batch_size": default_batch(preset, device)}
    settings |= PRESETS[preset].settings
    settings |= {"seed": seed} | ({} if batch_size is None else {"batch_size": batch_size})
    settings |= {} if precision is None else {"precision": precision}
    if start is not None:
        settings |= _kept(start, augment, backbone, dim)
        dim = start.dim
    if isinstance(backbone, str | nn.Module):
        settings["backbone"] = backbone if isinstance(backbone, str) else CUSTOM
    elif backbone is not None:
        raise InputError(f"backbone must be a name or a torch module, got {type(backbone).__name__}")
    if augment is not None:
        settings |= _augment_settings(augment)
    made = make_config(preset, epochs=epochs, budget=seconds, dim=dim, **settings)
    if start is not None:
        made = _started(made, start)
    return Settings(made, make_augmentation(made, augment), _module(made.backbone, backbone))


def default_batch(preset: str, device: str) -> int:
    """Return the images a step where nobody says how many: as many views, whatever views an image has."""
    return BATCH[device] * 2 // max(stage.views for stage in PRESETS[preset].stages)


def fingerprint(start: ImageMap) -> str:
    """Return the SHA-256 of a map's encoder: names, shapes and numbers of its weights."""
    assert start.weights is not None
    found = hashlib.sha256()
    for name, array in sorted(start.weights.arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(np.asarray(array, order="C").tobytes())
    return found.hexdigest()


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
    if given is not None and not isinstance(given, str | Augmentation):
        raise InputError(f"the configuration has the augmentation {config.augment!r}: leave your own out")
    if config.augment not in AUGMENTATIONS:
        raise InputError(f"unknown augmentation {config.augment!r}; choose one of {', '.join(AUGMENTATIONS)}")
    known = {f.name for f in dataclasses.fields(Augmentation)}
    if unknown := sorted(set(config.augmentation) - known):
        raise InputError(f"unknown augmentation field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    try:
        return dataclasses.replace(AUGMENTATIONS[config.augment], **config.augmentation)
    except TypeError as error:
        raise InputError(f"augmentation: {error}; each field is a number or two, see natural") from error


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


def _given(config: Config | str | Path) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, str | Path):
        return Config.from_toml(Path(config))
    raise InputError(f"config must be a Config or the path of a TOML file, got {type(config).__name__}")


def _kept(start: ImageMap, augment: Any, backbone: Any, dim: int | None) -> dict[str, Any]:
    """What a map to start from decides: the encoder cannot be another one."""
    if start.weights is None or start.config is None:
        raise InputError("the map to start from has no encoder; give one made by augmap fit")
    name = start.weights.spec["backbone"]
    if backbone is not None and (backbone if isinstance(backbone, str) else CUSTOM) != name:
        raise InputError(f"the map to start from has the backbone {name!r}: leave backbone out")
    if dim is not None and dim != start.dim:
        raise InputError(f"the map to start from has {start.dim} dimensions, got dim={dim}: leave dim out")
    kept = {"backbone": name, "hidden": start.weights.spec["hidden"], "norm": start.weights.spec["norm"]}
    kept["init"] = fingerprint(start)
    kept["recompute_statistics"] = start.config.recompute_statistics  # or the whole map would jump
    if augment is None:
        kept |= {"augment": start.config.augment, "augmentation": start.config.augmentation}
    return kept


def _started(config: Config, start: ImageMap) -> Config:
    """Fit the stages to an encoder that is there already."""
    assert start.config is not None
    if config.preset == "continue":
        return continued(config, start.config.stages[-1])
    first = config.stages[0]
    if first.new_layer == "none" and first.dim != start.dim:
        first = dataclasses.replace(first, new_layer="last")
    return config.replace(stages=(first, *config.stages[1:]))


def _module(name: str, module: Any) -> nn.Module | None:
    if name == CUSTOM:
        if not isinstance(module, nn.Module):
            raise InputError("the configuration has a backbone of your own: give it as backbone=module")
        return module
    if isinstance(module, nn.Module):
        raise InputError(f"the configuration has the backbone {name!r}: leave your own module out")
    if name not in BACKBONES:
        raise InputError(f"unknown backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    return None
