"""Every number that shapes a map: :class:`Config`, its list of stages, and how both are written down.

A run is a function of ``(images, Config)``: no other input may change its result. Where and how fast
it runs (devices, checkpoints) stands in :class:`Runtime`. Named lists of stages are in
:mod:`augmap.presets`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from augmap.errors import InputError
from augmap.fields import (
    a_seed,
    at_least,
    build,
    check_types,
    choice,
    positive,
    read_toml,
    toml,
    tuples,
)
from augmap.stage import Norm, Stage

Precision = Literal["auto", "float32", "bfloat16"]
Resize = Literal["bicubic", "bilinear", "lanczos", "box"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """How a picture of any size becomes a square of ``uint8``; the same for training and for new images."""

    image_size: int
    """Edge of the square, in pixels."""
    channels: int
    """1 (grey) or 3 (RGB) from files; any number from arrays."""
    resize: Resize = "bicubic"
    """Filter of the (antialiased) resizing."""
    fit: Literal["crop"] = "crop"
    """The shorter side is scaled to ``image_size``, then the centre is cut out; never stretched."""

    def __post_init__(self) -> None:
        check_types(self)
        positive(self, "image_size", "channels")
        choice(self, "resize", Resize)
        choice(self, "fit", Literal["crop"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; :meth:`from_dict` takes it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, where: str = "preprocessing") -> Preprocessing:
        """Build from plain types; unknown names and wrong types raise :class:`InputError`."""
        return build(cls, values, where)


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Everything a map is a function of, beside the images."""

    stages: tuple[Stage, ...]
    preset: str = "custom"
    """Name of the list that the stages were made from."""
    seed: int = 0
    batch_size: int = 512
    """Images a step, over all processes."""
    keep_short_batch: bool = False
    """End each epoch with its short last batch (the paper); else permutations are carried across epochs."""
    augment: str = "natural"
    """Name of an augmentation set: natural, glyph, symmetric; or custom (a callable given in Python)."""
    augmentation: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of :class:`augmap.method.sets.Augmentation` that differ from that set."""
    backbone: str = "slim"
    hidden: tuple[int, ...] = (1024,)
    """Widths of the hidden layers of the projection head."""
    norm: Norm | None = None
    """Normalisation in those hidden layers; the paper has none."""
    precision: Precision = "auto"
    """auto: bfloat16 in the backbone where a probe shows that it is faster; written down as found."""
    recompute_statistics: bool = True
    """Take BatchNorm's statistics anew from plain images before the final projection."""
    budget: float | None = None
    """Seconds that the planner was given; None where the stages were given."""
    init: str | None = None
    """SHA-256 of the encoder that training started from."""

    def __post_init__(self) -> None:
        check_types(self)
        if strange := [v for v in self.stages if not isinstance(v, Stage)]:
            raise InputError(f"stages must be a list of Stage, got {strange[0]!r} in it")
        object.__setattr__(self, "augmentation", {k: tuples(v) for k, v in self.augmentation.items()})
        if not self.stages:
            raise InputError("a configuration needs at least one stage")
        positive(self, "budget")
        at_least(self, 2, "batch_size")
        choice(self, "precision", Precision)
        choice(self, "norm", Norm | None)
        a_seed(self.seed)
        dim = None
        for stage in self.stages:
            if dim is not None and stage.dim != dim and stage.new_layer == "none":
                raise InputError(
                    f"stage {stage.name!r} has dim={stage.dim} after {dim}: "
                    "it needs new_layer = 'last' or 'head'"
                )
            dim = stage.out_dim
            if stage.share is not None and self.budget is None:
                raise InputError(
                    f"stage {stage.name!r} has a share of the time, but there is no budget; "
                    "give a budget, or epochs or steps to the stage"
                )

    @property
    def dim(self) -> int:
        """Dimension of the map: that of the last stage."""
        return self.stages[-1].out_dim

    def replace(self, **changes: Any) -> Config:
        """Return a copy with some fields changed; each change is checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; :meth:`from_dict` takes it back to an equal configuration."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """Return the text of a file that :meth:`from_toml` reads back to an equal configuration."""
        tables = [f"[augmentation]\n{toml(self.augmentation)}"] if self.augmentation else []
        tables += [f"[[stages]]\n{toml(dataclasses.asdict(s), Stage)}" for s in self.stages]
        top = {k: v for k, v in self.to_dict().items() if k not in ("stages", "augmentation")}
        return "\n".join([toml(top, Config), *tables])

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, where: str = "configuration") -> Config:
        """Build from plain types; unknown names and wrong types raise :class:`InputError`."""
        if not isinstance(values, dict):
            raise InputError(f"{where}: expected a table, got {values!r}")
        stages = values.get("stages")
        if not isinstance(stages, list | tuple) or not stages:
            raise InputError(f"{where}: 'stages' must be a list of at least one stage, got {stages!r}")
        made = tuple(build(Stage, s, f"{where}: stage {i + 1}") for i, s in enumerate(stages))
        return build(cls, {**values, "stages": made}, where)

    @classmethod
    def from_toml(cls, path: Path) -> Config:
        """Read a file with the fields of :class:`Config` and one ``[[stages]]`` table per stage.

        TOML has no word for nothing: ``"none"`` stands for it (``lr_batch = "none"``).

        Raises
        ------
        InputError
            The file is missing, is no TOML, or names an unknown field.
        """
        return cls.from_dict(read_toml(path), where=str(path))


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """Where a configuration runs; none of it is meant to change the map."""

    device: DeviceName = "auto"
    devices: int = 1
    """Processes on one machine."""
    nodes: int = 1
    checkpoint_every: float | None = 300.0
    """Seconds between checkpoints; None writes them only at the end of a stage and when asked to stop."""
    threads: int | None = None
    """CPU threads; None takes as many as are fastest, where a precision or a length is measured as well (see
    :mod:`augmap.method.threads`), and else PyTorch's number."""

    def __post_init__(self) -> None:
        check_types(self)
        choice(self, "device", DeviceName)
        positive(self, "devices", "nodes", "threads", "checkpoint_every")


def parse_duration(text: str | float) -> float:
    """Return seconds of ``"90s"``, ``"10m"``, ``"1.5h"`` or a plain number of seconds.

    Raises
    ------
    InputError
        Anything else, or a duration that is not positive, or longer than a year.
    """
    words = str(text).strip().lower()
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(words[-1:])
    try:
        seconds = float(words[:-1]) * unit if unit else float(words)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 366 * 24 * 3600:  # a NaN neither
        raise InputError(
            f"a duration is a number above 0 with s, m or h (90s, 10m, 1.5h), at most a year, got {text!r}"
        )
    return seconds
