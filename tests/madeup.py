"""Maps made up for tests, with everything that a map can hold and no training."""

from __future__ import annotations

import numpy as np

from augmap.config import Config, Preprocessing
from augmap.imagemap import ImageMap, Weights
from augmap.items import Items
from augmap.stage import Stage
from augmap.thumbs import make_thumbs


def full_map(n: int = 6, *, seed: int = 0, dim: int = 2) -> ImageMap:
    """A map of ``n`` images with every optional part; ``seed`` decides all of its numbers."""
    rng = np.random.default_rng(seed)
    positions = rng.normal(size=(n, dim)).astype(np.float32)
    pixels = rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    return ImageMap(
        positions=positions,
        items=Items(
            [f"{'ab'[i % 2]}/{i}.png" for i in range(n)],
            [("train", "test", "")[i % 3] for i in range(n)],
            {"label": np.array(["ant", "bee"] * n)[:n], "coarse_label": np.array(["x"] * n)},
            {"outlier": rng.random(n)},
        ),
        features=rng.normal(size=(n, 5)).astype(np.float16),
        thumbs=make_thumbs(pixels, positions),
        preprocessing=Preprocessing(image_size=8, channels=3),
        config=Config(stages=(Stage(name="direct", epochs=3, dim=dim),), seed=seed),
        weights=Weights(
            {"backbone": "custom", "features": 5},
            {"head.last.weight": rng.normal(size=(dim, 5)).astype(np.float32), "count": np.array(7)},
        ),
        info={"method": "t-SimCNE", "source": "photos", "history": {"loss": 1.5}},
        log=[{"stage": "direct", "epoch": 1.0, "loss": 2.5}, {"stage": "direct", "epoch": 2.0, "loss": 2.25}],
        skipped=[("bad,\n.png", 'truncated "header"')],
    )


def assert_same(a: ImageMap, b: ImageMap) -> None:
    """Everything that is saved is equal, to the last bit."""
    np.testing.assert_array_equal(a.positions, b.positions)
    np.testing.assert_array_equal(a.features, b.features)
    assert a.features.dtype == b.features.dtype
    assert (a.names, a.splits, a.skipped, a.log, a.info) == (b.names, b.splits, b.skipped, b.log, b.info)
    assert list(a.items.columns) == list(b.items.columns)
    for name, column in a.items.columns.items():
        np.testing.assert_array_equal(column, b.items.columns[name])
    assert (a.preprocessing, a.config) == (b.preprocessing, b.config)
    assert a.weights.spec == b.weights.spec
    assert sorted(a.weights.arrays) == sorted(b.weights.arrays)
    for name, array in a.weights.arrays.items():
        np.testing.assert_array_equal(array, b.weights.arrays[name], strict=True)
    assert (a.thumbs.pages, a.thumbs.size, a.thumbs.columns) == (
        b.thumbs.pages,
        b.thumbs.size,
        b.thumbs.columns,
    )
    np.testing.assert_array_equal(a.thumbs.slots, b.thumbs.slots)
