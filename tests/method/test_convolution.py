"""Convolutions by the fastest of three ways, chosen by shapes; elsewhere every bit is PyTorch's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from augmap.method import convolution
from augmap.method.backbones import make_backbone
from augmap.method.convolution import Convolution, weight_gradient
from augmap.method.winograd import Winograd


def both(c_in, c_out, size, *, kernel=3, stride=1, dtype=torch.bfloat16, b=6):
    """A layer of ours and PyTorch's own with the same weights, an input, and what comes back for it."""
    generator = torch.Generator().manual_seed(c_in + stride)
    ours = Convolution(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
    plain = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
    weight = torch.randn(ours.weight.shape, generator=generator)
    x = torch.randn(b, c_in, *((size, size) if isinstance(size, int) else size), generator=generator)
    found = []
    for layer in (ours, plain):
        with torch.no_grad():
            layer.weight.copy_(weight)
        layer.to(memory_format=torch.channels_last)
        own = x.clone().contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            y = layer(own)
        upstream = torch.linspace(-1, 1, y.numel()).reshape(y.shape).cos()
        y.backward(upstream.to(y.dtype))
        found.append((y.detach(), own.grad, layer.weight.grad))
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.data(),
)
def test_weight_gradient_is_that_of_autograd(b, size, kernel, stride, data):
    """In float64, for any size, kernel, stride and padding: 1e-12 of what autograd says."""
    padding = tuple(data.draw(st.integers(0, k - 1)) for k in kernel)
    if any(s + 2 * p < k for s, p, k in zip(size, padding, kernel, strict=True)):
        return
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(b, 2, *size, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 2, *kernel, generator=generator, dtype=torch.float64, requires_grad=True)
    y = nn.functional.conv2d(x, weight, None, stride, padding)
    upstream = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    y.backward(upstream)
    found = weight_gradient(x, upstream, kernel, stride, padding)
    torch.testing.assert_close(found, weight.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("c_in", "c_out", "size", "stride"),
    [(128, 128, 4, 1), (128, 256, 8, 2), (512, 512, 3, 2), (128, 128, 1, 1), (128, 130, (3, 4), 1)],
)
def test_a_layer_is_pytorchs_to_the_rounding_of_bfloat16(c_in, c_out, size, stride, monkeypatch):
    calls = []
    plain = weight_gradient
    monkeypatch.setattr(convolution, "weight_gradient", lambda *a: calls.append(1) or plain(*a))
    (y, to_x, to_weight), expected = both(c_in, c_out, size, stride=stride)
    assert calls
    assert torch.equal(y, expected[0])
    assert torch.equal(to_x, expected[1])
    # a few sums fall on the other side of a step of bfloat16, 2^-8: worst of these shapes 1.1e-4
    assert ((to_weight - expected[2]).norm() / expected[2].norm()).item() < 5e-4


