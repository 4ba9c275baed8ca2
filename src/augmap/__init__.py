"""augmap turns a pile of images into a map: t-SimCNE, with no labels and no pretrained network.

>>> import augmap
>>> m = augmap.fit("photos/", budget="10m")  # doctest: +SKIP
>>> m.save("photos.map")  # doctest: +SKIP

The names below are imported when they are first used, so that ``import augmap`` alone stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augmap.api import fit, load
    from augmap.config import Config, Preprocessing
    from augmap.errors import AugmapError, DamagedMapError, InputError, Interrupted, TrainingError
    from augmap.estimator import TSimCNE
    from augmap.imagemap import ImageMap
    from augmap.stage import Stage

__version__ = "0.1.0"

__all__ = [
    "AugmapError",
    "Config",
    "DamagedMapError",
    "ImageMap",
    "InputError",
    "Interrupted",
    "Preprocessing",
    "Stage",
    "TSimCNE",
    "TrainingError",
    "__version__",
    "fit",
    "load",
]

_HOME = {
    "AugmapError": "augmap.errors",
    "Config": "augmap.config",
    "DamagedMapError": "augmap.errors",
    "ImageMap": "augmap.imagemap",
    "InputError": "augmap.errors",
    "Interrupted": "augmap.errors",
    "Preprocessing": "augmap.config",
    "Stage": "augmap.stage",
    "TSimCNE": "augmap.estimator",
    "TrainingError": "augmap.errors",
    "fit": "augmap.api",
    "load": "augmap.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the module where it lives (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'augmap' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
