"""Convolutions by shared products: PyTorch's numbers in any size, and how far bfloat16 carries them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from augmap.method import winograd
from augmap.method.backbones import make_backbone
from augmap.method.convolution import Convolution
from augmap.method.winograd import CHANNELS_FROM, Winograd, scheme


def plain(x, weight):
    return nn.functional.conv2d(x, weight, padding=1)


def both(b, c, c2, edge, *, dtype=torch.float64, seed=0):
    """Outputs and both gradients of ours, and those of PyTorch in float64 from the same numbers."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(b, c, edge, edge, generator=generator).relu().to(dtype)
    weight = (torch.randn(c2, c, 3, 3, generator=generator) / (9 * c) ** 0.5).to(dtype)
    upstream = torch.randn(b, c2, edge, edge, generator=generator).to(dtype)
    found = []
    for convolve, precision in ((Winograd.apply, dtype), (plain, torch.float64)):
        own, learned = (
            t.to(precision).contiguous(memory_format=torch.channels_last).requires_grad_()
            for t in (x, weight)
        )
        y = convolve(own, learned)
        y.backward(upstream.to(precision))
        found.append((y.detach(), own.grad, learned.grad))
    return found


def rounding(edge):
    """How far bfloat16 is off: outputs, gradients by the images, by the weights; beside the exact ones."""
    mine, exact = both(16, 64, 64, edge, dtype=torch.bfloat16)
    assert {found.dtype for found in mine} == {torch.bfloat16}
    return [((a.double() - b).norm() / b.norm()).item() for a, b in zip(mine, exact, strict=True)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 13), st.integers(0, 9))
def test_it_is_the_convolution_and_its_gradients(b, c, c2, edge, seed):
    """In float64, for any size: 1e-12 of what autograd says."""
    for mine, exact in zip(*both(b, c, c2, edge, seed=seed), strict=True):
        assert mine.shape == exact.shape
        torch.testing.assert_close(mine, exact, rtol=0, atol=1e-12)


def test_gradients_are_those_of_small_differences():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, 6, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Winograd.apply, (x, weight))


@pytest.mark.parametrize("edge", sorted(CHANNELS_FROM))
def test_bfloat16_is_off_by_half_a_percent_or_one(edge):
    """Where PyTorch's own is by 0.17 %, what rounding an output costs."""
    for off in rounding(edge):
        assert 0.002 < off < (0.0055 if edge <= 5 else 0.0115)


@pytest.mark.parametrize(("edge", "times"), [(3, 4), (6, 1.5)])
def test_polynomials_at_whole_numbers_would_round_more(edge, times, monkeypatch):
    """Toom-Cook at 0, 1, -1 and 2, as it is in textbooks."""
    found = rounding(edge)
    monkeypatch.setattr(winograd, "_orthogonal", winograd._tiles)
    monkeypatch.setattr(winograd, "_POINTS", (0.0, 1.0, -1.0, 2.0))
    scheme.cache_clear()
    try:
        for off, other in zip(found, rounding(edge), strict=True):
            assert other > times * off
    finally:
        scheme.cache_clear()


@pytest.mark.parametrize(("edge", "products", "places"), [(3, 25, 49), (5, 81, 169), (6, 100, 256)])
def test_it_needs_about_half_of_the_products(edge, products, places):
    """Against the places of the kernel that meet a pixel, not those on the padding."""
    assert len(scheme(edge).pixels) == products
    ones = torch.ones(1, 1, edge, edge)
    assert nn.functional.conv2d(ones, torch.ones(1, 1, 3, 3), padding=1).sum() == places


@pytest.mark.parametrize("edge", sorted(CHANNELS_FROM))
def test_a_layer_takes_it_from_so_many_channels_on(edge, monkeypatch):
    taken, plain = [], Winograd.apply
    monkeypatch.setattr(Winograd, "apply", lambda *a: taken.append(1) or plain(*a))
    least = CHANNELS_FROM[edge]
    for channels, times in ((least - 1, 0), (least, 1)):
        taken.clear()
        layer = Convolution(channels, least, 3, padding=1, bias=False)
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(torch.zeros(1, channels, edge, edge, requires_grad=True))
        assert (len(taken), y.shape) == (times, (1, least, edge, edge))


@pytest.mark.parametrize("edge", [3, 6])
def test_no_image_at_all(edge):
    x = torch.zeros(0, 128, edge, edge).bfloat16().requires_grad_()
    weight = torch.ones(256, 128, 3, 3).bfloat16().requires_grad_()
    y = Winograd.apply(x, weight)
    assert y.shape == (0, 256, edge, edge)
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert not weight.grad.any()


def test_layouts_and_gradients_that_nobody_asked_for():
    """What goes on to other layers is channels last, as from PyTorch; images need no gradient."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 8, 3, 3, generator=generator).bfloat16()
    weight = torch.randn(16, 8, 3, 3, generator=generator).bfloat16().requires_grad_()
    y = Winograd.apply(x, weight)
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.sum().backward()
    assert x.grad is None
    learning = x.clone().requires_grad_()
    (to_x,) = torch.autograd.grad(Winograd.apply(learning, weight).sum(), learning)
    assert to_x.is_contiguous(memory_format=torch.channels_last)


def test_each_image_is_convolved_alone():
    """The sums of an image hold none of another's pixels, whatever its place in the batch."""
    x = torch.zeros(3, 8, 6, 6, dtype=torch.float64)
    x[1] = torch.randn(8, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = torch.randn(4, 8, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = Winograd.apply(x, weight)
    assert y[0].abs().max() == y[2].abs().max() == 0
    torch.testing.assert_close(y[1:2], Winograd.apply(x[1:2], weight), rtol=0, atol=1e-12)


def test_gradients_of_a_network_are_as_far_from_float32_as_bfloat16_has_them(monkeypatch):
    """What sharing adds is small beside what bfloat16 costs anyway: 5 to 8 % of it here."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = make_backbone("slim", 32, 3).to(memory_format=torch.channels_last)
    x = torch.rand(32, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    weights = [w for w in network.parameters() if w.ndim == 4]

    def gradient(low):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            h = nn.functional.normalize(network(x).float())
        return torch.cat(
            [g.flatten() for g in torch.autograd.grad((h @ h.T)[:16, 16:].square().sum(), weights)]
        )

    exact, shared = gradient(False), gradient(True)
    monkeypatch.setattr(winograd, "CHANNELS_FROM", {})
    off, off_shared = ((found - exact).norm() / exact.norm() for found in (gradient(True), shared))
    assert not torch.equal(gradient(True), shared)
    assert 0 < off_shared < 1.3 * off
