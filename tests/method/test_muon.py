"""Muon: held against PyTorch's own for matrices, against AdamW for the rest."""

import pytest
import torch
from torch import nn

from augmap.method import muon
from augmap.method.muon import Muon, _stacked, orthogonalised


def weights(*shapes, seed=0):
    random = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=random)) for shape in shapes]


def steps(optimizer, mine, rates, seed=1):
    random = torch.Generator().manual_seed(seed)
    for rate in rates:
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        for p in mine:
            p.grad = torch.randn(p.shape, generator=random)
        optimizer.step()
    return [p.detach().clone() for p in mine]


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (16, 16)])
def test_matrices_move_as_with_pytorchs_muon(shape, monkeypatch):
    monkeypatch.setattr(muon, "_ROUNDS", 5 * ((3.4445, -4.7750, 2.0315),))  # theirs are of one polynomial
    options = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}
    (mine,), (theirs,) = weights(shape), weights(shape)
    found = steps(Muon([mine], vector_lr=1.0, dtype=torch.bfloat16, **options), [mine], [0.02, 0.05, 0.01])
    other = torch.optim.Muon([theirs], nesterov=True, adjust_lr_fn="original", **options)
    expected = steps(other, [theirs], [0.02, 0.05, 0.01])
    moved = (expected[0] - weights(shape)[0]).norm()
    assert (found[0] - expected[0]).norm() < 0.05 * moved  # theirs rounds to bfloat16 in other places


def test_a_convolution_is_a_matrix_of_its_filters():
    (conv,), (flat,) = weights((6, 3, 3, 3)), weights((6, 27))
    found = steps(Muon([conv], lr=0.1, vector_lr=1.0), [conv], [0.1, 0.1])
    expected = steps(Muon([flat], lr=0.1, vector_lr=1.0), [flat], [0.1, 0.1])
    torch.testing.assert_close(found[0].flatten(1), expected[0])


@pytest.mark.parametrize("of_weight", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("of_gradient", [torch.contiguous_format, torch.channels_last])
def test_a_weight_moves_the_same_however_it_and_its_gradient_lie(of_weight, of_gradient):
    (flat,) = weights((6, 27))
    conv = nn.Parameter(flat.detach().view(6, 3, 3, 3).contiguous(memory_format=of_weight))
    gradient = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    conv.grad, flat.grad = gradient.contiguous(memory_format=of_gradient), gradient.flatten(1)
    for weight in (conv, flat):
        Muon([weight], lr=0.1, vector_lr=1.0).step()
    torch.testing.assert_close(conv.flatten(1), flat)
    assert conv.is_contiguous(memory_format=of_weight)


def test_a_weight_that_lies_in_no_such_order_moves_too():
    (flat,) = weights((6, 8))
    turned = nn.Parameter(flat.detach().T.contiguous().T)
    for weight in (turned, flat):
        weight.grad = torch.ones(6, 8).tril()
        Muon([weight], lr=0.1, vector_lr=1.0).step()
    torch.testing.assert_close(turned, flat)


def test_vectors_move_as_with_adamw_without_decay():
    mine, theirs = weights((7,), ()), weights((7,), ())
    optimizer = Muon(mine, lr=0.5, vector_lr=0.05, momentum=0.9, weight_decay=0.3)
    assert [g["lr"] for g in optimizer.param_groups] == [0.05]
    found = steps(optimizer, mine, [0.5, 0.25, 0.1])
    expected = steps(torch.optim.AdamW(theirs, lr=1, weight_decay=0), theirs, [0.05, 0.025, 0.01])
    torch.testing.assert_close(found, expected)


def test_each_round_is_the_best_for_where_those_before_it_end():
    """It errs as much in both directions at four places (Chebyshev), the last one at the upper end."""
    low, high = 0.004, 1.0
    for a, b, c in muon._ROUNDS:
        x = torch.linspace(low, 1.1 * high, 200_001, dtype=torch.float64)
        y = a * x + b * x**3 + c * x**5
        off = 1 - y[0].item()
        assert (1 - y).abs().max().item() == pytest.approx(off, abs=5e-4)
        turns = y[1:-1][(y[1:-1] - y[:-2]) * (y[2:] - y[1:-1]) < 0]
        assert torch.cat([turns, y[-1:]]).tolist() == pytest.approx([1 + off, 1 - off, 1 + off], abs=5e-4)
        low, high = y.min().item(), y.max().item()
    assert low > 0.77
    assert high < 1.23


@pytest.mark.parametrize("shape", [(2, 64), (3, 128), (8, 128), (32, 9), (64, 9), (64, 27), (32, 288)])
def test_no_rounding_carries_a_direction_far_beyond_one(shape):
    """In bfloat16, of a few directions of any strengths: polynomials without room would reach 10 to 600."""
    random = torch.Generator().manual_seed(0)
    n, rank = 1000, min(shape)
    u = torch.linalg.qr(torch.randn(n, shape[0], rank, generator=random))[0]
    v = torch.linalg.qr(torch.randn(n, shape[1], rank, generator=random))[0]
    strengths = 10 ** (-3 * torch.rand(n, 1, rank, generator=random))
    strengths[:, :, 0] = 1
    found = orthogonalised(((u * strengths) @ v.mT).bfloat16()).float()
    assert torch.linalg.matrix_norm(found, 2).max() < 1.3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (12, 12)])
