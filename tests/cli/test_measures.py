"""The table of measures: a row a metric, a column a space, and what a number is read against."""

from __future__ import annotations

import re

import pytest

from augmap.cli.measures import DOCS, TITLES, lines, value
from augmap.evaluate.measure import METRICS
from augmap.evaluate.score import Measures, Score

SETTINGS = {
    "n": 900,
    "of": 1000,
    "dim": 2,
    "seed": 4,
    "columns": {"label": 10},
    "left_out": {"gcn": "no time"},
}


def score(metric, space, value, **more):
    return Score(metric=metric, space=space, value=value, **({"column": "label"} | more))


def text(*scores, **more):
    made = Measures(scores=list(scores), **({"settings": SETTINGS} | more))
    return "\n".join(lines("a.map", made))


def test_spaces_stand_side_by_side():
    found = text(
        score(
            "purity", "map", 0.5, setting="k=10", beside={"chance": 0.1, "ceiling": 1.0}, detail="900 images"
        ),
        score("knn", "features", 0.8, setting="k=15, cosine", detail="10 -> 5 images"),
        score("knn", "pixels", 0.3, setting="k=15", detail="10 -> 5 images"),
        score(
            "knn", "map", 0.712, sd=0.003, setting="k=15", detail="10 -> 5 images", beside={"majority": 0.1}
        ),
        score("knn", "features", 0.7, setting="k=15, euclidean", detail="10 -> 5 images"),
        seconds={"knn": 3.2, "purity": 0.2},
    )
    assert "a.map: 1,000 images in 2-D, a random 900 of them" in found
    rows = [re.split(r"  +", line.strip()) for line in found.splitlines()]
    assert ["map", "features", "pixels", "read it against"] in rows
    assert ["kNN accuracy", "k=15", "71.2 % ± 0.3", "80.0 %", "30.0 %", "majority 10.0 %"] in rows
    assert ["kNN accuracy", "k=15, euclidean", "70.0 %"] in rows
    assert ["purity", "k=10", "50.0 %", "chance 10.0 %"] in rows
    assert ["kNN accuracy: 10 -> 5 images"] in rows
    assert ["took 3 s: knn 3 s; seed 4"] in rows
    assert "not measured: gcn: no time" in found


def test_what_differs_by_space_is_told_for_each():
    found = text(
        score("rld", "map", 0.4, setting="τ=1", beside={"ceiling": 0.9, "effective_neighbors": 1234.6}),
        score(
            "rld",
            "features",
            0.5,
            setting="τ=1, unit length",
            beside={"ceiling": 0.9, "effective_neighbors": 7.0},
        ),
    )
    assert re.search(r"RLD +τ=1 +0\.400 +0\.500 +ceiling 0\.900, neighbours 1,235 \| 7\n", found)


def test_labels_that_are_known_least_come_first():
    table = {
        "cat": {"n": 8, "accuracy": 0.75, "confused_with": "dog", "confused": 0.25},
        "dog": {"n": 4, "accuracy": 0.5, "confused_with": "cat", "confused": 0.5},
        "ship": {"n": 4, "accuracy": 1.0, "confused_with": None, "confused": 0.0},
    }
    found = text(score("knn", "map", 0.7), tables={"per_class": {"label": table}})
    at = found.splitlines().index("  kNN accuracy on the map by label")
    assert found.splitlines()[at + 1 : at + 4] == [
        "    dog    50.0 % of 4   50.0 % taken for cat",
        "    cat    75.0 % of 8   25.0 % taken for dog",
        "    ship  100.0 % of 4",
    ]
    many = {
        f"{i:02}": {"n": 1, "accuracy": i / 100, "confused_with": None, "confused": 0.0} for i in range(30)
    }
    found = text(score("knn", "map", 0.7), tables={"per_class": {"label": many}})
    assert "by label, the 20 lowest of 30" in found
    assert " 19 " in found
    assert " 20  " not in found


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (score("knn", "map", 0.1234, sd=0.0149), "12.3 % ± 1.5"),
        (score("silhouette", "map", -0.2162), "-0.216"),
        (score("kmeans_ari", "map", 0.5, sd=0.02), "0.500 ± 0.020"),
    ],
)
def test_a_value_with_its_spread(made, said):
    assert value(made) == said


def test_every_metric_has_a_title_and_a_heading(root):
    assert set(TITLES) == set(METRICS)
    headings = re.findall(r"^### `(\w+)`", (root / DOCS).read_text("utf-8"), flags=re.M)
    assert sorted(headings) == sorted(METRICS)
