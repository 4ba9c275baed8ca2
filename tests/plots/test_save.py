"""augmap.plots.save: files are whole and say what made them."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from PIL import Image

from augmap.errors import InputError, NoRoomError
from augmap.plots.figure import plot
from augmap.plots.save import save_figure
from plotted import a_map


@pytest.mark.parametrize("ending", ["png", "pdf", "svg", "PNG"])
def test_saved_file_is_whole_and_says_what_made_it(blobs, tmp_path, ending):
    path = save_figure(plot(blobs), tmp_path / f"map.{ending}", dpi=50, title="blobs.map", about="seed 7")
    data = path.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if ending.lower() == "png":
        with Image.open(path) as image:
            assert image.text["Software"].startswith("augmap ")
            assert image.text["Description"] == "seed 7"
            assert image.size == tuple(np.floor(plot(blobs).get_size_inches() * 50 + 1e-9))
    elif ending == "pdf":
        assert data.startswith(b"%PDF")
        assert b"augmap " in data
        assert b"seed 7" in data
    else:
        assert b"</svg>" in data
        assert b"augmap " in data
        assert b"seed 7" in data


def test_many_points_stay_small_in_vector_files(tmp_path):
    m = a_map(np.random.default_rng(0).normal(size=(20_000, 2)))
    # as vectors they are more than 2 MB
    assert save_figure(plot(m, size=4), tmp_path / "a.svg", dpi=60).stat().st_size < 300_000


def test_failed_write_leaves_the_old_file(blobs, tmp_path, monkeypatch):
    path = tmp_path / "map.png"
    path.write_bytes(b"old")
    figure = plot(blobs)

    def fail(*args, **kwargs):
        raise RuntimeError("half way")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(RuntimeError, match="half way"):
        save_figure(figure, path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_where_a_figure_cannot_go(blobs, tmp_path):
    figure = plot(blobs)
    with pytest.raises(InputError, match=r"must end in one of .png, .pdf, .svg, got '.jpg'"):
        save_figure(figure, tmp_path / "map.jpg")
    with pytest.raises(InputError, match="got 'no ending'"):
        save_figure(figure, tmp_path / "map")
    with pytest.raises(InputError, match=r"its folder .*nowhere does not exist"):
        save_figure(figure, tmp_path / "nowhere" / "map.png")
    with pytest.raises(InputError, match=r"dpi must lie in \[20, 1200\], got 5"):
        save_figure(figure, tmp_path / "map.png", dpi=5)
    for ending in ("png", "pdf"):  # text and lines are vectors, points are not
        with pytest.raises(
            InputError, match=r"[\d,]+ x [\d,]+ pixels are too many, at most 400,000,000; lower"
        ):
            save_figure(plot(blobs, size=99), tmp_path / f"map.{ending}", dpi=1200)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        save_figure(figure, tmp_path / "folder.png")


def test_full_disk_leaves_the_old_file(blobs, tmp_path, monkeypatch):
    path = tmp_path / "map.png"
    path.write_bytes(b"old")

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NoRoomError, match=r"map\.png: cannot be written \(No space left on device"):
        save_figure(plot(blobs), path, dpi=40)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
