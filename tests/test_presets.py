"""Presets: the paper's numbers are the paper's, and a preset bends to what is asked for."""

from __future__ import annotations

import dataclasses
import re

import pytest

from augmap.config import Config
from augmap.errors import InputError
from augmap.presets import PRESETS, continued, make_config, method_name
from augmap.stage import Stage

# Böhm, Berens & Kobak (2023): batch 1024, base rate 0.03 * 1024 / 256 = 0.12, readout from N(0, 1)
PAPER = [
    # name, epochs, dim, rate at 1024 images, warm-up, trained, new layer, its std
    ("pretrain", 1000, 128, 0.12, 10, "all", "none", None),
    ("readout", 50, 2, 0.12, 0, "last", "last", 1.0),
    ("finetune", 450, 2, 0.12 / 1000, 10, "all", "none", None),
]


def peak(stage: Stage, batch: int) -> float:
    return stage.lr if stage.lr_batch is None else stage.lr * batch / stage.lr_batch


def test_the_paper():
    made = make_config("paper")
    rows = [
        (s.name, s.epochs, s.dim, peak(s, 1024), s.warmup_epochs, s.train, s.new_layer, s.new_layer_std)
        for s in made.stages
    ]
    assert rows == [(*r[:3], pytest.approx(r[3], rel=1e-12), *r[4:]) for r in PAPER]
    for stage in made.stages:
        assert (stage.similarity, stage.temperature, stage.norm_penalty) == ("cauchy", 1, 0)
        assert (stage.optimizer, stage.momentum, stage.weight_decay) == ("sgd", 0.9, 5e-4)
        assert (stage.nesterov, stage.clip_norm, stage.edges) == (False, None, "augmentation")
        assert (stage.rate, stage.view_scale, stage.decoupled) == ("epoch", 1, False)
    assert (made.batch_size, made.keep_short_batch, made.backbone) == (1024, True, "resnet18")
    assert (made.hidden, made.norm, made.augment, made.augmentation) == ((1024,), None, "natural", {})
    assert (made.precision, made.recompute_statistics, made.budget) == ("float32", False, None)


@pytest.mark.parametrize(("name", "epochs"), [("paper-500", [400, 25, 75]), ("paper-1000", [775, 25, 200])])
def test_the_papers_budgets(name, epochs):
    short, paper = make_config(name), make_config("paper")
    assert [s.epochs for s in short.stages] == epochs
    for a, b in zip(short.stages, paper.stages, strict=True):
        assert dataclasses.replace(a, epochs=b.epochs, warmup_epochs=b.warmup_epochs) == b
        assert a.warmup_epochs == min(b.warmup_epochs, a.epochs / 10)
    assert [dataclasses.replace(s, share=None) for s in make_config("paper", epochs=epochs).stages] == [
        *short.stages
    ]


def test_the_ablations():
    first = make_config("cosine").stages[0]
    assert (first.similarity, first.temperature, first.dim) == ("cosine", 0.5, 128)
    assert make_config("cosine").stages[1:] == make_config("paper").stages[1:]
    assert [(s.dim, s.similarity, s.epochs) for s in make_config("direct").stages] == [(2, "cauchy", 1000)]
    (annealed,) = make_config("annealed").stages
    assert (annealed.dim, annealed.end_dim) == (128, 2)


def test_tiny_imagenet():
    stages = make_config("tiny-imagenet").stages
    assert [s.similarity for s in stages] == ["cosine", "cosine", "cauchy", "cauchy", "cauchy"]
    assert [s.dim for s in stages] == [128, 128, 128, 2, 2]
    assert stages[1].norm_penalty > 0
    # "distances x 200": d² * 200² is d² / T
    assert [s.temperature for s in stages[2:]] == [pytest.approx(1 / 200**2)] * 3


def test_the_baselines_are_the_pretraining_of_quick_with_other_pairs():
    pretrain, layout = PRESETS["quick"].stages
    adamw = {"optimizer": "adamw", "lr": 3e-3, "momentum": 0.9, "weight_decay": 0.05}
    same = ("optimizer", "lr", "lr_batch", "rate", "weight_decay", "momentum", "warmup_epochs", "batch_size")
    for name in ("simclr", "parametric-tsne", "parametric-umap", "supervised"):
        first, *rest = PRESETS[name].stages
        changed = {} if name == "simclr" else adamw  # rates of Muon say nothing here
        expected = [getattr(pretrain, f) for f in same]
        assert [getattr(first, f) for f in same] == [
            changed.get(f, x) for f, x in zip(same, expected, strict=True)
        ]
        assert rest == ([dataclasses.replace(layout, whitening=None)] if name == "supervised" else [])
    (simclr,) = make_config("simclr", epochs=(1,)).stages
    assert (simclr.dim, simclr.similarity, simclr.temperature, simclr.view_scale) == (
        128,
        "cosine",
        0.15,
        None,
    )
    assert simclr.views == pretrain.views == 4
    (tsne,) = make_config("parametric-tsne", epochs=(1,)).stages
    assert (tsne.dim, tsne.edges, tsne.affinity, tsne.perplexity) == (2, "pixels", "perplexity", 30)
    assert (tsne.loss, tsne.similarity) == ("info_nce", "cauchy")
    (umap,) = make_config("parametric-umap", epochs=(1,)).stages
    assert (umap.dim, umap.edges, umap.affinity, umap.neighbors) == (2, "pixels", "fuzzy", 15)
    assert (umap.loss, umap.negatives, umap.similarity, umap.min_dist) == (
        "negative_sampling",
        5,
        "umap",
        0.1,
    )
    classify = make_config("supervised", epochs=(1, 1)).stages[0]
    assert (classify.loss, classify.label_smoothing, classify.edges) == ("cross_entropy", 0.1, "augmentation")
    assert classify.views == 2  # each with the label: views do not meet
    assert PRESETS["supervised"].settings["hidden"] == ()  # a linear classifier on h