def test_singular_values_become_about_one_and_directions_stay(shape, dtype):
    random = torch.Generator().manual_seed(0)
    u, s, vt = torch.linalg.svd(torch.randn(shape, generator=random), full_matrices=False)
    strengths = torch.linspace(1, 0.05, len(s))
    found = orthogonalised((u * strengths @ vt).to(dtype)).float()
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3
    along = torch.diagonal(u.T @ found @ vt.T)
    torch.testing.assert_close(along.sort().values, values.sort().values, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (16, 16), (12, 20)])
def test_rounds_made_together_are_the_rounds_one_by_one(shape):
    (weight,) = weights(shape)
    matrix = weight.detach().double()
    x = matrix / matrix.norm()
    for a, b, c in muon._ROUNDS:
        x = a * x + b * x @ x.T @ x + c * x @ x.T @ x @ x.T @ x
    torch.testing.assert_close(orthogonalised(matrix), x, atol=1e-12, rtol=1e-10)


def test_rounds_made_together_are_as_exact_in_bfloat16(monkeypatch):
    """Also where directions are so weak that rounding hides them."""
    random = torch.Generator().manual_seed(0)
    u = torch.linalg.qr(torch.randn(64, 64, generator=random))[0]
    v = torch.linalg.qr(torch.randn(600, 64, generator=random))[0]
    matrix = u * torch.logspace(0, -4, 64) @ v.T
    exact = orthogonalised(matrix.double())
    together = (orthogonalised(matrix.bfloat16()) - exact).norm()
    monkeypatch.setattr(muon, "_WIDE", 1e9)
    one_by_one = (orthogonalised(matrix.bfloat16()) - exact).norm()
    assert together < 1.05 * one_by_one < 0.2 * exact.norm()


def test_a_gradient_of_nothing_moves_nothing():
    (weight,) = weights((4, 5))
    before = weight.detach().clone()
    weight.grad = torch.zeros(4, 5)
    Muon([weight], lr=0.1, vector_lr=0.1).step()
    assert torch.equal(weight, before)


def test_together_or_one_by_one():
    """As a GPU does it: those of one shape are one stack, and each comes back at its place."""
    matrices = [w.detach() for w in weights((8, 30), (30, 8), (8, 30), (5, 5), (30, 8))]
    for one, found in zip(matrices, _stacked(matrices), strict=True):
        torch.testing.assert_close(found, orthogonalised(one), atol=1e-5, rtol=1e-5)


def test_what_has_no_gradient_stays_and_loses_no_step():
    mine, alone = weights((6, 4), (7,)), weights((6, 4), (7,))
    optimizer = Muon(mine, lr=0.1, vector_lr=0.1)
    for p in mine:
        p.grad = torch.ones_like(p)
    optimizer.step()
    before = mine[1].detach().clone()
    mine[0].grad, mine[1].grad = torch.ones_like(mine[0]), None
    optimizer.step()
    assert torch.equal(mine[1], before)
    assert optimizer.state[mine[1]]["step"].item() == 1
    (matrix,) = alone[:1]
    other = Muon([matrix], lr=0.1, vector_lr=0.1)
    for _ in range(2):
        matrix.grad = torch.ones_like(matrix)
        other.step()
    assert torch.equal(mine[0], matrix)
