"""The baselines by name, and which options mean something for which of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augmap.errors import InputError

BASELINES = {
    "pca": "the first principal components of the pixels",
    "tsne": "t-SNE of the pixels, by openTSNE",
    "umap": "UMAP of the pixels, by umap-learn",
    "simclr": "SimCLR: cosine in 128 dimensions, for its features",
    "simclr+tsne": "SimCLR, then t-SNE of its features",
    "simclr+umap": "SimCLR, then UMAP of its features",
    "features+tsne": "t-SNE of features that you bring (--features)",
    "features+umap": "UMAP of features that you bring (--features)",
    "parametric-tsne": "our encoder on the edges of t-SNE's neighbour graph of pixels",
    "parametric-umap": "our encoder on the edges of UMAP's neighbour graph of pixels",
    "supervised": "an encoder that learns the labels",
}
"""What each is, in a line."""
ABLATIONS = "ablations"
"""Four maps rather than one, see :mod:`augmap.baselines.ablations`."""

_TRAINED = ("simclr", "parametric-tsne", "parametric-umap", "supervised", "simclr+tsne", "simclr+umap")
_TSNE, _UMAP = (("tsne", "simclr+tsne", "features+tsne"), ("umap", "simclr+umap", "features+umap"))
_FEATURES, _SIMCLR = ("features+tsne", "features+umap"), ("simclr+tsne", "simclr+umap")
_APPLIES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("resume", "budget", "epochs", "augment", "backbone", "batch_size"), _TRAINED),
    **dict.fromkeys(("precision", "threads", "checkpoint_every"), _TRAINED),
    "device": _TRAINED + _FEATURES,
    **dict.fromkeys(("perplexity", "exaggeration", "iterations", "jobs"), _TSNE),
    **dict.fromkeys(("neighbors", "min_dist"), _UMAP),
    "pca": _TSNE + _UMAP,
    **dict.fromkeys(("features", "feature_size", "mean", "std", "metric"), _FEATURES),
    "init": _SIMCLR,
    "whitening": _SIMCLR + _FEATURES,
}
"""Option -> the baselines that it means something for; what is not here means something for all."""
_WITH_INIT = ("resume", "budget", "epochs", "augment", "backbone", "batch_size", "precision", "device")
_WHY = {
    "resume": "it does not train, so there is nothing to resume",
    "budget": "it takes the time it takes",
    "jobs": "only t-SNE takes threads; UMAP with a seed runs on one",
}


def check_name(name: str) -> None:
    """Refuse a name that is no baseline's."""
    if name == ABLATIONS:
        raise InputError("ablations are four maps: use augmap baseline ablations, or baselines.ablations")
    if name not in BASELINES:
        raise InputError(f"unknown baseline {name!r}; choose one of {', '.join(BASELINES)}, {ABLATIONS}")


def refuse(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that were given (are not None) and mean nothing for this baseline.

    Raises
    ------
    InputError
        Names the first one, and the baselines that it is for.
    """
    for option, value in options.items():
        if value is not None and name not in _APPLIES[option]:
            why = _WHY.get(option, f"it is for {', '.join(_APPLIES[option])}")
            raise InputError(f"{option} means nothing for {name}: {why}; leave --{_dashed(option)} out")
    metric = options.get("metric")
    if metric not in (None, "euclidean", "cosine"):
        raise InputError(f"metric must be euclidean or cosine, got {metric!r}")
    if options.get("init") is not None:
        again = [o for o in (*_WITH_INIT, "threads", "checkpoint_every") if options.get(o) is not None]
        if again:
            raise InputError(
                f"{again[0]} means nothing where --init brings the features: leave --{_dashed(again[0])} out"
            )


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def _dashed(option: str) -> str:
    return option.replace("_", "-")
