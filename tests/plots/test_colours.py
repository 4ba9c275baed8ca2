"""augmap.plots.colours: the same label in the same colour, told apart by everybody."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from augmap.plots.colours import DARK, LIGHT, PALETTE, colour_images, label_colours, natural
from augmap.plots.figure import plot
from plotted import a_map, by_gid, caption


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
    assert sorted(["b", "é", "B", "a7", "a07", "a6"], key=natural) == ["B", "a6", "a07", "a7", "b", "é"]


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
