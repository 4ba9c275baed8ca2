"""The scripts in benchmarks/: turns and medians, the tables of the page, the chain of five stages."""

from __future__ import annotations

import argparse
import json
import runpy
import sys

import pytest

from pictures import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Run a script's definitions, as if from its folder."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    yield lambda name: runpy.run_path(str(BENCHMARKS / f"{name}.py"))
    for name in ("measuring", "common"):
        sys.modules.pop(name, None)


def test_turns_are_taken_and_ratios_are_of_one_turn(script):
    """Medians counted by hand; a machine that slows down by half a turn later changes no ratio."""
    order = []

    def thing(name, seconds):
        values = iter(seconds)
        return lambda: order.append(name) or {"wall": next(values)}

    turns = script("measuring")["Turns"]({"a": thing("a", [2, 4, 6]), "b": thing("b", [1, 2, 2])})
    turns.take(3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert turns.of("a", "wall")["median"] == 4
    assert turns.ratio("a", "b", "wall") == {"median": 2, "low": 2, "high": 3, "least": 2, "n": 3}


def test_a_result_says_where_it_was_made_and_whether_the_machine_was_quiet(script, tmp_path):
    measuring = script("measuring")
    measuring["write"](tmp_path / "a" / "r.json", {"x": [1 / 3, {"y": 12345.678}]}, threads=2)
    found = json.loads((tmp_path / "a" / "r.json").read_text())
    assert found["x"] == [0.33333, {"y": 12346.0}]
    assert found["machine"]["threads"] == 2
    assert {"commit", "torch", "numpy", "processor", "cores", "load", "date"} <= found["machine"].keys()
    assert found["quiet"] == (measuring["LOAD"] <= measuring["QUIET"])
    assert (found["note"] is None) == found["quiet"]


def test_rows_of_a_gpu_stand_beside_those_of_a_cpu(script, tmp_path):
    results = BENCHMARKS / "results"
    for name in ("augment-cpu-1", "embed-cpu-1", "loss-cpu", "tsimcne-cpu-1"):
        there = name.replace("cpu-1", "cuda").replace("cpu", "cuda")
        (tmp_path / f"{there}.json").write_bytes((results / f"{name}.json").read_bytes())
    (made,) = script("table")["tables"](tmp_path)
    assert made.count("GPU") == 6
    assert "(8 × on a GPU)" not in made
    assert "| 5,000,000 |" in made


def test_tables_are_made_of_what_is_there(script, tmp_path):
    table = script("table")
    assert table["tables"](tmp_path) == []
    growth = {"seconds_ratio": 9.94, "memory_more_mb": 12.4, "images_ratio": 10.0}
    (tmp_path / "growth-1.json").write_text(json.dumps(growth))
    (made,) = table["tables"](tmp_path)
    assert "| 10 × the images | 9.9 × the time an epoch, 12 MB more | 10 ×, constant memory |" in made


@pytest.mark.parametrize("name", ["step_cpu", "embed", "growth", "tsimcne", "tiny_imagenet", "augment"])
def test_the_scripts_have_help_that_says_how(script, name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        script(name)["main"]()
    assert f"python benchmarks/{name}.py" in capsys.readouterr().out


def test_the_chain_of_tiny_imagenet_runs_at_64_px_with_200_classes(script, tmp_path):
    chain = script("tiny_imagenet")
    options = argparse.Namespace(backbone="slim", images=200, batch=10, steps=1, threads=None, device="cpu")
    result = chain["chain"](chain["make"](tmp_path / "images", 200), options)
    assert result["classes"] == 200
    assert [(s["name"], s["dim"], s["steps"]) for s in result["stages"]] == [
        ("pretrain", 128, 1), ("norms", 128, 1), ("cauchy", 128, 1), ("readout", 2, 1), ("finetune", 2, 1)
    ]  # fmt: skip
    assert result["embeds_alike"] < 1e-5


def test_the_plain_loop_is_the_same_training(script):
    """The same losses from the same weights and views; one step later bfloat16 has parted them by up to 1 %.

    AdamW's first steps go by the sign of a gradient, which rounding turns where it is small.
    """
    import torch

    step_cpu = script("step_cpu")
    losses = {}
    for kind in ("plain", "ours, views given"):
        options = argparse.Namespace(device="cpu", backbone="slim", batch=32, kind=kind, threads=1)
        step, view_size = step_cpu["make"](options)
        assert view_size == 24
        losses[kind] = torch.stack([step() for _ in range(2)])
    plain, ours = losses.values()
    assert plain[1] < 0.8 * plain[0]
    torch.testing.assert_close(ours[0], plain[0], rtol=1e-3, atol=0)
    torch.testing.assert_close(ours[1], plain[1], rtol=0.02, atol=0)


def test_convolutions_are_made_in_the_way_that_was_faster_by_a_tenth(script):
    """With stride 2 some that would gain as much stay with PyTorch's."""
    table = script("table")
    rows = json.loads((ROOT / "benchmarks" / "results" / "convolution.json").read_text("utf-8"))["rows"]
    assert len(rows) > 40
    for row in rows:
        ratio, taken = row["ratio"]["median"], table["taken"](row["edge"], row["stride"], row["channels"])
        if row["stride"] == 1:
            assert taken == (round(ratio, 2) >= 1.1), row
        elif taken:
            assert ratio > 1.1, row
