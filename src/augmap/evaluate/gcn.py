"""The GCN classifier: labels spread over the density graph with learned weights, beside a linear probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from augmap.neighbors import Progress

Protocol = Literal["honest", "paper"]


@dataclass(frozen=True, kw_only=True)
class GcnAccuracy:
    """Test accuracy of the GCN classifier and of a linear one, on the same images by the same rules."""

    accuracy: float
    """Of the GCN, in [0, 1]; the mean over repeats."""
    sd: float
    """Standard deviation over repeats; NaN for a single one."""
    linear: float
    """Accuracy of the linear classifier, likewise."""
    linear_sd: float
    parameters: int
    """33 C + 322 for C labels."""
    linear_parameters: int
    """C (d + 1)."""
    epochs: float
    """Steps up to the chosen state (each sees all training images); the mean over repeats."""
    linear_epochs: float
    protocol: Protocol
    temperature: float
    normalized: bool
    graph: str
    """What the GCN saw of the graph: ``all pairs, float32`` or ``all pairs, float16``."""
    n_train: int
    n_val: int
    """0 for ``protocol="paper"``, which has none."""
    n_test: int
    split: str
    """``official``, or ``stratified``."""
    repeats: int


def gcn_accuracy(
    x: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    splits: Sequence[str] = (),
    *,
    temperature: float = 0.1,
    protocol: Protocol = "honest",
    normalize: bool = True,
    repeats: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> GcnAccuracy:
    """Train the GCN classifier and a linear one on the training images; return their test accuracies."""
    raise NotImplementedError
