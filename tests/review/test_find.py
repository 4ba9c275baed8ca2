"""``find``: what was planted in a map comes out, and what cannot be known is absent, not zero."""

from __future__ import annotations

import numpy as np
import pytest

from augmap.review.find import find, verdict
from augmap.review.pictures import from_pixels
from augmap.review.queues import QUEUES
from looked_at import blobs, map_of, recompressed, textures

N = 260


@pytest.fixture(scope="module")
def planted():
    """Three clusters and an island of eight copies, one stray image, one wrong label."""
    positions = np.concatenate([blobs([(0, 0), (40, 0), (0, 40), (60, 60)], [90, 90, 71, 8]), [[20.0, 18.0]]])
    labels = np.repeat(["ant", "bee", "cat", "dog"], [90, 90, 71, 9])
    labels[5] = "cat"
    pixels = textures(N)
    for i in range(252, 259):
        pixels[i] = recompressed(pixels[251], quality=50 + i - 252)
    features = np.eye(4)[np.repeat([0, 1, 2, 3], [90, 90, 71, 9])]
    features = features + np.random.default_rng(0).normal(0, 0.1, (N, 4))
    splits = ["train" if i % 2 else "test" for i in range(N)]
    m = map_of(positions, features=features, labels=labels, pixels=pixels, splits=splits)
    return m, from_pixels(pixels)


def by_name(found) -> dict:
    return {q.name: q for q in found.queues}


def test_what_was_planted_is_found(planted):
    m, pictures = planted
    found = find(m, pictures, spread=lambda pixels, spacing, progress: np.ones(len(pixels)))
    queues = by_name(found)
    assert tuple(q.name for q in found.queues) == QUEUES
    first = [e for e in queues["duplicates"].entries if e.group == 1]
    assert {e.row for e in first} == set(range(251, 259))
    assert "4 train and 4 test: leaks" in first[0].reason
    assert queues["outliers"].entries[0].row == 259
    assert queues["disagreement"].entries[0].row == 5
    assert queues["disagreement"].entries[0].tag == "ant"
    assert {e.row for e in queues["islands"].entries if e.group == 1} >= set(range(251, 259))
    assert [e.rank for e in queues["outliers"].entries] == list(range(1, len(queues["outliers"].entries) + 1))
    assert set(found.scores) == {"duplicate_group", "outlier", "disagreement", "spread", "island"}
    assert all(len(column) == N for column in found.scores.values())
    assert found.absent == {}
    assert found.facts["auroc_spread"] == 0.5  # what is the same for all predicts nothing


def test_without_labels_their_queue_is_absent_and_nothing_else_changes(planted):
    m, pictures = planted
    bare = map_of(m.positions, features=m.features, splits=m.splits)
    found, labelled = find(bare, pictures), find(m, pictures)
    assert found.absent["disagreement"] == "the map has no labels"
    assert "disagreement" not in found.scores
    for name in ("duplicate_group", "outlier", "island"):
        np.testing.assert_array_equal(found.scores[name], labelled.scores[name])
    for name in ("duplicates", "outliers", "islands"):
        rows = [[e.row for e in by_name(f)[name].entries] for f in (found, labelled)]
        assert rows[0] == rows[1]


def test_without_pictures_the_features_speak(planted):
    m, _ = planted
    found = find(m)
    assert "uncertain" in found.absent
    assert "likeness" not in found.facts["thresholds"]
    alone = find(map_of(m.positions))
    assert alone.absent["duplicates"] == "the map has neither pictures nor features"
    assert "duplicate_group" not in alone.scores
    assert by_name(alone)["outliers"].entries


def test_views_are_not_compared_where_all_images_lie_at_one_place():
    found = find(map_of(np.zeros((9, 2))), spread=lambda *parts: pytest.fail("was looked for"))
    assert found.absent["uncertain"] == "all images lie at one place"


def test_queues_are_cut_and_say_so(planted):
    m, pictures = planted
    found = find(m, pictures, top=1)
    queue = by_name(found)["islands"]
    assert {e.group for e in queue.entries} <= {1}
    assert len(by_name(found)["outliers"].entries) <= 1
    assert by_name(find(m, pictures))["outliers"].beyond == 0


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_small_maps(n):
    m = map_of(blobs([(0, 0)], [n]), features=np.eye(8)[:n], labels=np.array(list("abababa")[:n]))
    found = find(m, from_pixels(textures(n)))
    assert all(len(c) == n for c in found.scores.values())
    if n == 1:
        assert "a single image has no neighbours" in found.absent["outliers"]


def test_maps_of_other_dimensions(planted):
    m, pictures = planted
    rng = np.random.default_rng(0)
    for d in (1, 3, 5):
        found = find(map_of(rng.normal(size=(N, d)), labels=m.labels), pictures)
        assert ("islands" in found.absent) == (d > 3)


def test_the_verdict_is_honest():
    assert verdict(0.61).startswith("uncertainty predicts errors: AUROC 0.61")
    assert verdict(0.52).startswith("uncertainty does not predict errors: AUROC 0.52")
    assert verdict(0.3).startswith("uncertainty does not predict errors: AUROC 0.30")
    assert "cannot be said" in verdict(None)
