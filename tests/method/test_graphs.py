"""The graph of each stage, and what of it a resumed run takes over."""

import numpy as np
import pytest
import torch
from runs import Small, cpu, small_config, stripes
from scipy.sparse import csr_array

from augmap.errors import InputError
from augmap.method import fitted
from augmap.method import graphs as graphing
from augmap.method.affinity import affinities, memberships
from augmap.method.edges import AugmentationGraph, LabelGraph, LayoutGraph, NeighborGraph, WeightedGraph
from augmap.method.graphs import Graphs, feature_neighbors, neighborhood
from augmap.method.project import project
from augmap.method.sets import AUGMENTATIONS
from augmap.method.source import Source
from augmap.method.weights import build_encoder
from augmap.method.whiten import whitened
from augmap.neighbors import nearest
from augmap.stage import Stage

PIXELS = stripes(60)[0]
CONFIG = small_config(recompute_statistics=False)


def graphs(config=CONFIG, said=None, pixels=PIXELS):
    source = Source(pixels, torch.device("cpu"))
    say = (lambda line: None) if said is None else said.append
    return Graphs(pixels, source, AUGMENTATIONS["natural"], config, cpu(), say, lambda title: None)


def stage(**options):
    few = {"neighbors": 4} if "edges" in options else {}
    return Stage(**{"name": "s", "steps": 1, **few, **options})


def encoder():
    return build_encoder(CONFIG, PIXELS, Small())


