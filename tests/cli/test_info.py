"""augmap info: what a map says of itself, finished or not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from augmap.cli.info import describe
from augmap.cli.main import run
from augmap.config import Config, Preprocessing, Stage
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.items import Items


@pytest.fixture
def some_map(tmp_path):
    stages = (
        Stage(name="pretrain", epochs=8, dim=128, similarity="cosine", temperature=0.2),
        Stage(name="finetune", epochs=2.5, dim=2, new_layer="last", lr=0.001),
    )
    made = ImageMap(
        positions=np.zeros((3, 2), np.float32),
        items=Items(["a.png", "b.png", "ü\n.png"], labels={"label": np.array(["x", "y", "x"])}),
        preprocessing=Preprocessing(image_size=32, channels=3),
        config=Config(stages=stages, preset="quick", seed=7, budget=600.0),
        info={
            "method": "t-SimCNE",
            "seconds": 593.2,
            "quality": {"neighbour_recall": 0.3125},
            "source": "photos",
        },
        log=[
            {"stage": "pretrain", "loss": 6.0},
            {"stage": "finetune", "loss": 5.4321, "views_per_second": 1600.0},
        ],
    )
    return made.save(tmp_path / "some.map")


def test_text(some_map, capsys):
    assert run(["info", str(some_map)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == f"{some_map}: a map of 3 images in 2-D"
    for expected in (
        "images 32 × 32 pixels, colour",
        "labels label",
        "preset quick",
        "seed 7",
        "budget 10 min 00 s",
        "method t-SimCNE",
        "seconds 9 min 53 s",
        "quality neighbour recall 0.3125",
        "training epochs 2, stage finetune, loss 5.432, views per second 1,600",
        "name epochs dim similarity temperature train optimizer lr",
        "pretrain 8 128 cosine 0.2 all sgd 0.03",
        "finetune 2.5 2 cauchy 1 all sgd 0.001",
    ):
        assert expected in lines
    assert any(line.endswith("B positions.npy") for line in lines)


def test_json(some_map, capsys):
    assert run(["info", str(some_map), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["finished"], facts["n"], facts["dim"]) == (True, 3, 2)
    assert facts["config"]["stages"][1]["epochs"] == 2.5
    assert facts["training"] == {"epochs": 2, "stage": "finetune", "loss": 5.4321, "views_per_second": 1600.0}
    assert facts["files"]["positions.npy"] == (some_map / "positions.npy").stat().st_size


def test_unfinished_map(tmp_path, capsys):
    folder = tmp_path / "half.map"
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "checkpoint" / "state.json").write_text(
        '{"step": 1234, "config": {"preset": "quick", "seed": 5}}'
    )
    (folder / "log.jsonl").write_text(
        '{"stage": "pretrain", "loss": 6.5}\n{"stage": "pre'
    )  # killed while writing
    assert run(["info", str(folder)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == f"{folder}: not finished, checkpoint at step 1,234; go on with augmap fit ... --resume"
    assert "seed 5" in lines
    assert "training epochs 1, stage pretrain, loss 6.5" in lines
    assert describe(folder)["finished"] is False


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "state.json").write_text('{"step": ')
    with pytest.raises(InputError, match=r"state\.json: cannot be read .*--overwrite"):
        describe(tmp_path)


def test_no_map(tmp_path):
    with pytest.raises(InputError, match="not a map"):
        describe(tmp_path)
