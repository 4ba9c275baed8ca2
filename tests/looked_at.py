"""Pictures and maps for the tests of review: textures that are unlike each other, and copies of some."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.thumbs import make_thumbs


def textures(n: int, *, size: int = 32, seed: int = 0) -> np.ndarray:
    """``n`` coloured pictures with coarse and fine structure, uint8 (n, size, size, 3)."""
    rng = np.random.default_rng(seed)
    out = np.zeros((n, size, size, 3))
    for scale, weight in ((6, 120), (2.5, 50), (1, 20)):
        grey = gaussian_filter(rng.normal(size=(n, size, size, 1)), (0, scale, scale, 0))
        colour = gaussian_filter(rng.normal(size=(n, size, size, 3)), (0, scale, scale, 0))
        part = grey + 0.5 * colour
        out += weight * part / part.std((1, 2, 3), keepdims=True) / 2
    return (128 + out).clip(0, 255).astype(np.uint8)


def brighter(picture: np.ndarray, *, factor: float = 0.7, offset: float = 50) -> np.ndarray:
    """Less contrast and more light, with a cast of blue."""
    shifted = picture * factor + offset + np.array([-8, 0, 12])
    return shifted.clip(0, 255).astype(np.uint8)


def recompressed(picture: np.ndarray, *, quality: int = 35) -> np.ndarray:
    """Through JPEG and back."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def resized(picture: np.ndarray) -> np.ndarray:
    """Cut by a pixel at two sides and brought back to its size."""
    n = len(picture)
    return np.asarray(Image.fromarray(picture[1:, 1:]).resize((n, n), Image.Resampling.BICUBIC))


def grey_of(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def blobs(
    centres: list[tuple[float, float]], sizes: list[int], *, sd: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Points around centres, (sum of sizes, 2)."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(c, sd, (k, 2)) for c, k in zip(centres, sizes, strict=True)]
    return np.concatenate(parts).astype(np.float32)


def map_of(
    positions: np.ndarray,
    *,
    features: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    pixels: np.ndarray | None = None,
    names: list[str] | None = None,
    splits: list[str] | None = None,
    **info: object,
) -> ImageMap:
    """A map from arrays."""
    n = len(positions)
    return ImageMap(
        positions=np.asarray(positions, np.float32),
        items=Items(
            names or [f"x/{i:04d}.png" for i in range(n)],
            splits or [],
            {} if labels is None else {"label": np.asarray(labels, dtype=str)},
        ),
        features=None if features is None else np.asarray(features, np.float32),
        thumbs=None if pixels is None else make_thumbs(pixels, positions),
        info={"method": "made up", **info},
    )
