"""Clusters: HDBSCAN's, the largest first, with a picture and a make-up."""

from __future__ import annotations

import json

import numpy as np
from sklearn.metrics import adjusted_rand_score

from augmap.folder import json_bytes
from augmap.review.clusters import find_clusters, to_json
from looked_at import blobs

POSITIONS = blobs([(0, 0), (30, 0), (0, 30)], [200, 100, 60])
TRUE = np.repeat(["ant", "bee", "cat"], [200, 100, 60])


def test_three_clusters_and_their_labels():
    levels = find_clusters(POSITIONS, labels=TRUE, splits=np.array(["train", "test"] * 180))
    level = levels[0]
    assert [r.size for r in level.regions] == sorted((r.size for r in level.regions), reverse=True)
    assert [r.label for r in level.regions] == ["ant", "bee", "cat"]
    assert all(r.share == 1 for r in level.regions)
    inside = level.assignment >= 0
    assert adjusted_rand_score(TRUE[inside], level.assignment[inside]) == 1
    for region in level.regions:
        assert np.bincount(level.assignment[inside])[region.id] == region.size
        assert level.assignment[region.medoid] == region.id
        assert sum(region.splits.values()) == region.size


def test_the_picture_is_the_most_typical_in_the_features():
    features = np.tile([1.0, 0.3], (360, 1)) + np.random.default_rng(5).normal(0, 0.2, (360, 2))
    on_map, in_features = find_clusters(POSITIONS)[0], find_clusters(POSITIONS, features=features)[0]
    chosen = in_features.regions[0].medoid
    rows = np.flatnonzero(in_features.assignment == 0)
    unit = features[rows] / np.linalg.norm(features[rows], axis=1, keepdims=True)
    assert chosen == rows[np.linalg.norm(unit - unit.mean(0), axis=1).argmin()]
    assert chosen != on_map.regions[0].medoid
    rows = np.flatnonzero(on_map.assignment == 0)
    middle = POSITIONS[rows].mean(0)
    assert on_map.regions[0].medoid == rows[((POSITIONS[rows] - middle) ** 2).sum(1).argmin()]


def test_without_labels_there_is_no_make_up():
    region = find_clusters(POSITIONS)[0].regions[0]
    assert (region.label, region.share, region.makeup) == (None, None, {})


def test_images_without_a_label_are_not_part_of_it():
    labels = TRUE.copy()
    labels[:50] = ""
    region = find_clusters(POSITIONS, labels=labels)[0].regions[0]
    assert region.makeup == {"ant": int((labels[find_clusters(POSITIONS)[0].assignment == 0] == "ant").sum())}
    assert region.share == 1


def test_finer_levels_have_more_regions():
    rng = np.random.default_rng(0)
    centres = [(float(x), float(y)) for x, y in rng.uniform(0, 200, (40, 2))]
    levels = find_clusters(blobs(centres, [50] * 40))
    counts = [len(level.regions) for level in levels]
    assert counts == sorted(set(counts))
    sizes = [level.min_cluster_size for level in levels]
    assert sizes == sorted(sizes, reverse=True)


def test_what_is_written_reads_back():
    levels = find_clusters(POSITIONS, labels=TRUE)
    read = json.loads(json_bytes(to_json(levels, 360), indent=None))
    assert (read["format"], read["n"]) == (1, 360)
    level = read["levels"][0]
    assert set(level) == {"name", "min_cluster_size", "regions", "assignment"}
    assert len(level["assignment"]) == 360
    assert {"id", "medoid", "size", "x", "y", "label", "share"} <= set(level["regions"][0])
    np.testing.assert_array_equal(level["assignment"], levels[0].assignment)


def test_few_or_equal_images_have_none():
    assert find_clusters(POSITIONS[:6]) == []
    assert to_json([], 6) == {"format": 1, "n": 6, "levels": []}
