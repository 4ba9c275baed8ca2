"""What review finds by itself in CIFAR-10 and Fashion-MNIST.

    python experiments/review.py --cifar10 cifar10.map --fashion-mnist fashion_mnist/ --sheets DIR

looks at a trained map of CIFAR-10, and at Fashion-MNIST without training (the map is two principal components
of its pixels, the features are fifty), and writes ``experiments/results/review.json``: counts of each queue,
the groups of automobiles with their test images, the area under the ROC curve of the spread of views, and how
many of the nearest pairs are of two classes by each likeness. Sheets go to DIR. What is there already is not
made again; labels choose nothing, they count.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from maps import hardware
from PIL import Image
from sklearn.decomposition import PCA

import augmap
from augmap.imagemap import ImageMap
from augmap.images.open import open_images
from augmap.items import Items
from augmap.neighbors import nearest
from augmap.review import likeness as likenesses
from augmap.review.find import Found, find
from augmap.review.pictures import Pictures, open_pictures, small_grey
from augmap.review.sheets import draw_sheets
from augmap.review.uncertainty import spread_of
from augmap.review.write import write_review
from augmap.thumbs import make_thumbs

RESULTS = Path(__file__).resolve().parent / "results"
PAIRS = (1000, 1500, 2000, 2500, 3000)


def main() -> None:
    """Make what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cifar10", type=Path, help="a trained map of CIFAR-10")
    parser.add_argument("--images", help="its images, if they are not where the map says")
    parser.add_argument("--fashion-mnist", help="its images")
    parser.add_argument("--limit", type=int, help="of Fashion-MNIST, the first N images of each split")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--sheets", type=Path, required=True, help="where the reviews are written")
    parser.add_argument("--views", type=int, default=8, help="augmented views an image; 0 leaves them out")
    parser.add_argument("--picture", type=Path, help="write the sheet of the docs there")
    parser.add_argument("--results", type=Path, default=RESULTS / "review.json")
    given = parser.parse_args()
    done: dict[str, Any] = json.loads(given.results.read_text()) if given.results.exists() else {}

    def keep(name: str, entry: dict[str, Any]) -> None:
        done[name] = {**entry, "machine": hardware()}
        given.results.write_text(json.dumps(done, indent=1) + "\n")

    if given.cifar10 and "cifar10" not in done:
        m = augmap.load(given.cifar10)
        pictures, seen = open_pictures(m, given.images, cache=given.cache)
        assert pictures is not None
        spread = spread_of(m, views=given.views) if given.views else "not asked for"
        keep("cifar10", looked_at(m, pictures, seen, given.sheets / "cifar10", spread, given.picture))
    if given.cifar10 and "cifar10 pairs" not in done:
        m = ImageMap.load(given.cifar10)
        pictures, _ = open_pictures(m, given.images, cache=given.cache)
        assert pictures is not None
        keep("cifar10 pairs", pairs_of_two_classes(m, pictures))
    if given.fashion_mnist and "fashion-mnist" not in done:
        m, pictures = pixel_map(given.fashion_mnist, given.cache, given.limit)
        keep("fashion-mnist", looked_at(m, pictures, "pixels", given.sheets / "fashion-mnist"))


def looked_at(
    m: ImageMap,
    pictures: Pictures,
    seen: str,
    sheets: Path,
    spread: Any = "not asked for",
    picture: Path | None = None,
) -> dict[str, Any]:
    """Review a map; return what was found, in numbers."""
    began = time.monotonic()
    found = find(m, pictures, spread=spread)
    write_review(sheets, m, found, pictures, seen=seen)
    seconds = time.monotonic() - began
    if picture is not None:
        draw_first(m, found, pictures, picture)
    groups = found.duplicates.groups
    leaking = [g for g in groups if g.leaks]
    return {
        "n": m.n,
        "method": m.info.get("method"),
        "seconds": round(seconds, 1),
        "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "facts": found.facts,
        "queues": {q.name: q.found for q in found.queues},
        "groups": len(groups),
        "images_in_groups": sum(len(g.rows) for g in groups),
        "groups_by_surest_kind": dict(Counter(_surest(g.kinds) for g in groups)),
        "groups_across_splits": len(leaking),
        "test_images_with_a_copy_in_train": sum(g.splits.get("test", 0) for g in leaking),
        "groups_of_two_labels": sum(_mixed(m, g.rows) for g in groups),
        "largest_groups": [_group(m, g.rows, g.splits, rank) for rank, g in enumerate(groups[:10], 1)],
        "islands": [
            {**_group(m, island.rows, {}, rank), "isolation": round(island.isolation, 1)}
            for rank, island in enumerate(found.islands[:10], 1)
        ],
        **_cars(m, found),
    }


