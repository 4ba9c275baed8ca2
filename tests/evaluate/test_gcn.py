"""The GCN classifier: the forward pass worked out elsewhere, and who gets to see which label."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from augmap.errors import InputError
from augmap.evaluate import density_graph as pairs
from augmap.evaluate import probes
from augmap.evaluate.adjacency import adjacency
from augmap.evaluate.density_graph import density_graph
from augmap.evaluate.gcn import gcn_accuracy
from augmap.evaluate.probes import Gcn, GcnProbe, LinearProbe, Task, run, weights_in
from augmap.method.seeds import generator

VECTORS = json.loads((Path(__file__).parent / "rld_vectors.json").read_text())


def edges_of(name, temperature, dtype=torch.float64, **options):
    graph = density_graph(np.array(VECTORS[name]["X"]), [temperature])
    return adjacency(graph, dtype=dtype, **options)


@pytest.fixture
def short(monkeypatch):
    """Few steps, for what does not depend on how well it learns."""
    monkeypatch.setattr(probes, "MOST_STEPS", 20)


def islands(n=240, d=6, labels=4, apart=4.0, seed=0):
    """Labels that are each five small islands strewn over the space."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(5 * labels, d)) * apart
    island = rng.integers(0, 5 * labels, n)
    return centres[island] + rng.normal(size=(n, d)), np.array(list("abcd"))[island % labels]


def test_forward_pass_and_losses():
    v = VECTORS["gcn_forward"]
    edges = edges_of("two_triangles_good", 0.5)
    assert edges.degrees == pytest.approx(np.array(v["degrees"]), abs=1e-12)
    model = Gcn(2, generator(0), width=3).double()
    numbers = {
        "table": v["embedding"],
        "theta1": v["W1"],
        "theta2": v["W2"],
        "bias1": v["b1"],
        "bias2": v["b2"],
        "loop1": v["self_loop1"],
        "loop2": v["self_loop2"],
        "norm.weight": v["bn_gamma"],
        "norm.bias": v["bn_beta"],
    }
    state = model.state_dict() | {k: torch.tensor(x, dtype=torch.float64) for k, x in numbers.items()}
    model.load_state_dict(state)
    assert model.norm.eps == v["bn_eps"]
    given = torch.tensor(v["node_label_or_mask_id"])
    gathered = edges.product(F.one_hot(given, 3).double())
    logits = model(given, gathered, edges)
    assert logits.detach().numpy() == pytest.approx(np.array(v["logits"]), abs=1e-12)
    masked, truth = torch.tensor(v["masked_nodes"]), torch.tensor([0, 0, 0, 1, 1, 1])
    for smoothing, loss in ((0.0, v["ce_no_smoothing"]), (0.1, v["ce_label_smoothing_0.1"])):
        found = F.cross_entropy(logits[masked], truth[masked], label_smoothing=smoothing)
        assert found.item() == pytest.approx(loss, abs=1e-12)


def test_degrees_below_one_are_damped():
    v = VECTORS["gcn_degree_clamp"]
    edges = edges_of("lcg12", 0.05)
    assert edges.degrees == pytest.approx(np.array(v["degrees"]), rel=1e-10)
    w = np.array(VECTORS["lcg12"]["detail"]["W"])
    by_tau = edges_of("lcg12", VECTORS["lcg12"]["detail"]["tau"])
    root = np.sqrt(np.maximum(w.sum(1), 1))
    assert by_tau.product(torch.eye(12).double()).numpy() == pytest.approx(
        w / root / root[:, None], abs=1e-10
    )
    # one image has a degree of 0.107: its row is what is left of 1
    row = edges.product(torch.from_numpy(np.sqrt(np.maximum(edges.degrees, 1)))[:, None])[1]
    assert float(row) == pytest.approx(v["degrees"][1], rel=1e-10)


@pytest.mark.parametrize(("held", "worst"), [(torch.float32, 1e-6), (torch.float16, 1e-3)])
def test_blocks_and_precisions(monkeypatch, held, worst):
    whole = edges_of("lcg60_classes", 0.1)
    monkeypatch.setattr(pairs, "_BLOCK", 7)
    blocks = edges_of("lcg60_classes", 0.1, torch.float32, held=held)
    h = torch.randn(60, 11, generator=generator(0))
    a, b = whole.product(h.double()), blocks.product(h)
    assert float((a - b).abs().max()) < worst * float(a.abs().max())
    assert blocks.precision == str(held).removeprefix("torch.")


