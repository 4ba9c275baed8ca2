"""The accuracy of a closing line: that of kNN, without labels of one image, None where they are too few."""

from __future__ import annotations

import numpy as np
import pytest

from augmap.evaluate.accuracy import accuracy
from augmap.evaluate.knn import knn_accuracy


def test_it_is_that_of_knn_without_labels_of_a_single_image():
    rng = np.random.default_rng(0)
    labels = np.array([*("ab" * 60), "once"])
    z = rng.normal(size=(121, 2)) + (labels == "a")[:, None]
    found = accuracy(z, labels, [])
    expected = knn_accuracy(z, np.where(labels == "once", "", labels))
    assert found["accuracy"] == expected.accuracy
    assert found["sd"] == pytest.approx(expected.sd)
    assert (found["k"], found["n_train"], found["n_test"]) == (15, 100, 20)
    split = accuracy(z, labels, ["train"] * 100 + ["test"] * 21)
    assert (split["sd"], split["split"], split["n_test"]) == (None, "official", 20)


def test_too_few_labels_say_nothing():
    assert accuracy(np.zeros((4, 2)), np.array(["a", "a", "a", ""]), []) is None
    assert accuracy(np.eye(4), np.array(["a", "b", "c", "d"]), []) is None
