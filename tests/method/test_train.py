"""The method itself: what learns and what does not, golden losses, and whether it finds anything."""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import AS_IT_IS, run, same_bits, small_config, stripes, three_stages, with_neighbors
from torch import nn

from augmap.errors import TrainingError
from augmap.evaluate.knn import knn_accuracy
from augmap.method import checkpoint as checkpoints
from augmap.method import train as training
from augmap.method import watch as watching
from augmap.method.project import project
from augmap.method.seeds import generator
from augmap.method.sets import AUGMENTATIONS
from augmap.method.train import renew
from augmap.method.weights import build_encoder
from augmap.stage import Stage

GOLDEN = Path(__file__).with_name("golden_losses.txt")
GOLDEN_RUNS = {
    "three stages": three_stages(augmentation=AS_IT_IS),
    "three stages, other light": three_stages(),
    "cosine, decoupled, AdamW": small_config(
        Stage(
            name="map", steps=20, dim=8, similarity="cosine", temperature=0.2, decoupled=True,
            optimizer="adamw", lr=3e-3, lr_batch=None, view_scale=0.75,
        ),
        augmentation=AS_IT_IS,
    ),
    "student, learned temperature, norm penalty": small_config(
        Stage(name="map", steps=20, similarity="student", dof=3.0, learn_temperature=True, norm_penalty=0.1),
        augmentation=AS_IT_IS,
    ),
    "annealed, gaussian, clipped": small_config(
        Stage(name="map", steps=20, dim=16, end_dim=2, similarity="gaussian", clip_norm=0.5, nesterov=True),
        augmentation=AS_IT_IS,
    ),
    "neighbours": with_neighbors(augmentation=AS_IT_IS),
}  # fmt: skip


def losses(config, monkeypatch, pixels=None, **settings):
    """The loss of every step, as the float32 that it was."""
    found = []
    monkeypatch.setattr(watching, "LOOK_EVERY", 1)
    outcome = run(config, pixels, listeners=[lambda report: found.append(report.loss)], **settings)
    return found, outcome


def this_machine():
    model = ""
    if (info := Path("/proc/cpuinfo")).is_file():
        lines = info.read_text("utf-8").splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {model}"


@pytest.mark.parametrize("name", GOLDEN_RUNS)
def test_golden_losses(name, monkeypatch):
    """Equal to the last digit where they were recorded; elsewhere sums round otherwise, so to 1e-4.

    ``AUGMAP_GOLDEN=write`` records them anew, for a change of the method that is meant.
    """
    found = [repr(float(np.float32(x))) for x in losses(GOLDEN_RUNS[name], monkeypatch)[0][:20]]
    assert len(found) == 20
    recorded, machine = {}, ""
    if GOLDEN.is_file():
        machine, *lines = GOLDEN.read_text("utf-8").splitlines()
        recorded = {key: row.split() for key, row in (line.split(": ") for line in lines)}
    if os.environ.get("AUGMAP_GOLDEN") == "write":
        recorded[name] = found
        rows = [f"{key}: {' '.join(recorded[key])}" for key in GOLDEN_RUNS if key in recorded]
        GOLDEN.write_text("\n".join([this_machine(), *rows, ""]), "utf-8")
    elif machine == this_machine():
        assert found == recorded[name]
    else:
        np.testing.assert_allclose(np.float64(found), np.float64(recorded[name]), rtol=1e-4)


