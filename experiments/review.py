"""What ``augmap review`` finds by itself in CIFAR-10 and Fashion-MNIST, counted.

    python experiments/review.py cifar10 --map cifar10.map --work DIR
    python experiments/review.py fashion-mnist --images fashion_mnist/ --work DIR

runs ``augmap review`` on a copy of the map (a review that is there already is not made again) and writes the
counts to ``experiments/results/review.json``: each queue, groups across splits, the groups of automobiles
with their test images, and the area under the ROC curve of the spread of views. With ``--images`` instead of
a map, the map is two principal components of the pixels, and the features are fifty: nothing is trained.
Labels choose nothing, they count.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from maps import HERE, hardware
from PIL import Image
from sklearn.decomposition import PCA

from augmap.imagemap import ImageMap
from augmap.images.open import open_images
from augmap.items import Items, read_table
from augmap.neighbors import nearest
from augmap.review import likeness as likenesses
from augmap.review.disagreement import auroc, disagreement
from augmap.review.pictures import open_pictures, small_grey
from augmap.review.queues import Entry, Queue
from augmap.review.sheets import draw_sheets
from augmap.thumbs import make_thumbs

PAIRS = (1000, 1500, 2000, 2500, 3000)
CARS = 5
"""Automobiles in a group that is listed one by one."""


def main() -> None:
    """Review one map and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name")
    parser.add_argument("--map", type=Path, help="a trained map")
    parser.add_argument("--images", help="images to look at without training")
    parser.add_argument("--limit", type=int, help="with --images: the first N of each split")
    parser.add_argument("--work", type=Path, required=True, help="where copies and reviews are kept")
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--pairs", action="store_true", help="also count nearest pairs of two classes")
    parser.add_argument("--picture", type=Path, help="write the sheet of the docs there")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "review.json")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    folder, review = given.work / f"{given.name}.map", given.work / f"{given.name}.review"
    if not folder.exists():
        if given.map:
            shutil.copytree(given.map, folder)
        else:
            pixel_map(given.images, given.work / "cache", given.limit).save(folder)
    options = ["--cache", given.work / "cache", "--views", given.views]
    cost = {} if (review / "review.csv").exists() else run_review(folder, review, options)
    m = ImageMap.load(folder)
    entry = {**counts(m, review), **cost}
    if given.pairs:
        entry["pairs_of_two_classes"] = pairs_of_two_classes(m, given.work / "cache")
    if given.picture:
        draw_first(m, rows_of(review), given.work / "cache", given.picture)
    done = json.loads(given.results.read_text()) if given.results.exists() else {}
    done[given.name] = {**done.get(given.name, {}), **entry, "machine": hardware()}
    given.results.write_text(json.dumps(done, indent=1) + "\n")
    print(json.dumps(entry, indent=1))


def run_review(folder: Path, review: Path, options: list[Any]) -> dict[str, float]:
    """Run the command in a process of its own; return what it took."""
    command = [sys.executable, "-m", "augmap", "review", folder, "-o", review, *options]
    began = time.monotonic()
    process = subprocess.Popen(list(map(str, command)))
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("augmap review failed")
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_gib": round(usage.ru_maxrss / 2**20, 2),
    }


def pixel_map(images: str, cache: Path, limit: int | None) -> ImageMap:
    """A map without training: principal components of the pixels."""
    opened = open_images(images, cache=cache)
    if limit is not None:
        splits = np.array(opened.splits)
        opened = opened.subset(
            np.concatenate([np.flatnonzero(splits == s)[:limit] for s in ("train", "test")])
        )
    flat = np.asarray(opened.pixels, np.float32).reshape(len(opened), -1) / 255
    parts = PCA(50, random_state=0).fit_transform(flat).astype(np.float32)
    return ImageMap(
        positions=parts[:, :2],
        items=Items(opened.names, opened.splits, {k: np.array(v) for k, v in opened.labels.items()}),
        features=parts,
        thumbs=make_thumbs(opened.pixels, parts[:, :2]),
        preprocessing=opened.preprocessing,
        info={"method": "pca", "source": opened.source, "fingerprint": opened.fingerprint},
    )


def rows_of(review: Path) -> list[dict[str, str]]:
    """Read ``review.csv``."""
    header, *rows = read_table((review / "review.csv").read_bytes(), where="review.csv")
    return [dict(zip(header, row, strict=True)) for row in rows]


