"""UMAP's loss against plain loops over its formula."""

import math

import pytest
import torch

from augmap.method.sampling import EPSILON, negative_sampling
from augmap.method.similarity import Cauchy, Umap


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loop(views, kernel, negatives):
    """One row after the other; UMAP's binary cross-entropy as its docstring has it."""
    b = len(views[0])
    ends = [(v, i) for v in range(2) for i in range(b)]
    total = 0.0
    for v, i in ends:
        total -= math.log(1 / (1 + kernel.a * math.dist(views[v][i], views[1 - v][i]) ** (2 * kernel.b)))
        others = [views[w][j] for w, j in ends if j != i]
        for z in others:
            apart = (math.dist(views[v][i], z) ** 2 + EPSILON) ** kernel.b
            total -= negatives / len(others) * math.log(1 - 1 / (1 + kernel.a * apart))
    return total / len(ends)


@pytest.mark.parametrize("b", [2, 3, 7])
@pytest.mark.parametrize("d", [1, 2, 3, 12])  # beyond 8 by products
@pytest.mark.parametrize("negatives", [5.0, 1.5])
def test_formula(b, d, negatives):
    views, kernel = rows(2, b, d), Umap(0.1)
    found = negative_sampling(views, kernel, negatives)
    assert found.item() == pytest.approx(loop(views.tolist(), kernel, negatives), rel=1e-9)


def test_counted():
    # edges of length 0 and 1, 2 apart along a line: Cauchy has s = 1 and 1/2
    views = torch.tensor([[[0.0], [2.0]], [[0.0], [3.0]]])
    pairs = [4.0, 9.0, 4.0, 9.0, 4.0, 4.0, 9.0, 9.0]  # d² of each row to the two rows of the other edge
    repulsion = sum(math.log((u + EPSILON) / (1 + u + EPSILON)) for u in pairs) / 8
    assert negative_sampling(views, Cauchy(), 2.0).item() == pytest.approx(math.log(2) / 2 - 2 * repulsion)


def test_one_edge_has_no_negatives():
    assert negative_sampling(torch.tensor([[[0.0]], [[1.0]]]), Cauchy()).item() == pytest.approx(math.log(2))


def test_gradient():
    views = rows(2, 4, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: negative_sampling(v, Umap(0.1), 5.0), views)


def test_images_that_coincide_have_finite_gradients():
    views = torch.zeros(2, 3, 2, requires_grad=True)
    loss = negative_sampling(views, Umap(0.1))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(views.grad).all()
    far = torch.tensor([[[0.0, 0.0], [1e4, 0.0]], [[1e4, 0.0], [0.0, 0.0]]], requires_grad=True)
    loss = negative_sampling(far, Umap(0.1))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(far.grad).all()


def test_shares_of_processes_sum_to_the_whole():
    views, kernel = rows(2, 6, 2), Umap(0.1)
    whole = negative_sampling(views, kernel)
    shares = [negative_sampling(views[:, at : at + 2], kernel, columns=views, offset=at) for at in (0, 2, 4)]
    torch.testing.assert_close(torch.stack(shares).mean(), whole)
