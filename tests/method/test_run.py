"""A run: every field of the configuration arrives, small sets, odd images, and what is resolved."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from runs import Small, run, same_bits, small_config, stripes, task, three_stages, with_neighbors
from torch import nn

from augmap.config import Config
from augmap.errors import InputError, TrainingError
from augmap.method import prepare
from augmap.method import run as running
from augmap.method.run import Task
from augmap.method.sets import AUGMENTATIONS
from augmap.stage import Stage

PIXELS = stripes(32)[0]
HEAD = {"train": "head", "new_layer": "head", "hidden": (8,)}
NEAR = {"edges": "neighbors", "neighbors": 3, **HEAD}

# field of Stage -> what it needs beside it, and its other value
STAGE = {
    "epochs": ({"steps": None, "epochs": 2}, 3),
    "steps": ({}, 4),
    "stop": ({}, 2),
    "dim": ({}, 3),
    "end_dim": ({"dim": 4}, 2),
    "similarity": ({}, "cosine"),
    "loss": ({}, "negative_sampling"),
    "negatives": ({"loss": "negative_sampling"}, 2.0),
    "dof": ({"similarity": "student"}, 5.0),
    "min_dist": ({"similarity": "umap"}, 0.5),
    "temperature": ({}, 0.5),
    "end_temperature": ({}, 0.1),
    "learn_temperature": ({}, True),
    "decoupled": ({}, True),
    "norm_penalty": ({}, 1.0),
    "norm_radius": ({"norm_penalty": 1.0}, 2.0),
    "edges": (HEAD, "neighbors"),
    "neighbors": (NEAR, 9),
    "affinity": ({"edges": "pixels"}, "fuzzy"),
    "perplexity": ({"edges": "pixels", "affinity": "perplexity"}, 3.0),
    "whitening": (NEAR, 0.5),
    "layout_passes": ({**NEAR, "edges": "layout"}, 7.0),
    "anchors": ({**NEAR, "edges": "layout"}, 6),
    "views": ({}, 4),
    "view_scale": ({}, 0.5),
    "train": ({}, "head"),
    "new_layer": ({}, "last"),
    "new_layer_std": ({"new_layer": "last"}, 2.0),
    "hidden": (HEAD, (9,)),
    "norm": (HEAD, "layer"),
    "on_sphere": (HEAD, True),
    "optimizer": ({}, "muon"),
    "lr": ({}, 0.3),
    "lr_batch": ({}, 64),
    "vector_lr": ({"optimizer": "muon"}, 0.05),
    "rate": ({}, "epoch"),
    "warmup_epochs": ({}, 1.0),
    "steady": ({}, 0.5),
    "momentum": ({}, 0.5),
    "nesterov": ({}, True),
    "weight_decay": ({}, 0.1),
    "clip_norm": ({}, 0.01),
    "batch_size": ({}, 8),
}
# these decide no number by themselves: test_plan has shares and their cap, a name is what the log says;
# label_smoothing needs labels, see test_baselines
STAGE_ELSEWHERE = {"name", "share", "max_epochs", "label_smoothing"}
CONFIG = {
    "stages": ({}, (Stage(name="s", steps=2),)),
    "seed": ({}, 1),
    "batch_size": ({}, 8),
    "keep_short_batch": ({"batch_size": 20}, True),
    "hidden": ({}, (9,)),
    "norm": ({}, "batch"),
    "precision": ({}, "bfloat16"),
    "recompute_statistics": ({}, False),
    "backbone": ({"backbone": "slim"}, "resnet18"),
}
# preset and init are records; a budget needs shares (test_plan); augment and augmentation become an
# Augmentation before the run (settings)
CONFIG_ELSEWHERE = {"preset", "init", "budget", "augment", "augmentation"}


def outcome_of(stage, pixels=PIXELS, **settings):
    stage = Stage(**{"name": "s", "steps": 3, "lr": 0.1, **stage})
    return run(small_config(stage, batch_size=16, **settings), pixels)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Stage) if f.name not in STAGE_ELSEWHERE])
def test_every_field_of_a_stage_arrives(name):
    beside, value = STAGE[name]
    pixels = stripes(32, size=40)[0] if name == "view_scale" else PIXELS  # no view of less than 16 px
    before = outcome_of(beside, pixels)
    after = outcome_of({**beside, name: value}, pixels)
    assert not same_bits(before, after)
    assert getattr(after.config.stages[0], name) == value


@pytest.mark.parametrize(
    "name", [f.name for f in dataclasses.fields(Config) if f.name not in CONFIG_ELSEWHERE]
)
def test_every_field_of_a_configuration_arrives(name):
    beside, value = CONFIG[name]
    base = small_config(Stage(name="s", steps=3, lr=0.1), **{"batch_size": 16, **beside})
    before, after = run(base, PIXELS), run(base.replace(**{name: value}), PIXELS)
    assert not same_bits(before, after)
    assert getattr(after.config, name) == value


def test_the_augmentation_arrives():
    config = small_config(Stage(name="s", steps=2))
    assert not same_bits(run(config, PIXELS), run(config, PIXELS, augmentation=AUGMENTATIONS["glyph"]))


def test_names_are_in_the_log():
    log = run(three_stages()).log
    assert [line["stage"] for line in log] == ["pretrain"] * 3 + ["readout"] * 2 + ["finetune"] * 2
    assert [line["epoch"] for line in log] == [1, 2, 3, 1, 2, 1, 2]


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [8, 13, 40])
def test_channels_and_sizes(channels, size):
    pixels = np.random.default_rng(0).integers(0, 256, (24, size, size, channels), dtype=np.uint8)
    config = small_config(Stage(name="s", steps=2), batch_size=12, backbone="slim")
    outcome = run(config, pixels)
    assert outcome.positions.shape == (24, 2)
    assert np.isfinite(outcome.positions).all()
    assert np.ptp(outcome.positions, axis=0).min() > 0
    assert (outcome.weights.spec["channels"], outcome.weights.spec["image_size"]) == (channels, size)


@pytest.mark.parametrize("n", [2, 3, 9])
def test_fewer_images_than_a_batch(n):
    said = []
    outcome = run(with_neighbors(), stripes(n)[0], say=said.append)
    assert outcome.config.batch_size == n
    assert f"stage pretrain: fewer images than a batch of 32: the batch is {n}" in said
    assert outcome.positions.shape == (n, 2)
    quiet = []
    run(small_config(Stage(name="s", steps=1), batch_size=n), stripes(n)[0], say=quiet.append)
    assert quiet == []


def test_a_stages_own_batch_of_more_than_all_is_resolved():
    said = []
    stage = Stage(name="s", steps=1, batch_size=500)
    resolved = run(small_config(stage), PIXELS, say=said.append).config
    assert resolved.stages[0].batch_size == 32
    assert said == ["stage s: fewer images than a batch of 500: the batch is 32"]


def test_a_short_batch_with_nothing_to_compare_is_refused_at_the_start():
    config = small_config(Stage(name="s", epochs=1, decoupled=True), batch_size=31, keep_short_batch=True)
    with pytest.raises(InputError, match=r"stage 's': 32 images leave a last batch of 1, too few to compare"):
        run(config, PIXELS)
    assert run(config.replace(keep_short_batch=False), PIXELS).positions.shape == (32, 2)
    laid = Stage(name="laid", epochs=1, edges="layout", train="head", new_layer="head", norm="batch")
    with pytest.raises(InputError, match=r"stage 'laid': 32 images leave a last batch of 1, too few"):
        run(small_config(laid, batch_size=31, keep_short_batch=True), PIXELS)


def test_precision_is_probed_and_written_down(monkeypatch):
    asked = []

    def probe(encoder, stage, graphs, config, fabric, *, seconds, most, between):
        asked.append((stage.name, seconds, most))
        assert {p: graph.low for p, graph in graphs.items()} == {"float32": False, "bfloat16": True}
        return "bfloat16"

    monkeypatch.setattr(prepare, "faster_precision", probe)
    config = small_config(Stage(name="s", steps=2), precision="auto")
    outcome = run(config, PIXELS)
    assert asked == [("s", prepare.PROBE_SECONDS / 2, 2)]  # no longer than the stage itself
    assert outcome.config.precision == "bfloat16"
    assert same_bits(outcome, run(config.replace(precision="bfloat16"), PIXELS))
    assert len(asked) == 1


class Flat(nn.Module):
    """Takes images of 24 px and no others, and has a parameter of five axes."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(24 * 24, 8))
        self.scale = nn.Parameter(torch.ones(1, 1, 8, 1, 1))

    def forward(self, x):
        return self.layers(x) * self.scale.flatten()


