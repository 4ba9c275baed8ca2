"""What makes a pair: two views of one image, an image and a neighbour, an image and its place."""

import numpy as np
import pytest
import torch

from augmap.method.augment import apply, draw, plain
from augmap.method.edges import (
    ALL,
    AugmentationGraph,
    LabelGraph,
    LayoutGraph,
    NeighborGraph,
    Part,
    WeightedGraph,
)
from augmap.method.seeds import generator
from augmap.method.sets import AUGMENTATIONS, Augmentation
from augmap.method.source import Source
from augmap.method.transform import UserTransform

CPU = torch.device("cpu")
NOTHING = Augmentation(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, jitter=0, grey=0)


def images(n=12, size=6, channels=3):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


def steps(*batches):
    return [(torch.tensor(b), generator(0, "views", step)) for step, b in enumerate(batches)]


def views(graph, batches, part=ALL):
    return [inputs for inputs, _ in graph.pairs(batches, part)]


def augmented(augmentation=AUGMENTATIONS["natural"], size=6, views=2):
    return AugmentationGraph(Source(images(), CPU), augmentation, size, views)


def test_first_ends_then_second_ends_of_the_right_images():
    batch = [5, 0, 7]
    (found,) = views(augmented(NOTHING), steps(batch))
    same = plain(torch.from_numpy(images()[batch]))
    torch.testing.assert_close(found, torch.cat([same, same]))


def test_the_two_views_are_drawn_apart_and_anew_for_each_step():
    first, second = views(augmented(), steps([1, 2], [1, 2]))
    assert (first[:2] - first[2:]).abs().amax((1, 2, 3)).min() > 0.05
    assert not torch.equal(first, second)
    again, _ = views(augmented(), steps([1, 2], [1, 2]))
    assert torch.equal(first, again)


def test_more_views_of_an_image_come_one_after_the_other():
    (found,) = views(augmented(views=3), steps([1, 2]))
    assert found.shape == (6, 3, 6, 6)
    both = found.unflatten(0, (3, 2))
    assert (both[[0, 0, 1]] - both[[1, 2, 2]]).abs().amax((2, 3, 4)).min() > 0.05
    (same,) = views(augmented(NOTHING, views=3), steps([1, 2]))
    torch.testing.assert_close(same, plain(torch.from_numpy(images()[[1, 2, 1, 2, 1, 2]])))


def test_views_are_those_of_their_own_rows_of_the_draw():
    batch = [5, 0, 7, 9]
    drawn = draw(AUGMENTATIONS["natural"], 12, steps(batch)[0][1], image_size=6, channels=3)
    pixels = torch.from_numpy(images()[batch])
    expected = torch.cat([apply(pixels, drawn[k : k + 4], 8) for k in (0, 4, 8)])
    graph = augmented(size=8, views=3)
    (found,) = views(graph, steps(batch))
    assert torch.equal(found, expected)
    (second,) = views(graph, steps(batch), Part(1, 2))  # of two processes
    assert torch.equal(second, expected.unflatten(0, (3, 4))[:, 2:].flatten(0, 1))


def test_a_transform_of_whole_batches_is_called_for_each_view():
    def levels(batch):  # all images of a call alike
        return torch.rand(1).expand(len(batch), 3, 6, 6)

    (found,) = views(augmented(UserTransform(function=levels, each="batch"), views=3), steps([1, 2]))
    level = found[:, 0, 0, 0].unflatten(0, (3, 2))
    assert torch.equal(level[:, 0], level[:, 1])
    assert len(set(level[:, 0].tolist())) == 3


def test_views_of_another_size():
    (found,) = views(augmented(size=4), steps([0, 1, 2]))
    assert found.shape == (6, 3, 4, 4)
    assert found.is_contiguous(memory_format=torch.channels_last)


def neighbor_graph():
    table = torch.tensor([[(i + 1) % 12, (i + 3) % 12] for i in range(12)])
    return NeighborGraph(Source(torch.arange(12.0)[:, None], CPU), table)


def test_an_image_and_one_of_its_neighbours_all_of_them_in_turn():
    met = {i: set() for i in range(12)}
    batches = [(torch.randperm(12), generator(0, "views", step)) for step in range(30)]
    for (batch, _), found in zip(batches, views(neighbor_graph(), batches), strict=True):
        own, other = found[:12, 0].long(), found[12:, 0].long()
        assert torch.equal(own, batch)
        for i, j in zip(own.tolist(), other.tolist(), strict=True):
            met[i].add(j)
    assert met == {i: {(i + 1) % 12, (i + 3) % 12} for i in range(12)}


def test_neighbours_as_plain_images():
    graph = NeighborGraph(Source(images(), CPU), torch.tensor([[(i + 1) % 12] for i in range(12)]), 6)
    (found,) = views(graph, steps([3, 11]))
    assert torch.equal(found, plain(torch.from_numpy(images()[[3, 11, 4, 0]])))


def test_places_in_units_of_their_spread():
    places = torch.randn(12, 2, generator=generator(0)) * 30
    graph = LayoutGraph(Source(torch.arange(12.0)[:, None], CPU), places)
    ((inputs, targets),) = graph.pairs(steps([4, 9]))
    assert inputs[:, 0].tolist() == [4, 9]
    torch.testing.assert_close(targets * graph.unit, places[[4, 9]])
    assert graph.unit == pytest.approx(float(places.std(0).mean()))


