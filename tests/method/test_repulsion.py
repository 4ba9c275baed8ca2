"""The repulsion of all points of a layout: by a grid, pair by pair, and by a sample."""

import pytest
import torch

from augmap.method import repulsion as module
from augmap.method.repulsion import FEW, Grid, repulsion
from augmap.method.seeds import generator


def points(n=2000, dim=2, spread=10.0, seed=0):
    return spread * torch.randn(n, dim, generator=generator(seed))


def exact(y):
    apart = y[:, None].double() - y.double()
    s = 1 / (1 + apart.square().sum(2))
    return s.sum(1).float(), (s.square()[..., None] * apart).sum(1).float()


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("spread", [1e-4, 1.0, 30.0])
def test_a_grid_gives_the_sums_over_all_pairs(dim, spread):
    y = points(dim=dim, spread=spread)
    z, f = repulsion(y, Grid(), generator(0))
    right_z, right_f = exact(y)
    assert (z - right_z).abs().max() < 0.02 * right_z.mean()
    # measured: 3.4 % at worst, where all points lie within one spacing and the slope of the kernel counts
    assert (f - right_f).square().mean().sqrt() < 0.04 * right_f.square().mean().sqrt()
    assert (f - right_f).abs().max() < 0.05 * right_f.abs().max()


def test_far_from_the_origin_it_is_the_same():
    y, grid = points(), Grid()
    here, there = repulsion(y, grid, generator(0)), repulsion(y + 64.0, grid, generator(0))
    assert torch.allclose(here[1], there[1], atol=0.01)


def test_a_grid_that_was_used_for_another_map_is_made_anew():
    grid = Grid()
    for spread in (1.0, 20.0, 2.0):
        y = points(spread=spread)
        assert torch.equal(grid(y)[1], Grid()(y)[1])


def test_a_map_too_large_for_the_nodes_gets_wider_spacing(monkeypatch):
    monkeypatch.setattr(module, "NODES", 256)
    y, grid = points(spread=20.0), Grid()
    z, f = grid(y)  # some 140 wide: a node every 0.55 instead of every 0.25
    assert max(grid._shape) <= 256 + 32
    assert 0.55 <= grid._spacing <= 0.65
    kernels = grid._kernels
    grid(y * 1.001)
    assert grid._kernels is kernels  # a map that grows a little keeps its grid
    assert f.shape == y.shape
    right_z, right_f = exact(y)
    assert (z - right_z).abs().mean() < 0.05 * right_z.mean()
    assert (f - right_f).square().mean() < 0.1 * right_f.square().mean()


def test_few_points_are_compared_pair_by_pair():
    y = points(n=FEW)
    z, f = repulsion(y, Grid(), generator(0))
    right_z, right_f = exact(y)
    assert torch.allclose(z, right_z, rtol=1e-5)
    assert torch.allclose(f, right_f, atol=1e-5)


def test_points_that_coincide_do_not_push_each_other():
    z, f = repulsion(torch.zeros(FEW + 1, 2), Grid(), generator(0))
    assert torch.allclose(z, torch.full((FEW + 1,), FEW + 1.0), rtol=1e-4)
    assert f.abs().max() < 1e-3


def test_in_three_dimensions_a_sample_stands_for_all(monkeypatch):
    monkeypatch.setattr(module, "SAMPLED", 64)
    monkeypatch.setattr(module, "ROWS", 200)  # three blocks
    y, random = points(n=FEW + 1, dim=3, spread=2.0), generator(0)
    right_z, right_f = exact(y)
    draws = [repulsion(y, Grid(), random) for _ in range(200)]
    assert not torch.equal(draws[0][1], draws[1][1])
    z, f = (torch.stack(found).mean(0) for found in zip(*draws, strict=True))
    assert (z / right_z - 1).abs().mean() < 0.02
    one = (draws[0][1] - right_f).square().mean()
    assert (f - right_f).square().mean() < one / 50  # the noise of a draw averages out