def test_a_network_of_one_size_gets_views_of_that():
    pixels = stripes(24, size=24)[0]
    small = small_config(Stage(name="s", steps=2, view_scale=None), batch_size=12)
    flat = Flat()
    outcome = run(small, pixels, backbone=flat)
    whole = small_config(Stage(name="s", steps=2), batch_size=12)
    assert np.array_equal(outcome.positions, run(whole, pixels, backbone=flat).positions)
    other = run(small, pixels)  # a network of any size has smaller ones
    assert not np.array_equal(other.positions, run(whole, pixels).positions)


def test_a_step_that_does_not_fit_into_memory_is_said(monkeypatch):
    def train(*parts):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(running, "train", train)
    with pytest.raises(
        InputError, match=r"a step of 16 images does not fit .* take a smaller batch: --batch-size 8"
    ):
        run(small_config(Stage(name="s", steps=1), batch_size=16), PIXELS)


def test_before_ampere_nothing_is_tried_in_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    monkeypatch.setattr(prepare, "faster_precision", lambda *a, **k: pytest.fail("was measured"))
    config, encoder = small_config(Stage(name="s", steps=1)), object()
    fabric, graphs = (
        SimpleNamespace(device=torch.device("cuda")),
        SimpleNamespace(stand_in=lambda *a: object()),
    )
    assert prepare.find_precision(encoder, config, graphs, fabric, None) == "float32"