def weighted():
    """A ring of 12 whose edges weigh 1 forward and 3 backward, and 8 between images 0 and 5."""
    ends, weights, starts = [], [], [0]
    for i in range(12):
        row = {(i + 1) % 12: 1.0, (i - 1) % 12: 3.0} | ({0: {5: 8.0}, 5: {0: 8.0}}.get(i, {}))
        ends += sorted(row)
        weights += [row[j] for j in sorted(row)]
        starts.append(len(ends))
    table = torch.tensor(starts), torch.tensor(ends, dtype=torch.int32), torch.tensor(weights)
    return WeightedGraph(Source(images(), CPU), *table, 6)


def numbers(found):
    """Which image each row is."""
    every = plain(torch.from_numpy(images())).flatten(1)
    distances = (found.flatten(1)[:, None] - every).abs().sum(2)
    assert distances.min(1).values.max() == 0
    return distances.argmin(1).tolist()


def test_edges_are_drawn_in_proportion_to_their_weights():
    graph, passes = weighted(), 600
    batches = [(torch.randperm(12), generator(0, "views", step)) for step in range(passes)]
    met = {}
    for found in views(graph, batches):
        own, other = numbers(found[:12]), numbers(found[12:])
        for pair in zip(own, other, strict=True):
            met[pair] = met.get(pair, 0) + 1
    expected = {(i, (i + 1) % 12): 1 for i in range(12)} | {(i, (i - 1) % 12): 3 for i in range(12)}
    expected |= {(0, 5): 8, (5, 0): 8}
    assert met.keys() == expected.keys()
    for pair, weight in expected.items():
        # of a total of 64; in 600 passes of 12 edges the deviation is at most 4 % of 900 (and 8 % of 112)
        assert met[pair] == pytest.approx(12 * passes * weight / 64, rel=0.25), pair


def test_each_pass_takes_one_edge_of_every_slice():
    """The two edges of weight 8 are 16 of 64: three of the 12 draws of each pass, or four, never none."""
    for seed in range(20):
        (found,) = views(weighted(), [(torch.arange(12), generator(seed))])
        pairs = list(zip(numbers(found[:12]), numbers(found[12:]), strict=True))
        assert 2 <= sum(p in ((0, 5), (5, 0)) for p in pairs) <= 4


def labelled():
    only = torch.tensor([1, 3, 4, 8, 9, 11])
    graph = AugmentationGraph(Source(images(), CPU).only(only), NOTHING, 6)
    return LabelGraph(graph, torch.tensor([0, 2, 1, 1, 0, 2]))


def test_views_with_their_classes():
    graph = labelled()
    assert len(graph.source) == 6
    ((inputs, classes),) = graph.pairs(steps([5, 0, 2]))
    assert classes.tolist() == [2, 0, 1, 2, 0, 1]
    same = plain(
        torch.from_numpy(images()[[11, 1, 4]])
    )  # the rows of the part, by their numbers in the whole
    torch.testing.assert_close(inputs, torch.cat([same, same]))
    for rank in range(2):
        ((_, mine),) = graph.pairs(steps([0, 1, 2, 3]), Part(rank, 2))
        assert mine.tolist() == [[0, 2], [1, 1]][rank] * 2


GRAPHS = [
    augmented(),
    augmented(views=4),
    weighted(),
    neighbor_graph(),
    LayoutGraph(Source(torch.arange(12.0)[:, None], CPU), torch.rand(12, 2)),
]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: type(g).__name__)
@pytest.mark.parametrize("world", [2, 3])
def test_shares_of_processes_are_slices_of_the_whole(graph, world):
    ends = 1 if isinstance(graph, LayoutGraph) else getattr(graph, "views", 2)
    batches = [list(range(12)), [7, 2, 9, 4, 0, 11], [3, 1, 2, 10, 5, 8, 6]]  # the last is a short one
    wholes = views(graph, steps(*batches))
    shares = [views(graph, steps(*batches), Part(rank, world)) for rank in range(world)]
    for step, whole in enumerate(wholes):
        own = [share[step].unflatten(0, (ends, -1)) for share in shares]
        b = len(whole) // ends // world * world
        assert torch.equal(torch.cat(own, 1), whole.unflatten(0, (ends, -1))[:, :b])


def test_some_places_of_a_layout():
    graph = LayoutGraph(Source(torch.arange(40.0)[:, None], CPU), torch.randn(40, 2))
    some = graph.some(7, torch.Generator())
    assert some.shape == (7, 2)
    assert all((graph.places / graph.unit == place).all(1).any() for place in some)
    assert len(some.unique(dim=0)) == 7
    assert torch.equal(graph.some(7, torch.Generator()), some)


def test_what_a_checkpoint_needs():
    assert augmented().kept == {}
    assert list(neighbor_graph().kept) == ["neighbors"]
    assert list(GRAPHS[-1].kept) == ["places"]
    assert list(weighted().kept) == ["starts", "ends", "weights"]
    assert labelled().kept == {}