def test_many_entries_are_held_in_half(monkeypatch):
    monkeypatch.setattr("augmap.evaluate.adjacency.FLOAT32_UP_TO", 60 * 60 / 2 - 1)
    assert edges_of("lcg60_classes", 0.1, torch.float32).precision == "float16"


def test_gradient():
    edges = edges_of("lcg12", 0.2)
    h = torch.randn(12, 3, generator=generator(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(edges, h)


@pytest.mark.parametrize(("c", "d"), [(10, 512), (100, 512)])
def test_weights_are_counted(c, d):
    counts = VECTORS["param_counts"]
    assert weights_in(Gcn(c, generator(0))) == counts[f"gcn_C{c}"] == 33 * c + 322
    task = Task(torch.arange(c), torch.arange(c), torch.arange(0), torch.arange(0), c, "honest")
    model = LinearProbe(task, torch.zeros(c, d), generator(0)).model
    assert weights_in(model) == counts[f"linear_C{c}_d{d}"] == c * (d + 1)


def test_learns_what_a_linear_classifier_cannot():
    x, y = islands()
    found = gcn_accuracy(x, y, normalize=False, temperature=0.1)
    assert found.accuracy > 0.9
    assert found.accuracy > found.linear + 0.2
    assert (found.parameters, found.linear_parameters) == (33 * 4 + 322, 4 * 7)
    assert (found.n_train, found.n_val, found.n_test) == (180, 20, 40)
    assert (found.protocol, found.split) == ("honest", "stratified, 1 random splits")
    assert (found.graph, found.temperature, found.normalized) == ("all pairs, float32", 0.1, False)
    assert math.isnan(found.sd)
    assert found.epochs >= 1
    assert found.linear_epochs >= 1
    shuffled = np.random.default_rng(1).permutation(y)
    control = gcn_accuracy(x, shuffled, normalize=False, temperature=0.1)
    assert control.accuracy < 0.5
    assert control.linear < 0.5


def test_linear_probe_is_as_good_as_logistic_regression():
    digits = load_digits()
    x, y = digits.data[:900], digits.target[:900].astype(str)
    splits = np.array(["train"] * 600 + ["test"] * 300)
    found = gcn_accuracy(x, y, splits, normalize=False)
    judge = LogisticRegression(max_iter=3000).fit(x[:600] / 16, y[:600])
    assert found.linear == pytest.approx(judge.score(x[600:] / 16, y[600:]), abs=0.03)
    assert found.accuracy > 0.9
    assert (found.split, found.n_train + found.n_val, found.n_test) == ("official", 600, 300)


@pytest.mark.parametrize("protocol", ["honest", "paper"])
def test_test_labels_reach_nothing_but_the_score(monkeypatch, protocol, short):
    """Every answer for a test image under false test labels is the answer under true ones."""
    x, y = islands()
    splits = np.array(["train"] * 180 + ["test"] * 60)
    answers = []

    def kept(probe, rows):
        logits = original(probe, rows)
        if len(rows) == 60:
            answers[-1].append(logits.detach().argmax(1))
        return logits

    original = GcnProbe.logits
    monkeypatch.setattr(GcnProbe, "logits", kept)
    for labels in (y, np.concatenate([y[:180], np.roll(y[180:], 7)])):
        answers.append([])
        gcn_accuracy(x, labels, splits, normalize=False, protocol=protocol)
    assert torch.equal(*map(torch.stack, answers))
    # the honest protocol asks once, the paper's at every step
    assert (len(answers[0]) == 1) == (protocol == "honest")


def test_honest_never_sees_labels_it_chooses_by():
    task = Task(
        torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1]), torch.tensor([2]), torch.tensor([3]), 2, "honest"
    )
    graph = density_graph(np.array([[0.0], [1], [2.5], [4]]), [1.0])
    probe = GcnProbe(task, adjacency(graph), generator(0))
    assert probe._visible.tolist() == [0, 1, 2, 2]
    shown, given = [], probe._given
    probe._given = lambda rows: shown.append(rows.tolist()) or given(rows)
    for _ in range(20):
        _, logits, rows = probe.step()
        assert sorted(shown[-1] + rows.tolist()) == [0, 1]  # what it is asked for is hidden
        assert set(rows.tolist()) <= {0, 1}
        assert 1 <= len(rows) == len(logits)


