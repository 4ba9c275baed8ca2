"""augmap.plots.thumbnails and density: typical pictures at their places, without overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from augmap.errors import InputError
from augmap.plots.colours import label_colours
from augmap.plots.density import enclosing_levels
from augmap.plots.figure import plot
from augmap.plots.thumbnails import choose_medoids, choose_thumbnails, draw_thumbnails, thumbnail_edge
from augmap.plots.view import View, view_of
from plotted import by_gid, caption


@given(st.integers(1, 400), st.integers(0, 2**16), st.sampled_from([0.05, 0.3, 2.0]))
@settings(max_examples=25)
def test_pictures_do_not_overlap_and_leave_no_hole(n, seed, edge):
    xy = np.random.default_rng(seed).normal(size=(n, 2))
    view = view_of(xy)
    chosen = choose_thumbnails(xy, view, edge)
    gap = np.abs(xy[chosen][:, None] - xy[chosen][None]).max(-1) + 9 * edge * np.eye(len(chosen))
    assert gap.min() >= edge * (1 - 1e-6)
    assert len(set(chosen.tolist())) == len(chosen) >= 1
    if n <= 10:  # every image was a candidate: one that is not shown would hit one that is
        inside = np.flatnonzero(view.holds(xy))
        reach = np.abs(xy[inside][:, None] - xy[chosen][None]).max(-1).min(1)
        assert (reach < edge).all()


def test_the_most_typical_image_comes_first():
    # one cell: a tight group around 0.5 and a stray; the picture is of the image nearest to the mean
    xy = np.array([[0.1, 0.1], [0.55, 0.55], [0.6, 0.6], [0.65, 0.65], [0.6, 0.62]])
    chosen = choose_thumbnails(xy, View(0, 1, 0, 1), edge=0.85)
    assert chosen.tolist() == [1]  # mean (0.5, 0.504)


def test_medoids_stand_at_the_peaks(blobs):
    xy = blobs.positions.astype(float)
    view = view_of(xy)
    chosen = choose_medoids(xy, view, view.side / 6)
    assert set(blobs.labels[chosen]) == {"ant", "bee", "cat", "dog", "eel", "fox"}


def test_frames_have_the_colour_of_the_label_and_pictures_their_place(blobs):
    figure = plot(blobs, "thumbnails")
    ax = figure.axes[0]
    (frames,) = (c for c in ax.collections if type(c).__name__ == "PatchCollection")
    colours = label_colours(blobs.labels)
    images = by_gid(figure, "thumbnail")
    assert f"{len(images)} of them as pictures" in caption(figure)
    xlim, ylim = ax.get_xlim(), ax.get_ylim()
    for image, edge in zip(images, frames.get_edgecolors(), strict=True):
        x0, x1, y0, y1 = image.get_extent()
        assert xlim[0] <= x0 < x1 <= xlim[1]
        assert ylim[0] <= y0 < y1 <= ylim[1]
        row = np.hypot(*(blobs.positions - [(x0 + x1) / 2, (y0 + y1) / 2]).T).argmin()
        assert to_hex(edge) == colours[blobs.labels[row]]
        assert abs(int(image.get_array().mean()) - 255 * row / 599) < 6  # WebP is lossy


def test_edge_follows_the_number_of_images():
    view = View(0, 2, 0, 2)
    edges = [thumbnail_edge(n, view) for n in (1, 100, 400, 60_000)]
    assert edges == sorted(edges, reverse=True)
    assert edges[0] == pytest.approx(2 / 9)
    assert edges[1] == pytest.approx(0.8 * np.sqrt(0.4 * 4 / 100))
    assert edges[-1] == pytest.approx(2 / 32)


def test_contours_enclose_the_shares_they_name():
    density = np.array([[8.0, 4, 2], [1, 1, 0]])  # of 16: the 8 holds a half, 8 + 4 three quarters
    assert enclosing_levels(density, [0.75]) == [4.0]
    assert enclosing_levels(density, [0.5]) == []  # nothing lies above the highest
    assert enclosing_levels(density, [0.75, 0.7, 0.87]) == [2.0, 4.0]


def test_density_of_a_score_is_refused(blobs):
    with pytest.raises(InputError, match="kind 'density' shows how many images there are, not 'score'"):
        plot(blobs, "density", color_by="score")


def test_a_picture_stands_upright():
    figure = Figure(figsize=(2, 2), dpi=50)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, 1), ylim=(0, 1))
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    picture[0, :2] = 255  # white above black
    boxes = draw_thumbnails(ax, np.array([[0.5, 0.5]]), picture, 1.0, np.zeros((1, 4)))
    assert boxes == [pytest.approx((0.04, 0.04, 0.96, 0.96))]
    figure.canvas.draw()
    seen = np.asarray(figure.canvas.buffer_rgba())[..., 0]  # row 0 is the top
    assert (seen[25, 50], seen[75, 50]) == (255, 0)
