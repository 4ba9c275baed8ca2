"""augmap export as its user types it."""

from __future__ import annotations

import dataclasses

import pytest

from augmap.cli import export as command
from augmap.cli.explore import encoder_of
from augmap.cli.main import run
from augmap.export.onnx import Exported
from madeup import full_map


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    m = full_map(30)
    m.weights = None
    return m.save(tmp_path_factory.mktemp("maps") / "some.map")


@pytest.mark.parametrize("kind", ["html", "csv", "parquet", "tensorboard"])
def test_writes(some, tmp_path, capsys, kind):
    target = tmp_path / ("logs" if kind == "tensorboard" else f"out.{kind}")
    assert run(["export", str(some), "--to", kind, "-o", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{target}: ")
    assert (
        (target / "projector_config.pbtxt").is_file()
        if kind == "tensorboard"
        else target.stat().st_size > 100
    )
    if kind == "html":  # the size is said before it is written, part by part
        assert "thumbnails" in err
    if kind == "parquet":
        assert f"embedding-atlas {target} --x x --y y --image image --neighbors neighbors" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == [target.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "csv", "-o", "{}/a.txt"], "the name must end in .csv, got '.txt'"),
        (["--to", "html", "-o", "{}/none/a.html"], "does not exist"),
        (["--to", "csv", "-o", "{}/a.csv", "--half"], "--half belongs to --to onnx, not to csv"),
        (
            ["--to", "onnx", "-o", "{}/a.onnx", "--with-encoder"],
            "--with-encoder belongs to --to html, not to onnx",
        ),
        (["--to", "onnx", "-o", "{}/a.onnx"], "no encoder to export"),
        (["--to", "html", "--with-encoder", "-o", "{}/a.html"], "no encoder to export"),
        (["--to", "gif", "-o", "{}/a.gif"], "was not watched while it formed"),
        (["--to", "pdf", "-o", "{}/a.pdf"], "pdf"),
    ],
)
def test_refuses_in_one_line(some, tmp_path, capsys, arguments, message):
    assert run(["export", str(some), *(a.format(tmp_path) for a in arguments)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_does_not_write_into_a_map(some, capsys):
    assert run(["export", str(some), "--to", "tensorboard", "-o", str(some)]) == 2
    assert "is a map; choose another folder" in capsys.readouterr().err


def test_does_not_write_over_a_file_of_a_map(some, capsys):
    before = (some / "items.csv").read_bytes()
    assert run(["export", str(some), "--to", "csv", "-o", str(some / "items.csv")]) == 2
    assert f"items.csv: belongs to the map {some}; choose another name" in capsys.readouterr().err
    assert (some / "items.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("kind", "name", "line"),
    [("parquet", "a b.parquet", "embedding-atlas '{}' --x"), ("tensorboard", "a b", "--logdir '{}'")],
)
def test_a_printed_command_can_be_copied(some, tmp_path, capsys, kind, name, line):
    assert run(["export", str(some), "--to", kind, "-o", str(tmp_path / name)]) == 0
    assert line.format(tmp_path / name) in capsys.readouterr().out


def test_a_map_of_four_channels_takes_no_files(tmp_path, capsys):
    m = full_map(4)
    m.preprocessing = dataclasses.replace(m.preprocessing, channels=4)
    path = m.save(tmp_path / "four.map")
    why = "image files have 1 or 3 channels, not 4: pass an array that has so many"
    assert run(["export", str(path), "--to", "html", "--with-encoder", "-o", str(tmp_path / "a.html")]) == 2
    assert capsys.readouterr().err == f"augmap: --with-encoder: {why}; leave it out\n"
    m.weights.spec["backbone"] = "slim"  # not one of the user's own, which is refused before
    assert encoder_of(m, "cpu") == why


def test_a_network_of_ones_own(tmp_path, capsys):
    path = full_map(30).save(tmp_path / "own.map")
    assert run(["export", str(path), "--to", "onnx", "-o", str(tmp_path / "a.onnx")]) == 2
    assert "augmap.export.onnx.to_onnx(m, backbone=module)" in capsys.readouterr().err


def test_a_transform_of_ones_own_makes_no_cloud(tmp_path, capsys, monkeypatch):
    """It is Python, which no page runs: the page places images without it, and the command says so."""
    m = full_map(30)
    m.config = m.config.replace(augment="custom")
    path = m.save(tmp_path / "own.map")
    monkeypatch.setattr(command, "_encoder", lambda map, half: Exported(b"a model", 0.0, 1.0))
    assert run(["export", str(path), "--to", "html", "--with-encoder", "-o", str(tmp_path / "a.html")]) == 0
    assert "the page shows no cloud of a placed image's views" in capsys.readouterr().err
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert 'id="encoder.onnx"' in page
    assert 'id="views.onnx"' not in page
