"""Where a map is put: what is there already, what a mistake or Ctrl-C leaves behind."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

import augmap
from augmap import folder as disk
from augmap.baselines.baseline import baseline
from augmap.errors import InputError, Interrupted, NoRoomError
from madeup import full_map

TINY = {"preset": "direct", "epochs": (1,), "backbone": "slim", "batch_size": 32}


def images(n=64):
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)


def untouched(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def places(tmp_path):
    """A finished map, one that is under way, a folder of letters, a file; nothing trains on them."""
    full_map().save(tmp_path / "finished")
    (tmp_path / "half" / "checkpoint").mkdir(parents=True)
    (tmp_path / "half" / "checkpoint" / "state-1.safetensors").write_text("x")
    full_map().save(tmp_path / "both")
    (tmp_path / "both" / "checkpoint").mkdir()
    (tmp_path / "both" / "checkpoint" / "state-1.safetensors").write_text("x")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    (tmp_path / "file").write_text("x")
    # a person's own files under names that augmap uses too
    (tmp_path / "game").mkdir()
    (tmp_path / "game" / "map.json").write_text('{"tiles": [1]}')
    full_map().save(tmp_path / "mixed")
    for name in ("run1", "run2", "mixed"):
        (tmp_path / name / "checkpoint").mkdir(parents=True)
        (tmp_path / name / "checkpoint" / "epoch_100.pt").write_text("weights")
    (tmp_path / "run1" / "notes.txt").write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("finished", {}, "there is a map already; give --overwrite to replace it"),
        ("finished", {"resume": True}, "there is a map already; it is finished: nothing to resume"),
        ("both", {}, "there is a map already; give --overwrite to replace it"),
        ("half", {}, "an interrupted run is there; go on with --resume, or give --overwrite to start over"),
        ("letters", {}, "exists and is not a map; choose another name"),
        ("letters", {"overwrite": True}, "exists and is not a map; choose another name"),
        ("letters", {"resume": True}, "exists and is not a map; choose another name"),
        ("file", {"overwrite": True}, "is a file; a map is a folder, choose another name"),
        ("file/m", {}, "cannot create this folder"),
        *(
            (name, options, f"{name}: exists and is not a map; choose another name")
            for name in ("game", "run1", "run2")
            for options in ({}, {"overwrite": True}, {"resume": True})
        ),
        (
            "mixed",
            {"overwrite": True},
            "mixed/checkpoint: was not written by augmap, which needs the place; move",
        ),
        ("new", {"resume": True, "overwrite": True}, "give --resume or --overwrite, not both"),
    ],
)
def test_places_that_are_taken(places, name, options, message):
    before = untouched(places)
    with pytest.raises(InputError, match=re.escape(message)):
        augmap.fit(images(), output=places / name, listeners=[pytest.fail], **options, **TINY)
    assert untouched(places) == before  # and it was said before any training
    assert not (places / "new").exists()


@pytest.mark.parametrize("name", ["game", "run1", "run2", "mixed"])
def test_a_baseline_leaves_the_files_of_others_alone(places, name):
    before = untouched(places)
    with pytest.raises(InputError, match=r"is not a map; choose another|was not written by augmap"):
        baseline("pca", images(), output=places / name, overwrite=True)
    assert untouched(places) == before


def test_no_output_to_resume():
    with pytest.raises(InputError, match="resume=True needs the output that holds the checkpoint"):
        augmap.fit(images(), resume=True, **TINY)


@pytest.mark.parametrize(
    "mistake",
    [
        {"images": "no/such/folder"},
        {"images": np.zeros((5, 64))},
        {"images": images(1)},
        {"preset": "fast"},
        {"backbone": "vgg"},
        {"augment": "x"},
        {"init": "no/such/map"},
        {"exclude": "no/such.csv"},
        {"device": "tpu"},
        {"epochs": None, "budget": 0.01},  # found out only when the pace is measured
    ],
)
@pytest.mark.parametrize("name", ["finished", "half", "both", "new"])
def test_a_mistake_costs_nothing_that_is_on_the_disk(places, name, mistake):
    before = untouched(places)
    with pytest.raises(InputError, match=r"\w"):
        augmap.fit(**{"images": images(), **TINY, **mistake}, output=places / name, overwrite=True)
    assert untouched(places) == before
    assert not (places / "new").exists()


def test_a_file_that_comes_in_while_it_trains_does_not_lose_the_training(tmp_path):
    def drop(report):
        (tmp_path / "m" / "notes.txt").write_text("mine")

    augmap.fit(images(40), output=tmp_path / "m", listeners=[drop], **TINY)
    assert augmap.load(tmp_path / "m").n == 40
    assert (tmp_path / "m" / "notes.txt").read_text() == "mine"


def test_places_that_may_be_used(places):
    (places / "empty").mkdir()
    (places / "hidden").mkdir()
    (places / "hidden" / ".DS_Store").write_text("x")
    for name, options in {
        "new/with/parents": {},
        "empty": {},
        "hidden": {},
        "finished": {"overwrite": True},
        "half": {"overwrite": True},
        "both": {"overwrite": True},
    }.items():
        m = augmap.fit(images(8), output=places / name, **options, **TINY)
        assert augmap.load(places / name).info["fingerprint"] == m.info["fingerprint"]
        assert not (places / name / "checkpoint").exists()


def test_an_old_map_stays_until_the_new_one_is_complete(tmp_path):
    full_map().save(tmp_path / "m")
    (tmp_path / "m" / "checkpoint").mkdir()
    (tmp_path / "m" / "checkpoint" / "state-1.safetensors").write_text("x")

    def look(report):
        assert augmap.load(tmp_path / "m").n == 6
        # a later --resume must not go on with this one
        assert not (tmp_path / "m" / "checkpoint" / "state-1.safetensors").exists()

    augmap.fit(images(40), output=tmp_path / "m", overwrite=True, listeners=[look], **TINY)
    assert augmap.load(tmp_path / "m").n == 40


def test_a_disk_that_fills_up_at_the_end_keeps_the_checkpoint(tmp_path, monkeypatch):
    def full(*args, **more):
        raise NoRoomError("m: cannot be written (No space left on device, 0.1 MB); make room")

    monkeypatch.setattr(disk, "commit", full)
    (tmp_path / "m" / "checkpoint").mkdir(parents=True)
    with pytest.raises(NoRoomError, match="make room; training is not lost: go on with --resume"):
        augmap.fit(images(40), output=tmp_path / "m", resume=True, **TINY)
    assert (tmp_path / "m" / "checkpoint").is_dir()


@pytest.mark.parametrize("where", ["make_folder", "check_writable"])
def test_ctrl_c_as_the_place_is_looked_at_leaves_nothing(tmp_path, monkeypatch, where):
    look = getattr(disk, where)

    def end(path):
        look(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(disk, where, end)
    with pytest.raises(KeyboardInterrupt):
        augmap.fit(images(40), output=tmp_path / "m", **TINY)
    assert not any(tmp_path.iterdir())


def test_a_place_that_may_not_be_written(tmp_path, monkeypatch):
    def refuse(**where):
        raise PermissionError(13, "Permission denied", str(where["dir"]))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError, match=r"m: cannot be written \(Permission denied\); choose another"):
        augmap.fit(images(40), output=tmp_path / "m", **TINY)
    assert not any(tmp_path.iterdir())


def test_ctrl_c_in_a_file_leaves_the_old_one_alone(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"old")

    def end(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", end)
    with pytest.raises(KeyboardInterrupt):
        disk.write_atomic(tmp_path / "f", b"new")
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def interrupt(*args, **more):
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["augmap.api.make_thumbs", "augmap.folder.commit"])
def test_ctrl_c_after_training_keeps_the_checkpoint(tmp_path, monkeypatch, place):
    with monkeypatch.context() as patch:
        patch.setattr(place, interrupt)
        with pytest.raises(
            Interrupted, match="stopped after training, which is not lost: go on with --resume"
        ):
            augmap.fit(images(40), output=tmp_path / "m", **TINY)
    assert not disk.is_map(tmp_path / "m")
    steps: list[object] = []
    m = augmap.fit(images(40), output=tmp_path / "m", resume=True, listeners=[steps.append], **TINY)
    assert (augmap.load(tmp_path / "m").n, m.n, steps) == (40, 40, [])  # nothing was trained again


def test_ctrl_c_after_training_in_memory_promises_nothing(monkeypatch):
    monkeypatch.setattr("augmap.api.make_thumbs", interrupt)
    with pytest.raises(KeyboardInterrupt):
        augmap.fit(images(40), **TINY)


def test_ctrl_c_in_the_closing_line_keeps_the_map(tmp_path, monkeypatch):
    monkeypatch.setattr("augmap.quality.quality", interrupt)
    said: list[str] = []
    m = augmap.fit(images(40), output=tmp_path / "my m", say=said.append, **TINY)
    assert said[-1] == (
        "stopped: the map is complete, its quality was not measured; "
        f"augmap evaluate '{tmp_path / 'my m'}' does that"
    )
    assert m.info["quality"] is None
    assert augmap.load(tmp_path / "my m").info == m.info
    assert not (tmp_path / "my m" / "checkpoint").exists()
    augmap.fit(images(40), say=said.append, **TINY)
    assert said[-1] == "stopped: the map is complete, its quality was not measured"


def test_too_few_images_say_what_became_of_the_others(tmp_path, photos):
    (tmp_path / "one.png").write_bytes((photos / "across" / "00.png").read_bytes())
    (tmp_path / "note.png").write_text("no image")
    words = re.escape(
        "at least 2 images, found 1; 1 of 2 files cannot be read, first 'note.png' (not an image)"
    )
    with pytest.raises(InputError, match=words):
        augmap.fit(tmp_path, **TINY)
