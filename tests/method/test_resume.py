"""Interrupted and gone on with: the bits of an unbroken run, whatever ended it and whenever."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import (
    Small,
    checkpoint_files,
    finishing_at,
    run,
    same_bits,
    small_config,
    stripes,
    three_stages,
    with_neighbors,
)

from augmap.config import Runtime
from augmap.errors import InputError, Interrupted
from augmap.method import checkpoint as checkpoints
from augmap.method import probe
from augmap.stage import Stage
from pictures import ROOT

LAYOUT = Stage(
    name="map", steps=12, edges="layout", layout_passes=5, train="head", new_layer="head", hidden=(8,),
    norm="batch", on_sphere=True, end_temperature=0.1, optimizer="adamw", lr=1e-2, lr_batch=None,
)  # fmt: skip
MUON = {"optimizer": "muon", "lr": 0.02, "lr_batch": None, "momentum": 0.95, "learn_temperature": True}
PIXELS = {"edges": "pixels", "optimizer": "adamw", "lr": 1e-2, "lr_batch": None}
CONFIGS = {
    "parametric t-SNE": small_config(
        Stage(name="map", epochs=4, affinity="perplexity", perplexity=5, **PIXELS)
    ),
    "parametric UMAP": small_config(
        Stage(
            name="map",
            epochs=4,
            affinity="fuzzy",
            loss="negative_sampling",
            similarity="umap",
            **PIXELS,
        )
    ),
    "supervised": small_config(
        Stage(name="classify", epochs=4, dim=1, loss="cross_entropy", label_smoothing=0.1), LAYOUT
    ),
    "paper": three_stages(),
    "neighbours": with_neighbors(),
    "layout": small_config(Stage(name="pretrain", epochs=3, dim=16, learn_temperature=True), LAYOUT),
    "anchors": small_config(
        Stage(name="pretrain", epochs=2, dim=16),
        dataclasses.replace(LAYOUT, end_temperature=None, anchors=9, optimizer="muon"),
    ),
    "Muon": small_config(Stage(name="pretrain", epochs=4, dim=16, similarity="cosine", **MUON)),
    "neighbours of all": small_config(
        Stage(name="pretrain", epochs=2), Stage(name="near", steps=12, edges="neighbors", neighbors=5)
    ),
}
UNBROKEN = {}


def again(name, **settings):
    """Run it; with labels of two images in three where it learns them."""
    classes = np.where(np.arange(96) % 3 == 0, -1, stripes()[1]) if name == "supervised" else None
    return run(CONFIGS[name], classes=classes, **settings)


def unbroken(name):
    if name not in UNBROKEN:
        UNBROKEN[name] = again(name)
    return UNBROKEN[name]


def stopped_at(step, stage=0):
    """A listener that asks for an end, as Ctrl-C does."""

    def listen(report):
        if (report.stage_number, report.step) == (stage, step):
            os.kill(os.getpid(), signal.SIGINT)

    return listen


def resume(name, folder, **settings):
    said = []
    return again(name, folder=folder, resume=True, say=said.append, **settings), said


@pytest.mark.parametrize(
    ("name", "stage", "step", "stands"),
    [("paper", 0, 1, (0, 2)), ("paper", 0, 8, (0, 9)), ("paper", 1, 2, (1, 3)), ("paper", 2, 5, (2, 6)),
     ("Muon", 0, 5, (0, 6)),
     ("anchors", 0, 3, (0, 4)), ("anchors", 1, 4, (1, 5)), ("anchors", 1, 11, (1, 12)),
     ("neighbours", 0, 4, (0, 5)), ("neighbours", 1, 7, (1, 8)), ("layout", 0, 4, (0, 5)),
     ("layout", 1, 11, (1, 12)), ("neighbours of all", 1, 3, (1, 4)), ("parametric t-SNE", 0, 7, (0, 8)),
     ("parametric UMAP", 0, 7, (0, 8)), ("supervised", 0, 5, (0, 6)), ("supervised", 1, 4, (1, 5))],
)  # fmt: skip
def test_stopped_in_each_stage(name, stage, step, stands, tmp_path):
    with pytest.raises(Interrupted, match=rf"step {stands[1]} of stage {stage + 1} .* go on with --resume"):
        again(name, folder=tmp_path, listeners=[stopped_at(step, stage)])
    kept = checkpoints.load(tmp_path)
    assert (kept.stage, kept.step) == stands
    outcome, said = resume(name, tmp_path)
    assert said[0] == (
        f"resuming at step {stands[1]} of stage {stage + 1} ({CONFIGS[name].stages[stage].name})"
    )
    assert outcome.history["resumed_steps"] == [stands[1]]
    assert same_bits(outcome, unbroken(name))
    for ours, whole in zip(outcome.log, unbroken(name).log, strict=True):
        assert {k: ours[k] for k in ("stage", "epoch", "step", "loss")} == {
            k: whole[k] for k in ("stage", "epoch", "step", "loss")
        }


def test_stopped_again_and_again(tmp_path):
    settings = {"folder": tmp_path, "resume": False}
    for stage, step in ((0, 2), (0, 5), (1, 1), (2, 3)):
        with pytest.raises(Interrupted, match="go on with --resume"):
            run(CONFIGS["paper"], listeners=[stopped_at(step, stage)], **settings)
        settings["resume"] = True
    outcome, _ = resume("paper", tmp_path)
    assert outcome.history["resumed_steps"] == [3, 6, 2, 4]
    assert same_bits(outcome, unbroken("paper"))


def test_without_a_folder_nothing_is_saved_and_that_is_said():
    with pytest.raises(Interrupted, match="nothing was saved: give an output"):
        run(CONFIGS["paper"], listeners=[stopped_at(2)])


def test_no_checkpoint_was_reached(tmp_path):
    outcome, said = resume("paper", tmp_path / "none")
    assert said == ["no checkpoint was reached yet: starting over"]
    assert same_bits(outcome, unbroken("paper"))


def test_checkpoints_as_often_as_asked(tmp_path, monkeypatch):
    steps, save = [], checkpoints.save

    def note(folder, checkpoint):
        steps.append((checkpoint.stage, checkpoint.step))
        save(folder, checkpoint)

    monkeypatch.setattr(checkpoints, "save", note)
    outcome = run(CONFIGS["paper"], folder=tmp_path, every=1e-9)
    ends = [(0, 9), (1, 6), (2, 6)]  # of the stages
    assert steps == sorted([(0, 3), (0, 6), (1, 3), (2, 3), *ends])
    assert same_bits(outcome, unbroken("paper"))  # writing them changes nothing
    steps.clear()
    run(CONFIGS["paper"], folder=tmp_path, every=1000.0)
    assert steps == ends
    steps.clear()
    run(CONFIGS["paper"], folder=tmp_path, every=None)
    assert steps == ends


def test_layers_that_draw_draw_the_same(tmp_path):
    def dropping():
        backbone = Small()
        backbone.layers.append(torch.nn.Dropout(0.3))
        return backbone

    config = small_config(Stage(name="s", steps=6), Stage(name="t", steps=6))
    before = torch.random.get_rng_state()
    whole = run(config, backbone=dropping())
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(7)
    with pytest.raises(Interrupted):
        run(config, backbone=dropping(), folder=tmp_path, listeners=[stopped_at(2, 1)])
    torch.rand(7)
    assert same_bits(run(config, backbone=dropping(), folder=tmp_path, resume=True), whole)
    assert not same_bits(run(config), whole)


class Stopping:
    """Progress that is shown until it comes to some piece of work; there somebody asks for an end."""

    def __init__(self, title):
        self.title = title

    def __call__(self, title):
        if title == self.title:
            return lambda done, total: os.kill(os.getpid(), signal.SIGINT)
        return lambda done, total: None


@pytest.mark.parametrize(
    ("title", "where", "step"),
    [("layout", r"before stage 2 \(map\)", 9), ("projecting", "when training was done", 12)],
)
def test_stopped_between_steps(title, where, step, tmp_path):
    with pytest.raises(Interrupted, match=f"stopped {where}; a checkpoint was saved; go on with --resume"):
        again("layout", folder=tmp_path, every=1000.0, progress=Stopping(title))
    assert checkpoints.load(tmp_path).step == step
    outcome, _ = resume("layout", tmp_path)
    assert same_bits(outcome, unbroken("layout"))
    assert outcome.before > 0


@pytest.mark.parametrize("every", [1000.0, None])
def test_a_stage_that_ended_early_is_not_gone_on_with(every, tmp_path):
    """Somebody wants the end of the first stage, and stops the run before the next one has its layout."""

    seen = {"probe": np.arange(4), "progress": Stopping("layout")}
    audience = finishing_at(4)
    with pytest.raises(Interrupted, match=r"before stage 2 \(map\); a checkpoint was saved"):
        again("layout", folder=tmp_path, every=every, audience=audience, **seen)
    kept = checkpoints.load(tmp_path)
    assert (kept.stage, kept.step) == (0, 5)
    assert kept.info["hurry"] > 0
    outcome, _ = resume("layout", tmp_path)
    assert [stage.stop for stage in outcome.config.stages] == [5, None]
    assert [line["step"] for line in outcome.log if line["stage"] == "pretrain"] == [3, 5]


@pytest.mark.parametrize("folder", [True, False])
def test_stopped_before_the_first_step(folder, tmp_path, monkeypatch):
    """A measurement that takes long is not waited for."""
    config = small_config(Stage(name="s", steps=2), precision="auto")
    made, real = [], probe.stage_loss

    def loss(*parts):
        made.append(os.kill(os.getpid(), signal.SIGINT))
        return real(*parts)

    monkeypatch.setattr(probe, "stage_loss", loss)
    how = "there was nothing to save yet" if folder else "nothing was saved: give an output"
    with pytest.raises(Interrupted, match=f"stopped before training; {how}"):
        run(config, folder=tmp_path if folder else None)
    assert len(made) == 1


@pytest.fixture
def interrupted(tmp_path):
    with pytest.raises(Interrupted, match="go on"):
        run(CONFIGS["paper"], folder=tmp_path, listeners=[stopped_at(4)], identity={"images": "a"})
    return tmp_path


def test_another_run_is_refused_and_the_checkpoint_stays(interrupted):
    files = checkpoint_files(interrupted)
    with pytest.raises(InputError, match="made with other images: their names"):
        run(CONFIGS["paper"], folder=interrupted, resume=True, identity={"images": "b"})
    with pytest.raises(InputError, match="made with seed 0, now it is 3"):
        run(CONFIGS["paper"].replace(seed=3), folder=interrupted, resume=True, identity={"images": "a"})
    assert checkpoint_files(interrupted) == files


def test_another_backbone_is_refused(interrupted):
    with pytest.raises(InputError, match="backbone of your own"):
        run(CONFIGS["paper"], folder=interrupted, resume=True, identity={"images": "a"}, backbone=None)


def test_other_threads_are_warned_of(interrupted):
    said = []
    runtime = Runtime(device="cpu", threads=2)
    settings = {"runtime": runtime, "say": said.append, "identity": {"images": "a"}}
    run(CONFIGS["paper"], folder=interrupted, resume=True, **settings)
    assert any("made with threads 1, now 2" in line for line in said)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from augmap.method import checkpoint as checkpoints
from test_resume import CONFIGS, run

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def at_step(stage, step):
    def listen(report):
        if (report.stage_number, report.step) == (stage, step):
            die()
    return [listen]

def while_writing(number, half):
    "Die in the number-th file: before it is there, or with half of it under its temporary name."
    write, seen = checkpoints.write_atomic, []
    def dying(path, data):
        seen.append(path)
        if len(seen) == number:
            if half:
                path.with_name(f".{path.name}.tmp").write_bytes(data[: len(data) // 2])
            die()
        write(path, data)
    checkpoints.write_atomic = dying
    return []

for name, folder, kind, *where in eval(sys.stdin.read()):
    child = os.fork()
    if child == 0:
        listeners = {"step": at_step, "writing": while_writing}[kind](*where)
        run(CONFIGS[name], folder=Path(folder), every=1e-9, listeners=listeners)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, (name, kind, where)
"""