class Wider(nn.Module):
    """Filters of 5 px, so that a network can tell directions apart at any phase."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(1)
            self.layers = nn.Sequential(
                *(nn.Conv2d(3, 24, 5, padding=2), nn.BatchNorm2d(24), nn.ReLU()),
                *(nn.Conv2d(24, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.ReLU()),
            )

    def forward(self, x):
        return self.layers(x)


def test_it_learns_what_an_untrained_network_does_not_see():
    """Three kinds of stripes at random phase and colour: 2-D kNN accuracy, chance is 0.33.

    Untrained 0.51, trained 0.98 to 0.99 with four settings of rate and length.
    """
    pixels, kind = stripes(600, channels=3)
    adam = {"optimizer": "adamw", "lr_batch": None}
    config = small_config(
        Stage(name="pretrain", epochs=40, dim=32, similarity="cosine", temperature=0.2, lr=3e-3, **adam),
        Stage(name="readout", epochs=8, new_layer="last", new_layer_std=1.0, train="last", lr=0.1),
        Stage(name="finetune", epochs=15, lr=1e-3, **adam),
        batch_size=100,
        hidden=(64,),
    )
    fresh = build_encoder(config, pixels, Wider())
    renew(fresh, config.stages[1], generator(0, "layer", 1))
    untrained = project(fresh, pixels)[0]
    trained = run(config, pixels, backbone=Wider()).positions
    labels = kind.astype(str)
    assert knn_accuracy(untrained, labels, k=15).accuracy < 0.6
    assert knn_accuracy(trained, labels, k=15).accuracy > 0.93


@pytest.fixture
def weights_by_step(monkeypatch):
    """Weights and buffers of the encoder before each step, by stage."""
    seen = {}

    def spy_trained(encoder, stage, graph):
        found = set_trained(encoder, stage, graph)
        seen["now"] = encoder
        seen[stage.name] = [state(encoder)]
        return found

    def spy_after(self, *step):
        seen[self.span.stage.name].append(state(seen["now"]))
        return after(self, *step)

    def state(encoder):
        return {k: v.clone() for k, v in encoder.state_dict().items()}

    set_trained, after = training.set_trained, watching.StageWatch.after
    monkeypatch.setattr(training, "set_trained", spy_trained)
    monkeypatch.setattr(watching.StageWatch, "after", spy_after)
    return seen


def moved(states):
    """Names of what differs between the first and the last of these."""
    return {name for name, value in states[0].items() if not torch.equal(value, states[-1][name])}


def test_a_readout_moves_the_last_layer_and_nothing_else(weights_by_step):
    """The original left BatchNorm in train mode: its statistics went on moving."""
    run(three_stages())
    assert moved(weights_by_step["readout"]) == {"head.last.weight", "head.last.bias"}
    everything = set(weights_by_step["pretrain"][0]) - {"mean", "std"}
    assert moved(weights_by_step["pretrain"]) == everything
    assert moved(weights_by_step["finetune"]) == everything
    # stage follows stage without a break, but for the new layer
    before, after = weights_by_step["pretrain"][-1], weights_by_step["readout"][0]
    assert moved([{k: v for k, v in s.items() if "last" not in k} for s in (before, after)]) == set()
    assert after["head.last.weight"].shape == (2, 16)
    assert after["head.last.weight"].std() == pytest.approx(1, abs=0.5)
    assert moved([weights_by_step["readout"][-1], weights_by_step["finetune"][0]]) == set()


def test_a_head_stage_moves_the_head_only(weights_by_step):
    stages = [Stage(name="pretrain", steps=2), Stage(name="head", steps=3, train="head")]
    run(small_config(*stages, norm="batch", recompute_statistics=False))
    names = moved(weights_by_step["head"])
    assert names == {name for name in weights_by_step["head"][0] if name.startswith("head.")}
    assert "head.hidden.1.running_mean" in names


def test_every_stage_has_a_new_optimiser(weights_by_step):
    """The first step of a stage is its rate times its gradient: no momentum comes with it."""
    run(small_config(Stage(name="a", steps=3, lr=0.5, weight_decay=0.0), Stage(name="b", steps=2, lr=1e-12)))
    first, second = weights_by_step["b"][:2]
    assert (first["head.last.weight"] - second["head.last.weight"]).abs().max() < 1e-9


def test_weight_decay_reaches_every_weight(weights_by_step):
    """With a batch of coinciding rows nothing else moves a weight: the gradient is 0 there."""
    pixels = np.full((32, 8, 8, 1), 100, np.uint8)
    pixels[0] += 1
    stage = Stage(name="s", steps=1, lr=0.1, lr_batch=None, weight_decay=0.5, momentum=0.0)
    config = small_config(stage, recompute_statistics=False, augmentation=AS_IT_IS)
    run(config, np.repeat(pixels[:1], 32, 0))
    before, after = weights_by_step["s"]
    for name, value in before.items():
        if name.endswith(("weight", "bias")):
            torch.testing.assert_close(after[name], value * 0.95, atol=1e-6, rtol=1e-5, msg=name)


def test_clipping_bounds_the_step(weights_by_step):
    stage = Stage(name="s", steps=1, lr=1.0, lr_batch=None, weight_decay=0.0, clip_norm=1e-3, momentum=0.0)
    run(small_config(stage, recompute_statistics=False))
    before, after = weights_by_step["s"]
    names = [name for name in before if name.endswith(("weight", "bias"))]
    step = math.sqrt(sum((after[n] - before[n]).double().square().sum().item() for n in names))
    assert step == pytest.approx(1e-3, rel=1e-3)


def test_the_annealed_dimension_is_cut_in_the_end():
    outcome = run(small_config(Stage(name="s", steps=6, dim=8, end_dim=3)))
    assert outcome.positions.shape == (96, 3)
    assert outcome.weights.spec["dim"] == 3


def test_columns_beyond_the_present_dimension_do_not_count(weights_by_step):
    stage = Stage(name="s", steps=4, dim=8, end_dim=2, weight_decay=0.0, momentum=0.0)
    run(small_config(stage))
    before, after = weights_by_step["s"][-2:]
    changed = (before["head.last.weight"] != after["head.last.weight"]).any(1)
    assert changed.tolist() == [True, True] + [False] * 6


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_loss_that_explodes_stops_the_run_and_keeps_the_checkpoint(tmp_path, clip_norm):
    wild = Stage(
        name="wild", steps=60, lr=1e18, lr_batch=None, similarity="gaussian", warmup_epochs=10,
        clip_norm=clip_norm,
    )  # fmt: skip
    config = small_config(Stage(name="calm", steps=12), wild, batch_size=32)
    with pytest.raises(TrainingError, match=r"stage wild: .* no longer finite .* last checkpoint is kept"):
        run(config, folder=tmp_path, every=1e-9)
    kept = checkpoints.load(tmp_path)
    assert kept is not None
    assert all(torch.isfinite(t).all() for t in kept.tensors.values() if t.is_floating_point())


def test_weights_that_are_not_finite_never_replace_a_checkpoint(tmp_path, monkeypatch):
    """A finite loss can have a gradient that is not: the step before the loss shows it."""
    after, set_trained, seen = watching.StageWatch.after, training.set_trained, []
    monkeypatch.setattr(training, "set_trained", lambda e, *rest: (seen.append(e), set_trained(e, *rest))[1])

    def poisoned(self, step, loss, rate):
        if step == 23:
            seen[0].last.weight.data[0] = math.nan
        return after(self, step, loss, rate)

    monkeypatch.setattr(watching.StageWatch, "after", poisoned)
    config = small_config(Stage(name="s", steps=40), batch_size=8)
    with pytest.raises(TrainingError, match=r"stage s: encoder\..* is no longer finite at step 24; the last"):
        run(config, folder=tmp_path, every=1e-9)
    assert checkpoints.load(tmp_path).step == 22  # the last look, at the end of an epoch of 12 steps, + 10


def test_anchors_lie_on_the_layout_that_the_map_learns():
    laid = {"edges": "layout", "layout_passes": 20, "neighbors": 5, "train": "head", "new_layer": "head"}
    stage = Stage(
        name="map", steps=150, anchors=30, hidden=(32,), norm="batch", optimizer="muon", lr=0.02,
        lr_batch=None, vector_lr=0.01, **laid,
    )  # fmt: skip
    outcome = run(small_config(Stage(name="pretrain", epochs=1, dim=16), stage))
    weights = outcome.weights.arrays
    turned = weights["head.anchors.places"] @ weights["head.last.weight"].T + weights["head.last.bias"]
    away = np.linalg.norm(turned[:, None] - outcome.positions, axis=2).min(1)  # from the nearest image
    assert np.median(away) < 0.05 * np.ptp(outcome.positions)
    others = np.random.default_rng(0).normal(turned.mean(0), turned.std(0), turned.shape)  # the control
    assert np.median(away) < 0.5 * np.median(
        np.linalg.norm(others[:, None] - outcome.positions, axis=2).min(1)
    )


def test_the_same_bits_twice_and_others_for_another_seed():
    config = three_stages(augmentation={}, augment="natural")
    first = run(config, augmentation=AUGMENTATIONS["symmetric"])
    assert same_bits(first, run(config, augmentation=AUGMENTATIONS["symmetric"]))
    assert not same_bits(first, run(config.replace(seed=1), augmentation=AUGMENTATIONS["symmetric"]))


def test_the_global_generators_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(with_neighbors())
    assert torch.equal(torch.rand(3), expected)


def test_stages_as_they_were_run_come_back():
    config = three_stages()
    stages = run(config).config.stages
    assert stages == config.stages
    assert [f.name for f in dataclasses.fields(stages[0])]
