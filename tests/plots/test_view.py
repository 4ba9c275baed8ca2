"""augmap.plots.view and scatter: every image is drawn or reported, and the many do not drown the few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from augmap.plots.figure import KINDS, plot
from augmap.plots.scatter import draw_scatter, point_style
from augmap.plots.view import View, flatten, view_of
from plotted import a_map, by_gid, caption, points


def test_far_images_do_not_squeeze_the_map_and_are_reported():
    rng = np.random.default_rng(0)
    bulk = rng.uniform(-1, 1, (500, 2))
    far = np.array([[1000, 0], [-50, 0], [0, 90], [0.5, -7]])
    figure = plot(a_map(np.vstack([bulk, far])))
    ax = figure.axes[0]
    assert np.abs([*ax.get_xlim(), *ax.get_ylim()]).max() < 1.2
    assert len(points(figure)) == 500
    marks = by_gid(figure, "outside")
    assert sum(len(m.get_offsets()) for m in marks) == 4
    assert len(marks) == 4  # one triangle for each side
    assert "504 images" in caption(figure)
    assert "4 far outside, marked at the border" in caption(figure)


@given(st.integers(1, 300), st.integers(0, 2**16), st.sampled_from([0.0, 1.0, 3.0]))
@settings(max_examples=25)
def test_every_image_is_drawn_or_marked(n, seed, tail):
    xy = np.random.default_rng(seed).standard_t(1 if tail else 50, (n, 2)) * max(tail, 1)
    view = view_of(xy)
    ax = Figure().add_axes((0, 0, 1, 1))
    outside = draw_scatter(ax, xy, np.tile([0.0, 0, 0, 1], (n, 1)), view)
    assert len(points(ax)) + outside == n
    assert len(points(ax, "outside")) == outside
    assert view.holds(xy).sum() >= 0.8 * n
    # a mark lies inside the view, where it is seen
    assert view.holds(points(ax, "outside")).all()


def test_a_normal_map_is_shown_whole():
    xy = np.random.default_rng(1).normal(size=(100_000, 2))
    assert view_of(xy).holds(xy).all()


def test_view_counted():
    # 101 images at 0, 1, ..., 100 on a line: all of them, 3 % of 100 on each side; height 100 / 2.5
    xy = np.column_stack([np.arange(101.0), np.zeros(101)])
    view = view_of(xy)
    assert (view.x0, view.x1) == pytest.approx((-3, 103))
    assert (view.y0, view.y1) == pytest.approx((-23, 23))
    assert view.aspect == pytest.approx(106 / 46)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 30])
def test_all_at_one_place(kind, n):
    figure = plot(a_map(np.full((n, 2), 300.0), ["a"] * n, pictures=True), kind)
    figure.canvas.draw()
    assert f"{n} image" in caption(figure)
    if kind == "scatter":
        assert len(points(figure)) == n
    else:
        assert len(by_gid(figure, "thumbnail")) == 1


def test_three_dimensions_are_shown_along_principal_axes_and_it_says_so():
    rng = np.random.default_rng(0)
    xyz = rng.normal(size=(4000, 3))
    xyz = xyz / xyz.std(0) * [1, 3, 2]
    xy, note = flatten(xyz.astype(np.float32))
    assert np.corrcoef(xy[:, 0], xyz[:, 1])[0, 1] > 0.99  # turned so that more of y is more
    assert np.corrcoef(xy[:, 1], xyz[:, 2])[0, 1] > 0.99
    mirrored, _ = flatten(-xyz.astype(np.float32))
    assert np.allclose(mirrored, -xy, atol=1e-4)
    assert note == "first two principal axes of 3 dimensions (93 % of the variance)"  # 13 of 14
    assert "first two principal axes of 3 dimensions" in caption(plot(a_map(xyz[:50])))


def test_points_shrink_then_fade():
    ax = Figure(figsize=(8, 8)).add_axes((0, 0, 1, 1))
    view = View(0, 1, 0, 1)
    styles = []
    for n in (100, 1_797, 60_000, 1_000_000):
        xy = np.random.default_rng(0).random((n, 2))
        styles.append(point_style(ax, xy, view))
    sizes, alphas = zip(*styles, strict=True)
    assert list(sizes) == sorted(sizes, reverse=True)
    assert list(alphas) == sorted(alphas, reverse=True)
    # 0.7 of 576² pt² over 60,000
    assert sizes[2] == pytest.approx(0.7 * 576**2 / 60_000, rel=0.1)
    assert 0.1 < alphas[3] < 0.9


def test_order_is_random_but_unknown_labels_lie_below(blobs):
    labels = blobs.labels.copy()
    labels[::3] = ""
    (scatter,) = by_gid(plot(a_map(blobs.positions, labels)), "points")
    order = [np.flatnonzero((blobs.positions == np.float32(p)).all(1))[0] for p in scatter.get_offsets()]
    assert set(order[:200]) == set(range(0, 600, 3))
    # runs of one label: six in the order of the table, about 333 in a random one
    assert (np.diff(np.array(order[200:]) // 100) != 0).sum() > 250
    (again,) = by_gid(plot(a_map(blobs.positions, labels)), "points")
    assert np.array_equal(scatter.get_offsets(), again.get_offsets())