def test_killed_at_any_moment(tmp_path):
    """SIGKILL: nothing is left to the program. Files 1 and 2 are the first checkpoint, 3 and 4 the next."""
    moments = [
        ("paper", "step", 0, 5), ("paper", "step", 1, 5), ("paper", "step", 2, 6),
        ("paper", "writing", 3, True),
        ("paper", "writing", 4, False), ("paper", "writing", 6, True), ("neighbours", "step", 1, 13),
        ("layout", "writing", 5, True), ("paper", "writing", 1, True), ("neighbours of all", "step", 1, 7),
    ]  # fmt: skip
    orders = [(name, str(tmp_path / str(i)), *rest) for i, (name, *rest) in enumerate(moments)]
    here = Path(__file__).parent
    subprocess.run(
        [sys.executable, "-c", KILLED, str(here), str(here.parent)],
        input=repr(orders),
        text=True, check=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    for name, folder, *rest in orders:
        outcome, said = resume(name, Path(folder))
        if rest == ["writing", 1, True]:
            assert said == ["no checkpoint was reached yet: starting over"]
        else:
            assert outcome.history["resumed_steps"][0] > 0, (name, rest)
        assert same_bits(outcome, unbroken(name)), (name, rest)


def test_the_record_is_plain(interrupted):
    record = json.loads((interrupted / "checkpoint.json").read_text("utf-8"))
    assert {"stage", "step", "config", "asked", "machine", "identity", "encoder"} <= record.keys()
    assert record["machine"]["threads"] == 1


def test_a_checkpoint_that_is_older_than_a_field_is_gone_on_with(interrupted):
    record = interrupted / "checkpoint.json"
    info = json.loads(record.read_text("utf-8"))
    for config in ("asked", "config"):
        for stage in info[config]["stages"]:
            for name in ("loss", "negatives", "label_smoothing", "min_dist", "affinity", "perplexity"):
                del stage[name]
    record.write_text(json.dumps(info), "utf-8")
    outcome = run(CONFIGS["paper"], folder=interrupted, resume=True, identity={"images": "a"})
    assert same_bits(outcome, unbroken("paper"))