def test_what_a_map_is_called():
    names = {name: method_name(make_config(name, budget=60)) for name in PRESETS}
    baselines = {
        "simclr": "SimCLR", "parametric-tsne": "parametric t-SNE", "parametric-umap": "parametric UMAP",
        "supervised": "supervised",
    }  # fmt: skip
    assert names == {**dict.fromkeys(PRESETS, "t-SimCNE"), **baselines}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("dim", [1, 2, 3, 10])
def test_every_preset_makes_a_map_of_any_dimension_from_epochs_or_a_budget(name, dim):
    count = len(PRESETS[name].stages)
    by_epochs = make_config(name, epochs=range(1, count + 1), dim=dim)
    assert [s.epochs for s in by_epochs.stages] == list(range(1, count + 1))
    assert by_epochs.dim == dim
    assert by_epochs.preset == name
    assert all(s.warmup_epochs <= s.epochs / 10 for s in by_epochs.stages)
    by_time = make_config(name, budget=60, dim=dim)
    assert (by_time.budget, by_time.dim) == (60, dim)
    assert all(s.share for s in by_time.stages)
    assert Config.from_dict(by_time.to_dict()) == by_time
    assert len(PRESETS[name].about) < 110


def test_a_budget_is_shared_as_the_epochs_were():
    shares = [s.share for s in make_config("paper", budget=60).stages]
    assert shares == [1000, 50, 450]


def test_only_the_map_changes_its_dimension():
    assert [s.dim for s in make_config("paper", dim=3).stages] == [128, 3, 3]
    assert make_config("simclr", epochs=(1,)).dim == 128
    (annealed,) = make_config("annealed", dim=3).stages
    assert (annealed.dim, annealed.end_dim) == (128, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "papers"}, "unknown preset 'papers'; choose one of quick, paper, "),
        (
            {"preset": "paper", "epochs": [1]},
            "'paper' has 3 stages (pretrain, readout, finetune), got 1 epochs",
        ),
        ({"preset": "paper", "epochs": 5}, "has 3 stages (pretrain, readout, finetune), got 1 epochs"),
        ({"preset": "direct", "epochs": [0]}, "epochs must be positive numbers, one a stage, got 0"),
        ({"preset": "direct", "epochs": [float("nan")]}, "epochs must be positive numbers"),
        ({"preset": "direct", "epochs": "12"}, "epochs must be positive numbers, one a stage, got '12'"),
        ({"preset": "paper", "epochs": [1, 1, 1], "budget": 5}, "give a budget or epochs, not both"),
        ({"preset": "quick"}, "preset 'quick' needs a budget (10m), or epochs for its"),
        ({"preset": "annealed", "dim": 200}, "preset 'annealed' starts from 128 dimensions, got dim=200"),
        ({"preset": "paper", "dim": 0}, "dim must be positive, got 0"),
        ({"preset": "paper", "dim": "2"}, "dim must be int, got '2'"),
        ({"preset": "paper", "batch_size": 0}, "batch_size must be at least 2, got"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make_config(**arguments)


def test_one_number_will_do_for_one_stage():
    assert make_config("direct", epochs=5).stages[0].epochs == 5


def test_what_is_given_beats_the_preset_and_none_does_not():
    made = make_config("paper", batch_size=64, precision=None, seed=3)
    assert (made.batch_size, made.precision, made.seed) == (64, "float32", 3)


LAST = Stage(
    name="last",
    epochs=1,
    dim=3,
    similarity="student",
    dof=2.0,
    temperature=0.5,
    decoupled=True,
    norm_penalty=0.1,
    norm_radius=3.0,
    lr=0.5,
    train="last",
)


@pytest.mark.parametrize("edges", ["augmentation", "neighbors", "layout"])
def test_to_continue_keeps_what_shaped_the_map(edges):
    graph = {} if edges == "augmentation" else {"whitening": 0.25, "neighbors": 7}
    (stage,) = continued(
        make_config("continue", epochs=(4,)),
        dataclasses.replace(LAST, edges=edges, end_temperature=0.25, **graph),
    ).stages
    assert (stage.train, stage.new_layer, stage.dim, stage.epochs) == ("all", "none", 3, 4)
    assert stage.lr < 1e-3
    if edges == "layout":  # laid out by Cauchy among neighbours
        kept = ("cauchy", 1, 1, "neighbors", 7)
        assert stage.whitening == 0.25
    else:
        kept = ("student", 2, 0.25, edges, graph.get("neighbors", 15))
        assert (stage.decoupled, stage.norm_penalty, stage.norm_radius) == (True, 0.1, 3)
    assert (stage.similarity, stage.dof, stage.temperature, stage.edges, stage.neighbors) == kept


def test_to_continue_keeps_the_pairs_of_a_baseline():
    for name in ("parametric-tsne", "parametric-umap"):
        last = make_config(name, epochs=(1,)).stages[0]
        found = continued(make_config("continue", epochs=(4,)), last)
        (stage,) = found.stages
        for field in ("loss", "edges", "affinity", "perplexity", "neighbors", "similarity", "min_dist"):
            assert getattr(stage, field) == getattr(last, field), field
        assert method_name(found) == method_name(make_config(name, epochs=(1,)))