def test_views_of_a_share_of_the_image():
    pixels = stripes(4, size=40)[0]
    graph = graphs(pixels=pixels)(stage(view_scale=0.6), encoder(), None)
    assert isinstance(graph, AugmentationGraph)
    assert graph.view_size == 24
    assert graph.augmentation is AUGMENTATIONS["natural"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_views_are_made_in_the_precision_of_the_network(precision):
    made = graphs(CONFIG.replace(precision=precision))
    made.classes = np.arange(60) % 2
    low = precision == "bfloat16"
    assert made(stage(), encoder(), None).low == low
    assert made(stage(loss="cross_entropy"), encoder(), None).views.low == low


@pytest.mark.parametrize(("train", "shape"), [("head", (60, 16)), ("all", (60, 8, 8, 1))])
def test_neighbours_in_the_features(train, shape):
    said = []
    graph = graphs(said=said)(stage(edges="neighbors", train=train), encoder(), None)
    assert isinstance(graph, NeighborGraph)
    features = project(encoder(), PIXELS)[1]
    np.testing.assert_array_equal(graph.neighbors, nearest(features, 4, metric="cosine")[0])
    assert graph.source.shape == shape  # a frozen backbone is run once
    if train == "head":
        np.testing.assert_array_equal(graph.source.take(torch.arange(60)), features)
    assert said == ["graph of the 4 nearest neighbours of 60 images"]


@pytest.mark.parametrize("edges", ["neighbors", "layout"])
def test_neighbours_in_whitened_features(edges, monkeypatch):
    seen = []

    def laid(h, table, random, *, pulling, **_):
        assert pulling == 4
        seen.append((h, table))
        return h[:, :2]

    monkeypatch.setattr(graphing, "layout", laid)
    graph = graphs()(stage(edges=edges, train="head", whitening=0.5), encoder(), None)
    features = whitened(project(encoder(), PIXELS)[1], 0.5)
    k = 16 if edges == "layout" else 4  # four attract, and four times as many say what is shared
    expected = nearest(features, k, metric="cosine")[0]
    plain = nearest(project(encoder(), PIXELS)[1], k, metric="cosine")[0]
    table = graph.neighbors if edges == "neighbors" else seen[0][1]
    np.testing.assert_array_equal(table, expected)
    assert (expected != plain).any()
    if edges == "layout":
        np.testing.assert_array_equal(seen[0][0], features)
    assert graph.source.shape == (60, 16)  # what is learned from is h as it is
    np.testing.assert_array_equal(graph.source.take(torch.arange(60)), project(encoder(), PIXELS)[1])


def test_of_few_images_all_others_are_neighbours():
    graph = graphs(pixels=PIXELS[:3])(stage(edges="neighbors", train="head"), encoder(), None)
    assert graph.neighbors.sort(1).values.tolist() == [[1, 2], [0, 2], [0, 1]]


def test_a_kept_table_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(graphing, "nearest", None)
    monkeypatch.setattr(graphing, "settle_statistics", None)
    table = torch.zeros(60, 4, dtype=torch.long)
    for train in ("head", "all"):
        made = graphs(small_config())(stage(edges="neighbors", train=train), encoder(), {"neighbors": table})
        assert made.neighbors is table
    places = torch.rand(60, 2)
    made = graphs(small_config())(stage(edges="layout", train="head"), encoder(), {"places": places})
    assert made.places is places
    assert made.source.shape == (60, 16)


def test_a_layout_is_a_function_of_the_seed():
    def places(seed):
        made = graphs(CONFIG.replace(seed=seed))(
            stage(edges="layout", train="head", dim=3, layout_passes=5), encoder(), None
        )
        assert isinstance(made, LayoutGraph)
        return made.places

    assert places(0).shape == (60, 3)
    assert torch.equal(places(0), places(0))
    assert not torch.equal(places(0), places(1))


def test_of_many_images_some_are_laid_out(monkeypatch):
    monkeypatch.setattr(fitted, "LAID_OUT", 40)
    said, laid = [], stage(edges="layout", train="head", layout_passes=5)
    made = graphs(said=said)(laid, encoder(), None)
    assert said == ["graph of the 4 nearest neighbours of 40 images, drawn from 60"]
    assert made.places.shape == (40, 2)
    features = project(encoder(), PIXELS)[1]
    rows = [np.flatnonzero((features == row).all(1)) for row in made.source.take(torch.arange(40)).numpy()]
    assert all(len(row) for row in rows)
    again = graphs()(laid, encoder(), {"places": made.places})  # as a resumed run has it
    assert torch.equal(again.source.take(torch.arange(40)), made.source.take(torch.arange(40)))
    other = graphs(CONFIG.replace(seed=1))(laid, encoder(), None)
    assert not torch.equal(other.source.take(torch.arange(40)), made.source.take(torch.arange(40)))
    assert fitted.trained_on(laid, 60, None) == 40
    assert fitted.trained_on(stage(), 60, None) == 60
    assert graphs()(stage(edges="neighbors", train="head"), encoder(), None).source.shape == (60, 16)
    head = {"edges": "layout", "train": "head", "new_layer": "head"}
    config = small_config(stage(**head, anchors=2000), stage(**head, anchors=9))
    found = fitted.fit_batches(config, 60, 1, print).stages
    assert [s.anchors for s in found] == [40, 9]


def test_a_layout_of_few_images_does_not_fall_into_one_place(monkeypatch):
    monkeypatch.setattr(fitted, "LAID_OUT", 12)
    made = graphs()(stage(edges="layout", train="head", neighbors=15), encoder(), None)
    assert made.places.std(0).min() > 0.1


@pytest.mark.parametrize(
    ("edges", "n", "k", "around"),
    [
        *(("layout", 2, 1, 1), ("layout", 12, 3, 3), ("layout", 46, 15, 15), ("layout", 100, 15, 33)),
        *(("layout", 900, 15, 60), ("neighbors", 12, 11, 11), ("neighbors", 900, 15, 15)),
    ],
)
def test_a_layout_has_at_most_a_third_of_the_others_as_neighbours(edges, n, k, around):
    asked = stage(edges=edges, train="head" if edges == "layout" else "all", neighbors=15)
    assert (feature_neighbors(asked, n), neighborhood(asked, n)) == (k, around)


@pytest.mark.parametrize(("n", "anchors"), [(60, 60), (1000, 500), (4000, 1000), (10_000, 2000)])
def test_at_most_a_quarter_of_the_images_are_anchors(n, anchors):
    head = {"edges": "layout", "train": "head", "new_layer": "head"}
    config = small_config(stage(**head, anchors=2000))
    assert fitted.fit_batches(config, n, 1, print).stages[0].anchors == anchors


def test_a_layout_teaches_the_head_only():
    with pytest.raises(InputError, match="train 'head' or 'last'"):
        graphs()(stage(edges="layout"), encoder(), None)


@pytest.mark.parametrize(("augment", "edge"), [("natural", 30), ("glyph", 40)])
def test_views_as_large_as_the_mean_crop(augment, edge):
    # natural crops have a mean side of 2/3 (1 - .2^1.5) / .8 = .759; glyphs are not cut
    pixels = stripes(32, size=40)[0]
    made = graphs(pixels=pixels)
    made.augmentation = AUGMENTATIONS[augment]
    assert made(stage(view_scale=None), encoder(), None).view_size == edge
    drawn = np.sqrt(np.random.default_rng(0).uniform(*AUGMENTATIONS[augment].crop_area, 100_000)).mean()
    assert AUGMENTATIONS[augment].mean_side == pytest.approx(drawn, abs=2e-3)


def test_no_view_is_smaller_than_sixteen_pixels_or_the_image():
    for edge, expected in ((8, 8), (16, 16), (20, 16)):
        pixels = stripes(32, size=edge)[0]
        assert graphs(pixels=pixels)(stage(view_scale=0.5), encoder(), None).view_size == expected


@pytest.mark.parametrize(("affinity", "k"), [("even", 4), ("perplexity", 9), ("fuzzy", 3)])
def test_neighbours_of_pixels(affinity, k, monkeypatch):
    """The encoder is never asked; a resumed run takes the edges as they were kept."""
    said = []
    options = {"perplexity": 3.0} if affinity == "perplexity" else {}
    wanted = stage(edges="pixels", affinity=affinity, **options)
    graph = graphs(said=said)(wanted, None, None)
    assert said == [f"graph of the {k} nearest neighbours of 60 images in pixel space"]
    found, distances = nearest(PIXELS.reshape(60, -1).astype(np.float32), k)
    assert graph.source.shape == (60, 8, 8, 1)
    if affinity == "even":
        assert isinstance(graph, NeighborGraph)
        np.testing.assert_array_equal(graph.neighbors, found)
    else:
        assert isinstance(graph, WeightedGraph)
        expected = {
            "perplexity": lambda: affinities(found, distances, 3.0),
            "fuzzy": lambda: memberships(found, distances),
        }[affinity]()
        rows = csr_array((graph.weights.numpy(), graph.ends.numpy(), graph.starts.numpy()), shape=(60, 60))
        np.testing.assert_allclose(rows.toarray(), expected.toarray(), rtol=1e-6)
        assert (graph.weights > 0).all()
    monkeypatch.setattr(graphing, "nearest", None)
    again = graphs()(wanted, None, graph.kept)
    assert all(torch.equal(v, again.kept[name]) for name, v in graph.kept.items())


def test_a_label_graph_holds_the_images_that_train_and_no_others():
    made = graphs()
    made.classes = np.where(np.arange(60) % 3 == 0, -1, np.arange(60) % 3 - 1)
    graph = made(stage(loss="cross_entropy", dim=2), encoder(), None)
    assert isinstance(graph, LabelGraph)
    assert len(graph.source) == 40
    rows = np.flatnonzero(made.classes >= 0)
    np.testing.assert_array_equal(graph.source.take(torch.arange(40)), PIXELS[rows])
    np.testing.assert_array_equal(graph.classes, made.classes[rows])
    assert isinstance(made(stage(), encoder(), None), AugmentationGraph)  # no other stage sees a class


def test_stand_ins_are_not_searched_for(monkeypatch):
    monkeypatch.setattr(graphing, "nearest", None)
    made = graphs()
    assert isinstance(made.stand_in(stage(), encoder()), AugmentationGraph)
    assert made.stand_in(stage(edges="pixels"), encoder()).source.shape == (60, 8, 8, 1)
    assert made.stand_in(stage(edges="layout", train="head"), encoder()) is None
