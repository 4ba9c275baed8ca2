"""What every metric comes to: :class:`Score`, one measured number with what it needs to be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Score:
    """One measured number.

    Parameters
    ----------
    metric : str
        Key of the metric, which is its heading in ``docs/metrics.md``: ``knn``, ``silhouette``, ...
    space : str
        Where it was measured: ``map``, ``features``, ``pixels``, or ``map against features``.
    value : float
        NaN is not allowed: what cannot be measured is left out.
    sd : float, optional
        Standard deviation over random splits or samples; None for a single one.
    column : str, optional
        Label column; None for a metric without labels.
    setting : str
        What tells it from other scores of the same metric: ``k=15``, ``k=15, cosine``, ``τ=0.1``; else empty.
    detail : str
        How it was measured, for a reader: split, numbers of images.
    higher_is_better : bool, optional
        None where neither is better.
    beside : mapping of str to float
        Numbers that the value is to be read against: ceiling, shuffled, effective neighbours, ...
    """

    metric: str
    space: str
    value: float
    sd: float | None = None
    column: str | None = None
    setting: str = ""
    detail: str = ""
    higher_is_better: bool | None = True
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str | None, str]:
        """What two scores must share to be compared: metric, space, column, setting."""
        return self.metric, self.space, self.column, self.setting

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; ``Score(**entry)`` takes it back."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What was measured of one map; ``metrics.json`` holds :meth:`to_dict`.

    Parameters
    ----------
    scores : list of Score
    tables : dict
        What is no single number, in plain types: ``per_class``, ``confusion``, both by label column.
    seconds : dict of str to float
        What each metric took.
    settings : dict
        Seed, sample sizes, and whatever else a rerun needs.
    """

    scores: list[Score]
    tables: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; :meth:`from_dict` takes it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measures:
        """Build from plain types."""
        return cls(**{**values, "scores": [Score(**entry) for entry in values["scores"]]})
