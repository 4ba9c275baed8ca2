"""augmap.plots: every image is drawn or reported, nothing overlaps, and files are whole."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image

from augmap.cli.main import run
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.plots.colours import DARK, LIGHT, PALETTE, colour_images, label_colours, natural
from augmap.plots.density import enclosing_levels
from augmap.plots.figure import KINDS, plot
from augmap.plots.names import place_names, shorten
from augmap.plots.save import save_figure
from augmap.plots.scatter import draw_scatter, point_style
from augmap.plots.thumbnails import choose_medoids, choose_thumbnails, thumbnail_edge
from augmap.plots.view import View, flatten, view_of
from augmap.thumbs import make_thumbs


def a_map(positions, labels=None, *, pictures=False, **scores) -> ImageMap:
    positions = np.asarray(positions, np.float32)
    names = [f"{i}.png" for i in range(len(positions))]
    columns = {} if labels is None else {"label": np.asarray(labels, dtype=str)}
    thumbs = None
    if pictures:
        shade = np.linspace(0, 255, len(positions)).astype(np.uint8)
        thumbs = make_thumbs(np.tile(shade[:, None, None, None], (1, 8, 8, 3)), positions)
    return ImageMap(positions=positions, items=Items(names, labels=columns, scores=scores), thumbs=thumbs)


@pytest.fixture(scope="module")
def blobs() -> ImageMap:
    """600 images in 6 blobs of 100, one label each."""
    rng = np.random.default_rng(0)
    angle = np.repeat(np.arange(6), 100) * np.pi / 3
    xy = 10 * np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(size=(600, 2))
    labels = np.repeat(["ant", "bee", "cat", "dog", "eel", "fox"], 100)
    return a_map(xy, labels, pictures=True, score=xy[:, 0])


def by_gid(figure: Figure, gid: str) -> list:
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def caption(figure: Figure) -> str:
    (text,) = by_gid(figure, "caption")
    return text.get_text().replace("\n", " ")


def points(figure: Figure, gid: str = "points") -> np.ndarray:
    return np.concatenate([np.zeros((0, 2)), *(c.get_offsets() for c in by_gid(figure, gid))])


def boxes_of(texts) -> list[np.ndarray]:
    return [t.get_window_extent().extents for t in texts]


def overlap(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# --- the part of the plane that is shown


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
    assert np.abs(np.corrcoef(xy[:, 0], xyz[:, 1])[0, 1]) > 0.99
    assert np.abs(np.corrcoef(xy[:, 1], xyz[:, 2])[0, 1]) > 0.99
    assert note == "first two principal axes of 3 dimensions (93 % of the variance)"  # 13 of 14
    assert "first two principal axes of 3 dimensions" in caption(plot(a_map(xyz[:50])))


# --- colours


def test_same_label_same_colour_in_two_maps(blobs):
    other = blobs.take(np.random.default_rng(0).permutation(600)[:400])
    drawn = []
    for m in (blobs, other):
        (scatter,) = by_gid(plot(m), "points")
        at = {
            tuple(p): c for p, c in zip(scatter.get_offsets().tolist(), scatter.get_facecolors(), strict=True)
        }
        drawn.append(
            {
                k: to_hex(at[tuple(p)])
                for k, p in zip(m.labels, m.positions.astype(float).tolist(), strict=True)
            }
        )
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0].values())) == 6
    # of maps with different labels: colours of all of them, handed in
    part = blobs.take(np.arange(200, 600))
    assert label_colours(part.labels)["cat"] != label_colours(blobs.labels)["cat"]
    (scatter,) = by_gid(plot(part, colours=label_colours(blobs.labels, part.labels)), "points")
    assert {to_hex(c) for c in scatter.get_facecolors()} == set(PALETTE[2:6])


def test_palette_is_safe_for_colour_blind_readers():
    def distances(count: int, sight: np.ndarray) -> float:
        rgb = np.array([to_rgb(c) for c in PALETTE[:count]])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ sight.T
        lms = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566]]
        lms.append([0.0883024619, 0.2817188376, 0.6299787005])
        lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099]]
        lab.append([0.0259040371, 0.7827717662, -0.8086757660])
        oklab = np.cbrt(np.clip(linear, 0, 1) @ np.transpose(lms)) @ np.transpose(lab)
        return min(np.linalg.norm(a - b) for a, b in combinations(oklab, 2))

    # Machado et al. 2009, severity 1
    protan = np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    )
    deutan = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    )
    assert distances(10, np.eye(3)) > 0.18
    assert distances(10, protan) > 0.095  # matplotlib's tab10: 0.007
    assert distances(10, deutan) > 0.095  # 0.023
    assert min(distances(20, s) for s in (protan, deutan)) > 0.05


def test_more_labels_than_the_palette_still_differ_from_their_neighbours():
    labels = [f"class {i}" for i in range(100)]
    colours = label_colours(np.array(labels))
    assert list(colours) == labels  # natural order, "class 2" before "class 10"
    assert len(set(colours.values())) == 100
    rgb = np.array([to_rgb(c) for c in colours.values()])
    assert np.linalg.norm(np.diff(rgb, axis=0), axis=1).min() > 0.2


def test_natural_order():
    assert sorted(["b", "a10", "a2", "2", "10", "²"], key=natural) == ["2", "10", "a2", "a10", "b", "²"]


def test_unknown_labels_and_scores_are_grey_and_counted():
    labels = np.array(["a", "", "b", ""])
    score = np.array([0.0, np.nan, 1.0, np.inf])
    grey = to_rgb(LIGHT.missing)
    by_label = colour_images({"label": labels}, 4, "label", LIGHT)
    assert [tuple(c[:3]) == grey for c in by_label.rgba] == [False, True, False, True]
    by_score = colour_images({"s": score}, 4, "s", LIGHT)
    assert [tuple(c[:3]) == grey for c in by_score.rgba] == [False, True, False, False]
    assert np.array_equal(by_score.rgba[2], by_score.rgba[3])  # infinite: the end of the bar
    figure = plot(a_map(np.eye(4)[:, :2], labels, s=score))
    assert "grey: not known (2)" in caption(figure)
    assert "grey: not known (1)" in caption(plot(a_map(np.eye(4)[:, :2], labels, s=score), color_by="s"))


def test_score_has_a_bar_that_says_where_colours_end():
    score = np.r_[np.linspace(0, 1, 1000), 50.0]
    colouring = colour_images({"s": score}, 1001, "s", DARK)
    assert colouring.extend == "both"
    assert colouring.norm.vmax == pytest.approx(0.991, abs=0.002)  # the 99 % quantile, not 50
    light = colouring.rgba[:1000, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) >= -1e-9).all()  # lighter is more, throughout
    rng = np.random.default_rng(0)
    figure = plot(a_map(rng.normal(size=(1001, 2)), s=score), color_by="s")
    (bar,) = figure.axes[0].child_axes
    assert bar.get_ylabel() == "s"
    constant = colour_images({"s": np.full(5, 3.0)}, 5, "s", LIGHT)
    assert constant.norm.vmin < 3 < constant.norm.vmax


# --- points


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


# --- names


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


# --- pictures


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


# --- density


def test_contours_enclose_the_shares_they_name():
    density = np.array([[8.0, 4, 2], [1, 1, 0]])  # of 16: the 8 holds a half, 8 + 4 three quarters
    assert enclosing_levels(density, [0.75]) == [4.0]
    assert enclosing_levels(density, [0.5]) == []  # nothing lies above the highest
    assert enclosing_levels(density, [0.75, 0.7, 0.87]) == [2.0, 4.0]


def test_density_of_a_score_is_refused(blobs):
    with pytest.raises(InputError, match="kind 'density' shows how many images there are, not 'score'"):
        plot(blobs, "density", color_by="score")


# --- the figure


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


# --- files


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
    with pytest.raises(InputError, match="there is no folder"):
        save_figure(figure, tmp_path / "nowhere" / "map.png")
    with pytest.raises(InputError, match=r"dpi must lie in \[20, 1200\], got 5"):
        save_figure(figure, tmp_path / "map.png", dpi=5)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        save_figure(figure, tmp_path / "folder.png")


# --- the command


@pytest.fixture(scope="module")
def saved(blobs, tmp_path_factory):
    return blobs.save(tmp_path_factory.mktemp("plots") / "blobs.map")


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
        (["-o", str(tmp_path / "b.png"), "--kind", "pie"], "pie"),
    ):
        assert run(["plot", str(saved), *wrong]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    assert not (tmp_path / "b.png").exists()


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
