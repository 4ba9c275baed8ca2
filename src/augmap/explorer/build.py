"""A map becomes what the page reads: ``meta.json``, columns, sprite pages (docs/explorer-format.md).

Numpy only, never torch.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

import augmap
from augmap import folder as disk
from augmap.explorer import columns, facts, nearby, regions
from augmap.explorer.columns import Column
from augmap.explorer.density import CELLS, EXTENT, density
from augmap.explorer.nearby import Nearby
from augmap.explorer.regions import Level
from augmap.imagemap import ImageMap
from augmap.thumbs import Thumbs, hilbert_order

FORMAT = 1
POINTS_TESTED = 1_000_000
"""Points that the page has been seen to work with."""
CAPABILITIES = ("embed", "live", "originals", "review", "compare", "replay")


@dataclass(frozen=True, eq=False)
class Scale:
    """How map units become the page's, with one factor for both axes.

    Parameters
    ----------
    axes : (d, 2) float64 array
        What turns a position into two coordinates: the identity in two dimensions, the first two principal
        components in more.
    centre : (2,) float64 array
        In those coordinates; ``u = (x - centre) * factor``.
    factor : float
    """

    axes: np.ndarray
    centre: np.ndarray
    factor: float

    def __call__(self, positions: Float[np.ndarray, "k d"]) -> Float[np.ndarray, "k 2"]:
        """Return positions in the page's units, float64 (k, 2)."""
        return (positions.astype(np.float64) @ self.axes - self.centre) * self.factor


@dataclass(frozen=True, eq=False, kw_only=True)
class Blobs:
    """All that the page reads of one map.

    Parameters
    ----------
    columns : dict of str to Column
        By id.
    others : dict of str to bytes
        What lies beside the columns: ``density``, ``replay_rows``.
    pages : list of bytes
        Sprite pages, WebP.
    scale : Scale
    facts : dict
        The rest of ``meta.json``.
    """

    columns: dict[str, Column]
    others: dict[str, bytes]
    pages: list[bytes]
    scale: Scale
    facts: dict[str, Any]

    def meta(self) -> dict[str, Any]:
        """Return ``meta.json``, in plain types."""
        return {**self.facts, "columns": [c.describe() for c in self.columns.values()]}

    def column(self, id: str) -> bytes | None:
        """Return the bytes behind ``col/<id>.bin``; None while they are being computed.

        Raises
        ------
        KeyError
            There is no such column.
        """
        return self.others[id] if id in self.others else self.columns[id].data

    def files(self) -> dict[str, bytes]:
        """Return every blob by its path below the page."""
        ids = [*self.columns, *self.others]
        ready = {f"col/{id}.bin": data for id in ids if (data := self.column(id)) is not None}
        pages = {f"thumbs/{i}.webp": page for i, page in enumerate(self.pages)}
        return {"meta.json": disk.json_bytes(self.meta(), indent=None), **ready, **pages}


def build(
    m: ImageMap,
    *,
    title: str,
    near: Nearby | None = None,
    levels: Sequence[Level] = (),
    metrics: Any = None,
    reasons: Mapping[str, str] | None = None,
) -> Blobs:
    """Make the blobs of a map.

    Parameters
    ----------
    m : ImageMap
    title : str
        What the page calls it.
    near : Nearby, optional
        Neighbours that have been found; without it there are no neighbour columns. What it lacks is
        announced, and :func:`with_neighbors` adds it later.
    levels : sequence of Level
        Regions, coarse first.
    metrics : optional
        What ``metrics.json`` holds.
    reasons : mapping of str to str
        Why a capability is missing, a sentence each; what is not named here, the page offers.
    """
    reasons = dict(reasons or {})
    scale = make_scale(m.positions)
    uv = scale(m.positions)
    made = [
        Column(id="x", name="x", kind="position", dtype="f32", data=uv[:, 0].astype("<f4").tobytes()),
        Column(id="y", name="y", kind="position", dtype="f32", data=uv[:, 1].astype("<f4").tobytes()),
        columns.text("name", "name", m.names, "path of the image"),
        columns.rows("hilbert", "order", "order", hilbert_order(uv), about="rows along the map"),
    ]
    made += _labels_and_scores(m)
    thumbs, why = _usable(m.thumbs)
    if why:
        reasons["thumbs"] = why
    if thumbs is not None:
        made.append(columns.rows("thumb", "thumbnail", "slot", thumbs.slots))
    grid = density(uv)
    first = next((c.id for c in made if c.kind == "category"), None)
    blobs = Blobs(
        columns={c.id: c for c in made},
        others={} if grid is None else {"density": grid.tobytes()},
        pages=[] if thumbs is None else list(thumbs.pages),
        scale=scale,
        facts={
            "format": FORMAT,
            "version": augmap.__version__,
            "title": title,
            "method": str(m.info.get("method") or "unknown"),
            "n": m.n,
            "dim": m.dim,
            "scale": {"centre": scale.centre.tolist(), "factor": scale.factor},
            "color_by": first,
            "thumbs": None
            if thumbs is None
            else {"size": thumbs.size, "columns": thumbs.columns, "pages": len(thumbs.pages)},
            "neighbors": None,
            "density": None
            if grid is None
            else {
                "id": "density",
                "width": CELLS,
                "height": CELLS,
                "extent": [-EXTENT, EXTENT],
                "max": float(grid.max()),
            },
            "regions": None,
            "capabilities": {name: name not in reasons for name in CAPABILITIES},
            "reasons": reasons,
            "maps": [{"prefix": "", "title": title}],
            "info": facts.rows(m),
            "quality": facts.quality(m, metrics),
            "points_tested": POINTS_TESTED,
            "pending": [],
            "live": None,
        },
    )
    blobs = with_regions(blobs, m, levels) if levels else blobs
    return blobs if near is None else with_neighbors(blobs, m, near)