def counts(m: ImageMap, review: Path) -> dict[str, Any]:
    """Count what a review found."""
    record = json.loads((review / "review.json").read_text())
    queues: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows_of(review):
        queues[row["queue"]][row["group"]].append(row)
    groups, islands = queues["duplicates"], queues["islands"]
    leaking = [g for g in groups.values() if len({r["split"] for r in g}) > 1]
    out = {
        "n": m.n,
        "method": m.info.get("method"),
        "augmap": record["augmap"],
        "queues": record["queues"],
        "absent": record["absent"],
        "thresholds": record["thresholds"],
        "pairs_compared": record["pairs_compared"],
        "part_seconds": record["seconds"],
        "groups": len(groups),
        "images_in_groups": sum(map(len, groups.values())),
        "images_by_kind": dict(Counter(r["tag"] for g in groups.values() for r in g)),
        "groups_across_splits": len(leaking),
        "test_images_in_them": sum(r["split"] == "test" for g in leaking for r in g),
        "groups_of_two_labels": sum(len({r["label"] for r in g}) > 1 for g in groups.values()),
        "largest_groups": [about(g) for g in list(groups.values())[:10]],
        "islands": [about(g) for g in list(islands.values())[:10]],
    }
    if "automobile" in set(m.labels):
        cars = [g for g in groups.values() if len(g) >= CARS and {r["label"] for r in g} == {"automobile"}]
        out["automobile_groups"] = [about(g) for g in cars]
        out["automobiles_in_them"] = sum(map(len, cars))
        out["automobiles_in_them_test"] = sum(r["split"] == "test" for g in cars for r in g)
        # the copied cars go by this name: those in groups with at least two of them
        brakes = [[r for r in g if "shooting_brake" in r["name"]] for g in groups.values()]
        brakes = [g for g in brakes if len(g) > 1]
        out["shooting_brakes_in_groups"] = sum(map(len, brakes))
        out["shooting_brakes_in_groups_test"] = sum(r["split"] == "test" for g in brakes for r in g)
    if "spread" in m.items.scores:
        near, far = nearest(m.positions, 15)
        votes = disagreement(m.labels, near)
        out["auroc_spread"] = auroc(m.items.scores["spread"], votes.wrong_on_map == 1)
        radius = m.items.scores["spread"] * far.mean(1, dtype=np.float64)
        out["auroc_spread_not_divided_by_spacing"] = auroc(radius, votes.wrong_on_map == 1)
        out["auroc_spacing_alone"] = auroc(far.mean(1), votes.wrong_on_map == 1)
    return out


def about(group: list[dict[str, str]]) -> dict[str, Any]:
    """Sum a group up."""
    return {
        "rank": int(group[0]["rank"]),
        "size": len(group),
        "test": sum(r["split"] == "test" for r in group),
        "labels": dict(Counter(r["label"] for r in group)),
        "kinds": dict(Counter(r["tag"] for r in group)),
        "first": group[0]["name"],
    }


def pairs_of_two_classes(m: ImageMap, cache: Path) -> dict[str, Any]:
    """Of the N nearest pairs by each likeness: the share whose labels differ. Chance is 90 %."""
    pictures, _ = open_pictures(m, cache=cache)
    assert pictures is not None
    grey, labels = small_grey(pictures), m.labels
    hashes = likenesses.gradient_hash(grey)
    out: dict[str, Any] = {}
    for name, power in (("signs alone (dHash)", 0.0), ("differences", 2.0), ("square roots (the hash)", 1.0)):
        rows = np.sign(hashes) * np.abs(hashes) ** power  # the hash holds square roots
        near, far = nearest(rows, 1, metric="cosine")
        out[name] = differ(labels, labels[near[:, 0]], -far[:, 0])
        if power == 1.0:
            closest = np.argsort(far[:, 0], kind="stable")[: 3 * max(PAIRS)]
            alike = likenesses.likeness(grey, closest, near[closest, 0])
            out["likeness, of the nearest by the hash"] = differ(
                labels[closest], labels[near[closest, 0]], alike
            )
    return out


def differ(labels: np.ndarray, others: np.ndarray, alike: np.ndarray) -> dict[str, float]:
    """Share of pairs with different labels among the most alike."""
    order = np.argsort(-alike, kind="stable")
    return {str(k): round(float((labels != others)[order[:k]].mean()), 4) for k in PAIRS if k <= len(order)}


def draw_first(m: ImageMap, rows: list[dict[str, str]], cache: Path, path: Path) -> None:
    """Draw ten copies of each of the first eight groups, small enough for a page of the docs."""
    groups: dict[int, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        if row["queue"] == "duplicates" and int(row["group"]) <= 8:
            groups[int(row["group"])].append(row)
    entries, titles = [], {}
    for number, group in groups.items():
        test = sum(r["split"] == "test" for r in group)
        titles[number] = f"group {number}: {len(group)} images, {test} of them test"
        entries += [
            Entry(
                row=int(r["row"]),
                rank=number,
                group=number,
                score=float(r["score"] or "nan"),
                caption=r["score"],
            )
            for r in group[:10]
        ]
    pictures, _ = open_pictures(m, cache=cache)
    assert pictures is not None
    drawn = draw_sheets(m, Queue(name="duplicates", entries=entries, titles=titles, found=""), pictures.read)
    (page,) = drawn.files.values()
    Image.open(io.BytesIO(page)).quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
