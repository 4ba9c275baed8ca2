"""augmap.report.differences: what should be alike and is not is said, and nothing else."""

from __future__ import annotations

import numpy as np

from augmap.report.differences import Compared, differences
from compared import KINDS, a_map, a_score, made_of


def of(*maps, measures=None):
    found = measures or [made_of(ks=[15], seed=0)] * len(maps)
    names = "abcdef"
    return differences([Compared(name=names[i], map=m, measures=found[i]) for i, m in enumerate(maps)])


def test_maps_of_one_kind_are_no_news():
    assert of(a_map(), a_map(turn=2.0, features=False, method="PCA of pixels"), a_map(dim=5)) == []


def test_other_images_and_another_number_of_them():
    other = a_map(60, names=[f"{i}.png" for i in range(40, 100)])
    found = of(a_map(), other, a_map())
    assert found[0] == "The maps hold different numbers of images (a 90, b 60, c 90); scores depend on it."
    assert found[1] == "Of other images than a: b (50 of 60 shared by name)."
    assert len(found) == 3  # shared images have other labels: image 40 is the first of b
    assert found[2].startswith("b and a disagree on label of ")


def test_the_same_names_with_other_pixels():
    (said,) = of(a_map(), a_map(fingerprint="0" * 32))
    assert "another fingerprint" in said
    assert said.endswith(": b.")
    assert of(a_map(), a_map(fingerprint=None)) == []  # not known is not different


def test_label_columns_and_labels():
    kinds = np.array(KINDS)[np.arange(90) % 3]
    wrong = kinds.copy()
    wrong[:7] = "wasp"
    found = of(
        a_map(),
        a_map(labels={}),
        a_map(labels={"label": kinds, "coarse": kinds}),
        a_map(labels={"label": wrong}),
    )
    assert found == [
        "a has the label columns label; others: b none.",
        "a has the label columns label; others: c label, coarse.",
        "d and a disagree on label of 7 of 90 shared images.",
    ]


def test_other_splits_are_said_once_for_all_metrics():
    def score(metric, detail):
        return a_score(0.5, metric=metric, detail=detail)

    one = made_of(
        score("knn", "45 -> 45 images, official split"), score("linear", "45 -> 45 images, official split")
    )
    two = made_of(score("knn", "75 -> 15 images, random"), score("linear", "75 -> 15 images, random; slow"))
    (said,) = of(a_map(), a_map(), a_map(), measures=[one, two, one])
    assert said == (
        "Labels were split differently for knn, linear, in a, c | b: "
        "45 -> 45 images, official split | 75 -> 15 images, random."
    )


def test_results_in_a_detail_are_no_difference():
    one, two = (
        made_of(a_score(0.5, metric="hdbscan_ari", detail=f"90 images, {i} clusters")) for i in (3, 4)
    )
    assert of(a_map(), a_map(), measures=[one, two]) == []


def test_other_settings():
    (said,) = of(a_map(), a_map(), measures=[made_of(seed=0, dim=2), made_of(seed=1, dim=3)])
    assert said == "Measured differently: seed is a 0, b 1."
