"""augmap.plots.names: names stand in their clusters and never overlap."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from augmap.plots.colours import LIGHT, label_colours
from augmap.plots.figure import plot
from augmap.plots.names import place_names, shorten
from augmap.plots.view import View
from plotted import a_map, boxes_of, by_gid, caption, overlap


def test_names_stand_in_their_clusters(blobs):
    figure = plot(blobs)
    texts = by_gid(figure, "name")
    assert sorted(t.get_text() for t in texts) == ["ant", "bee", "cat", "dog", "eel", "fox"]
    for text in texts:
        middle = blobs.positions[blobs.labels == text.get_text()].mean(0)
        assert np.hypot(*(text.get_position() - middle)) < 1.5
    assert not any(overlap(a, b) for a, b in combinations(boxes_of(texts), 2))
    assert figure.axes[0].get_legend() is None


def test_a_label_in_two_clusters_is_named_twice():
    rng = np.random.default_rng(0)
    centres = np.repeat([[-10, 0], [10, 0], [0, 8]], 200, axis=0)
    labels = np.repeat(["twin", "twin", "one"], 200)
    figure = plot(a_map(centres + rng.normal(size=(600, 2)), labels))
    names = {}
    for text in by_gid(figure, "name"):
        names.setdefault(text.get_text(), []).append(text.get_position()[0])
    assert sorted(round(x / 10) for x in names["twin"]) == [-1, 1]
    assert len(names["one"]) == 1


@pytest.mark.parametrize("each", [1, 2])
def test_names_of_a_few_images_do_not_cover_them(each):
    places = np.array([[0, 0], [4, 1], [8, 0], [4, 5], [0, 4]], float)  # the fourth has no room above it
    xy = np.repeat(places, each, 0) + 0.05 * np.random.default_rng(0).normal(size=(len(places) * each, 2))
    m = a_map(xy, [f"name {i // each}" for i in range(len(xy))])
    figure = plot(m, size=3)
    at = figure.axes[0].transData.transform(m.positions)
    names = by_gid(figure, "name")
    assert {t.get_text() for t in names} == set(m.labels)
    for text, box in zip(names, boxes_of(names), strict=True):
        own = at[m.labels == text.get_text()]
        assert not ((own > box[:2]) & (own < box[2:])).all(1).any()
        assert np.abs(own[:, 1] - (box[1] + box[3]) / 2).min() < 2 * (box[3] - box[1])


@given(st.integers(2, 60), st.integers(0, 2**16), st.sampled_from([0.1, 3.0, 30.0]))
@settings(max_examples=8)
def test_names_never_overlap_and_what_is_left_out_is_said(kinds, seed, spread):
    rng = np.random.default_rng(seed)
    which = np.r_[np.arange(kinds), rng.integers(0, kinds, 300)]
    xy = (rng.normal(size=(kinds, 2)) * spread)[which] + rng.normal(size=(len(which), 2))
    m = a_map(xy, [f"name {'x' * (i % 12)} {i}" for i in which])
    figure = plot(m, size=5)
    texts = by_gid(figure, "name")
    assert not any(overlap(a, b) for a, b in combinations(boxes_of(texts), 2))
    left = kinds - len({t.get_text() for t in texts})
    legend = figure.axes[0].get_legend()
    if left and kinds <= 20:
        assert len(legend.get_texts()) == kinds
    elif left:
        assert f"no room for the names of {left}" in caption(figure)
    else:
        assert legend is None


def test_names_keep_off_pictures_and_pictures_off_names(blobs):
    for kind in ("density", "thumbnails"):
        figure = plot(blobs, kind)
        figure.canvas.draw()
        pictures = [i.get_window_extent().extents for i in by_gid(figure, "thumbnail")]
        assert len(pictures) > 5
        names = boxes_of(by_gid(figure, "name"))
        assert len(names) >= 6
        assert not any(overlap(a, b) for a in names for b in pictures), kind


def test_names_that_are_no_plain_words():
    names = ["$x_1$", "a\nb", "c\udcff", "tab\there", "w" * 60, "%s", "_{}", "\x07"]
    m = a_map(
        np.random.default_rng(0).normal(size=(80, 2)) + 9 * np.repeat(np.eye(8)[:, :2], 10, 0), names * 10
    )
    for figure in (plot(m), plot(m, names=False, title="$100 & a_b^")):
        figure.canvas.draw()
    assert shorten("a\n b") == "a b"
    assert shorten("c\udcff") == "c\\udcff"
    assert len(shorten("w" * 60)) == 28
    shown = {t.get_text() for t in plot(m, names=False).axes[0].get_legend().get_texts()}
    assert {"$x_1$", "a b", "c\\udcff", "\\x07", "_{}"} <= shown


def test_no_names_means_a_legend_beside_the_map(blobs):
    with_names, without = plot(blobs), plot(blobs, names=False)
    assert by_gid(without, "name") == []
    assert [t.get_text() for t in without.axes[0].get_legend().get_texts()] == [
        "ant",
        "bee",
        "cat",
        "dog",
        "eel",
        "fox",
    ]
    # the figure grows by the legend; the map keeps its size
    without.canvas.draw()
    a, b = with_names.axes[0].get_window_extent(), without.axes[0].get_window_extent()
    assert (b.width, b.height) == pytest.approx((a.width, a.height))
    assert without.axes[0].get_legend().get_window_extent().x1 <= without.bbox.x1


def test_place_names_reports_labels_outside_the_view():
    xy = np.array([[0.0, 0], [1, 1], [50, 50]])
    figure = Figure()
    ax = figure.add_axes((0, 0, 1, 1), xlim=(-1, 2), ylim=(-1, 2))
    labels = np.array(["a", "b", "c"])
    written = place_names(ax, xy, labels, label_colours(labels), LIGHT, View(-1, 2, -1, 2))
    assert written.left_out == ["c"]


def test_names_that_find_no_room_are_left_out_and_counted():
    labels = [f"name number {i}" for i in range(160)] * 2
    figure = plot(a_map(np.random.default_rng(0).normal(size=(320, 2)), labels), size=3)
    texts = by_gid(figure, "name")
    assert 10 < len(texts) < 120
    assert not any(overlap(a, b) for a, b in combinations(boxes_of(texts), 2))
    left = 160 - len({t.get_text() for t in texts})
    assert f"no room for the names of {left}" in caption(figure)
