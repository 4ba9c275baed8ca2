"""augmap embed: the table it writes, and when it refuses."""

from __future__ import annotations

import csv
import io
import os
import sys
import types

import numpy as np
import pytest

from augmap.cli import embed as command
from augmap.cli.main import run
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.imageset import Skipped
from augmap.items import Items
from madeup import full_map


def some_map(names, dim=2):
    positions = np.random.default_rng(0).normal(0, 100, (len(names), dim)).astype(np.float32)
    return ImageMap(positions=positions, items=Items(names))


def read(data: bytes):
    return list(csv.reader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")))


@pytest.mark.parametrize(
    ("dim", "columns"), [(1, ["x"]), (2, ["x", "y"]), (3, ["x", "y", "z"]), (4, ["x1", "x2", "x3", "x4"])]
)
def test_numbers_read_back_to_the_same_float32(dim, columns):
    names = [f"{i}.png" for i in range(200)]
    m = some_map(names, dim)
    m.positions[0, 0] = np.float32(1e-30)
    header, *rows = read(command.points_csv(m))
    assert header == ["name", *columns]
    assert [row[0] for row in rows] == names
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], np.float32), m.positions)


def test_any_name_survives():
    names = ["a,b.png", 'quo"te.png', "new\nline.png", "ü/é.png", os.fsdecode(b"bad\xff.png")]
    assert [row[0] for row in read(command.points_csv(some_map(names)))[1:]] == names


@pytest.fixture
def fake_house(monkeypatch):
    """Stand-ins for loading and decoding: the command's own work is what is looked at."""
    seen = {}
    m = some_map(["a.png", "b.png"])
    opened = types.SimpleNamespace(skipped=[Skipped("c.png", "not an image"), Skipped("d.png", "empty")])

    def load(path, device):
        seen["load"] = (path.name, device)
        return m

    def open_images(images, *, preprocessing, strict, cache, progress, max_pixels=None):
        seen["open"] = (images, preprocessing, strict, cache, max_pixels)
        progress(2, 2)
        return opened

    def embedder(images):
        assert images is opened
        return m

    m.embedder = embedder
    monkeypatch.setitem(sys.modules, "augmap.api", types.SimpleNamespace(load=load))
    monkeypatch.setitem(sys.modules, "augmap.images.open", types.SimpleNamespace(open_images=open_images))
    return m, seen


def test_every_option_arrives(fake_house, tmp_path, capsys):
    m, seen = fake_house
    out = tmp_path / "points.csv"
    arguments = [
        "embed",
        "some.map",
        "photos",
        "-o",
        str(out),
        "--device",
        "cpu",
        "--strict",
        "--cache",
        "there",
        "--max-pixels",
        "99",
    ]
    assert run(arguments) == 0
    assert seen["load"] == ("some.map", "cpu")
    assert seen["open"] == ("photos", m.preprocessing, True, type(out)("there"), 99)
    assert out.read_bytes() == command.points_csv(m)
    printed, progress = capsys.readouterr()
    assert printed == f"{out}: 2 images placed, 2 files skipped\n"
    assert "reading images: 100%" in progress
    assert progress.endswith("skipped 'c.png' (not an image)\nskipped 'd.png' (empty)\n")


def test_stdout_holds_the_table_alone(fake_house, capfdbinary):
    m, _ = fake_house
    assert run(["embed", "some.map", "photos", "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == command.points_csv(m)


def test_a_map_without_encoder_says_so_before_images_are_read(fake_house, tmp_path, capsys):
    m, seen = fake_house
    m.embedder = None
    m.info["method"] = "t-SNE"
    assert run(["embed", "some.map", "photos", "-o", str(tmp_path / "points.csv")]) == 2
    assert "t-SNE cannot place new images" in capsys.readouterr().err
    assert "open" not in seen


def test_a_missing_folder_is_said_at_once(tmp_path):
    with pytest.raises(InputError, match=r"points\.csv: its folder .*none does not exist"):
        command.embed(tmp_path / "a.map", "photos", tmp_path / "none" / "points.csv")


def test_another_name_of_stdout(fake_house, tmp_path, capfdbinary, monkeypatch):
    m, _ = fake_house
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "STDOUT", ("-", "stdout"))  # as /dev/stdout, which no test may touch
    assert run(["embed", "some.map", "photos", "-o", "stdout"]) == 0
    assert capfdbinary.readouterr().out == command.points_csv(m)
    assert not any(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said_at_once(fake_house, tmp_path, capsys):
    _, seen = fake_house
    path = full_map().save(tmp_path / "some.map")
    for place, words in (
        (tmp_path, "is a folder; choose another name"),
        (path / "map.json", "belongs to the map"),
    ):
        assert run(["embed", str(path), "photos", "-o", str(place)]) == 2
        assert f"augmap: {place}: {words}" in capsys.readouterr().err
    assert seen == {}


def test_what_was_there_stays_when_it_fails(fake_house, tmp_path, monkeypatch):
    out = tmp_path / "points.csv"
    out.write_text("precious")

    def full(*_):
        raise InputError("cannot be written")

    monkeypatch.setattr("augmap.folder.write_atomic", full)
    assert run(["embed", "some.map", "photos", "-o", str(out)]) == 2
    assert out.read_text() == "precious"