def test_positions_and_features_are_those_of_the_saved_weights():
    from augmap.method.project import project
    from augmap.method.weights import from_weights

    outcome = run(three_stages())
    positions, features = project(from_weights(outcome.weights, Small()), stripes()[0])
    np.testing.assert_array_equal(positions, outcome.positions)
    np.testing.assert_array_equal(features, outcome.features)


@pytest.mark.parametrize(
    ("config", "calls"),
    [
        (small_config(Stage(name="s", steps=2)), 1),
        (small_config(Stage(name="s", steps=2), recompute_statistics=False), 0),
        (three_stages(), 0),
        (three_stages(recompute_statistics=True), 1),
        (with_neighbors(), 1),  # before the graph; the head is learned with these
        (with_neighbors(recompute_statistics=False), 0),
        (small_config(Stage(name="a", steps=2), Stage(name="b", steps=1, train="last")), 0),
    ],
)
def test_when_statistics_are_taken_anew(config, calls, monkeypatch):
    from augmap.method import graphs

    seen = []
    for module in (running, graphs):
        settle = module.settle_statistics
        monkeypatch.setattr(module, "settle_statistics", lambda *a, f=settle: (seen.append(a), f(*a))[1])
    run(config)
    assert len(seen) == calls


def test_the_paper_never_takes_statistics_anew():
    from augmap.presets import PRESETS

    for name, preset in PRESETS.items():
        if name.startswith("paper"):
            assert preset.settings["recompute_statistics"] is False
            assert preset.settings["precision"] == "float32"
            assert preset.settings["keep_short_batch"] is True


def test_starting_from_another_map():
    first = run(small_config(Stage(name="s", steps=4, lr=0.3)))
    still = small_config(Stage(name="s", steps=1, lr=1e-12, weight_decay=0.0), recompute_statistics=False)
    outcome = run(still, init=first.weights)
    for name, value in first.weights.arrays.items():
        if name.endswith(("weight", "bias")):
            np.testing.assert_allclose(outcome.weights.arrays[name], value, atol=1e-9)
    slim = still.replace(backbone="slim")
    with pytest.raises(InputError, match="has 1 channels, the images 3"):
        run(slim, stripes(channels=3)[0], init=run(slim).weights)


def test_a_map_that_is_not_finite_is_not_returned(monkeypatch):
    monkeypatch.setattr(running, "project", lambda *a, **k: (np.full((32, 2), math.nan), np.zeros((32, 3))))
    with pytest.raises(TrainingError, match="the positions are not finite"):
        run(small_config(Stage(name="s", steps=1)), PIXELS)


def test_history():
    outcome = run(three_stages())
    history = outcome.history
    assert history["steps"] == 3 * (3 + 2 + 2)
    assert history["loss"] == outcome.log[-1]["loss"]
    assert (history["threads"], history["processes"], history["torch"]) == (1, 1, torch.__version__)
    assert history["views_per_second"] > 0
    assert history["resumed_steps"] == history["plans"] == []


def test_a_task_is_quiet_by_default(capsys):
    quiet = Task(pixels=PIXELS, config=small_config(), augmentation=AUGMENTATIONS["natural"])
    quiet.say("hello")
    assert capsys.readouterr() == ("", "")
    assert task(small_config()).listeners == ()
