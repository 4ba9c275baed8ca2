"""The checkpoint folder: which is ours, what is removed of it, and when an older one comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augmap import unfinished
from augmap.errors import InputError, Interrupted
from madeup import full_map

RUN = json.dumps({"stage": 0, "step": 5})
LAYOUT = json.dumps({"how": "tsne", "images": "abc"})


def put(folder: Path, *names: str, text: str = "x") -> Path:
    for name in names:
        path = folder / "checkpoint" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text({"checkpoint.json": RUN, "baseline.json": LAYOUT}.get(path.name, text))
    return folder


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        (("state-1.safetensors", "checkpoint.json"), True),
        (("state-12.safetensors",), True),
        (("checkpoint.json", "notes.txt"), True),
        (("baseline.json", "simclr.map/checkpoint/checkpoint.json"), True),
        ((".DS_Store",), True),
        (("epoch_100.pt",), False),
        (("model.safetensors",), False),
        (("state-1.safetensors", "epoch_100.pt"), False),
    ],
)
def test_whose_it_is(tmp_path, names, ours):
    put(tmp_path, *names)
    assert unfinished.is_begun(tmp_path) == ours
    assert unfinished.is_taken(tmp_path) != ours


@pytest.mark.parametrize(("text", "ours"), [("{", True), ("", True), ('{"best": 1}', False), ("[1]", False)])
def test_a_record_that_says_something_else(tmp_path, text, ours):
    put(tmp_path, "x")
    (tmp_path / "checkpoint" / "x").rename(tmp_path / "checkpoint" / "checkpoint.json")
    (tmp_path / "checkpoint" / "checkpoint.json").write_text(text)
    assert unfinished.is_begun(tmp_path) == ours


def test_nothing_and_a_file(tmp_path):
    assert not unfinished.is_begun(tmp_path)
    assert not unfinished.is_taken(tmp_path)
    (tmp_path / "checkpoint").write_text("x")
    assert unfinished.is_taken(tmp_path)
    unfinished.remove(tmp_path)
    assert (tmp_path / "checkpoint").read_text() == "x"


def test_only_our_files_are_removed(tmp_path):
    names = ("checkpoint.json", "state-3.safetensors", ".state-4.safetensors.0a1b2c3d.tmp", "baseline.json")
    put(tmp_path, *names, "notes.txt", "simclr.map/checkpoint/checkpoint.json")
    full_map().save(tmp_path / "checkpoint" / "simclr.map")
    unfinished.remove(tmp_path)
    assert files(tmp_path) == {"checkpoint/notes.txt"}
    unfinished.remove(tmp_path)  # which is no longer ours
    assert files(tmp_path) == {"checkpoint/notes.txt"}
    (tmp_path / "checkpoint" / "notes.txt").unlink()
    unfinished.remove(tmp_path)
    assert not any(tmp_path.iterdir())


def begin(folder: Path, saved: str, error: type[BaseException]) -> None:
    """A run that saves one file and fails."""
    with unfinished.set_aside(folder):
        assert not unfinished.is_begun(folder)
        put(folder, saved)
        raise error


OLD = ("checkpoint.json", "state-1.safetensors")


@pytest.mark.parametrize("error", [InputError, Interrupted, KeyboardInterrupt, MemoryError])
def test_an_older_one_comes_back_where_nothing_newer_was_saved(tmp_path, error):
    put(tmp_path, *OLD)
    with pytest.raises(error):
        begin(tmp_path, "baseline.json", error)  # begun, but nothing to go on with
    assert files(tmp_path) == {f"checkpoint/{name}" for name in OLD}


@pytest.mark.parametrize(
    "newer", ["checkpoint.json", "simclr.map/map.json", "simclr.map/checkpoint/checkpoint.json"]
)
def test_an_older_one_goes_where_something_newer_was_saved(tmp_path, newer):
    put(tmp_path, *OLD)
    with pytest.raises(Interrupted):
        begin(tmp_path, newer, Interrupted)
    assert files(tmp_path) == {f"checkpoint/{newer}"}


def test_an_end_without_warning(tmp_path):
    """A killed process settles nothing; whoever comes next does."""
    put(tmp_path, *OLD)
    killed = unfinished.set_aside(tmp_path)
    killed.__enter__()
    assert not unfinished.is_begun(tmp_path)
    unfinished.settle(tmp_path)
    assert files(tmp_path) == {f"checkpoint/{name}" for name in OLD}
    with unfinished.set_aside(tmp_path):
        pass
    unfinished.remove(tmp_path)  # the new map is saved
    assert not any(tmp_path.iterdir())


def test_a_mistake_leaves_nothing_and_a_stop_what_was_begun(tmp_path):
    with pytest.raises(InputError):
        begin(tmp_path, "baseline.json", InputError)
    assert not any(tmp_path.iterdir())
    with pytest.raises(Interrupted):
        begin(tmp_path, "baseline.json", Interrupted)
    assert files(tmp_path) == {"checkpoint/baseline.json"}
