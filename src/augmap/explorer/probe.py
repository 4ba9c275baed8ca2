"""The probe of a training: a sample of the images, shown as a little map while the real one forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from augmap.explorer import film
from augmap.explorer.build import build
from augmap.explorer.nearby import Nearby
from augmap.explorer.originals import Originals
from augmap.explorer.site import Shown
from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.thumbs import make_thumbs

AT_MOST = 5000
"""Images of a probe: 20 kB a frame."""
_WAIT = "the map is being made; it can be had when training has ended"
_REASONS = dict.fromkeys(("embed", "review", "compare"), _WAIT)


def sample(n: int, seed: int = 0) -> np.ndarray:
    """Return the rows of the probe, in order: all images, or a random :data:`AT_MOST` of them."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:AT_MOST])


def show_nothing(title: str) -> Shown:
    """Return what the page shows while images are being read: a map of none."""
    empty = ImageMap(positions=np.zeros((0, 2), np.float32), items=Items([]))
    return _shown(empty, title, Originals(None, _WAIT))


def show_probe(
    title: str,
    pixels: UInt8[np.ndarray, "k h w c"],
    names: Sequence[str],
    splits: Sequence[str],
    labels: Mapping[str, Sequence[str]],
    originals: Originals,
) -> Shown:
    """Return what the page shows while the map is being made; its places are those to begin with."""
    uv = film.start(pixels)
    probe = ImageMap(
        positions=uv.astype(np.float32),
        items=Items(names, splits, {name: np.array(values) for name, values in labels.items()}),
        thumbs=make_thumbs(pixels, uv),
        info={"method": "t-SimCNE, being trained"},
    )
    return _shown(probe, title, originals)


def _shown(m: ImageMap, title: str, originals: Originals) -> Shown:
    reasons = {**_REASONS, **({"originals": originals.reason} if originals.reason else {})}
    blobs = build(m, title=title, reasons=reasons)
    return Shown(path=None, m=m, blobs=blobs, near=Nearby(), originals=originals, cannot=_WAIT)
