"""measure: every metric where it belongs, and a reason for each that is not there."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

from augmap.config import Config
from augmap.errors import InputError
from augmap.evaluate.agreement import augmentation_agreement
from augmap.evaluate.clusters import hdbscan_agreement, kmeans_agreement, silhouette
from augmap.evaluate.correlation import distance_correlation
from augmap.evaluate.knn import knn_accuracy
from augmap.evaluate.linear import linear_accuracy
from augmap.evaluate.measure import METRICS, measure, measure_each
from augmap.evaluate.purity import neighbour_purity
from augmap.evaluate.recall import neighbor_recall
from augmap.evaluate.rld import relative_local_density
from augmap.evaluate.score import Measures
from augmap.evaluate.trust import continuity, trustworthiness
from augmap.folder import json_bytes
from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.method.augment import AUGMENTATIONS
from augmap.stage import Stage

N = 160


def some_map(dim=2, *, splits=True, features=True, seed=0):
    """Six kinds in three groups; the map knows them roughly, the features well."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 6, N)
    h = (2 * rng.normal(size=(6, 8))[kind] + rng.normal(size=(N, 8))).astype(np.float16)
    z = (3 * rng.normal(size=(6, dim))[kind] + rng.normal(size=(N, dim))).astype(np.float32)
    labels = {
        "label": np.array(list("abcdef"))[kind],
        "coarse_label": np.array(["x", "y", "z"])[kind // 2],
    }
    parts = ["train" if i % 4 else "test" for i in range(N)] if splits else []
    return ImageMap(
        positions=z,
        items=Items([f"{i}.png" for i in range(N)], parts, labels),
        features=h if features else None,
    )


def pixels():
    return np.random.default_rng(9).integers(0, 256, (N, 4, 4, 3), dtype=np.uint8)


class Mean(nn.Module):
    """Each image lands where its mean colour is."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * x.mean((2, 3))


def _values(measures, metric):
    return [(s.key, s.value, s.sd) for s in measures.scores if s.metric == metric]


def find(measures, metric, space="map", setting="", column="label"):
    (score,) = [s for s in measures.scores if s.key == (metric, space, column, setting)]
    return score


def test_each_score_is_its_metrics():
    m = some_map()
    found = measure(m, pixels=pixels(), ks=(15, 4), seed=2)
    z, h, y = m.positions, m.features.astype(np.float32), m.labels
    want = {
        ("knn", "map", "k=15"): knn_accuracy(z, y, m.splits).accuracy,
        ("knn", "map", "k=4"): knn_accuracy(z, y, m.splits, k=4).accuracy,
        ("knn", "features", "k=4, cosine"): knn_accuracy(h, y, m.splits, k=4, metric="cosine").accuracy,
        ("knn", "features", "k=15, euclidean"): knn_accuracy(h, y, m.splits).accuracy,
        ("knn", "pixels", "k=15"): knn_accuracy(
            pixels().reshape(N, -1).astype(np.float32), y, m.splits
        ).accuracy,
        ("linear", "map", ""): linear_accuracy(z, y, m.splits).accuracy,
        ("linear", "features", ""): linear_accuracy(h, y, m.splits).accuracy,
        ("silhouette", "map", ""): silhouette(z, y).mean(),
        ("silhouette", "features", "cosine"): silhouette(h, y, metric="cosine").mean(),
        ("kmeans_ari", "map", ""): kmeans_agreement(z, y, seed=2).ari,
        ("kmeans_ami", "features", "cosine"): kmeans_agreement(h, y, metric="cosine", seed=2).ami,
        ("hdbscan_ari", "map", ""): hdbscan_agreement(z, y).ari,
        ("hdbscan_ami", "map", ""): hdbscan_agreement(z, y).ami,
        ("purity", "map", "k=10"): neighbour_purity(z, y, ks=(10,))[0].value,
        ("purity", "features", "k=100, cosine"): neighbour_purity(h, y, ks=(100,), metric="cosine")[0].value,
        ("rld", "map", "τ=0.2"): relative_local_density(z, y)[2].rld,
        ("rld", "features", "τ=1, unit length"): relative_local_density(h, y, normalize=True)[0].rld,
    }
    for (metric, space, setting), value in want.items():
        assert find(found, metric, space, setting).value == pytest.approx(value, abs=1e-9), (metric, space)
    against = "map against features"
    for metric, setting, value in (
        ("neighbor_recall", "k=15, cosine", neighbor_recall(z, h).mean()),
        ("neighbor_recall", "k=4, euclidean", neighbor_recall(z, h, k=4, metric="euclidean").mean()),
        ("trustworthiness", "k=4, cosine", trustworthiness(z, h, k=4).mean()),
        ("continuity", "k=15, cosine", continuity(z, h).mean()),
        ("distance_correlation", "euclidean", distance_correlation(z, h, metric="euclidean", seed=2)[0]),
    ):
        assert find(found, metric, against, setting, None).value == pytest.approx(value, abs=1e-12)
    assert {s.metric for s in found.scores} == set(METRICS) - {"gcn", "agreement"}
    assert find(found, "knn", setting="k=15").detail == "120 -> 40 images, official split"
    assert find(found, "purity", setting="k=100").beside["ceiling"] < 1
    assert set(find(found, "rld", setting="τ=1").beside) == {"ceiling", "shuffled", "effective_neighbors"}
    assert found.settings["left_out"] == {"agreement": "it needs the encoder and the augmentation"}


def test_every_label_column_and_superclasses():
    found = measure(some_map(splits=False), metrics=["knn", "superclass"])
    fine, coarse = (find(found, "knn", setting="k=15", column=c) for c in ("label", "coarse_label"))
    assert fine.value < coarse.value
    assert fine.sd > 0
    assert fine.detail == "133 -> 27 images, stratified, 5 random splits"
    inside = find(found, "superclass", "map", "k=15", "coarse_label")
    assert inside.beside["same_label"] < inside.value < 1
    assert inside.beside["chance"] == pytest.approx(1 / 3, abs=0.03)
    table = found.tables["confusion"]["label"]
    assert table["labels"] == list("abcdef")
    assert np.sum(table["counts"]) == 5 * 27
    entry = found.tables["per_class"]["label"]["a"]
    assert entry["accuracy"] == pytest.approx(table["counts"][0][0] / sum(table["counts"][0]))
    assert set(found.tables["per_class"]) == {"label", "coarse_label"}


def test_scores_of_single_images():
    m = some_map()
    found, each = measure_each(m, ks=(7,))
    assert set(each) == {"trustworthiness", "continuity", "neighbor_recall", "knn_correct"}
    for metric in ("trustworthiness", "continuity", "neighbor_recall"):
        score = find(found, metric, "map against features", "k=7, cosine", None)
        assert each[metric].mean() == pytest.approx(score.value)
    distance = np.linalg.norm(m.positions[:, None] - m.positions, axis=2) + np.diag(np.full(N, np.inf))
    for i in range(0, N, 10):
        near = m.labels[np.argsort(distance[i])[:7]]
        names, counts = np.unique(near, return_counts=True)
        assert each["knn_correct"][i] == (names[counts.argmax()] == m.labels[i])


def test_views_of_the_images():
    encoder, still = Mean(), AUGMENTATIONS["natural"]
    found, each = measure_each(
        some_map(), pixels=pixels(), encoder=encoder, augmentation=still, metrics=["agreement"], seed=3
    )
    want = augmentation_agreement(encoder, pixels(), still, seed=3)
    np.testing.assert_array_equal(each["agreement"], want)
    (score,) = found.scores
    assert (score.key, score.value) == (("agreement", "map", None, ""), want.mean())


def test_a_part_of_the_images():
    m = some_map()
    found, each = measure_each(m, pixels=pixels(), sample=90, seed=1)
    assert (found.settings["n"], found.settings["of"]) == (90, N)
    looked_at = ~np.isnan(each["trustworthiness"])
    assert looked_at.sum() == 90
    part = m.take(looked_at)
    alone, _ = measure_each(part, pixels=pixels()[looked_at], seed=1)
    assert [s.value for s in alone.scores] == [s.value for s in found.scores]
    assert find(found, "purity", setting="k=10").detail == "90 images"


@pytest.mark.parametrize("dim", [1, 3, 128])
def test_maps_of_any_dimension(dim):
    found = measure(some_map(dim))
    there = {s.metric for s in found.scores}
    assert there >= {"knn", "linear", "trustworthiness", "continuity", "kmeans_ari", "rld"}
    assert ("hdbscan_ari" in there) == (dim <= 4)
    assert ("hdbscan_ari" in found.settings["left_out"]) == (dim > 4)


def test_without_features_the_map_is_held_against_the_pixels():
    found, each = measure_each(some_map(features=False), pixels=pixels())
    recall = find(found, "neighbor_recall", "map against pixels", "k=15", None)
    want = neighbor_recall(
        some_map().positions, pixels().reshape(N, -1).astype(np.float32), metric="euclidean"
    )
    assert recall.value == pytest.approx(want.mean())
    np.testing.assert_array_equal(each["neighbor_recall"], want)
    assert not any(s.space == "features" for s in found.scores)
    alone = measure(some_map(features=False))
    assert alone.settings["left_out"]["trustworthiness"] == "it needs features, or the images"
    assert {s.metric for s in alone.scores} >= {"knn", "silhouette"}


def test_what_no_metric_can_use_is_left_out_with_a_reason():
    m = some_map()
    labels = {
        "label": np.array([str(i) for i in range(N)]),
        "kind": np.array(["one"] * N),
        "none": np.array([""] * N),
    }
    found = measure(m, labels=labels)
    left = found.settings["left_out"]
    assert left["knn"] == "kNN accuracy needs at least two labels with two images each, got 0"
    assert left["linear"] == "linear accuracy needs at least two labels with two images each, got 0"
    assert "needs a label with two images" in left["silhouette"]
    assert not any(s.column == "none" for s in found.scores)
    m.features = m.features.copy()
    m.features[3, 2] = np.inf
    found = measure(m)
    assert found.settings["left_out"]["features"] == "features of 1 of 160 images are not finite"
    assert find(found, "knn", setting="k=15").value > 0


def test_images_without_labels_are_not_judged_by_them():
    m = some_map()
    y = m.labels.copy()
    y[::3] = ""
    found, each = measure_each(m, labels={"label": y})
    assert np.isnan(each["knn_correct"][::3]).all()
    assert np.isin(each["knn_correct"][1::3], [0, 1]).all()
    assert find(found, "purity", setting="k=1").detail == f"{(y != '').sum()} images"
    assert not np.isnan(each["trustworthiness"]).any()


def test_superclasses_are_looked_for_among_images_that_have_both_labels():
    m = some_map()
    fine, coarse = (m.items.labels[k].copy() for k in ("label", "coarse_label"))
    fine[::3] = coarse[1::3] = ""
    found = measure(m, labels={"label": fine, "coarse": coarse}, ks=(15, 100), metrics=["superclass"])
    known = (fine != "") & (coarse != "")
    labels = {"label": fine[known], "coarse": coarse[known]}
    assert found.scores == measure(m.take(known), labels=labels, ks=(15,), metrics=["superclass"]).scores
    why = "100 neighbours are too many among those of 160 images whose labels it knows"
    assert found.settings["left_out"] == {"superclass, k=100": why}
    coarse[10:] = ""
    with pytest.raises(InputError, match=r"superclass cannot be measured: .* in \[1, 2\] for 3 images"):
        measure(m, labels={"label": fine, "coarse": coarse}, ks=(7, 9), metrics=["superclass"])


def test_labels_that_are_never_asked_about_are_counted():
    m = some_map()
    y = np.where(np.arange(N) == 1, "rare", m.labels)
    y[2] = "rare"  # both are training images
    found = measure(m, labels={"label": y}, metrics=["knn"])
    assert "rare" not in found.tables["per_class"]["label"]
    score = find(found, "knn", setting="k=15")
    assert score.detail == "120 -> 40 images, official split, labels without a test image: 1"
    assert measure(m, labels={"label": m.labels}, metrics=["knn"]).scores[0].detail.endswith("official split")


def test_columns_without_labels_in_places():
    m = some_map()
    y = m.labels.astype(object)
    y[::3] = None
    found = measure(m, labels={"label": y}, metrics=["purity"])
    assert found.settings["columns"] == {"label": 6}
    assert find(found, "purity", setting="k=1").detail == "106 images"


def test_features_finer_than_float32_far_from_the_origin():
    m = some_map()
    h = np.round(m.features.astype(np.float64) * 2**24) / 2**24
    near, far = (
        measure(ImageMap(positions=m.positions, items=m.items, features=h + o), metrics=["knn", "purity"])
        for o in (0, 2.0**25)
    )
    setting = "k=15, euclidean"
    assert find(far, "knn", "features", setting).value == find(near, "knn", "features", setting).value


def test_one_number_of_neighbours():
    m = some_map()
    assert measure(m, ks=5, metrics=["knn"]).scores == measure(m, ks=[5], metrics=["knn"]).scores


def test_labels_reach_no_score_of_the_others():
    m = some_map()
    with_labels, without = measure_each(m), measure_each(m, labels={})
    assert without[0].scores == [s for s in with_labels[0].scores if s.column is None]
    for name, column in without[1].items():
        np.testing.assert_array_equal(column, with_labels[1][name])


def test_the_seed_decides():
    m = some_map(splits=False)
    a, b, c = (measure(m, metrics=["knn", "linear"], seed=s) for s in (0, 0, 1))
    assert a.scores == b.scores
    for metric in ("knn", "linear"):
        assert _values(a, metric) != _values(c, metric)


def test_json_there_and_back():
    found = measure(some_map(), metrics=["knn", "superclass", "rld"])
    again = Measures.from_dict(json.loads(json_bytes(found.to_dict())))
    assert again == found


def test_progress_ends_where_it_should():
    seen = []
    measure(some_map(), metrics=["knn", "trustworthiness"], progress=lambda *at: seen.append(at))
    assert {total for _, _, total in seen} == {7}  # three spaces of two columns, and one
    assert seen[0] == ("knn of label, map", 0, 7)
    assert seen[-1] == ("trustworthiness, features, cosine", 7, 7)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


@pytest.mark.parametrize(
    ("splits", "loss"), [(False, "cross_entropy"), (False, "info_nce"), (True, "cross_entropy")]
)
def test_labels_that_trained_the_encoder(splits, loss):
    made = some_map(splits=splits)
    made.config = Config(stages=(Stage(name="one", epochs=1, loss=loss),))
    other = np.where(np.arange(N) % 2, "x", "y")
    found = measure(made, labels={"kind": made.labels, "other": other}, metrics=["knn", "linear"])
    assert len(found.scores) == 10
    for score in found.scores:
        told = score.detail.endswith("images, stratified, 5 random splits; these labels trained the encoder")
        assert told == (score.column == "kind" and not splits and loss == "cross_entropy"), score


@pytest.mark.parametrize(("n", "k"), [(N, 15), (31, 15), (30, 14), (5, 2)])
def test_of_few_images_fewer_neighbours_are_looked_at(n, k):
    found = measure(some_map().take(range(n)), labels={}, metrics=("trustworthiness", "neighbor_recall"))
    assert found.settings["ks"] == [k]


def test_numbers_of_neighbours_that_there_are_are_measured():
    m = some_map()
    found, only = measure(m, ks=(5000, 100, 4)), measure(m, ks=(4,))
    left_out, why = found.settings["left_out"], f"5000 neighbours are too many among {N} images"
    for metric in ("knn", "neighbor_recall", "trustworthiness", "continuity"):
        assert set(_values(only, metric)) <= set(_values(found, metric))
        assert left_out[f"{metric}, k=5000"] == why
    assert "neighbor_recall, k=100" not in left_out
    assert "trustworthiness, k=100" in left_out  # from half of the images on
    assert not any("k=4" in name for name in left_out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["nn"]}, "unknown metric 'nn'; choose from knn, linear"),
        ({"metrics": []}, "metrics must be a list of knn, linear"),
        ({"metrics": "knn"}, "metrics must be a list of knn"),
        ({"metrics": ["agreement"]}, "agreement cannot be measured: it needs the images and the encoder"),
        ({"metrics": ["knn"], "labels": {}}, "knn cannot be measured: it needs labels, and there are none"),
        ({"metrics": ["knn"], "ks": (500,)}, "knn cannot be measured: the number of neighbours must lie in"),
        ({"metrics": ["trustworthiness"], "ks": (90,)}, "trustworthiness cannot be measured: k must lie in"),
        (
            {"metrics": ["superclass"], "labels": {"a": np.array(["x", "y"] * 80)}},
            "needs a second label column",
        ),
        ({"ks": ()}, "k must be whole numbers of at least 1, got []"),
        ({"ks": (0,)}, "k must be whole numbers of at least 1, got [0]"),
        ({"sample": 1}, "sample must lie in [2, 160], the number of images, got 1"),
        ({"seed": -1}, "seed must lie in [0, 2**63), got -1"),
        ({"sample": 161}, "sample must lie in [2, 160]"),
        ({"labels": {"label": np.array(["a"])}}, "labels 'label' must have shape (160,), got (1,)"),
        ({"pixels": np.zeros((N, 4, 4, 3))}, "pixels must be uint8 of shape (160, h, w, c), got float64"),
        (
            {"pixels": np.zeros((3, 4, 4, 3), np.uint8)},
            "pixels must be uint8 of shape (160, h, w, c), got uint8 (3,",
        ),
    ],
)
def test_refuses(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        measure(some_map(), **options)
