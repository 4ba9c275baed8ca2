"""The scripts in experiments/: what is compared with what, and the table that comes of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pictures import ROOT

EXPERIMENTS = ROOT / "experiments"


@pytest.fixture
def script(monkeypatch):
    import runpy

    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    yield runpy.run_path(str(EXPERIMENTS / "baselines.py"))
    sys.modules.pop("common", None)


def score(metric, space, value, setting=""):
    return {"metric": metric, "space": space, "value": value, "setting": setting}


def entry(script, name, scores, **more):
    method = script["METHODS"][name]
    return {
        "title": method.title,
        "run": {"limit": method.limit},
        "n": 20_000 if method.limit else 60_000,
        "dim": 2,
        "seconds": 630.0,
        "method": name,
        "measures": {"scores": scores},
        **more,
    }


def of(script, folder, **entries):
    for name, found in entries.items():
        (folder / f"{name}.json").write_text(json.dumps(found))
    return script["table"](folder).splitlines()


def test_the_table_is_that_of_the_results(script, tmp_path):
    knn, recall = ("knn", "map"), ("neighbor_recall", "map against pixels")
    pca = [score(*knn, 0.182, "k=15"), score("knn", "pixels", 0.3, "k=15"), score(*recall, 0.012, "k=15")]
    quick = [
        score(*knn, 0.539, "k=15"),
        score("knn", "features", 0.607, "k=15, euclidean"),
        score("knn", "features", 0.614, "k=15, cosine"),
        score("linear", "features", 0.66),
        score("silhouette", "map", -0.082),
        score("neighbor_recall", "map against features", 0.289, "k=15, cosine"),
    ]
    simclr = [score(*knn, 0.6, "k=15"), score("knn", "features", 0.62, "k=15, cosine")]
    above = [score(*knn, 0.9, "k=15")]
    lines = of(
        script,
        tmp_path,
        pca=entry(script, "pca", pca),
        quick=entry(script, "quick", quick),
        simclr=entry(script, "simclr", simclr, dim=128),
        supervised=entry(script, "supervised", above),
        **{"cifar10-60k": entry(script, "cifar10-60k", above)},
    )
    assert lines[2:7] == [
        "| PCA of pixels | 20,000 | 10.5 | 18.2 | – | – | – | – | – | – | 1.2ᵖ | – |",
        "| SimCLR, 128-D | 20,000 | 10.5 | – | **62.0** | – | – | – | – | – | – | – |",
        "| t-SimCNE, quick | 20,000 | 10.5 | **53.9** | 61.4 | – | 66.0 | -0.082 | – | – | 28.9 | – |",
        "| supervised (sees labels) | 20,000 | 10.5 | 90.0 | – | – | – | – | – | – | – | – |",
        "| t-SimCNE, quick, all, 20 min | 60,000 | 10.5 | 90.0 | – | – | – | – | – | – | – | – |",
    ]
    assert lines[-1].startswith("kNN accuracy of the pixels themselves: 30.0 % of 20,000 images.")
    assert all(line.count("|") == 13 for line in lines[:7])


def test_no_results_are_no_rows(script, tmp_path):
    assert len(of(script, tmp_path)) == 2


def test_methods_say_what_they_start_from(script):
    methods = script["METHODS"]
    assert {name: m.init for name, m in methods.items() if m.init} == {
        "simclr+tsne": "simclr",
        "simclr+whitened+tsne": "simclr",
        "simclr+umap": "simclr",
    }
    for name, m in methods.items():
        assert (m.limit is None) == ("-60k" in name)
        if m.command[0] == "baseline":
            assert m.command[-1] == name.removesuffix("-60k").replace("+whitened", "")


def test_results_in_the_tree_are_complete():
    for path in sorted((EXPERIMENTS / "results" / "baselines").glob("*.json")):
        found = json.loads(path.read_text("utf-8"))
        assert {"commit", "torch", "processor", "cores", "date"} <= found["machine"].keys(), path.name
        assert found["experiment"] == f"baselines/{path.stem}"
        assert found["measures"]["scores"]


def test_the_command_line(tmp_path):
    command = [sys.executable, str(EXPERIMENTS / "baselines.py")]
    done = subprocess.run([*command, "--table", "--results", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| method | images |")
    for wrong, words in ((["--only", "pcr", "--table"], "no method 'pcr'"), ([], "give --data and --work")):
        done = subprocess.run([*command, *wrong], capture_output=True, text=True)
        assert done.returncode == 2
        assert words in done.stderr
