"""augmap.report.columns: the best is marked, whichever way is better; what is missing is no number."""

from __future__ import annotations

import pytest

from augmap.report.columns import MOST, blocks, columns
from compared import a_score

NOTHING = [{}] * 4


def of(*values, **more):
    """One column of these values; None where a map has no score."""
    (column,) = columns([[] if v is None else [a_score(v, **more)] for v in values], [{}] * len(values))
    return column


def test_the_best_is_marked_where_more_is_better():
    column = of(0.2, 0.7, 0.5)
    assert column.best == [1]
    assert [c.best for c in column.cells] == [False, True, False]


def test_the_best_is_marked_where_less_is_better():
    assert of(0.2, 0.7, 0.1, metric="stress", higher_is_better=False).best == [2]
    assert of(-0.2, -0.7, 0.1, metric="stress", higher_is_better=False).best == [1]


def test_nothing_is_marked_where_neither_is_better():
    assert of(0.2, 0.7, metric="clusters", higher_is_better=None).best == []


def test_ties_are_marked_together_and_a_tie_is_what_is_written_the_same():
    assert of(0.5421, 0.54240, 0.31).best == [0, 1]  # both 54.2 %
    assert of(0.5421, 0.5426, 0.31).best == [1]  # 54.2 and 54.3
    assert of(0.3541, 0.3544, 0.31, metric="silhouette").best == [0, 1]  # both 0.354


def test_nothing_is_marked_where_all_are_equal_or_one_is_alone():
    assert of(0.5, 0.5).best == []
    assert of(None, 0.5).best == []
    assert of(None, 0.5, 0.5).best == []
    assert of(None, 0.5, 0.5, 0.4).best == [1, 2]


def test_what_is_missing_has_a_reason_and_no_number():
    key = ("knn", "map", "label", "")
    (column,) = columns([[a_score(0.0)], [], []], [{}, {key: "no labels"}, {}])
    assert [c.text for c in column.cells] == ["0.0", "–", "–"]
    assert [c.reason for c in column.cells] == ["", "no labels", "not measured"]
    assert column.best == []  # a 0 that was measured is not better than nothing


@pytest.mark.parametrize(
    ("metric", "value", "sd", "text", "spread"),
    [
        ("knn", 0.54184, 0.0031, "54.2", "0.3"),
        ("silhouette", -0.2164, None, "−0.216", ""),
        ("silhouette", -0.0001, None, "0.000", ""),
        ("kmeans_ari", 1.0, 0.01, "1.000", "0.010"),
        ("neighbor_recall", 0.277, 0.0, "27.7", "0.0"),
    ],
)
def test_numbers_as_they_are_written(metric, value, sd, text, spread):
    cell = of(value, 0.1, metric=metric, sd=sd).cells[0]
    assert (cell.text, cell.spread) == (text, spread)


def test_what_stands_beside_a_value():
    beside = {"chance": 0.1, "ceiling": 1.0}
    assert of(0.5, metric="purity", beside=beside).cells[0].beside == {"chance": "10.0", "ceiling": "100.0"}
    beside = {"ceiling": 0.9, "shuffled": -0.0003, "effective_neighbors": 2478.6}
    found = of(0.5, metric="rld", beside=beside).cells[0].beside
    assert found == {"ceiling": "0.900", "shuffled": "0.00", "effective_neighbors": "2,479"}


def test_scores_are_lined_up_by_what_was_measured():
    a = [a_score(0.1, setting="k=1"), a_score(0.2, setting="k=15"), a_score(0.3, space="features")]
    b = [a_score(0.4, setting="k=15"), a_score(0.5, setting="k=50"), a_score(0.6, column="coarse")]
    found = columns([a, b], NOTHING)
    assert [c.key[1:] for c in found] == [
        ("map", "label", "k=1"),
        ("map", "label", "k=15"),
        ("features", "label", ""),
        ("map", "label", "k=50"),
        ("map", "coarse", ""),
    ]
    assert [cell.text for cell in found[1].cells] == ["20.0", "40.0"]


def test_tables_are_cut_where_the_metric_changes_and_never_too_wide():
    widths = {"knn": 3, "purity": 4, "rld": 5, "many": 19}
    scores = [a_score(0.5, metric=m, setting=str(i)) for m, width in widths.items() for i in range(width)]
    scores += [a_score(0.5, space="features")]
    cut = blocks(columns([scores], [{}]))
    assert [c.key[0] for c in cut[0]] == ["knn"] * 3 + ["purity"] * 4  # rld would not fit whole
    assert all(0 < len(block) <= MOST for block in cut)
    assert [c for block in cut for c in block] == columns([scores], [{}])
    assert [c.key[1] for c in cut[-1]] == ["features"]


def test_who_is_no_rival_is_shown_and_never_the_best():
    """A map in 128-D beside others in 2-D: the best is the best of the others."""
    scores = [[a_score(0.9)], [a_score(0.5)], [a_score(0.4)]]
    (column,) = columns(scores, NOTHING, lambda i, key: "128-D" if i == 0 else "")
    assert column.best == [1]
    assert [(c.text, c.aside) for c in column.cells] == [("90.0", "128-D"), ("50.0", ""), ("40.0", "")]
    (column,) = columns(scores, NOTHING, lambda i, key: "no rival")
    assert column.best == []