@pytest.mark.parametrize(("c_in", "c_out", "size"), [(32, 128, 12), (128, 256, 6), (64, 128, 8), (5, 7, 9)])
def test_a_layer_that_skips_pixels_has_the_bits_of_pytorchs(c_in, c_out, size, monkeypatch):
    met = []
    plain = convolution._Met.apply
    monkeypatch.setattr(convolution._Met, "apply", lambda *a: met.append(plain(*a)) or met[-1])
    (y, to_x, to_weight), expected = both(c_in, c_out, size, kernel=1, stride=2)
    assert met[0].shape == (6, c_in, -(-size // 2), -(-size // 2))
    assert torch.equal(y, expected[0])
    assert torch.equal(to_x, expected[1])
    torch.testing.assert_close(to_weight, expected[2], rtol=1e-2, atol=1e-2)
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_pixels_that_are_skipped_get_no_gradient_and_the_layout_stays():
    """In another layout than the gradient that it is added to, the sum and all behind it would be slow."""
    x = torch.rand(2, 3, 5, 4).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = convolution._Met.apply(x, (2, 3))
    assert torch.equal(y, x[:, :, ::2, ::3])
    (to_x,) = torch.autograd.grad(y, x, torch.ones_like(y))
    expected = torch.zeros(x.shape)
    expected[:, :, ::2, ::3] = 1
    assert torch.equal(to_x, expected)
    assert to_x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "how", [{"dtype": torch.float32, "stride": 2}, {"stride": 1}, {"kernel": 3, "stride": 2}]
)
def test_every_other_layer_meets_all_pixels(how, monkeypatch):
    monkeypatch.setattr(convolution._Met, "apply", lambda *a: pytest.fail("pixels were skipped"))
    ours, expected = both(32, 64, 8, **{"kernel": 1, **how})
    for mine, theirs in zip(ours, expected, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    "case",
    [
        {"c_in": 128, "c_out": 128, "size": 8},  # oneDNN is as good from here on
        {"c_in": 128, "c_out": 63, "size": 6},
        {"c_in": 256, "c_out": 256, "size": 6, "stride": 2, "dtype": torch.float32},
        {"c_in": 128, "c_out": 128, "size": 3, "dtype": torch.float32},
        {"c_in": 128, "c_out": 128, "size": (6, 5)},
        {"c_in": 127, "c_out": 128, "size": 4},
        {"c_in": 128, "c_out": 64, "size": 4},
        {"c_in": 256, "c_out": 256, "size": 4, "kernel": 1},
        {"c_in": 256, "c_out": 256, "size": 4, "dtype": torch.float32},
    ],
)
def test_elsewhere_every_bit_is_pytorchs(case, monkeypatch):
    monkeypatch.setattr(convolution, "weight_gradient", lambda *a: pytest.fail("products were taken"))
    monkeypatch.setattr(Winograd, "apply", lambda *a: pytest.fail("products were shared"))
    ours, expected = both(**case)
    for mine, theirs in zip(ours, expected, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("changed", "x"),
    [
        ({"padding_mode": "circular"}, torch.ones(2, 256, 3, 3)),
        ({"bias": True}, torch.ones(2, 256, 3, 3)),
        ({"dilation": 2}, torch.ones(2, 256, 3, 3)),
        ({"groups": 2}, torch.ones(2, 256, 3, 3)),
        ({}, torch.ones(256, 3, 3)),
        ({"kernel_size": 1, "padding": 0, "stride": 2}, torch.ones(256, 3, 3)),
        ({"dtype": torch.float64}, torch.ones(2, 256, 3, 3, dtype=torch.float64)),
    ],
)
def test_what_is_no_plain_convolution_of_a_batch_is_pytorchs(changed, x):
    options = {"kernel_size": 3, "padding": 1, "bias": False, **changed}
    ours, plain = Convolution(256, 256, **options), nn.Conv2d(256, 256, **options)
    plain.load_state_dict(ours.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        mine, theirs = ours(x), plain(x)
    assert mine.dtype == theirs.dtype
    assert torch.equal(mine, theirs)


@pytest.mark.parametrize("edge", [3, 4])
def test_frozen_weights_and_no_gradient_take_the_plain_way(edge, monkeypatch):
    monkeypatch.setattr(convolution._ByProducts, "apply", lambda *a: pytest.fail("products were taken"))
    monkeypatch.setattr(Winograd, "apply", lambda *a: pytest.fail("products were shared"))
    layer = Convolution(128, 128, 3, padding=1, bias=False)
    x = torch.randn(2, 128, edge, edge, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            layer(x)
        layer.requires_grad_(False)
        layer(x.requires_grad_())


@pytest.mark.parametrize(
    ("edge", "products", "shared"),
    [(24, [(128, 6, 6)], [(128, 6, 6), (256, 3, 3)]), (32, [(128, 8, 8)], [(256, 4, 4)])],
)
def test_the_default_network_uses_both(edge, products, shared, monkeypatch):
    """Views of 24 px, as ``quick`` takes them of 32 px images, and those whole."""
    seen = {"products": [], "shared": []}
    by_products, by_sharing = weight_gradient, Winograd.apply
    monkeypatch.setattr(
        convolution,
        "weight_gradient",
        lambda x, *a: seen["products"].append(tuple(x.shape[1:])) or by_products(x, *a),
    )
    monkeypatch.setattr(
        Winograd, "apply", lambda x, w: seen["shared"].append(tuple(x.shape[1:])) or by_sharing(x, w)
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        backbone = make_backbone("slim", 32, 3).to(memory_format=torch.channels_last)
    x = torch.rand(4, 3, edge, edge).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        backbone(x).float().sum().backward()
    assert seen == {"products": products, "shared": shared}
