"""Turning a map onto another one of (partly) the same images."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from augmap.errors import InputError
from augmap.imagemap import ImageMap, Weights


def align(new: ImageMap, old: ImageMap) -> int:
    """Rotate, mirror and move ``new`` in place onto the positions of ``old``, by the images they share.

    The rotation goes into the last layer, so that new images land in the turned map. Distances stay.
    Images are the same where their names are.

    Returns
    -------
    int
        Images that both maps have. With no more of them than dimensions nothing is turned.

    Raises
    ------
    InputError
        Dimensions differ.
    """
    if new.dim != old.dim:
        raise InputError(f"a {new.dim}-D map cannot be turned onto a {old.dim}-D one")
    rows = {name: i for i, name in enumerate(old.names)}
    pairs = [(i, rows[name]) for i, name in enumerate(new.names) if name in rows]
    if len(pairs) <= new.dim or new.weights is None:
        return len(pairs)
    here, there = np.array(pairs).T
    rotation, shift = procrustes(new.positions[here], old.positions[there])
    arrays = dict(new.weights.arrays)
    weight, bias = arrays["head.last.weight"], arrays["head.last.bias"]
    arrays["head.last.weight"] = (rotation.T @ weight.astype(np.float64)).astype(weight.dtype)
    arrays["head.last.bias"] = (bias.astype(np.float64) @ rotation + shift).astype(bias.dtype)
    new.weights = Weights(new.weights.spec, arrays)
    new.positions = (new.positions.astype(np.float64) @ rotation + shift).astype(np.float32)
    return len(pairs)


def procrustes(
    x: Float[np.ndarray, "k d"], y: Float[np.ndarray, "k d"]
) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, " d"]]:
    """Return the orthogonal matrix and the shift for which ``x @ R + t`` is closest to ``y``."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    mean_x, mean_y = x.mean(0), y.mean(0)
    u, _, vt = np.linalg.svd((x - mean_x).T @ (y - mean_y))
    rotation = u @ vt
    return rotation, mean_y - mean_x @ rotation
