"""Settings: what the user asked for is in the configuration, or is refused; never dropped in silence."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from torch import nn

from augmap.config import Config
from augmap.errors import InputError
from augmap.imagemap import Weights
from augmap.method.augment import AUGMENTATIONS, UserTransform
from augmap.presets import PRESETS
from augmap.settings import BACKBONE, BUDGET, fingerprint, make_augmentation, settle
from augmap.stage import Stage
from madeup import full_map

CONFIG = Config(stages=(Stage(name="direct", epochs=3),), seed=5, batch_size=64, backbone="slim")


def start(dim=2, backbone="slim", **changes):
    """A map to start from."""
    made = full_map(dim=dim)
    made.weights = Weights(
        {"backbone": backbone, "hidden": [7, 7], "norm": "layer", "features": 5}, made.weights.arrays
    )
    stage = Stage(name="old", epochs=3, dim=dim, temperature=0.5)
    made.config = CONFIG.replace(
        stages=(stage,), augment="glyph", augmentation={"flip": 0.5}, backbone=backbone
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_defaults_follow_the_device(device):
    made = settle(None, device=device).config
    assert made.preset == "quick"
    assert f"{made.budget / 60:.0f}m" == BUDGET[device]
    assert made.backbone == BACKBONE[device]
    assert (made.dim, made.seed) == (2, 0)
    assert settle(None, device=device, preset="paper").config.backbone == "resnet18"  # the paper's, anywhere
    assert settle(None, device=device, preset="paper").config.budget is None


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"budget": "90s"}, {"budget": 90}),
        ({"budget": 45}, {"budget": 45}),
        ({"preset": "direct"}, {"preset": "direct", "batch_size": 1024}),
        ({"preset": "paper", "dim": 3}, {"dim": 3}),
        ({"seed": 7}, {"seed": 7}),
        ({"batch_size": 33}, {"batch_size": 33}),
        ({"preset": "quick"}, {"batch_size": 64}),  # of four views each: as many views as
        ({"preset": "parametric-tsne"}, {"batch_size": 128}),
        ({"precision": "bfloat16"}, {"precision": "bfloat16"}),
        ({"backbone": "resnet34"}, {"backbone": "resnet34"}),
        ({"augment": "symmetric"}, {"augment": "symmetric"}),
        ({"augment": lambda x: x}, {"augment": "custom"}),
        ({"backbone": nn.Identity()}, {"backbone": "custom"}),
    ],
)
def test_each_wish_arrives(given, found):
    made = settle(None, device="cpu", **given).config
    assert {k: getattr(made, k) for k in found} == found
    assert Config.from_dict(made.to_dict()) == made


def test_epochs_arrive():
    made = settle(None, device="cpu", preset="paper", epochs=(3, 2, 1)).config
    assert [s.epochs for s in made.stages] == [3, 2, 1]
    assert made.budget is None


def test_an_augmentation_is_written_down_and_read_back():
    wish = dataclasses.replace(AUGMENTATIONS["glyph"], zoom=(0.5, 1.5), hue=0.3)
    made = settle(None, device="cpu", augment=wish)
    assert made.augmentation == wish
    again = Config.from_dict(made.config.to_dict())
    assert make_augmentation(again) == wish


def test_things_that_cannot_be_written_down_come_along():
    module, function = nn.Identity(), np.flip
    made = settle(None, device="cpu", augment=function, backbone=module)
    assert made.module is module
    assert made.augmentation == UserTransform(function=function)
    batched = UserTransform(function=function, each="batch")
    assert settle(None, device="cpu", augment=batched).augmentation is batched
    again = settle(made.config, device="cpu", augment=function, backbone=module)
    assert (again.config, again.module) == (made.config, module)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"budget": "soon"}, "a duration is a number above 0 with s, m or h"),
        ({"budget": "1m", "epochs": (1, 1)}, "give a budget or epochs, not both"),
        ({"preset": "fast"}, "unknown preset 'fast'; choose one of quick"),
        ({"preset": "continue"}, "preset 'continue' goes on from a map: give it as init (--init)"),
        ({"augment": "naturall"}, "unknown augmentation 'naturall'; choose one of natural, glyph, symmetric"),
        ({"augment": 5}, "augment must be a name, an Augmentation or a callable, got int"),
        ({"backbone": "vgg"}, "unknown backbone 'vgg'; choose one of"),
        ({"backbone": 18}, "backbone must be a name or a torch module, got int"),
        ({"backbone": "custom"}, "the configuration has a backbone of your own: give it as backbone=module"),
        ({"augment": "custom"}, "augmentation of your own: give it as augment=callable"),
        ({"precision": "half"}, "precision must be one of auto, float32, bfloat16"),
        ({"dim": 0}, "dim must be positive"),
        ({"dim": 2.5}, "dim must be int, got 2.5"),
        ({"seed": 1.5}, "seed must be int, got 1.5"),
    ],
)
def test_refuses(given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        settle(None, device="cpu", **given)


def test_a_configuration_says_everything(tmp_path):
    assert settle(CONFIG, device="cuda").config is CONFIG
    (tmp_path / "c.toml").write_text(CONFIG.to_toml())
    assert settle(tmp_path / "c.toml", device="cpu").config == CONFIG
    assert settle(str(tmp_path / "c.toml"), device="cpu", seed=5, dim=2, backbone="slim").config == CONFIG


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": (3,)}, "a configuration says everything: leave out epochs, or change it there"),
        ({"preset": "custom"}, "leave out preset"),
        ({"budget": "1m"}, "leave out budget"),
        ({"dim": 3}, "leave out dim"),
        ({"seed": 6}, "leave out seed"),
        ({"batch_size": 65}, "leave out batch_size"),
        ({"precision": "float32"}, "leave out precision"),
        ({"augment": "glyph", "backbone": "resnet18"}, "leave out augment, backbone"),
        ({"augment": AUGMENTATIONS["glyph"]}, "leave out augment"),
        ({"augment": lambda x: x}, "the configuration has the augmentation 'natural': leave your own out"),
        ({"backbone": nn.Identity()}, "the configuration has the backbone 'slim': leave your own module out"),
        ({"start": start()}, "starts from no map or from another one: leave init out"),
    ],
)
def test_and_nothing_beside_it_is_dropped(given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        settle(CONFIG, device="cpu", **given)


def test_no_configuration():
    with pytest.raises(InputError, match="config must be a Config or the path of a TOML file, got dict"):
        settle({"seed": 1}, device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": "custom"}, "give it as augment=callable"),
        ({"augment": "nature"}, "unknown augmentation 'nature'"),
        ({"augmentation": {"wobble": 1}}, "unknown augmentation field 'wobble'; known are brightness"),
        ({"augmentation": {"flip": 2}}, "flip of an augmentation must lie in [0, 1], got 2"),
        ({"augmentation": {"zoom": 2}}, "augmentation: object of type 'int' has no len(); each field is"),
        ({"augmentation": {"flip": "x"}}, "each field is a number or two, see natural"),
    ],
)
def test_augmentations_of_a_configuration(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        settle(CONFIG.replace(**changes), device="cpu")


def test_a_map_to_start_from_decides_what_cannot_be_another():
    old = start(dim=3)
    made = settle(None, start=old, device="cuda", epochs=(2,)).config
    assert (made.preset, made.backbone, made.hidden, made.norm) == ("continue", "slim", (7, 7), "layer")
    assert (made.augment, made.augmentation, made.dim) == ("glyph", {"flip": 0.5}, 3)
    assert made.stages[0].temperature == 0.5  # of its last stage
    assert made.init == fingerprint(old)
    assert settle(None, start=old, device="cpu").config.budget == 20 * 60
    assert settle(None, start=old, device="cpu", dim=3, backbone="slim", augment="natural").config.dim == 3
    # and the configuration as it was saved fits that map alone
    assert settle(made, start=old, device="cpu").config is made
    with pytest.raises(
        InputError, match=re.escape("starts from the encoder of a map: give that map as init")
    ):
        settle(made, device="cpu")
    old.weights.arrays["count"] += 1
    with pytest.raises(InputError, match="starts from no map or from another one"):
        settle(made, start=old, device="cpu")


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"continue"}))
def test_any_preset_can_start_from_a_map(preset):
    first = settle(None, start=start(dim=3), device="cpu", preset=preset, budget="1m").config.stages[0]
    assert (first.new_layer == "none") == (first.dim == 3)


@pytest.mark.parametrize(
    ("old", "given", "message"),
    [
        (start(weights=None), {}, "the map to start from has no encoder; give one made by augmap fit"),
        (start(config=None), {}, "the map to start from has no encoder"),
        (start(), {"dim": 3}, "the map to start from has 2 dimensions, got dim=3: leave dim out"),
        (
            start(),
            {"backbone": "resnet18"},
            "the map to start from has the backbone 'slim': leave backbone out",
        ),
        (start(), {"backbone": nn.Identity()}, "has the backbone 'slim': leave backbone out"),
        (start(backbone="custom"), {}, "a backbone of your own: give it as backbone=module"),
    ],
)
def test_a_start_that_does_not_fit(old, given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        settle(None, start=old, device="cpu", **given)


def test_a_fingerprint_tells_names_shapes_and_numbers():
    old = start()
    arrays = dict(old.weights.arrays)

    def of(changed):
        return fingerprint(start(weights=Weights({}, changed)))

    same = of({k: v.T.copy().T for k, v in reversed(arrays.items())})
    assert same == fingerprint(old)
    weight = arrays["head.last.weight"]
    changed = [
        {**arrays, "head.last.weight": weight + 1e-6},
        {**arrays, "head.last.weight": weight.reshape(-1)},
        {**arrays, "head.last.weight": weight.view(np.int32)},
        {**arrays, "more": weight},
        {("new" if k == "count" else k): v for k, v in arrays.items()},
    ]
    assert len({same, *map(of, changed)}) == 6
