"""Words between augmap and a person: numbers, command lines, and what stdout is called."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

STDOUT = ("-", "/dev/stdout")
"""Names of a file that mean stdout, which then holds that file alone."""


def command(*parts: object) -> str:
    """Return a command line that a shell takes as it is, whatever is in the names."""
    return shlex.join(map(str, parts))


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 image`` or ``1,234 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return ``42 s``, ``3 min 20 s`` or ``1 h 05 min``."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(number: float) -> str:
    """Return bytes as ``999 B``, ``1.2 kB``, ``3.4 MB`` or ``5.6 GB``."""
    if number < 1000:
        return f"{number:.0f} B"
    for unit in ("kB", "MB"):
        number /= 1000
        if number < 1000:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} GB"


def quality(measures: Mapping[str, Any]) -> str:
    """Return what :func:`augmap.quality.quality` measured, in one line."""
    here, before = measures["map"], measures["untrained"]
    text = (
        f"two views of an image lie closer than {here['agreement']:.1%} of other pairs "
        f"(untrained {before['agreement']:.1%})"
    )
    if here["neighbor_recall"] is not None:
        text += (
            f"; neighbour recall {here['neighbor_recall']:.1%} of {measures['k']} "
            f"(untrained {before['neighbor_recall']:.1%}; {measures['sample']:,} images)"
        )
    if knn := measures.get("knn"):
        spread = "" if knn["sd"] is None else f" ± {knn['sd']:.1%}"
        control = before.get("knn_sample")
        few = knn["n_train"] + knn["n_test"] > measures["sample"]
        beside = f"; untrained {control['accuracy']:.1%}" if control else ""
        beside += f" of {measures['sample']:,} images" if control and few else ""
        beside += "; these labels trained the encoder" if knn.get("labels_trained") else ""
        text = (
            f"kNN accuracy {knn['accuracy']:.1%}{spread} "
            f"(k={knn['k']}, {knn['n_train']:,} -> {knn['n_test']:,} images, {knn['split']}{beside}); {text}"
        )
    return text
