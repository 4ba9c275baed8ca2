"""InfoNCE against plain loops over its formula, and where floating point could hurt it."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from augmap.errors import InputError
from augmap.method import loss as loss_module
from augmap.method.loss import gather_views, info_nce, info_nce_views, norm_penalty
from augmap.method.pairs import Differences, Products, _split, exact_product
from augmap.method.similarity import Cauchy, Cosine, Gaussian, StudentT

KERNELS = [Cauchy(), Cauchy(0.3), Cosine(0.2), Gaussian(2.0), StudentT(3.0, 0.5)]


def log_s(x, y, kernel):
    """The formulas of the docstrings, on two rows."""
    d2, t = (x - y).square().sum(), kernel.temperature
    if isinstance(kernel, Cosine):
        return x @ y / x.norm() / y.norm() / t
    if isinstance(kernel, Gaussian):
        return -d2 / t
    dof = kernel.dof if isinstance(kernel, StudentT) else 1
    return -(dof + 1) / 2 * torch.log(1 + d2 / t / dof)


def loop(views, kernel, decoupled=False):
    """The loss as the paper writes it: float64, one pair after the other."""
    k, b, _ = views.shape
    rows = [(v, i) for v in range(k) for i in range(b)]
    total = 0
    for v, i in rows:
        z = views[v, i]
        left_out = {(w, i) for w in range(k)} if decoupled else {(v, i)}
        below = sum(log_s(z, views[r], kernel).exp() for r in rows if r not in left_out)
        above = sum(log_s(z, views[w, i], kernel) for w in range(k) if w != v) / (k - 1)
        total = total + below.log() - above
    return total / len(rows)


def gaussian_rows(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def value_and_gradient(function, views):
    views = views.clone().requires_grad_()
    value = function(views)
    value.backward()
    return value.detach(), views.grad


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{type(k).__name__}-{k.temperature:.1f}")
@given(
    b=st.integers(1, 5),
    d=st.sampled_from([1, 2, 3, 8, 9, 16]),
    k=st.sampled_from([2, 2, 3, 4]),
    block=st.sampled_from([None, 1, 3, 100]),
    decoupled=st.booleans(),
    scale=st.sampled_from([0.1, 1.0, 3.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=12, deadline=None)
def test_formula(kernel, b, d, k, block, decoupled, scale, seed):
    decoupled = decoupled and b > 1
    views = scale * gaussian_rows(k, b, d, seed=seed)
    want, want_gradient = value_and_gradient(lambda v: loop(v, kernel, decoupled), views.double())
    got, gradient = value_and_gradient(
        lambda v: info_nce_views(v, kernel, decoupled=decoupled, block=block), views
    )
    # worst of 700 random cases: 3.4e-7 of the largest term for the loss, 1.6e-7 for the gradient
    size = 1 + max(
        abs(log_s(x, y, kernel)) for x, y in itertools.product(views.double().flatten(0, 1), repeat=2)
    )
    assert abs(got - want) <= 1e-6 * size
    assert (gradient - want_gradient).abs().max() <= 1e-6 * max(1, want_gradient.abs().max()) * size


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{type(k).__name__}-{k.temperature:.1f}")
@pytest.mark.parametrize("d", [2, 9])
def test_gradient_by_finite_differences(kernel, d):
    a, b = gaussian_rows(2, 3, d, dtype=torch.float64).unbind()
    columns = gaussian_rows(2, 5, d, seed=1, dtype=torch.float64).unbind()
    inputs = [t.requires_grad_() for t in (a, b, *columns)]
    assert torch.autograd.gradcheck(lambda a, b: info_nce(a, b, kernel, block=4), inputs[:2])
    # columns that are not the rows, as in several processes
    assert torch.autograd.gradcheck(
        lambda a, b, c, e: info_nce(a, b, kernel, columns=(c, e), offset=2, decoupled=True, block=4), inputs
    )


@pytest.mark.parametrize("make", [Cauchy, Cosine, Gaussian, StudentT])
def test_temperature_is_learned(make):
    kernel = make(temperature=0.4, learnable=True).double()
    views = gaussian_rows(2, 4, 3, dtype=torch.float64)
    info_nce_views(views, kernel).backward()
    low, high = (loop(views, make(temperature=0.4 * math.exp(step))) for step in (-1e-5, 1e-5))
    assert kernel.log_temperature.grad.item() == pytest.approx((high - low).item() / 2e-5, rel=1e-6)


def test_four_rows_on_paper():
    # pairs 0|1 and 3|3: s(0,1) = 1/2, s(0,3) = 1/10, s(1,3) = 1/5, s(3,3) = 1
    a, b = torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0], [3.0]])
    first = math.log(1 / 2 + 1 / 10 + 1 / 10) - math.log(1 / 2)
    second = math.log(1 / 2 + 1 / 5 + 1 / 5) - math.log(1 / 2)
    third = math.log(1 + 1 / 10 + 1 / 5) - 0
    want = (first + second + 2 * third) / 4
    assert info_nce(a, b, Cauchy()).item() == pytest.approx(want, rel=1e-6)
    # the other kernels disagree, and without the positives the sums shrink
    assert info_nce(a, b, Gaussian()).item() != pytest.approx(want, rel=0.1)
    dcl = (math.log(0.2) + math.log(0.4) - 2 * math.log(0.5) + 2 * math.log(0.3)) / 4
    assert info_nce(a, b, Cauchy(), decoupled=True).item() == pytest.approx(dcl, rel=1e-6)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{type(k).__name__}-{k.temperature:.1f}")
@pytest.mark.parametrize("d", [2, 128])
def test_coinciding_rows(kernel, d):
    views = gaussian_rows(1, 1, d).expand(2, 4, d) * 100
    value, gradient = value_and_gradient(lambda v: info_nce_views(v, kernel), views)
    assert value.item() == pytest.approx(math.log(7), abs=1e-5)  # 1.9459
    assert gradient.abs().max() < 1e-6


def test_paper_batch_starts_at_its_known_loss():
    value = info_nce(torch.zeros(1024, 2), torch.zeros(1024, 2), Cauchy())
    assert value.item() == pytest.approx(7.624, abs=5e-4)


def test_one_pair_has_nothing_to_lose():
    value, gradient = value_and_gradient(lambda v: info_nce_views(v, Cauchy()), gaussian_rows(2, 1, 2))
    assert value.item() == pytest.approx(0, abs=1e-7)
    assert gradient.abs().max() < 1e-7


@pytest.mark.parametrize("centre", [0.0, 500.0])
def test_near_pairs_far_from_the_origin(centre):
    # half a unit apart at the coordinates of a finished map, where products of float32 lose d²
    a = gaussian_rows(64, 2) * 50 + centre
    b = a + 0.35 * gaussian_rows(64, 2, seed=1)
    views = torch.stack([a, b])
    want, want_gradient = value_and_gradient(lambda v: reference(v, Cauchy()), views.double())
    got, gradient = value_and_gradient(lambda v: info_nce_views(v, Cauchy()), views)
    assert got.item() == pytest.approx(want.item(), abs=1e-6)
    assert (gradient - want_gradient).abs().max() < 1e-6 * want_gradient.abs().max()
    # and the test would notice products: their error is a thousand times larger
    columns = views.flatten(0, 1)
    exact = (columns.double()[:, None] - columns.double()[None]).square().sum(-1)
    near = (exact > 0) & (exact < 1)
    wrong = (Products(columns, squared_distances=True).between(columns) - exact)[near].abs().max()
    right = (Differences(columns).between(columns) - exact)[near].abs().max()
    assert right < 1e-6
    assert wrong > 1e-3


def reference(views, kernel):
    """The loop's formula with all pairs at once, for batches too large to loop over."""
    z = kernel.prepare(views.flatten(0, 1))
    m = len(z)
    u = z @ z.T if kernel.from_products else (z[:, None] - z[None]).square().sum(-1)
    s = kernel.log(u).masked_fill(torch.eye(m, dtype=torch.bool), -torch.inf)
    i = torch.arange(m)
    return (s.logsumexp(1) - s[i, i.roll(m // 2)]).mean()


@pytest.mark.parametrize(("d", "kernel"), [(2, Cauchy()), (128, Cauchy()), (128, Cosine(0.1))])
def test_a_large_batch_in_blocks(d, kernel, monkeypatch):
    monkeypatch.setitem(loss_module.BLOCK_ELEMENTS, "cpu", 2**12)
    views = gaussian_rows(2, 150, d)
    want, want_gradient = value_and_gradient(lambda v: reference(v, kernel), views.double())
    got, gradient = value_and_gradient(lambda v: info_nce_views(v, kernel), views)
    assert got.item() == pytest.approx(want.item(), rel=1e-6)
    assert (gradient - want_gradient).abs().max() < 1e-6 * want_gradient.abs().max()


def test_default_block_bounds_the_memory(monkeypatch):
    shapes = []
    between = Differences.between
    monkeypatch.setattr(Differences, "between", lambda self, x: shapes.append(len(x)) or between(self, x))
    monkeypatch.setitem(loss_module.BLOCK_ELEMENTS, "cpu", 1000)
    info_nce(gaussian_rows(50, 2), gaussian_rows(50, 2, seed=1), Cauchy())
    assert shapes == [10] * 10  # 1000 entries = 10 rows x 100 columns


def test_dimension_decides_how_distances_are_taken(monkeypatch):
    taken = []
    for kind in (Differences, Products):
        between = kind.between
        monkeypatch.setattr(
            kind, "between", lambda self, x, b=between, k=kind: taken.append(k.__name__) or b(self, x)
        )
    for d, kernel in [(2, Cauchy()), (8, Cauchy()), (9, Cauchy()), (2, Cosine())]:
        info_nce(gaussian_rows(3, d), gaussian_rows(3, d), kernel)
    assert taken == ["Differences", "Differences", "Products", "Products"]


def test_half_precision_in_and_under_autocast():
    a, b = gaussian_rows(2, 16, 2).unbind()
    a, b = a * 300, b * 300  # d² beyond 65504, the end of float16
    want = info_nce(a.half().float(), b.half().float(), Cauchy())
    got = info_nce(a.half(), b.half(), Cauchy())
    assert got.dtype == torch.float32
    assert got.item() == want.item()
    wide, other = gaussian_rows(2, 16, 128).unbind()
    want = info_nce(wide, other, Cosine(0.1)), norm_penalty(wide)
    with torch.autocast("cpu", torch.bfloat16):
        got = info_nce(wide, other, Cosine(0.1)), norm_penalty(wide)
    assert got == want
    leaf = gaussian_rows(4, 2).bfloat16().requires_grad_()
    info_nce(leaf, leaf.detach() + 1, Cauchy()).backward()
    assert leaf.grad.dtype == torch.bfloat16


def test_rows_too_far_apart_for_float32():
    here, there = torch.zeros(1, 2), torch.full((1, 2), 1e20)
    # negatives out of range have no similarity left: exact
    near = torch.cat([here, there])
    value, gradient = value_and_gradient(lambda v: info_nce_views(v, Cauchy()), torch.stack([near, near]))
    assert value.item() == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))
    # positives out of range: the caller can see it
    assert not torch.isfinite(info_nce(near, near.flip(0), Cauchy()))
    assert not torch.isfinite(info_nce(near * torch.nan, near, Cauchy()))
    # a cosine does not mind
    assert torch.isfinite(info_nce(near, near.flip(0), Cosine()))


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{type(k).__name__}-{k.temperature:.1f}")
def test_what_must_not_matter(kernel):
    views = gaussian_rows(2, 20, 2)
    value = info_nce_views(views, kernel).item()
    permutation = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    for other in (views.flip(0), views[:, permutation], views @ turn):
        assert info_nce_views(other, kernel).item() == pytest.approx(value, rel=1e-6)
    if not kernel.from_products:
        assert info_nce_views(views + 7, kernel).item() == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("d", [2, 16])
def test_shares_of_two_ranks_average_to_the_whole(d, decoupled):
    views = gaussian_rows(2, 6, d)
    want, want_gradient = value_and_gradient(
        lambda v: info_nce_views(v, Cauchy(), decoupled=decoupled), views
    )

    def in_shares(v):
        shares = [v[:, :3], v[:, 3:]]
        columns = gather_views(shares[0], lambda _: torch.stack(shares))
        assert torch.equal(columns, v)
        return sum(
            info_nce_views(share, Cauchy(), columns=columns, offset=3 * rank, decoupled=decoupled) / 2
            for rank, share in enumerate(shares)
        )

    got, gradient = value_and_gradient(in_shares, views)
    assert got.item() == pytest.approx(want.item(), rel=1e-6)
    torch.testing.assert_close(gradient, want_gradient, rtol=1e-5, atol=1e-7)
    assert torch.equal(gather_views(views), views)  # a single process


def test_without_gradient_only_the_value_is_computed(monkeypatch):
    monkeypatch.setattr(Differences, "add_gradient", lambda *_: pytest.fail("gradient computed"))
    a, b = gaussian_rows(2, 4, 2).unbind()
    assert not info_nce(a, b, Cauchy()).requires_grad
    with torch.no_grad():
        info_nce(a.requires_grad_(), b, Cauchy())


def test_norm_penalty_counted():
    # lengths 5, 0 and 1
    z = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, 1.0]], requires_grad=True)
    penalty = norm_penalty(z, radius=2.0)
    assert penalty.item() == pytest.approx((9 + 4 + 1) / 3)
    penalty.backward()
    torch.testing.assert_close(z.grad, torch.tensor([[1.2, 1.6], [0.0, 0.0], [0.0, -2 / 3]]))


