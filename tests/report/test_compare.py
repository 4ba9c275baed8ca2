"""augmap.report.compare: from folders to one comparison, and which mistakes are found before the work."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from augmap.errors import DamagedMapError, InputError
from augmap.folder import json_bytes
from augmap.report.compare import aside, compare, names_of
from augmap.report.methods import method_of
from compared import KINDS, a_map

QUICKLY = {"metrics": ["knn", "neighbor_recall"], "k": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four maps: one, the same turned with other labels too, one of 5-D without labels, one of 1-D."""
    folder = tmp_path_factory.mktemp("maps")
    a_map().save(folder / "first.map")
    kinds = np.array([*KINDS, "aphid"])[np.arange(90) % 4]
    a_map(turn=2.0, labels={"label": kinds}, method="t-SNE of pixels", preset=None, features=False).save(
        folder / "second.map"
    )
    a_map(dim=5, labels={}, method="SimCLR", preset="direct").save(folder / "wide.map")
    a_map(dim=1).save(folder / "line.map")
    return folder


def of(folder, *names, **options):
    return compare([folder / f"{n}.map" for n in names], **{**QUICKLY, **options})


def test_what_is_compared(folder):
    found = of(folder, "first", "second", "wide", "line")
    assert [e.name for e in found.entries] == ["first", "second", "wide", "line"]
    assert found.onto == "first"
    assert found.entries[1].placed.aligned.correlation > 0.999
    assert found.entries[3].picture is None
    by_key = {c.key: c for c in found.columns}
    column = by_key[("knn", "map", "label", "k=5")]
    assert [c.text for c in column.cells][::2] == ["100.0", "–"]
    assert column.cells[2].reason == "no labels"
    recall = by_key[("neighbor_recall", "map against features", None, "k=5, cosine")]
    assert recall.cells[1].score is None
    assert recall.cells[1].reason.startswith("no features")
    assert any("label columns" in w for w in found.warnings)


def test_the_same_label_has_the_same_colour_everywhere(folder):
    found = of(folder, "first", "second")
    assert sorted(found.colours) == ["ant", "aphid", "bee", "cat"]
    assert len(set(found.colours.values())) == 4
    first, second = ({n.text: (n.light, n.dark) for n in e.picture.names} for e in found.entries)
    assert set(first) == set(KINDS)
    assert {k: second[k] for k in first} == first


def test_plain_numbers_are_those_of_the_comparison(folder):
    found = of(folder, "first", "second")
    again = json.loads(json_bytes(found.to_dict()))
    assert [m["name"] for m in again["maps"]] == ["first", "second"]
    first = again["maps"][0]
    assert first["method"]["name"] == "t-SimCNE, quick"
    assert (first["n"], first["seed"], first["seconds"]) == (90, 3, 90.0)
    assert first["measures"]["scores"] == [s.to_dict() for s in found.entries[0].measures.scores]
    (column,) = [c for c in again["columns"] if c["space"] == "map" and c["metric"] == "knn"]
    assert column["best"] == ["first"]
    assert again["maps"][1]["procrustes_correlation"] > 0.999


def test_the_same_map_twice(folder):
    found = of(folder, "first", "first")
    assert [e.name for e in found.entries] == ["first (1)", "first (2)"]
    assert all(c.best == [] for c in found.columns)
    assert found.entries[1].placed.aligned.correlation == pytest.approx(1)
    assert found.entries[0].picture == found.entries[1].picture
    assert found.warnings == []


def test_names(tmp_path):
    assert names_of([tmp_path / "a" / "x.map", tmp_path / "b" / "x.map", tmp_path / "y"]) == [
        "a/x",
        "b/x",
        "y",
    ]
    assert names_of([tmp_path / "x.map", tmp_path / "y.map", tmp_path / "x.map"]) == ["x (1)", "y", "x (2)"]
    assert names_of([tmp_path / ".map", tmp_path / "a.map.map"]) == [".map", "a.map"]


def test_mistakes_are_found_before_anything_is_measured(folder, tmp_path, monkeypatch):
    from augmap.report import compare as module

    monkeypatch.setattr(module, "measured", lambda *a, **k: pytest.fail("measured"))
    with pytest.raises(InputError, match="two maps or more, got 1"):
        of(folder, "first")
    with pytest.raises(InputError, match="two maps or more, got 0"):
        of(folder)
    with pytest.raises(InputError, match=r"missing.map: no such map"):
        of(folder, "first", "missing")
    with pytest.raises(InputError, match="unknown metric 'taste'"):
        of(folder, "first", "second", metrics=["taste"])
    with pytest.raises(InputError, match=r"seed must lie in \[0, 2\*\*63\), got -1"):
        of(folder, "first", "second", seed=-1)
    with pytest.raises(InputError, match=r"no map has a label column 'genus' .*there are: label"):
        of(folder, "first", "second", color_by="genus")
    broken = a_map().save(tmp_path / "broken.map")
    (broken / "positions.npy").write_bytes(b"")
    with pytest.raises(DamagedMapError, match=r"broken.map.positions.npy: .*damaged"):
        compare([folder / "first.map", broken])


def test_maps_without_any_labels(tmp_path):
    paths = [a_map(labels={}, turn=t).save(tmp_path / f"{t}.map") for t in (0.0, 1.0)]
    found = compare(paths, **QUICKLY)
    assert (found.color_by, found.colours) == (None, {})
    assert found.entries[0].picture.names == []


def test_no_torch(folder):
    code = f"""import sys
from pathlib import Path
from augmap.report.compare import compare
from augmap.report.page import page
paths = [Path(p) for p in {[str(folder / f"{name}.map") for name in ("first", "second")]!r}]
page(compare(paths, k=5), made="today")
wrong = {{"torch", "matplotlib.pyplot"}} & set(sys.modules)
assert not wrong, wrong"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_more_dimensions_and_seen_labels_are_no_rivals():
    maps = [a_map(), a_map(dim=5), a_map(method="supervised")]
    methods = [method_of(m) for m in maps]

    def of_column(space, column):
        return [aside(maps, methods, i, ("knn", space, column, "")) for i in range(len(maps))]

    assert of_column("map", "label") == ["", "5-D", "saw labels"]
    assert of_column("features", "label") == ["", "", "saw labels"]
    assert of_column("map against features", None) == ["", "5-D", ""]
    alike = maps[1:2] * 2
    assert aside(alike, methods[1:2] * 2, 0, ("knn", "map", "label", "")) == ""  # all of them 5-D
    seen = maps[2:] * 2
    assert aside(seen, methods[2:] * 2, 0, ("knn", "map", "label", "")) == ""
