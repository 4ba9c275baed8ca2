"""``augmap review`` and ``augmap apply`` from the command line, on a map that was made there."""

from __future__ import annotations

import re
import shutil

import pytest

from augmap.cli.main import run
from augmap.imagemap import ImageMap
from pictures import make_photos

FIT = [
    "--epochs",
    "1,1",
    "--batch-size",
    "16",
    "--image-size",
    "16",
    "--precision",
    "float32",
    "--device",
    "cpu",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """48 photos, one of them copied into another folder, and their map."""
    home = tmp_path_factory.mktemp("reviewed")
    make_photos(home / "photos")
    shutil.copy(home / "photos/across/00.png", home / "photos/down/copy.png")
    assert run(["fit", str(home / "photos"), "-o", str(home / "m.map"), *FIT]) == 0
    return home


def test_review_decide_apply(made, tmp_path, capsys):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    photos = tmp_path / "photos"
    options = ["--images", str(photos), "-o", str(tmp_path / "review")]
    assert run(["review", str(tmp_path / "m.map"), *options]) == 0
    out, err = capsys.readouterr()
    assert f"looked at pixels of {photos}" in out
    assert "duplicates: 1 group of copies, 2 images; 1 group with equal pixels" in out
    assert "errors: AUROC" in out
    assert "contact sheets" in err  # progress is not a result
    assert "clusters: 100%, 3 of 3 scales" in err
    assert re.search(r"duplicates: comparing: 100%, [\d,]+ of [\d,]+ pairs", err)
    assert {"outlier", "spread", "disagreement"} <= set(ImageMap.load(tmp_path / "m.map").items.scores)

    assert run(["review", str(tmp_path / "m.map"), *options]) == 2
    assert "pass --overwrite" in capsys.readouterr().err

    table = tmp_path / "review" / "review.csv"
    lines = table.read_text().splitlines()
    mine = next(
        i for i, line in enumerate(lines) if line.startswith("duplicates") and "down/copy.png" in line
    )
    lines[mine] += "drop"
    table.write_text("\n".join(lines) + "\n")
    assert run(["review", str(tmp_path / "m.map"), *options, "--overwrite", "--views", "0"]) == 0
    assert "uncertain: not looked for; not asked for (--views 0)" in capsys.readouterr().out

    assert run(["apply", str(table), "--list"]) == 0
    assert capsys.readouterr().out == f"{photos}/down/copy.png\n"
    assert run(["apply", str(table), "--list", "-0"]) == 0
    assert capsys.readouterr().out == f"{photos}/down/copy.png\0"
    assert run(["apply", str(table), "--move-to", str(tmp_path / "trash")]) == 0
    out = capsys.readouterr().out
    assert f"moving 1 file (1.3 kB) from {photos}" in out
    assert "1 file moved; moved.csv says what came from where" in out
    assert (tmp_path / "trash/down/copy.png").exists()
    assert not (photos / "down/copy.png").exists()
    assert run(["apply", str(table), "--move-to", str(tmp_path / "trash")]) == 0
    assert "nothing to move: everything that was decided has been done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["review", "nowhere.map", "-o", "review"], "nowhere.map: no such map"),
        (["review", "{home}/m.map", "-o", "{home}/photos"], "exists and is not a review"),
        (
            ["review", "{home}/m.map", "-o", "{home}/m.map", "--overwrite"],
            "m.map: is a map; a review is a folder",
        ),
        (["review", "{home}/m.map", "-o", "review", "--views", "2"], "--views must be 0, or at least 3"),
        (
            ["review", "{home}/m.map", "-o", "review", "--images", "nowhere"],
            "nowhere: no such file or folder",
        ),
        (["review", "{home}/m.map", "-o", "review", "--top", "0"], "--top"),
        (["apply", "{home}/m.map/items.csv"], "give either --list or --move-to DIR"),
        (["apply", "{home}/m.map/items.csv", "--list"], "has no column 'decision'"),
        (["apply", "nowhere.csv", "--list"], "nowhere.csv: cannot be read"),
        (["apply", "nowhere.csv", "--move-to", "x", "-0"], "--null goes with --list"),
    ],
)
def test_mistakes_are_one_line(made, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run([a.format(home=made) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "review").exists()


def test_a_limit_of_pixels_arrives(made, tmp_path, capsys):
    arguments = ["review", str(made / "m.map"), "-o", str(tmp_path / "review")]
    assert run([*arguments, "--images", str(made / "photos"), "--max-pixels", "575"]) == 2
    assert "(24 x 24 pixels, more than --max-pixels 575)" in capsys.readouterr().err


def test_nothing_decided(made, tmp_path, capsys):
    table = tmp_path / "review.csv"
    table.write_text("name,decision\nx.png,keep\n")
    assert run(["apply", str(table), "--list", "--images", str(made / "photos")]) == 0
    assert capsys.readouterr().out == ""
    assert run(["apply", str(table), "--move-to", str(tmp_path / "t"), "--images", str(made / "photos")]) == 0
    assert "no row has the decision drop; nothing to do" in capsys.readouterr().out
    assert run(["apply", str(table), "--move-to", str(tmp_path / "t")]) == 0
    assert not (tmp_path / "t").exists()
    table.write_text("name,decision\ngone.png,drop\n")
    capsys.readouterr()
    assert run(["apply", str(table), "--move-to", str(tmp_path / "t"), "--images", str(made / "photos")]) == 2
    assert "none of the 1 files to move is there, first 'gone.png'" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()
