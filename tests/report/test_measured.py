"""augmap.report.measured: what lies in the map is used if it is what is asked for, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from augmap import folder as disk
from augmap.errors import DamagedMapError, InputError
from augmap.report.measured import FILE, measured, reason
from compared import a_map, a_score, made_of


@pytest.fixture
def saved(tmp_path):
    m = a_map()
    return m.save(tmp_path / "a.map"), m


def store(path, measures):
    disk.update(path, {FILE: disk.json_bytes(measures.to_dict())})


def settings(**changes):
    return {"n": 90, "of": 90, "ks": [15], "seed": 0, "columns": {"label": 3}, "left_out": {}, **changes}


def test_what_is_measured_now_are_real_numbers(saved):
    path, m = saved
    found = measured(path, m, metrics=["knn", "silhouette"])
    by_key = {s.key: s.value for s in found.scores}
    assert by_key[("knn", "map", "label", "k=15")] == 1.0
    assert 0.8 < by_key[("silhouette", "map", "label", "")] < 1
    assert found.tables["per_class"]["label"]["ant"]["accuracy"] == 1.0
    before = sorted(p.name for p in path.iterdir())
    assert FILE not in before  # the folder is not changed


def test_shuffled_labels_score_by_chance(tmp_path):
    kinds = np.random.default_rng(0).permutation(a_map(300).labels)
    m = a_map(300, labels={"label": kinds})
    found = measured(m.save(tmp_path / "s.map"), m, metrics=["knn"])
    value = next(s.value for s in found.scores if s.space == "map")
    assert 0.2 < value < 0.5


def test_stored_numbers_are_used(saved):
    path, m = saved
    store(path, made_of(a_score(0.123, setting="k=15"), a_score(0.5, "silhouette"), **settings()))
    assert [s.value for s in measured(path, m).scores] == [0.123, 0.5]
    assert [s.metric for s in measured(path, m, metrics=["silhouette"]).scores] == ["silhouette"]


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ({"seed": 1}, {}),
        ({"ks": [5]}, {}),
        ({"n": 50}, {}),  # a sample
        ({"columns": {}}, {}),  # labels came later
        ({"labels": "elsewhere.csv"}, {}),
        ({}, {"seed": 4}),
        ({}, {"k": 7}),
        ({}, {"metrics": ["knn", "silhouette"]}),  # it knows of no silhouette
    ],
)
def test_stored_numbers_of_another_kind_are_not(saved, stored, asked):
    path, m = saved
    store(path, made_of(a_score(0.123, setting="k=15"), **settings(**stored)))
    found = measured(path, m, **{"metrics": ["knn"], **asked})
    assert 0.123 not in [s.value for s in found.scores]


def test_what_cannot_be_had_is_left_out_and_stops_nothing(tmp_path):
    m = a_map(features=False, labels={})
    path = m.save(tmp_path / "a.map")
    found = measured(path, m, metrics=["knn", "trustworthiness"])
    assert found.scores == []
    assert set(found.settings["left_out"]) >= {"knn", "trustworthiness"}
    key = ("knn", "map", "label", "k=15")
    assert reason(key, m, None, found) == "no labels"


def test_reasons():
    m, nothing = a_map(), made_of()
    assert reason(("knn", "features", "label", "k=15"), m, None, nothing).startswith("no features")
    assert reason(("knn", "map", "genus", "k=15"), m, 3, nothing) == "no labels in a column genus"
    assert "images at hand" in reason(("knn", "pixels", "label", "k=15"), m, 3, nothing)
    assert "images at hand" in reason(("agreement", "map", None, ""), m, 3, nothing)
    assert reason(("knn", "map", "label", "k=1"), m, 3, nothing) == "not measured"
    told = made_of(left_out={"hdbscan of label, map": "too far", "rld of label, map": "no"})
    assert reason(("hdbscan_ari", "map", "label", ""), m, 3, told) == "too far"


def test_mistakes(saved):
    path, m = saved
    with pytest.raises(InputError, match="unknown metric 'kn'; choose from knn, "):
        measured(path, m, metrics=["kn"])
    with pytest.raises(InputError, match="unknown metric ''; choose from"):
        measured(path, m, metrics=[])
    disk.update(path, {FILE: b'{"scores": [{"metric": 3}]}'})
    with pytest.raises(DamagedMapError, match=r"metrics.json: cannot be understood"):
        measured(path, m)
