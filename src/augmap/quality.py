"""The closing line of a fit: how good the map is, beside an untrained encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from augmap.config import Config
from augmap.evaluate.accuracy import accuracy, taught
from augmap.evaluate.agreement import augmentation_agreement
from augmap.evaluate.knn import K
from augmap.evaluate.recall import neighbor_recall
from augmap.imagemap import ImageMap
from augmap.method.augment import Augmentation, UserTransform
from augmap.method.encoder import Encoder
from augmap.method.project import project
from augmap.method.seeds import generator
from augmap.method.train import renew
from augmap.method.weights import build_encoder, from_weights

SAMPLE = 2000
"""Images that the untrained encoder is judged on, and the label-free measures."""


def quality(
    result: ImageMap,
    pixels: np.ndarray,
    augmentation: Augmentation | UserTransform,
    module: nn.Module | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Return measures of a map and of the same encoder before training, in plain types.

    With labels, kNN accuracy on the map; always augmentation agreement and neighbour recall on a random
    sample. The control is the encoder with the same architecture and seed, untrained, on the same sample;
    its neighbours are held against the same features, those of the trained encoder. What so few images, or
    labels, cannot tell is None. ``knn["labels_trained"]`` stands where those labels trained the encoder.
    """
    assert result.weights is not None
    assert result.config is not None
    assert result.features is not None
    n = result.n
    rows = np.sort(np.random.default_rng(result.config.seed).permutation(n)[:SAMPLE])
    sample = np.asarray(pixels[rows])
    trained = from_weights(result.weights, module).to(device)
    untrained = untrained_encoder(result.config, pixels, result.dim, module).to(device)
    k = min(K, len(rows) - 2)
    found: dict[str, Any] = {"sample": len(rows), "k": k}
    control = project(untrained, sample)[0]
    for name, encoder, z in (("map", trained, result.positions[rows]), ("untrained", untrained, control)):
        entry: dict[str, Any] = {
            "agreement": float(augmentation_agreement(encoder, sample, augmentation).mean()),
            "neighbor_recall": None,
        }
        if k > 0:
            entry["neighbor_recall"] = float(neighbor_recall(z, result.features[rows], k=k).mean())
        if (labels := result.labels) is not None:
            splits = np.array(result.splits)[rows]
            entry["knn_sample"] = accuracy(z, labels[rows], splits)
        found[name] = entry
    if result.labels is not None:
        found["knn"] = knn = accuracy(result.positions, result.labels, result.splits)
        if knn is not None and knn["split"] != "official" and taught(result.config):
            knn["labels_trained"] = True
    return found


def untrained_encoder(
    config: Config, pixels: np.ndarray, dim: int, module: nn.Module | None = None
) -> Encoder:
    """Return the encoder that a map began with, and the layers that its stages added, none of it trained."""
    encoder = build_encoder(config, pixels, module)
    for number, stage in enumerate(config.stages):
        renew(encoder, stage, generator(config.seed, "layer", number))
    if encoder.dim != dim:
        encoder.keep_columns(dim)
    return encoder
