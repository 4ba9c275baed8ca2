"""augmap.plots.figure and layout: everything has room, nothing heavy is imported."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from augmap.errors import InputError
from augmap.plots.colours import DARK, LIGHT
from augmap.plots.figure import KINDS, plot
from augmap.plots.save import save_figure
from plotted import a_map, by_gid, caption


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True])
def test_background_and_axes(blobs, kind, dark):
    figure = plot(blobs, kind, dark=dark, title="Six blobs")
    assert to_hex(figure.get_facecolor()) == (DARK if dark else LIGHT).background
    ax = figure.axes[0]
    assert ax.get_aspect() == 1
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0
    assert by_gid(figure, "title")[0].get_text() == "Six blobs"
    figure.canvas.draw()
    for text in (*by_gid(figure, "title"), *by_gid(figure, "caption"), *by_gid(figure, "name")):
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("size", [None, 2.5])
@pytest.mark.parametrize("title", ["Blobs of a winter " * 4, "Wide " * 90])
def test_a_long_title_stays_on_the_figure(blobs, title, size):
    figure = plot(blobs, title=title, size=size)
    figure.canvas.draw()
    text = by_gid(figure, "title")[0]
    assert text.get_window_extent().x1 <= figure.axes[0].bbox.x1
    assert text.get_fontsize() >= 9
    assert text.get_text() == title or text.get_text().endswith("…")
    assert len(text.get_text()) > 10


def test_size(blobs):
    assert plot(blobs, size=(6, 4)).get_size_inches() == pytest.approx((6, 4))
    box = plot(blobs, size=5).axes[0].get_window_extent()
    assert max(box.width, box.height) / 150 == pytest.approx(5)
    for size in (0, -1, 1000, float("nan"), (8, 0.5)):
        with pytest.raises(InputError, match=r"size must leave room .* got"):
            plot(blobs, size=size)


def test_two_maps_in_one_figure(blobs):
    mine = Figure(figsize=(8, 4))
    left, right = mine.subplots(1, 2)
    assert plot(blobs, ax=left) is mine
    plot(blobs, "thumbnails", ax=right, names=False)
    assert mine.get_size_inches() == pytest.approx((8, 4))
    assert len(mine.axes) == 2


def test_no_labels_is_said(blobs):
    bare = a_map(blobs.positions)
    assert "no labels" in caption(plot(bare))
    assert "no labels" not in caption(plot(bare, color_by=None))
    (scatter,) = by_gid(plot(bare), "points")
    assert to_hex(scatter.get_facecolors()[0]) == LIGHT.single


def test_mistakes(blobs):
    with pytest.raises(InputError, match="kind must be one of scatter, thumbnails, density, got 'pie'"):
        plot(blobs, "pie")
    with pytest.raises(InputError, match="no column 'colour' to colour by; it has: label, score"):
        plot(blobs, color_by="colour")
    with pytest.raises(InputError, match="no thumbnails to draw; use kind 'scatter' or 'density'"):
        plot(a_map(blobs.positions), "thumbnails")
    with pytest.raises(InputError, match="no images, so there is nothing to plot"):
        plot(a_map(np.zeros((0, 2))))
    with pytest.raises(InputError, match="2 or more dimensions, this one has 1"):
        plot(a_map(np.zeros((3, 1))))
    with pytest.raises(InputError, match="no colour given for 5 labels, first 'bee'"):
        plot(blobs, colours={"ant": "red"})


def test_light_import():
    code = """import sys
import augmap.plots, augmap.cli.plot
assert "matplotlib" not in sys.modules
import augmap.plots.figure, augmap.plots.save
wrong = {"torch", "matplotlib.pyplot"} & set(sys.modules)
assert not wrong, wrong"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pyplot_stays_out_when_drawing(blobs, tmp_path):
    before = re.findall("pyplot", " ".join(sys.modules))
    save_figure(plot(blobs, "density"), tmp_path / "a.png", dpi=40)
    assert re.findall("pyplot", " ".join(sys.modules)) == before


def test_a_notebook_shows_the_figure(blobs):
    png = plot(blobs, size=2)._repr_png_()
    assert png.startswith(b"\x89PNG")
