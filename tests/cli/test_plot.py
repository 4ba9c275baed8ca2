"""augmap plot: every option arrives, mistakes are one line."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from augmap.cli.main import run
from plotted import a_map, make_blobs


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return make_blobs().save(tmp_path_factory.mktemp("plots") / "blobs.map")


def test_every_option_arrives(saved, tmp_path, capsys, monkeypatch):
    from augmap.plots import figure, save

    seen = {}
    real = figure.plot

    def spy(m, kind, **options):
        seen.update(kind=kind, **options)
        return real(m, kind, **options)

    def spy_save(drawn, path, **options):
        seen.update(path=path, **options)

    monkeypatch.setattr(figure, "plot", spy)
    monkeypatch.setattr(save, "save_figure", spy_save)
    out = tmp_path / "a.pdf"
    options = [
        "--kind",
        "thumbnails",
        "--color-by",
        "score",
        "--no-names",
        "--title",
        "T",
        "--size",
        "5",
        "--dark",
        "--dpi",
        "70",
    ]
    assert run(["plot", str(saved), "-o", str(out), *options]) == 0
    assert seen.pop("about").startswith("600 images")
    expected = {
        "kind": "thumbnails",
        "color_by": "score",
        "names": False,
        "title": "T",
        "size": 5.0,
        "dark": True,
    }
    assert seen == {**expected, "path": out, "dpi": 70.0}
    assert capsys.readouterr().out == f"{out}: thumbnails of 600 images\n"
    assert run(["plot", str(saved), "-o", str(out)]) == 0
    assert (seen["kind"], seen["color_by"], seen["names"], seen["dark"]) == ("scatter", "label", True, False)
    assert run(["plot", str(saved), "-o", str(out), "--color-by", "none"]) == 0
    assert seen["color_by"] is None


def test_command_writes_and_refuses(saved, tmp_path, capsys):
    assert run(["plot", str(saved), "-o", str(tmp_path / "a.png"), "--dpi", "40"]) == 0
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["Title"] == "blobs.map"
    capsys.readouterr()
    for wrong, words in (
        (["-o", str(tmp_path / "a.gif")], "must end in one of .png, .pdf, .svg"),
        (["-o", str(tmp_path / "b.png"), "--color-by", "size"], "it has: label, score"),
        (["-o", str(tmp_path / "b.png"), "--kind", "pie"], "Invalid value for '--kind': 'pie' is not one of"),
    ):
        assert run(["plot", str(saved), *wrong]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert not (tmp_path / "b.png").exists()


def test_letters_that_no_font_has_are_said_once(tmp_path, capsys):
    hieroglyph = "\U00013000"
    m = a_map(np.random.default_rng(0).normal(size=(40, 2)), [hieroglyph, "ab"] * 20)
    m.save(tmp_path / "m.map")
    assert run(["plot", str(tmp_path / "m.map"), "-o", str(tmp_path / "m.png")]) == 0
    assert capsys.readouterr().err == (
        "augmap: some names have letters that no installed font has, drawn as boxes; "
        "a font such as Noto Sans CJK has them\n"
    )
