"""A layout of a neighbour graph: points with free coordinates, moved by the loss of t-SNE."""

from unittest import mock

import numpy as np
import pytest
import torch

from augmap.evaluate.recall import neighbor_recall
from augmap.method import layout as module
from augmap.method.layout import START, gradient, layout, shared
from augmap.method.repulsion import Grid
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
    assert torch.allclose(places.mean(0), torch.zeros(2), atol=1e-2 * START)
    assert places.std(0).mean().item() == pytest.approx(START, rel=0.1)


def test_images_that_coincide_can_part():
    x = torch.ones(40, 8)
    table = torch.stack([(torch.arange(40) + i) % 40 for i in (1, 2, 3)], 1)
    places = layout(x, table, generator(0), passes=30)
    assert torch.isfinite(places).all()
    assert len(torch.unique(places, dim=0)) == 40


def test_weights_of_shared_neighbours_by_hand(monkeypatch):
    monkeypatch.setattr(module, "CELLS", 12)  # two points at a time
    # 0, 1 and 2 know each other; 2 knows 3, who has other friends
    table = torch.tensor([[1, 2], [0, 2], [0, 3], [4, 5], [3, 5], [3, 4]])
    index = torch.tensor([[3 / 3, 2 / 4], [3 / 3, 2 / 4], [2 / 4, 1 / 5], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    torch.testing.assert_close(shared(table, 2), index / index.mean(1, keepdim=True))
    torch.testing.assert_close(shared(table, 1), torch.ones(6, 1))


def test_neighbours_of_another_kind_pull_less(monkeypatch):
    """Half of all neighbours are drawn among all points; the control weighs all neighbours the same."""
    x, table, which = blobs(600, clusters=20)
    random = generator(3)
    stray = torch.randint(600, table.shape, generator=random)
    table = torch.where(torch.rand(table.shape, generator=random) < 0.5, stray, table)
    other = torch.from_numpy(which[table] != which[:, None])
    weights = shared(table, table.shape[1])
    assert weights[other].mean() < 0.6 * weights[~other].mean()
    assert torch.allclose(weights.mean(1), torch.ones(600))
    right = purity(layout(x, table, generator(0), passes=100), which)
    monkeypatch.setattr(module, "shared", lambda neighbors, k: torch.ones(len(neighbors), k))
    assert right > purity(layout(x, table, generator(0), passes=100), which) + 0.01  # 0.967 and 0.944


def test_the_nearest_attract_and_all_say_what_is_shared():
    """Three of ten neighbours pull: what the other seven say changes the weights, and nothing else does."""
    x, table, _ = blobs(100)
    given = {"random": generator(0), "passes": 3}
    found = layout(x, table, **given, pulling=3)
    other = torch.cat([table[:, :3], table[torch.arange(99, -1, -1), 3:]], 1)
    given["random"] = generator(0)
    assert not torch.allclose(found, layout(x, other, **given, pulling=3))
    given["random"] = generator(0)
    weights = shared(table, 3)
    with mock.patch.object(module, "shared", return_value=weights):
        assert torch.equal(found, layout(x, table[:, :3], **given))


@pytest.mark.parametrize("pull", [1.0, 4.0])
def test_the_gradient_is_that_of_the_loss(pull):
    _, table, _ = blobs(120)
    n, k = table.shape
    y = (3 * torch.randn(n, 2, generator=generator(0))).double().requires_grad_()
    log_s = -torch.log1p((y[:, None] - y[None]).square().sum(2))
    others = ~torch.eye(n, dtype=torch.bool)
    weights = shared(table, k)
    loss = -pull / (n * k) * (weights * log_s.gather(1, table)).sum() + log_s[others].exp().sum().log()
    (expected,) = torch.autograd.grad(loss, y)
    found = gradient(y.detach().float(), table, weights, pull, Grid(), generator(0))
    assert torch.allclose(found, n / 4 * expected.float(), atol=1e-5)


def test_three_steps_by_hand(monkeypatch):
    pulls, slope = [], torch.tensor([[1.0], [-1.0]])

    def constant(y, neighbors, weights, pull, grid, random):
        pulls.append(pull)
        return -slope if len(pulls) == 3 else slope

    monkeypatch.setattr(module, "gradient", constant)
    x, table = torch.eye(2), torch.tensor([[1], [0]])
    start = START * module._principal(x, 1, generator(0))
    found = layout(x, table, generator(0), dim=1, passes=3)
    assert pulls == [12.0, 1.0, 1.0]
    # gains 1.2 and 1.4, then 1.4 * 0.8 + 0.01: the third slope would turn the way of the move
    first = -1.2 / 12
    second = 0.8 * first - 1.4
    third = 0.8 * second + 1.13
    expected = start - start.mean(0) + slope * (first + second + third)
    assert torch.allclose(found, expected, atol=1e-5)


def test_no_point_moves_far_in_a_step(monkeypatch):
    far = torch.tensor([[3e6, 4e6], [-3e6, -4e6]])
    monkeypatch.setattr(module, "gradient", lambda *given: far)
    found = layout(torch.eye(2), torch.tensor([[1], [0]]), generator(0), passes=1)
    assert torch.allclose(found, torch.tensor([[-3.0, -4.0], [3.0, 4.0]]), atol=1e-3)


def test_the_graph_of_other_images_brings_nothing_together():
    x, table, which = blobs(600)
    wrong = table[torch.randperm(600, generator=generator(1))]  # the control: the graph of other images
    right = purity(layout(x, table, generator(0), passes=100), which)
    assert right > 0.95
    assert purity(layout(x, wrong, generator(0), passes=100), which) < 0.5


def test_progress_ends_with_all_steps():
    x, table, _ = blobs(100)
    seen = []
    layout(x, table, generator(0), passes=12, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(10, 12), (12, 12)]


def test_more_coordinates_than_features():
    x, table, _ = blobs(60, dim=2)
    assert torch.isfinite(layout(x, table, generator(0), dim=3, passes=3)).all()