@pytest.mark.parametrize(("bits", "parts"), [(13, 2), (16, 3)])
def test_parts_for_reduced_products(bits, parts):
    x = gaussian_rows(40, 30) * torch.logspace(-3, 3, 30)
    found = _split(x, bits, parts)
    assert len(found) == parts
    assert torch.equal(sum(found), x)
    for part in found[:-1]:
        assert torch.equal(part.view(torch.int32) & ((1 << bits) - 1), torch.zeros(40, 30, dtype=torch.int32))
    # three parts of 8 bits hold all 24: none of them suffers from bfloat16
    if bits == 16:
        assert all(torch.equal(part.bfloat16().float(), part) for part in found)


@pytest.fixture
def products_may_be():
    backend = torch.backends.mkldnn.matmul
    before = backend.fp32_precision
    yield lambda precision: setattr(backend, "fp32_precision", precision)
    backend.fp32_precision = before


@pytest.mark.parametrize("reduced", ["tf32", "bf16"])
def test_reduced_products_keep_float32(reduced, products_may_be):
    """A stand-in for the hardware: operands cut to the reduced type, sums in float64."""
    kept = {"tf32": 13, "bf16": 16}[reduced]

    class Cut(torch.Tensor):
        def __matmul__(self, other):
            x, y = (t.as_subclass(torch.Tensor).contiguous().view(torch.int32) for t in (self, other))
            x, y = ((t >> kept << kept).view(torch.float32).double() for t in (x, y))
            return (x @ y).float().as_subclass(Cut)

    x, y = gaussian_rows(50, 64), gaussian_rows(64, 40, seed=1)
    exact = x.double() @ y.double()
    cut_x, cut_y = x.as_subclass(Cut), y.as_subclass(Cut)
    assert (cut_x @ cut_y - exact).abs().max() > 1e-3
    products_may_be(reduced)
    assert (exact_product(cut_x, cut_y) - exact).abs().max() < 2e-5


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: info_nce_views(torch.zeros(1, 3, 2), Cauchy()), r"k >= 2, got \(1, 3, 2\)"),
        (
            lambda: info_nce(torch.zeros(1, 2), torch.zeros(1, 2), Cauchy(), decoupled=True),
            "at least 2 images",
        ),
    ],
)
def test_mistakes_are_named(call, match):
    with pytest.raises(InputError, match=match):
        call()
