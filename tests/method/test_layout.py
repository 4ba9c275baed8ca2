"""A layout of a neighbour graph: points with free coordinates, moved by the contrastive loss."""

import numpy as np
import pytest
import torch

from augmap.evaluate.recall import neighbor_recall
from augmap.method.layout import START, layout
from augmap.method.seeds import generator
from augmap.neighbors import nearest


def blobs(n=300, clusters=6, dim=16, seed=0):
    """Points around well separated centres, their neighbour table, and which centre each has."""
    random = np.random.default_rng(seed)
    which = np.arange(n) % clusters
    x = 4 * random.standard_normal((clusters, dim))[which] + random.standard_normal((n, dim))
    x = x.astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(nearest(x, 10, metric="cosine")[0]), which


def purity(places, which):
    found = nearest(places.numpy(), 10)[0]
    return (which[found] == which[:, None]).mean()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_neighbours_come_together_and_the_rest_does_not(dim):
    x, table, which = blobs()
    start = layout(x, table, generator(0), dim=dim, passes=1e-9)  # one step: the principal components
    places = layout(x, table, generator(0), dim=dim, passes=60)
    assert places.shape == (300, dim)
    assert places.dtype == torch.float32
    recall = [neighbor_recall(z.numpy(), x.numpy(), k=10).mean() for z in (start, places)]
    assert recall[1] > recall[0] + 0.05, recall  # the control is the start
    # measured: 0.955 in one dimension, where clusters cannot pass each other
    assert purity(places, which) > 0.9


def test_the_same_generator_gives_the_same_layout_and_another_one_another():
    x, table, _ = blobs(100)
    first, again, other = (layout(x, table, generator(seed), passes=5) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_it_is_centred_and_starts_at_its_spread():
    x, table, _ = blobs()
    places = layout(x, table, generator(0), passes=1e-9)
    assert torch.allclose(places.mean(0), torch.zeros(2), atol=1e-4)
    assert places.std(0).mean().item() == pytest.approx(START, rel=0.1)


def test_images_that_coincide_can_part():
    x = torch.ones(40, 8)
    table = torch.stack([(torch.arange(40) + i) % 40 for i in (1, 2, 3)], 1)
    places = layout(x, table, generator(0), passes=30)
    assert torch.isfinite(places).all()
    assert len(torch.unique(places, dim=0)) == 40


def test_a_point_is_pulled_by_all_its_neighbours_at_half_strength_and_pushed_by_the_sample():
    # three points on a line; one anchor at a time, the table ties 0 and 1
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0]])
    table = torch.tensor([[1], [0], [1]])
    places = layout(x, table, generator(0), dim=1, passes=200)
    apart = (places[:, None] - places[None]).abs().squeeze(-1)
    assert apart[0, 1] < apart[0, 2]
    assert apart[0, 1] < apart[1, 2]


def test_progress_ends_with_all_steps():
    x, table, _ = blobs(100)
    seen = []
    layout(x, table, generator(0), passes=12, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (120, 120)  # a tenth of 100 points move in a step


def test_more_coordinates_than_features():
    x, table, _ = blobs(60, dim=2)
    assert torch.isfinite(layout(x, table, generator(0), dim=3, passes=3)).all()
