"""How a map was made, in the words and numbers of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augmap.config import Config
from augmap.imagemap import ImageMap
from augmap.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Settings and times of one map; what is not known is None."""

    n: int
    dim: int
    features: int | None
    """Columns of the features h."""
    labels: list[str]
    """Label columns."""
    source: str | None
    fingerprint: str | None
    """Of the images: names, size and content."""
    image_size: int | None
    preset: str | None
    stages: list[str]
    """One line each."""
    backbone: str | None
    batch_size: int | None
    precision: str | None
    seed: int | None
    epochs: float | None
    """Passes over the images, all stages together."""
    views_per_second: float | None
    seconds: float | None
    """From the command to the finished map."""
    features_seconds: float | None = None
    """Of a layout of features: what the training of their encoder took."""
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    """Of a method that has no stages, as it says itself, in plain types."""


def facts_of(m: ImageMap, augmap: str | None = None) -> Facts:
    """Collect what is known of how a map was made."""
    info, config = m.info, m.config
    history, settings = _table(info.get("history")), _table(info.get("settings"))
    before = _table(info.get("simclr"))
    lengths = _epochs(m)
    known = [e for e in lengths if e is not None]
    versions = {"augmap": augmap, **_table(info.get("versions")), **{k: history.get(k) for k in _VERSIONED}}
    return Facts(
        n=m.n,
        dim=m.dim,
        features=None if m.features is None else m.features.shape[1],
        labels=list(m.items.labels),
        source=_text(info.get("source")),
        fingerprint=_text(info.get("fingerprint")),
        image_size=m.preprocessing.image_size if m.preprocessing else None,
        preset=config.preset if config else None,
        stages=[_stage(s, e) for s, e in zip(config.stages, lengths, strict=True)] if config else [],
        backbone=config.backbone if config else None,
        batch_size=config.batch_size if config else None,
        precision=config.precision if config else None,
        seed=config.seed if config else _number(settings.pop("seed", None)),
        epochs=sum(known) if known else None,
        views_per_second=_number(history.get("views_per_second")),
        seconds=_number(info.get("seconds")),
        versions={k: str(v) for k, v in versions.items() if v is not None},
        settings=settings,
        features_seconds=_number(before.get("seconds")),
    )


_VERSIONED = ("torch", "python", "processor", "threads")
OPTIMIZERS = {"sgd": "SGD", "adamw": "AdamW", "muon": "Muon"}


def _table(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _epochs(m: ImageMap) -> list[float | None]:
    """Passes over the images of each stage: what the log says, else what the configuration asks for."""
    if m.config is None:
        return []
    logged = {line["stage"]: line["epoch"] for line in m.log if "stage" in line and "epoch" in line}
    return [_number(logged.get(s.name)) or _asked(s, m.config, m.n) for s in m.config.stages]


def _asked(stage: Stage, config: Config, n: int) -> float | None:
    steps = stage.stop or stage.steps
    if stage.epochs is not None or steps is None or not n:
        return stage.epochs
    return steps * (stage.batch_size or config.batch_size) / n


def _stage(stage: Stage, epochs: float | None) -> str:
    """One stage in one line: ``pretrain: cosine in 128-D, T = 0.2, AdamW 0.003, 31.5 epochs``."""
    parts = [f"{stage.similarity} in {stage.dim}-D"]
    if stage.temperature != 1:
        parts.append(f"T = {stage.temperature:g}")
    if stage.edges != "augmentation":
        parts.append(f"edges of the {stage.edges if stage.edges == 'layout' else 'neighbour graph'}")
    if stage.new_layer != "none":
        parts.append("new last layer" if stage.new_layer == "last" else "new head")
    if stage.train != "all":
        parts.append(f"trains the {stage.train}{' layer' if stage.train == 'last' else ''}")
    parts.append(f"{OPTIMIZERS[stage.optimizer]} {stage.lr:g}")
    if stage.batch_size is not None:
        parts.append(f"batch {stage.batch_size:,}")
    if epochs is not None:
        parts.append(f"{epochs:,.4g} epochs")
    return f"{stage.name}: {', '.join(parts)}"


def _number(value: Any) -> Any:
    """The value where it is a number, as a map from elsewhere may hold anything."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