def test_honest_scores_in_eval_mode_and_the_best_step(monkeypatch):
    x, y = islands()
    modes, tests, weights = [], [], []

    def kept(probe, rows):
        (tests if len(rows) == 40 else modes).append(probe.model.training)
        weights.append(probe.model.theta1.detach().clone())
        return original(probe, rows)

    original = GcnProbe.logits
    monkeypatch.setattr(GcnProbe, "logits", kept)
    found = gcn_accuracy(x, y, normalize=False)
    assert not any(modes)
    assert tests == [False]
    assert len(modes) == found.epochs + probes.PATIENCE  # one look a step, and none after patience ended
    assert torch.equal(weights[-1], weights[int(found.epochs) - 1])
    assert not torch.equal(weights[-1], weights[-2])


def test_papers_protocol_reports_the_best_test_accuracy(monkeypatch):
    x, y = islands(apart=1.2)
    reached = []

    def kept(probe, rows):
        logits = original(probe, rows)
        reached.append(float((logits.argmax(1) == probe.task.targets[rows]).double().mean()))
        assert probe.model.training
        return logits

    original = GcnProbe.logits
    monkeypatch.setattr(GcnProbe, "logits", kept)
    paper = gcn_accuracy(x, y, normalize=False, protocol="paper")
    assert paper.accuracy == max(reached)
    assert reached[int(paper.epochs) - 1] == max(reached)
    assert paper.n_val == 0
    monkeypatch.undo()
    honest = gcn_accuracy(x, y, normalize=False)
    assert paper.accuracy >= honest.accuracy
    assert paper.n_train == honest.n_train + honest.n_val


def test_repeats_differ_and_are_averaged(short):
    x, y = islands(apart=1.2)
    splits = np.array(["train"] * 180 + ["test"] * 50 + ["val"] * 5 + [""] * 5)
    found, again = (gcn_accuracy(x, y, splits, normalize=False, repeats=3) for _ in range(2))
    assert found == again  # the same bits
    assert found.sd > 0
    assert found.repeats == 3
    assert (found.n_train + found.n_val, found.n_test) == (180, 50)  # the rest is left out, as in kNN


def test_images_without_a_label_are_left_out(short):
    x, y = islands(120)
    with_gaps = gcn_accuracy(np.vstack([x, x[:9] + 1]), np.concatenate([y, [""] * 9]))
    assert with_gaps.accuracy == gcn_accuracy(x, y).accuracy
    assert with_gaps.n_train + with_gaps.n_val + with_gaps.n_test == 120


def test_rare_labels(short):
    x, y = islands(60)
    y[0] = y[1] = "rare"
    assert gcn_accuracy(x, y).n_val >= 4
    splits = np.array(["train"] * 40 + ["test"] * 20)
    y[1] = "new"  # a single training image
    y[45] = "unknown"  # in the test images only
    found = gcn_accuracy(x, y, splits)
    assert found.parameters == 33 * 7 + 322
    assert found.accuracy < 1


def test_progress_ends_with_everything(short):
    x, y = islands(60)
    seen = []
    gcn_accuracy(x, y, repeats=2, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (1000, 1000)
    assert seen == sorted(seen)


def test_run_ends():
    """Labels that nothing can learn do not train for ever."""
    task = Task(
        torch.tensor([0, 1] * 10),
        torch.arange(0, 12),
        torch.arange(12, 16),
        torch.arange(16, 20),
        2,
        "honest",
    )
    features = torch.zeros(20, 3)
    accuracy, step = run(LinearProbe(task, features, generator(0)))
    assert step <= probes.MOST_STEPS
    assert accuracy == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.full(6, "a")}, "needs at least two labels, got 1"),
        ({"labels": np.array(list("aaaaab"))}, "label 'b' has one image; at least 2 are needed"),
        ({"labels": np.array(["a", "b"])}, "needs a label for each of 6 images, got shape (2,)"),
        ({"splits": ["train", "test"]}, "splits must have 6 entries, got 2"),
        ({"splits": ["train"] * 2 + ["test"] * 4}, "each label has one training image"),
        ({"protocol": "best"}, "protocol must be one of honest, paper; got 'best'"),
        ({"repeats": 0}, "repeats must be at least 1, got 0"),
        ({"seed": None}, "seed must be a whole number, got None"),
        ({"seed": -1, "splits": ["train", "test"] * 3}, "seed must lie in [0, 2**63), got -1"),
        ({"temperature": 0}, "temperatures must be numbers in"),
        ({"x": np.ones((6, 2))}, "all 6 images lie in one place"),
        ({"x": np.full((6, 2), np.inf)}, "6 of 6 rows are not finite"),
    ],
)
def test_refuses(change, message):
    given = {"x": np.eye(6), "labels": np.array(list("ababab")), **change}
    with pytest.raises(InputError, match=re.escape(message)):
        gcn_accuracy(given.pop("x"), given.pop("labels"), **given)
