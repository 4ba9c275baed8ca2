"""Silhouette and clusterings: loops over the definition, and labels that are or are not the clusters."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, silhouette_score

from augmap.errors import InputError
from augmap.evaluate import clusters
from augmap.evaluate.clusters import cluster_size, hdbscan_agreement, kmeans_agreement, silhouette


def islands(n=300, seed=0, spread=0.5, d=2):
    rng = np.random.default_rng(seed)
    y = np.array(list("abc"))[rng.integers(0, 3, n)]
    centres = {"a": 0.0, "b": 5.0, "c": 10.0}
    x = np.array([centres[v] for v in y])[:, None] + spread * rng.normal(size=(n, d))
    return x.astype(np.float32), y


def silhouette_by_loops(x, y, metric):
    def far(i, j):
        if metric == "euclidean":
            return np.linalg.norm(x[i] - x[j])
        return 1 - x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j])

    out = []
    for i in range(len(x)):
        mean = {
            name: np.mean([far(i, j) for j in range(len(x)) if y[j] == name and j != i])
            for name in set(y.tolist()) - {""}
            if any(y[j] == name and j != i for j in range(len(x)))
        }
        if y[i] == "":
            out.append(np.nan)
        elif y[i] not in mean:
            out.append(0)
        else:
            a, b = mean[y[i]], min(v for name, v in mean.items() if name != y[i])
            out.append((b - a) / max(a, b))
    return np.array(out)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_silhouette_by_loops_and_by_scikit_learn(metric):
    x, y = islands(60, spread=2.0)
    y = y.astype("U5")
    y[0], y[1] = "alone", ""
    found = silhouette(x, y, metric=metric)
    # no loop may count the image without a label
    known = y != ""
    np.testing.assert_allclose(found[known], silhouette_by_loops(x[known], y[known], metric), atol=2e-5)
    assert np.isnan(found[1])
    assert found[0] == 0
    assert np.nanmean(found) == pytest.approx(silhouette_score(x[known], y[known], metric=metric), abs=1e-5)


def test_silhouette_counted():
    x, y = np.array([[0.0], [1], [4], [6]]), np.array(list("aabb"))
    # 0: a 1, b 5; 1: a 1, b 4; 4: a 2, b 3.5; 6: a 2, b 5.5
    np.testing.assert_allclose(silhouette(x, y), [4 / 5, 3 / 4, 1.5 / 3.5, 3.5 / 5.5], atol=1e-6)


def test_silhouette_far_from_the_origin_and_in_small_blocks(monkeypatch):
    x, y = islands(500)
    want = silhouette(x, y)
    monkeypatch.setattr(clusters, "_MEGABYTES", 0.1)
    np.testing.assert_allclose(silhouette(x + 1000, y), want, atol=1e-3)


def test_kmeans_is_scikit_learns():
    x, y = islands(spread=2.5)
    y[:5] = ""
    found = kmeans_agreement(x, y, seed=3)
    want = KMeans(3, n_init=10, random_state=3).fit_predict(x[5:])
    assert found.ari == pytest.approx(adjusted_rand_score(y[5:], want))
    assert found.ami == pytest.approx(adjusted_mutual_info_score(y[5:], want))
    assert (found.clusters, found.noise, found.n) == (3, 0, 295)
    assert 0.2 < found.ari < 0.9


def test_kmeans_by_cosine_sees_directions():
    rng = np.random.default_rng(0)
    angle, y = np.repeat([0.0, 1.5], 50), np.repeat(["a", "b"], 50)
    x = np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(0.1, 30, (100, 1))
    assert kmeans_agreement(x, y, metric="cosine").ari == 1
    assert kmeans_agreement(x, y).ari < 0.7


def test_clusterings_find_islands_and_know_shuffled_labels():
    x, y = islands()
    shuffled = np.random.default_rng(1).permutation(y)
    for judge in (kmeans_agreement, hdbscan_agreement):
        found = judge(x, y)
        assert found.ari > 0.95
        assert found.ami > 0.9
        assert found.clusters == 3
        assert abs(judge(x, shuffled).ari) < 0.02


def test_noise_is_one_more_cluster():
    rng = np.random.default_rng(0)
    x = np.vstack([rng.normal(0, 0.1, (60, 2)), rng.normal(5, 0.1, (60, 2)), rng.uniform(-40, 40, (12, 2))])
    y = np.repeat(["a", "b", "c"], [60, 60, 12])
    found = hdbscan_agreement(x, y, min_cluster_size=20)
    assert found.clusters == 2
    assert 0.04 < found.noise < 0.15
    assert found.ari > 0.95


@pytest.mark.parametrize(("n", "size"), [(60, 5), (300, 6), (4000, 80), (60_000, 100)])
def test_cluster_size(n, size):
    assert cluster_size(n) == size


@pytest.mark.parametrize(
    ("judge", "y", "message"),
    [
        (silhouette, ["a"] * 4, "silhouette needs at least two labels, got 1"),
        (silhouette, list("abcd"), "needs a label with two images, got 4 labels"),
        (kmeans_agreement, [""] * 4, "k-means needs at least two labels, got 0"),
        (hdbscan_agreement, list("aabb"), "HDBSCAN needs more than 5 labelled images, got 4"),
    ],
)
def test_refuses(judge, y, message):
    with pytest.raises(InputError, match=message):
        judge(np.eye(4), np.array(y))


def test_a_map_that_collapsed_is_said():
    with pytest.raises(InputError, match="k-means with 2 clusters needs as many positions, got 1"):
        kmeans_agreement(np.zeros((6, 2)), np.array(list("aaabbb")))