def draw_first(
    m: ImageMap, found: Found, pictures: Pictures, path: Path, groups: int = 8, most: int = 10
) -> None:
    """Draw a few copies of the first groups, small enough for a page of the docs."""
    queue = next(q for q in found.queues if q.name == "duplicates")
    entries, counted = [], Counter()
    for entry in queue.entries:
        counted[entry.group] += 1
        if entry.group <= groups and counted[entry.group] <= most:
            entries.append(entry)
    drawn = draw_sheets(m, dataclasses.replace(queue, entries=entries), pictures.read)
    (page,) = drawn.files.values()
    Image.open(io.BytesIO(page)).quantize(128).save(path, optimize=True)


def pairs_of_two_classes(m: ImageMap, pictures: Pictures) -> dict[str, Any]:
    """Of the N nearest pairs by each likeness: the share whose labels differ. Chance is 90 %."""
    grey = small_grey(pictures)
    hashes = likenesses.gradient_hash(grey)
    labels = m.labels
    out: dict[str, Any] = {}
    for name, power in (("signs alone (dHash)", 0.0), ("differences", 2.0), ("square roots (the hash)", 1.0)):
        rows = np.sign(hashes) * np.abs(hashes) ** power  # the hash holds square roots
        near, far = nearest(rows, 1, metric="cosine")
        out[name] = _differ(labels, labels[near[:, 0]], -far[:, 0])
        if power == 1.0:
            closest = np.argsort(far[:, 0], kind="stable")[: 3 * max(PAIRS)]
            closer = likenesses.likeness(grey, closest, near[closest, 0])
            others = labels[near[closest, 0]]
            out["likeness, of the nearest by the hash"] = _differ(labels[closest], others, closer)
    return out


def _differ(labels: np.ndarray, others: np.ndarray, alike: np.ndarray) -> dict[str, float]:
    """Share of pairs with different labels among the most alike."""
    order = np.argsort(-alike, kind="stable")
    return {str(k): round(float((labels != others)[order[:k]].mean()), 4) for k in PAIRS if k <= len(order)}


def pixel_map(images: str, cache: Path | None, limit: int | None) -> tuple[ImageMap, Pictures]:
    """A map without training: principal components of the pixels."""
    opened = open_images(images, cache=cache)
    if limit is not None:
        splits = np.array(opened.splits)
        opened = opened.subset(
            np.concatenate([np.flatnonzero(splits == s)[:limit] for s in np.unique(splits)])
        )
    flat = np.asarray(opened.pixels, np.float32).reshape(len(opened), -1) / 255
    parts = PCA(50, random_state=0).fit_transform(flat).astype(np.float32)
    m = ImageMap(
        positions=parts[:, :2],
        items=Items(opened.names, opened.splits, {k: np.array(v) for k, v in opened.labels.items()}),
        features=parts,
        thumbs=make_thumbs(opened.pixels, parts[:, :2]),
        preprocessing=opened.preprocessing,
        info={"method": "pca", "source": opened.source, "fingerprint": opened.fingerprint},
    )
    pictures, _ = open_pictures(m, opened)
    assert pictures is not None
    return m, pictures


def _cars(m: ImageMap, found: Found) -> dict[str, Any]:
    """Groups of five or more automobiles; the island that the paper found by eye has 167, 29 of them test."""
    labels = m.labels
    if labels is None or "automobile" not in labels:
        return {}
    groups = [
        {**_group(m, g.rows, g.splits, rank), "kinds": dict(Counter(g.kinds))}
        for rank, g in enumerate(found.duplicates.groups, 1)
        if len(g.rows) >= 5 and (labels[g.rows] == "automobile").all()
    ]
    rows = [
        {"rank": rank, "size": len(i.rows), "test": int((np.array(m.splits)[i.rows] == "test").sum())}
        for rank, i in enumerate(found.islands, 1)
        if (labels[i.rows] == "automobile").mean() > 0.8
    ]
    return {"automobile_groups": groups, "automobile_islands": rows}


def _group(m: ImageMap, rows: np.ndarray, splits: dict[str, int], rank: int) -> dict[str, Any]:
    labels = [] if m.labels is None else m.labels[rows].tolist()
    return {
        "rank": rank, "size": len(rows), "splits": splits, "labels": dict(Counter(labels)),
        "first": m.names[int(rows[0])],
    }  # fmt: skip


def _mixed(m: ImageMap, rows: np.ndarray) -> bool:
    return m.labels is not None and len(set(m.labels[rows].tolist())) > 1


def _surest(kinds: list[str]) -> str:
    return next(k for k in ("exact", "copy", "mirrored", "features") if k in kinds)


if __name__ == "__main__":
    main()
