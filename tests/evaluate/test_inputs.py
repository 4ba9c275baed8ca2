"""What the metrics are given: rows far from the origin, labels that are None, and what they all refuse."""

from __future__ import annotations

import re
from inspect import unwrap

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.evaluate.clusters import hdbscan_agreement, kmeans_agreement, silhouette
from augmap.evaluate.correlation import distance_correlation
from augmap.evaluate.inputs import labelled
from augmap.evaluate.knn import knn_accuracy
from augmap.evaluate.linear import linear_accuracy
from augmap.evaluate.purity import neighbour_purity
from augmap.evaluate.recall import neighbor_recall
from augmap.evaluate.rld import relative_local_density
from augmap.evaluate.splits import label_splits
from augmap.evaluate.trust import continuity, trustworthiness

FAR = 2.0**20


def purity(x, y, **options):
    return neighbour_purity(x, y, ks=(1, 5), **options)


OF_LABELS = [knn_accuracy, linear_accuracy, silhouette, kmeans_agreement, hdbscan_agreement, purity]
OF_FEATURES = [neighbor_recall, trustworthiness, continuity, distance_correlation]
WITH_METRIC = [knn_accuracy, silhouette, kmeans_agreement, purity, *OF_FEATURES]


def clouds(d=2, n=90, seed=0):
    """Three clouds of spread 1/32, in numbers that float64 holds at any distance up to FAR."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    x = (rng.normal(size=(3, d))[kind] + rng.normal(size=(n, d))) / 32
    return np.round(x * 2**30) / 2**30, np.array(list("abc"))[kind]


@pytest.mark.parametrize("d", [2, 6])
@pytest.mark.parametrize("judge", [*OF_LABELS, *OF_FEATURES])
def test_an_offset_costs_nothing(judge, d):
    """In float32 all rows of a cloud so far away are one."""
    x, y = clouds(d)
    if judge in OF_LABELS:
        near, far = (np.ravel(_numbers(judge(x + offset, y))) for offset in (0, FAR))
    else:
        other, _ = clouds(d, seed=1)
        z, h = np.hstack([x, other]), np.hstack([x, other[::-1]])
        near, far = (np.ravel(judge(z + o, h + o, metric="euclidean")) for o in (0, FAR))
    np.testing.assert_allclose(far, near, atol=1e-5)


def _numbers(found):
    """The numbers of a result, whatever it is."""
    if isinstance(found, np.ndarray):
        return found
    if isinstance(found, list):
        return [_numbers(part) for part in found]
    return [v for v in vars(found).values() if isinstance(v, float)]


@pytest.mark.parametrize("nothing", [None, np.nan, np.float32("nan")])
@pytest.mark.parametrize("judge", [*OF_LABELS, relative_local_density])
def test_no_label_is_no_class(judge, nothing):
    x, y = clouds()
    y[::4] = ""
    with_gaps = [v or nothing for v in y.tolist()]
    for labels in (with_gaps, np.array(with_gaps, dtype=object)):
        np.testing.assert_equal(_numbers(judge(x, labels)), _numbers(judge(x, y)))


@pytest.mark.parametrize("judge", [*OF_LABELS, relative_local_density])
@pytest.mark.parametrize("n", [80, 99])
def test_labels_of_other_images(judge, n):
    x, y = clouds()
    with pytest.raises(InputError, match=re.escape(f"needs a label for each of 90 images, got shape ({n},)")):
        judge(x, np.resize(y, n))


@pytest.mark.parametrize("n", [80, 99])
def test_splits_of_other_images(n):
    with pytest.raises(InputError, match=f"splits must have 90 entries, got {n}"):
        label_splits(clouds()[1], ["train", "test", "val"] * (n // 3) + ["val"] * (n % 3))


@pytest.mark.parametrize("judge", OF_FEATURES)
@pytest.mark.parametrize("n", [80, 99])
def test_features_of_other_images(judge, n):
    z, h = clouds()[0], clouds(6, n)[0]
    with pytest.raises(InputError, match=f"positions have 90 rows, features {n}; give one row an image"):
        unwrap(judge)(z, h)  # the test run's checker of shapes would see it first


@pytest.mark.parametrize("judge", OF_LABELS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite(judge, bad):
    x, y = clouds()
    x[[4, 7]] = bad
    with pytest.raises(InputError, match=r"takes no NaN or infinity: .* of \d+ rows are not finite"):
        judge(x, y)
    y[[4, 7]] = ""  # is not looked at
    judge(x, y)


@pytest.mark.parametrize("judge", WITH_METRIC)
@pytest.mark.parametrize("metric", ["Cosine", "manhattan"])
def test_unknown_metrics(judge, metric):
    x, y = clouds()
    with pytest.raises(InputError, match=f"metric must be one of euclidean, cosine; got '{metric}'"):
        judge(x, y if judge not in OF_FEATURES else x, metric=metric)


def test_lists_of_rows():
    x, y = clouds()
    rows = x.tolist()
    assert unwrap(knn_accuracy)(rows, y) == knn_accuracy(x, y)
    assert unwrap(linear_accuracy)(rows, y) == linear_accuracy(x, y)
    assert (unwrap(neighbor_recall)(rows, rows, rows=[3, 5], metric="euclidean") == 1).all()


@pytest.mark.parametrize("x", [np.arange(12.0), np.full((12, 1), "x"), np.ones((12, 1), complex)])
def test_refuses_what_is_no_table_of_numbers(x):
    with pytest.raises(
        InputError, match=re.escape(f"RLD needs numbers of shape (n, d), got {x.dtype} {x.shape}")
    ):
        labelled(x, np.array(["a", "b"] * 6), "RLD")
