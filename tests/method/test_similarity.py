"""Kernels: their formulas, their temperature, their slopes."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from augmap.errors import InputError
from augmap.method.similarity import (
    SIMILARITIES,
    Cauchy,
    Cosine,
    Gaussian,
    StudentT,
    Umap,
    make_similarity,
    umap_curve,
)

# the log-similarity of a pair as the docstrings write it, from d² and cos
FORMULAS = [
    (Cauchy(0.7), lambda d2, cos: -math.log(1 + d2 / 0.7)),
    (Cosine(0.2), lambda d2, cos: cos / 0.2),
    (Gaussian(3.0), lambda d2, cos: -d2 / 3),
    (StudentT(4.0, 0.5), lambda d2, cos: -2.5 * math.log(1 + d2 / 2)),
    (Umap(0.1, 0.5), lambda d2, cos: -math.log(1 + 1.5769434603 * (2 * d2) ** 0.8950608779)),
]


@pytest.mark.parametrize(("similarity", "formula"), FORMULAS)
@given(
    st.lists(
        st.tuples(st.floats(-9, 9), st.floats(-9, 9)).filter(lambda p: math.hypot(*p) > 1e-3),
        min_size=2,
        max_size=2,
    )
)
@settings(max_examples=20, deadline=None)
def test_formula(similarity, formula, points):
    x, y = points
    d2 = math.dist(x, y) ** 2
    cos = (x[0] * y[0] + x[1] * y[1]) / math.hypot(*x) / math.hypot(*y)
    got = similarity(torch.tensor([x], dtype=torch.float64), torch.tensor([y], dtype=torch.float64))
    assert got.item() == pytest.approx(formula(d2, cos), rel=1e-9, abs=1e-9)


def test_counted_pair():
    # (0, 0) and (3, 4): d² = 25; temperature 25 makes the ratio 1
    x, y = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    assert Cauchy(25.0)(x, y).item() == pytest.approx(-math.log(2))
    assert Gaussian(25.0)(x, y).item() == pytest.approx(-1)
    assert StudentT(25.0, 1.0)(x, y).item() == pytest.approx(-13 * math.log(2))
    # (1, 0) and (3, 4): cos = 3/5
    assert Cosine(0.5)(torch.tensor([[1.0, 0.0]]), y).item() == pytest.approx(1.2)


def test_student_with_one_degree_of_freedom_is_cauchy():
    x, y = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(StudentT(1.0, 0.3)(x, y), Cauchy(0.3)(x, y))


@pytest.mark.parametrize(("similarity", "_"), FORMULAS)
def test_slope_is_the_derivative_of_log(similarity, _):
    u = torch.linspace(0.01, 5, 20, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(similarity.log(u).sum(), u)
    torch.testing.assert_close(similarity.slope(u.detach()), slope)


def test_tiny_distances_are_not_lost():
    # 1 + 1e-8 is 1 in float32
    x = torch.tensor([[1e-4, 0.0]])
    assert Cauchy()(x, torch.zeros(1, 2)).item() == pytest.approx(-1e-8, rel=1e-6)


def test_cosine_of_zero_and_of_huge_rows():
    x = torch.tensor([[0.0, 0.0], [1e20, 0.0]], requires_grad=True)
    y = torch.tensor([[1.0, 2.0], [1e30, 1e30]])
    got = Cosine(1.0)(x, y)
    torch.testing.assert_close(got.detach(), torch.tensor([0.0, 0.5**0.5]))
    got.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad[0].norm() < 2


def test_learned_temperature_is_one_scalar_parameter():
    similarity = Cauchy(0.25, learnable=True)
    (parameter,) = similarity.parameters()
    assert parameter.shape == ()
    assert similarity.temperature == pytest.approx(0.25)
    x, y = torch.zeros(1, 2), torch.ones(1, 2)
    similarity(x, y).sum().backward()
    # d/dlogT of -log(1 + 2/T) at T = 1/4: (2/T) / (1 + 2/T) = 8/9
    assert parameter.grad.item() == pytest.approx(8 / 9, rel=1e-5)
    assert not list(Cauchy(0.25).parameters())


def test_by_name():
    assert set(SIMILARITIES) == {"cauchy", "cosine", "gaussian", "student", "umap"}
    for name, kind in SIMILARITIES.items():
        assert type(make_similarity(name, dof=1.0)) is kind
        assert make_similarity(name, temperature=0.2).temperature == pytest.approx(0.2)
    student = make_similarity("student", temperature=2.0, dof=3.0, learnable=True)
    assert (student.dof, student.temperature, len(list(student.parameters()))) == (3.0, pytest.approx(2.0), 1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": "tsne"}, "unknown kernel 'tsne'; choose one of cauchy, cosine, gaussian, student"),
        ({"name": "cauchy", "dof": 2.0}, "dof=2.0 belongs to the kernel 'student', not to 'cauchy'"),
        ({"name": "student", "dof": 0.0}, "dof must be a finite number above 0, got 0.0"),
        ({"name": "cosine", "temperature": -1.0}, "temperature must be a finite number above 0, got -1.0"),
        ({"name": "cosine", "temperature": math.inf}, "temperature must be a finite number above 0, got inf"),
    ],
)
def test_mistakes_are_named(options, match):
    with pytest.raises(InputError, match=match):
        make_similarity(**options)


@pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.5, 0.99])
def test_the_curve_of_umap_is_umap_learns(min_dist):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        umap_ = pytest.importorskip("umap.umap_", reason="umap-learn is not installed")
    assert umap_curve(min_dist) == pytest.approx(umap_.find_ab_params(1.0, min_dist), rel=1e-6)


def test_min_dist_reaches_the_kernel():
    assert make_similarity("umap", min_dist=0.5).b == pytest.approx(umap_curve(0.5)[1])
    assert make_similarity("umap", temperature=4.0).temperature == pytest.approx(4)
    with pytest.raises(InputError, match=r"min_dist must lie in \[0, 3\), got 3"):
        make_similarity("umap", min_dist=3.0)


def test_umap_where_images_coincide():
    z = torch.zeros(2, 2, requires_grad=True)
    value = Umap()(z, torch.zeros(2, 2)).sum()
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-9)
    assert torch.isfinite(z.grad).all()
