"""RLD: the published definition's values to 20 digits, hand-worked cases, and a dense computation beside it.

``rld_vectors.json`` holds values computed from the formulas alone in float64 and in 40-digit arithmetic; its
``about`` entry explains the keys.
"""

from __future__ import annotations

import json
import math
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from sklearn.datasets import load_digits

from augmap.errors import InputError
from augmap.evaluate import density_graph
from augmap.evaluate.rld import TEMPERATURES, ceiling, relative_local_density

VECTORS = json.loads((Path(__file__).parent / "rld_vectors.json").read_text())
CASES = [
    name
    for name, case in VECTORS.items()
    if isinstance(case, dict) and {"X", "y", "rld"} <= set(case) and len(set(case["y"])) > 1
]


def case(name):
    return np.array(VECTORS[name]["X"]), np.array(VECTORS[name]["y"]).astype(str)


def rld(x, y, temperature, **options):
    return relative_local_density(x, y, temperatures=[temperature], **options)[0].rld


def dense(x, y, temperature):
    """Modularity of W as it is written down, pair by pair, without logarithms."""
    d = squareform(pdist(x))
    e = np.exp(-d / pdist(x).mean() / temperature) * (1 - np.eye(len(x)))
    p = e / e.sum(1, keepdims=True)
    w = len(x) ** 2 * p * p.T
    k = w.sum(1)
    same = y[:, None] == y
    return ((w - np.outer(k, k) / k.sum()) * same).sum() / k.sum(), (1 / (p**2).sum(1)).mean()


@pytest.mark.parametrize("name", CASES)
def test_reference_values(name):
    taus = [float(t) for t in VECTORS[name]["rld"]]
    found = relative_local_density(*case(name), temperatures=taus)
    assert [d.temperature for d in found] == taus
    for d, exact in zip(found, VECTORS[name]["rld_hp"].values(), strict=True):
        assert d.rld == pytest.approx(float(exact), abs=1e-10)
        assert d.mean_distance == pytest.approx(VECTORS[name]["mean_pairwise_distance"], rel=1e-12)
    for d, mean in zip(found, VECTORS[name]["null_mean_exact"].values(), strict=True):
        assert d.shuffled == pytest.approx(mean, abs=1e-10)


def test_every_reference_case_was_looked_at():
    assert len(CASES) == 11


def test_by_hand():
    # x = 0, 1, 3; labels a, a, b: the mean distance is 2
    a = math.exp(-1 / 2)
    w01, w12, w02 = 1 / ((1 + a**2) * (1 + a)), a / (1 + a) ** 2, a**3 / ((1 + a**2) * (1 + a))
    s = w01 + w12 + w02
    b = (w12 + w02) / (2 * s)
    x = np.array([[0.0], [1], [3]])
    assert rld(x, np.array(list("aab")), 1) == pytest.approx(w01 / s - (1 - b) ** 2 - b**2, abs=1e-14)
    # two pairs, 1 apart inside and 3 across
    pairs = case("two_pairs")
    for tau in (1, 0.3):
        assert rld(*pairs, tau) == pytest.approx(1 / (1 + 2 * math.exp(-12 / (7 * tau))) - 1 / 2, abs=1e-14)


def test_effective_neighbors_are_counted():
    x, y = case("lcg12")
    for tau, entry in VECTORS["lcg12_neff"].items():
        (found,) = relative_local_density(x, y, temperatures=[float(tau)])
        assert found.effective_neighbors == pytest.approx(entry["inv_simpson_mean"], abs=1e-10)


def test_shuffled_is_the_mean_over_all_labellings():
    x, _ = case("two_triangles_good")
    values = []
    for chosen in combinations(range(6), 3):
        y = np.full(6, "b")
        y[list(chosen)] = "a"
        values.append(rld(x, y, 0.5))
    (found,) = relative_local_density(x, np.array(list("aaabbb")), temperatures=[0.5])
    assert len(values) == 20
    assert found.shuffled == pytest.approx(np.mean(values), abs=1e-14)
    assert min(values) == pytest.approx(VECTORS["two_triangles_null"]["min"], abs=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 5), st.sampled_from([2.0, 0.7, 0.1]))
