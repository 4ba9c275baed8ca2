"""augmap compare: every option arrives, mistakes are one line, nothing is written by them."""

from __future__ import annotations

import json

import pytest

from augmap.cli.main import run
from compared import a_map


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    for i, name in enumerate(("one", "two")):
        a_map(turn=i, pictures=True).save(folder / f"{name}.map")
    return folder


def maps(folder):
    return [str(folder / "one.map"), str(folder / "two.map")]


def test_it_writes_a_report_and_the_same_numbers(folder, tmp_path, capsys):
    html, numbers = tmp_path / "r.html", tmp_path / "r.json"
    options = ["--metrics", "knn, silhouette", "--k", "7", "--title", "Insects", "--kind", "thumbnails"]
    assert run(["compare", *maps(folder), "-o", str(html), "--json", str(numbers), *options]) == 0
    out = capsys.readouterr()
    assert out.out.startswith(f"{html}: 2 maps, ")
    page = html.read_text("utf-8")
    assert "<h1>Insects</h1>" in page
    assert "as pictures" in page
    found = json.loads(numbers.read_text())
    assert {(c["metric"], c["setting"]) for c in found["columns"] if c["space"] == "map"} == {
        ("knn", "k=7"),
        ("silhouette", ""),
    }
    assert len(found["made"]) == 10


def test_every_option_arrives(folder, tmp_path, monkeypatch):
    from augmap.report import compare as module

    seen = {}
    real = module.compare

    def spy(paths, **options):
        seen.update(options)
        return real(paths, **{**options, "seed": 0, "k": 5, "color_by": "label", "metrics": ["knn"]})

    monkeypatch.setattr(module, "compare", spy)
    options = ["--seed", "4", "--k", "9", "--color-by", "genus", "--metrics", "rld"]
    assert run(["compare", *maps(folder), "-o", str(tmp_path / "r.html"), *options]) == 0
    del seen["progress"]
    assert seen == {"metrics": ["rld"], "k": 9, "seed": 4, "kind": "scatter", "color_by": "genus"}


def test_mistakes(folder, tmp_path, capsys):
    out = str(tmp_path / "r.html")
    both = maps(folder)
    for wrong, words in (
        ([both[0], "-o", out], "two maps or more, got 1"),
        ([*both, "-o", str(tmp_path / "r.pdf")], "must end in .html, got '.pdf'"),
        ([*both, "-o", str(tmp_path / "no" / "r.html")], "does not exist"),
        ([*both, "-o", out, "--json", str(tmp_path)], "must end in .json"),
        ([*both, "-o", out, "--json", f"{both[0]}/map.json"], "map.json: belongs to the map"),
        ([*both, "-o", out, "--metrics", "knn,taste"], "unknown metric 'taste'"),
        ([*both, "-o", out, "--k", "0"], "at least 1"),
        ([*both, "-o", out, "--color-by", "x"], "no map has a label column 'x'"),
        ([*both, str(folder), "-o", out], "not a map"),
        (both, "Missing option"),
    ):
        assert run(["compare", *wrong]) == 2, wrong
        error = capsys.readouterr().err
        assert words in error
        assert error.splitlines()[-1].startswith("augmap:")
    assert list(tmp_path.iterdir()) == []