def with_regions(blobs: Blobs, m: ImageMap, levels: Sequence[Level]) -> Blobs:
    """Return blobs with these regions."""
    uv = blobs.scale(m.positions)
    made, described = {}, []
    for i, level in enumerate(levels):
        names = ["", *(f"region {k + 1}" for k in range(len(level.medoids)))]
        made[f"r{i}"] = columns.coded(f"r{i}", f"regions, {level.name}", level.codes, names)
        entries = regions.describe(level, uv, m.labels)
        described.append({"id": f"r{i}", "name": level.name, "regions": entries})
    return replace(
        blobs, columns={**blobs.columns, **made}, facts={**blobs.facts, "regions": {"levels": described}}
    )


def with_neighbors(blobs: Blobs, m: ImageMap, near: Nearby) -> Blobs:
    """Return blobs with these neighbours; what is still to be found is a column that is not ready."""
    why, k = nearby.why_not(m), near.k or min(nearby.K, m.n - 1)
    made: list[Column] = []
    if m.n > 1:
        made.append(_table("nn_map", "neighbours on the map", near.map, k))
    if why is None:
        share = "share of the feature neighbours that are neighbours on the map"
        made.append(_table("nn_features", "neighbours in feature space", near.features, k))
        made.append(columns.score("neighbor_recall", "neighbor_recall", nearby.recall(near), share))
    entry = {"k": k, "features": why is None, "map": m.n > 1, "reason": why}
    return replace(
        blobs,
        columns={**blobs.columns, **{c.id: c for c in made}},
        facts={**blobs.facts, "neighbors": entry},
    )


def make_scale(positions: Float[np.ndarray, "n d"]) -> Scale:
    """Return the scale that brings a map into [-1, 1]: centre of its box, and its longer half side.

    A map without extent keeps its unit.
    """
    n, d = positions.shape
    x = positions.astype(np.float64)
    if d == 1:
        axes = np.array([[1.0, 0.0]])
    elif d == 2:
        axes = np.eye(2)
    else:
        axes = principal(x)
    xy = x @ axes
    low, high = (xy.min(0), xy.max(0)) if n else (np.zeros(2), np.zeros(2))
    half = float((high - low).max()) / 2
    # float32 rounds up to 1 + 6e-8 at the edge, and the renderer takes [-1, 1]
    return Scale(axes, (low + high) / 2, (1 - 1e-6) / half if half > 0 else 1.0)


def principal(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d 2"]:
    """Return the first two principal axes, each with its largest entry positive."""
    _, _, vt = np.linalg.svd(np.cov(x, rowvar=False) if len(x) > 1 else np.eye(x.shape[1]))
    axes = vt[:2].T
    return axes * np.sign(axes[np.abs(axes).argmax(0), [0, 1]])


def _labels_and_scores(m: ImageMap) -> list[Column]:
    """Label columns first, ``label`` before all others; then splits, where there are any; then scores."""
    made = [
        columns.category(f"c{i}", name, values, "label" if name == "label" else f"label column {name}")
        for i, (name, values) in enumerate(m.items.labels.items())
    ]
    if any(m.splits):
        made.append(columns.category("split", "split", np.array(m.splits), "part of the data set"))
    made += [
        columns.score(f"s{i}", name, values, f"score column {name}")
        for i, (name, values) in enumerate(m.items.scores.items())
    ]
    return made


def _table(id: str, name: str, values: np.ndarray | None, k: int) -> Column:
    return columns.rows(id, name, "neighbors", values, k=k)


def _usable(thumbs: Thumbs | None) -> tuple[Thumbs | None, str | None]:
    """Return the thumbnails, or why the page cannot show them: a page may claim any size."""
    if thumbs is None:
        return None, "this map has no thumbnails"
    width, per_page = thumbs.size * thumbs.columns, thumbs.columns**2
    most = np.zeros(len(thumbs.pages), np.int64)  # cells that are asked for, by page
    page, cell = np.divmod(thumbs.slots.astype(np.int64), per_page)
    np.maximum.at(most, page, cell + 1)
    for i, data in enumerate(thumbs.pages):
        try:
            with Image.open(io.BytesIO(data), formats=["WEBP"]) as sheet:
                size = sheet.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None, f"sprite page {i} of this map is not a WebP picture"
        rows, rest = divmod(size[1], thumbs.size)
        if size[0] != width or rest or rows > thumbs.columns or rows * thumbs.columns < most[i]:
            return None, f"sprite page {i} of this map measures {size[0]} x {size[1]} px, which does not fit"
    return thumbs, None