def test_blocks_are_the_dense_formula(seed, n, d, tau):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.integers(0, 3, n).astype(str)
    y[:2] = ["0", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(density_graph, "_BLOCK", 7)
        patch.setattr(density_graph, "_KEEP", 0)
        (found,) = relative_local_density(x, y, temperatures=[tau])
        (single,) = relative_local_density(x, y, temperatures=[tau], dtype="float32")
    expected, neighbors = dense(x, y, tau)
    assert found.rld == pytest.approx(expected, abs=1e-11)
    assert found.effective_neighbors == pytest.approx(neighbors, rel=1e-9)
    assert single.rld == pytest.approx(expected, abs=3e-4)  # worst of 2000 such sets: 2.4e-5
    assert -0.5 - 1e-12 <= found.rld <= 1 - 1 / len(set(y)) + 1e-12
    assert 1 <= found.effective_neighbors <= n - 1 + 1e-9


def test_invariances():
    x, y = case("lcg12")
    known = VECTORS["lcg12_invariances_tau0.2"]
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(12)
    for other in (1e3 * x, 1e-150 * x, 1e150 * x, x + 100, x @ turn, np.hstack([x, np.zeros((12, 2))])):
        assert rld(other, y, 0.2) == pytest.approx(known["base"], abs=1e-10)
    assert rld(x[order], y[order], 0.2) == pytest.approx(known["base"], abs=1e-12)
    assert rld(x, np.array(["x", "b", "é"])[y.astype(int)], 0.2) == pytest.approx(known["base"], abs=1e-12)
    stretched = rld(x * [2, 1, 1], y, 0.2)
    assert stretched == pytest.approx(known["not_invariant_anisotropic_scale_first_axis_x2"], abs=1e-10)
    twice = rld(np.vstack([x, x]), np.concatenate([y, y]), 0.2)
    assert twice == pytest.approx(known["not_invariant_duplicate_every_point"], abs=1e-10)


def test_limits():
    x, y = case("lcg60_classes")
    assert rld(x, y, 1e6) == pytest.approx(VECTORS["tau_inf_limit"]["rld_at_tau_1e6"], abs=1e-10)
    # unweighted graph of mutual nearest neighbours
    x, y = case("lcg12")
    assert rld(x, y, 0.001) == pytest.approx(-3 / 32, abs=1e-12)


def test_normalised_rows():
    x, y = case("lcg60_classes")
    scaled = x * np.random.default_rng(0).uniform(0.1, 10, (60, 1))
    assert rld(scaled, y, 0.2, normalize=True) == pytest.approx(
        VECTORS["lcg60_classes"]["rld"]["0.2"], abs=1e-9
    )
    assert abs(rld(scaled, y, 0.2) - rld(x, y, 0.2)) > 0.1
    (found,) = relative_local_density(scaled, y, temperatures=[0.2], normalize=True)
    assert found.normalized
    assert found.mean_distance == pytest.approx(VECTORS["lcg60_classes"]["mean_pairwise_distance"], rel=1e-9)
    scaled[0] = 0  # has no direction, and stays where it is
    assert math.isfinite(rld(scaled, y, 0.2, normalize=True))


def test_ceilings():
    for labels, values in VECTORS["collapse_limits_large_s"]["values"].items():
        for tau, value in values.items():
            assert ceiling(int(labels[1:]), float(tau)) == pytest.approx(value, abs=1e-14)
    for name, k, s in (("collapse_k4_s3", 4, 3), ("collapse_k10_s5", 10, 5)):
        for tau, value in VECTORS[name]["rld"].items():
            assert ceiling(k, float(tau), s) == pytest.approx(value, abs=1e-12)
            (found,) = relative_local_density(*case(name), temperatures=[float(tau)])
            assert found.ceiling == ceiling(k, float(tau)) >= found.rld


def test_float32_on_real_features_with_shuffled_control():
    digits = load_digits()
    y = digits.target.astype(str)
    exact = relative_local_density(digits.data, y, dtype="float64")
    fast = relative_local_density(digits.data + 1000, y, dtype="float32")  # far from the origin
    for a, b in zip(exact, fast, strict=True):
        assert b.rld == pytest.approx(a.rld, abs=2e-6)  # worst 1e-7
        assert b.effective_neighbors == pytest.approx(a.effective_neighbors, rel=1e-5)
        assert (a.dtype, b.dtype, a.n, a.labels) == ("float64", "float32", 1797, 10)
    assert [a.temperature for a in exact] == list(TEMPERATURES)
    assert exact[-1].rld > 0.85
    control = relative_local_density(digits.data, np.random.default_rng(0).permutation(y), dtype="float32")
    for d in control:
        assert d.rld == pytest.approx(d.shuffled, abs=0.02)
        assert -0.01 < d.shuffled < 0


def test_float64_only_up_to_a_size(monkeypatch):
    x, y = case("lcg60_classes")
    assert relative_local_density(x, y)[0].dtype == "float64"
    monkeypatch.setattr(density_graph, "EXACT_UP_TO", 59)
    assert relative_local_density(x, y)[0].dtype == "float32"


def test_images_without_a_label_are_left_out():
    x, y = case("lcg60_classes")
    more = np.vstack([np.full((5, 8), 9.0), x])
    assert relative_local_density(more, np.array([""] * 5 + y.tolist())) == relative_local_density(x, y)


def test_progress_ends_with_everything(monkeypatch):
    monkeypatch.setattr(density_graph, "_BLOCK", 25)
    x, y = case("lcg60_classes")
    seen = []
    relative_local_density(x, y, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 18) for i in range(1, 19)]  # 3 sweeps over 3 + 2 + 1 blocks


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.full(12, "a")}, "needs at least two labels, got 1"),
        ({"labels": np.full(12, "")}, "needs at least two labels, got 0"),
        ({"labels": np.array(["a", "b"])}, "needs a label for each of 12 images, got shape (2,)"),
        ({"x": np.ones((12, 3))}, "all 12 images lie in one place"),
        ({"x": np.full((12, 3), np.nan)}, "12 of 12 rows are not finite"),
        ({"x": np.full((12, 2), [1, np.inf])}, "12 of 12 rows are not finite"),
        ({"x": np.empty((12, 0))}, "needs numbers of shape (n, d), got float64 (12, 0)"),
        ({"temperatures": [0.1, 0]}, "temperatures must be numbers in [1e-06, 1e+06], got [0.1, 0]"),
        ({"temperatures": [-1]}, "got [-1]"),
        ({"temperatures": [math.nan]}, "got [nan]"),
        ({"temperatures": []}, "got []"),
        ({"dtype": "float16"}, "dtype must be one of float64, float32; got 'float16'"),
    ],
)
def test_refuses(change, message):
    x, y = case("lcg12")
    given = {"x": x, "labels": y, **change}
    with pytest.raises(InputError, match=re.escape(message)):
        relative_local_density(given.pop("x"), given.pop("labels"), **given)
