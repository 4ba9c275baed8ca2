"""No number stands in the README without a result behind it."""

import dataclasses
import json
import re
import runpy
import sys
from pathlib import Path

from augmap.presets import PRESETS

HERE = Path(__file__).resolve().parents[1]


def test_the_table_of_the_readme_is_that_of_the_results():
    table = runpy.run_path(str(HERE / "experiments" / "table.py"))["table"]()
    assert table in (HERE / "README.md").read_text(encoding="utf-8"), f"put this into README.md:\n{table}"


def test_what_the_readme_says_of_new_images():
    found = json.loads((HERE / "experiments" / "results" / "unseen.json").read_text())["map"]
    sentence = f"{found['new']:.1%} of CIFAR-10's test images, of the map's own {found['own']:.1%}"
    text = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    assert sentence.replace("%", " %") in text


def test_every_result_says_where_it_was_made():
    results = sorted((HERE / "experiments" / "results").glob("*.json"))
    assert results
    for path in results:
        found = json.loads(path.read_text())
        for entry in [found] if "machine" in found else found.values():
            machine = entry["machine"]
            assert {"commit", "torch", "processor", "cores", "date"} <= machine.keys(), path.name


def test_the_figures_of_the_page_on_speed_are_those_of_the_benchmarks():
    made = runpy.run_path(str(HERE / "benchmarks" / "table.py"))["tables"]()
    page = (HERE / "docs" / "performance.md").read_text(encoding="utf-8")
    assert len(made) == 6
    for table in made:
        assert table in page, f"put this into docs/performance.md:\n{table}"


def test_the_slow_machine_of_the_readme_is_that_of_its_result(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(HERE / "experiments"), *sys.path])
    table = runpy.run_path(str(HERE / "experiments" / "table.py"))
    path = HERE / "experiments" / "results" / "cifar10-60k-30m-slower.json"
    row = table["row"]("", [json.loads(path.read_text())])
    readme = " ".join((HERE / "README.md").read_text(encoding="utf-8").split())
    pace, share = (
        re.search(found, readme).group(1) for found in (r"slow machine, of ([\d,]+)", r"reaches (\S+%)")
    )
    assert f"| **{share}** (official split)" in row
    assert row.endswith(f"| {pace} |")


def test_rows_of_an_older_quick_are_marked():
    table = runpy.run_path(str(HERE / "experiments" / "table.py"))
    stages = [dataclasses.asdict(stage) for stage in PRESETS["quick"].stages]
    fitted = [{**stage, "share": None, "steps": 100, "stop": 99, "warmup_epochs": 0.1} for stage in stages]
    other = [{**fitted[0], "weight_decay": 0.7}, fitted[1]]
    older = [{k: v for k, v in fitted[0].items() if k != "steady"}, fitted[1]]  # there was no such thing
    today, before = table["SINCE"], "2026-11-27"
    few = [fitted[0], {**fitted[1], "anchors": 1000}]
    for date, n, made, expected in (
        (today, 60_000, fitted, True),
        (before, 60_000, fitted, False),
        (today, 60_000, other, False),
        (today, 60_000, older, False),
        (today, 60_000, fitted[:1], False),
        (today, 60_000, few, False),
        (today, 4000, few, True),
    ):
        result = {"n": n, "machine": {"date": date}, "config": {"stages": json.loads(json.dumps(made))}}
        assert table["as_it_is"](result) is expected
    assert table["as_it_is"]({"machine": {"date": before}, "config": None})


def test_every_benchmark_says_where_it_was_made_and_what_else_ran():
    results = sorted((HERE / "benchmarks" / "results").glob("*.json"))
    assert results
    for path in results:
        found = json.loads(path.read_text())
        assert {"commit", "torch", "processor", "cores", "load", "date"} <= found["machine"].keys(), path.name
        assert found["quiet"] or found["note"], path.name


def test_the_tables_of_the_docs_are_those_of_the_results(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(HERE / "experiments"), *sys.path])  # the scripts share common.py
    compared = runpy.run_path(str(HERE / "experiments" / "baselines.py"))
    baselines, seeds = compared["table"](), compared["spread"]()
    choices = runpy.run_path(str(HERE / "experiments" / "choosing.py"))["tables"]()
    result = json.loads((HERE / "experiments" / "results" / "rld.json").read_text())
    density = runpy.run_path(str(HERE / "experiments" / "rld.py"))["tables"](result)
    monkeypatch.setattr(sys, "path", [str(HERE / "benchmarks"), *sys.path])
    pace = json.loads((HERE / "benchmarks" / "results" / "explorer.json").read_text())
    page = runpy.run_path(str(HERE / "benchmarks" / "explorer.py"))["table"](pace)
    cost = json.loads((HERE / "benchmarks" / "results" / "metrics.json").read_text())
    costs = runpy.run_path(str(HERE / "benchmarks" / "metrics.py"))["table"](cost)
    pages = {"baselines.md": baselines, "rld.md": density, "explorer.md": page, "metrics.md": costs}
    results = HERE / "experiments" / "results"
    unseen = [json.loads((results / f"{name}.json").read_text()) for name in ("unseen", "unseen-before")]
    tabled = runpy.run_path(str(HERE / "experiments" / "unseen.py"))["table"]
    new = tabled(*unseen)
    more = [("baselines.md", seeds), *(("method.md", table) for table in (new, *choices))]
    for change in ("steady", "winograd"):
        same = [json.loads((results / f"unseen-{change}{when}.json").read_text()) for when in ("", "-before")]
        steps = [f"{one['config']['stages'][0]['steps']:,}" for one in same]
        gained = f"{steps[0]} steps of the first stage in place of {steps[1]}"
        more += [("performance.md", gained), ("performance.md", tabled(*same))]
    wider = json.loads((results / "unseen-anchors.json").read_text())
    more.append(("method.md", tabled(wider, same[0])))
    for name, table in (*pages.items(), *more):
        page = (HERE / "docs" / name).read_text(encoding="utf-8")
        assert table in page, f"put this into docs/{name}:\n{table}"
