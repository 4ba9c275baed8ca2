"""Maps made up for the tests of figures, and what is found in a figure."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.thumbs import make_thumbs


def a_map(positions, labels=None, *, pictures=False, **scores) -> ImageMap:
    positions = np.asarray(positions, np.float32)
    names = [f"{i}.png" for i in range(len(positions))]
    columns = {} if labels is None else {"label": np.asarray(labels, dtype=str)}
    thumbs = None
    if pictures:
        shade = np.linspace(0, 255, len(positions)).astype(np.uint8)
        thumbs = make_thumbs(np.tile(shade[:, None, None, None], (1, 8, 8, 3)), positions)
    return ImageMap(positions=positions, items=Items(names, labels=columns, scores=scores), thumbs=thumbs)


def make_blobs() -> ImageMap:
    """600 images in 6 blobs of 100, one label each."""
    rng = np.random.default_rng(0)
    angle = np.repeat(np.arange(6), 100) * np.pi / 3
    xy = 10 * np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(size=(600, 2))
    labels = np.repeat(["ant", "bee", "cat", "dog", "eel", "fox"], 100)
    return a_map(xy, labels, pictures=True, score=xy[:, 0])


def by_gid(figure: Figure, gid: str) -> list:
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def caption(figure: Figure) -> str:
    (text,) = by_gid(figure, "caption")
    return text.get_text().replace("\n", " ")


def points(figure: Figure, gid: str = "points") -> np.ndarray:
    return np.concatenate([np.zeros((0, 2)), *(c.get_offsets() for c in by_gid(figure, gid))])


def boxes_of(texts) -> list[np.ndarray]:
    return [t.get_window_extent().extents for t in texts]


def overlap(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
