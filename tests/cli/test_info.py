"""augmap info: what a map says of itself, finished or not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from augmap.cli.info import describe
from augmap.cli.main import run
from augmap.config import Config, Preprocessing
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.stage import Stage

STAGES = (
    Stage(name="pretrain", epochs=8, dim=128, similarity="cosine", temperature=0.2),
    Stage(name="finetune", epochs=2.5, dim=2, new_layer="last", lr=0.001),
)
CONFIG = Config(stages=STAGES, preset="quick", seed=7, budget=600.0)
LOG = [
    {"stage": "pretrain", "epoch": 1.0, "loss": 6.5, "views_per_second": 1700.0},
    {"stage": "pretrain", "epoch": 2.0, "loss": 6.0, "views_per_second": 1650.0},
    {"stage": "finetune", "epoch": 2.5, "loss": 5.4321, "views_per_second": 1600.0},
]


@pytest.fixture
def some_map(tmp_path):
    made = ImageMap(
        positions=np.zeros((3, 2), np.float32),
        items=Items(["a.png", "b.png", "ü\n.png"], labels={"label": np.array(["x", "y", "x"])}),
        preprocessing=Preprocessing(image_size=32, channels=3),
        config=CONFIG,
        info={
            "method": "t-SimCNE",
            "source": "photos",
            "seconds": 593.2,
            "history": {
                "train_seconds": 560.2,
                "steps": 12345,
                "plans": [{"at": 1}],
                "threads": 2,
                "torch": "2.13",
            },
            "quality": {
                "sample": 2000,
                "k": 15,
                "map": {"agreement": 0.987, "neighbor_recall": 0.312},
                "untrained": {"agreement": 0.61, "neighbor_recall": 0.1},
            },
        },
        log=LOG,
    )
    return made.save(tmp_path / "some.map")


def squeezed(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_text(some_map, capsys):
    assert run(["info", str(some_map)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = squeezed(out)
    assert lines[0] == f"{some_map}: a map of 3 images in 2-D"
    for expected in (
        "method t-SimCNE",
        "source photos",
        "images 32 × 32 pixels, colour",
        "labels label",
        "preset quick",
        "seed 7",
        "budget 10 min 00 s",
        "took 9 min 53 s",
        "train seconds 9 min 20 s",
        "steps 12,345",
        "plans 1 entry",
        "threads 2",
        "torch 2.13",
        "name epochs dim edges similarity temperature train optimizer lr epoch loss views/s",
        "pretrain 8 128 augmentation cosine 0.2 all sgd 0.03 2 6 1,650",
        "finetune 2.5 2 augmentation cauchy 1 all sgd 0.001 2.5 5.432 1,600",
    ):
        assert expected in lines
    assert any(line.startswith("quality two views") and "98.7%" in line for line in lines)
    assert any(line.endswith("B positions.npy") for line in lines)


def test_json(some_map, capsys):
    assert run(["info", str(some_map), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["finished"], facts["n"], facts["dim"]) == (True, 3, 2)
    assert facts["config"]["stages"][1]["epochs"] == 2.5
    assert facts["training"]["pretrain"] == {"epoch": 2.0, "loss": 6.0, "views_per_second": 1650.0}
    assert facts["files"]["positions.npy"] == (some_map / "positions.npy").stat().st_size


def test_unfinished_map(tmp_path, capsys):
    folder = tmp_path / "half.map"
    (folder / "checkpoint").mkdir(parents=True)
    state = {"stage": 1, "step": 1234, "config": CONFIG.to_dict(), "log": LOG[:2], "machine": {"threads": 2}}
    (folder / "checkpoint" / "checkpoint.json").write_text(json.dumps(state))
    assert run(["info", str(folder)]) == 0
    lines = squeezed(capsys.readouterr().out)
    assert lines[0] == (
        f"{folder}: not finished, a checkpoint at step 1,234 of stage 2 (finetune); "
        "go on with augmap fit ... --resume"
    )
    assert "seed 7" in lines
    assert "threads 2" in lines
    assert "pretrain 8 128 augmentation cosine 0.2 all sgd 0.03 2 6 1,650" in lines
    assert describe(folder)["finished"] is False


def test_interrupted_before_the_first_checkpoint(tmp_path, capsys):
    (tmp_path / "checkpoint").mkdir()
    assert run(["info", str(tmp_path)]) == 0
    assert squeezed(capsys.readouterr().out)[0] == (
        f"{tmp_path}: not finished, no checkpoint yet; augmap fit ... --resume starts over"
    )


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "checkpoint.json").write_text('{"step": ')
    with pytest.raises(InputError, match=r"checkpoint\.json: cannot be read .*--overwrite"):
        describe(tmp_path)


def test_no_map(tmp_path):
    with pytest.raises(InputError, match="not a map"):
        describe(tmp_path)
