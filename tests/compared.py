"""Maps made up for the tests of reports: one data set, laid out in different ways."""

from __future__ import annotations

import numpy as np

from augmap.config import Config
from augmap.evaluate.score import Measures, Score
from augmap.imagemap import ImageMap, Weights
from augmap.items import Items
from augmap.stage import Stage
from augmap.thumbs import make_thumbs

KINDS = ("ant", "bee", "cat")


def a_map(
    n: int = 90,
    *,
    turn: float = 0.0,
    noise: float = 0.3,
    dim: int = 2,
    seed: int = 0,
    labels: dict | None = None,
    names=None,
    features: bool = True,
    method: str = "t-SimCNE",
    preset: str | None = "quick",
    pictures: bool = False,
    **info,
) -> ImageMap:
    """Three blobs, one for each label, turned by an angle; the images are the same for all arguments."""
    code = np.arange(n) % 3
    centre = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 9.0]])[code]
    x = centre + noise * np.random.default_rng(seed).normal(size=(n, 2))
    x = x @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if dim != 2:
        x = np.pad(x, ((0, 0), (0, dim)))[:, :dim]
    kinds = np.array(KINDS)[code]
    pixels = np.full((n, 8, 8, 3), 80, np.uint8) + code.astype(np.uint8)[:, None, None, None] * 60
    config = Config(stages=(Stage(name="direct", epochs=3, dim=dim),), preset=preset or "mine", seed=3)
    return ImageMap(
        positions=x,
        items=Items(
            [f"{i}.png" for i in range(n)] if names is None else list(names),
            ["train" if i % 2 else "test" for i in range(n)],
            {"label": kinds} if labels is None else labels,
        ),
        features=np.eye(3)[code] + 0.1 * np.random.default_rng(9).normal(size=(n, 3)) if features else None,
        thumbs=make_thumbs(pixels, x) if pictures else None,
        config=config if preset else None,
        weights=Weights({"backbone": "custom"}, {"w": np.zeros(1)}) if preset else None,
        preprocessing=None if preset is None else a_preprocessing(),
        info={"method": method, "source": "insects", "fingerprint": "f" * 32, "seconds": 90.0, **info},
    )


def a_preprocessing():
    from augmap.config import Preprocessing

    return Preprocessing(image_size=8, channels=3)


def a_score(value: float, metric: str = "knn", **more) -> Score:
    return Score(**{"metric": metric, "space": "map", "value": value, "column": "label", **more})


def made_of(*scores: Score, **settings) -> Measures:
    return Measures(scores=list(scores), settings=settings)
