"""Label disagreements: labels that were changed are found, and the votes are those of a loop."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from augmap.neighbors import nearest
from augmap.review.disagreement import auroc, disagreement
from looked_at import blobs

POSITIONS = blobs([(0, 0), (9, 0), (0, 9)], [100, 100, 100])
TRUE = np.repeat(["ant", "bee", "cat"], 100)


def test_planted_mislabels_come_first_and_shuffled_marks_do_not():
    rng = np.random.default_rng(0)
    wrong = rng.permutation(300)[:20]
    labels = TRUE.copy()
    labels[wrong] = np.where(TRUE[wrong] == "ant", "bee", "ant")
    found = disagreement(labels, nearest(POSITIONS, 15)[0])
    planted = np.isin(np.arange(300), wrong)
    assert auroc(found.score, planted) > 0.99
    assert abs(auroc(found.score, rng.permutation(planted)) - 0.5) < 0.2
    assert (found.suggested[wrong] == TRUE[wrong]).all()
    assert found.agreed[wrong].all()


def test_the_votes_are_counted_as_a_loop_counts_them():
    rng = np.random.default_rng(1)
    labels = np.array(["a", "b", "c", ""])[rng.integers(0, 4, 60)]
    spaces = [rng.integers(0, 60, (60, 7)) for _ in range(2)]
    found = disagreement(labels, *spaces)
    for i in range(60):
        shares = []
        for near in spaces:
            votes = Counter(labels[j] for j in near[i] if labels[j])
            shares.append({k: v / max(1, sum(votes.values())) for k, v in votes.items()})
        mean = {k: sum(s.get(k, 0) for s in shares) / 2 for k in "abc"}
        if not labels[i]:
            assert np.isnan(found.score[i])
            assert found.suggested[i] == ""
            continue
        others = {k: v for k, v in mean.items() if k != labels[i]}
        assert found.score[i] == pytest.approx(max(others.values()) - mean[labels[i]])


def test_counted():
    near = np.array([[1, 2, 3]] * 4)
    found = disagreement(np.array(["x", "x", "y", "y"]), near)
    # of x y y: two thirds for y, one third for x
    np.testing.assert_allclose(found.score, [1 / 3, 1 / 3, -1 / 3, -1 / 3])
    assert found.suggested.tolist() == ["y", "y", "x", "x"]
    assert found.wrong_on_map.tolist() == [1, 1, 0, 0]


def test_without_a_labelled_neighbour_nobody_is_wrong():
    found = disagreement(np.array(["a", "a", "b", ""]), np.array([[3], [3], [0], [0]]))
    np.testing.assert_array_equal(found.wrong_on_map, [np.nan, np.nan, 1, np.nan])


def test_labels_of_one_image_each_disagree_about_nothing():
    assert disagreement(np.array(["a", "b", "c", ""]), np.array([[1], [2], [0], [0]])) is None


def test_both_spaces_must_name_the_same_label():
    labels = np.array(["x", "y", "z", "y", "z"])
    on_map, in_features = np.array([[1, 3]] * 5), np.array([[2, 4]] * 5)
    assert not disagreement(labels, on_map, in_features).agreed[0]
    assert disagreement(labels, on_map, on_map).agreed[0]


@pytest.mark.parametrize("labels", [[""] * 5, ["a"] * 5, ["a", "a", "", "", "a"]])
def test_fewer_than_two_labels_disagree_about_nothing(labels):
    assert disagreement(np.array(labels), np.array([[0, 1]] * 5)) is None


def test_area_is_scikit_learns():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 9, 200) / 3  # with ties
    positive = rng.random(200) < 0.3
    assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    assert auroc(np.array([1.0, 2.0]), np.array([True, True])) is None
    assert auroc(np.array([1.0, 1.0, 2.0]), np.array([True, False, False])) == 0.25
