"""Config: what it refuses, and that it comes back from dict, JSON and TOML as it was."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
import typing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augmap import config as c
from augmap import stage as stage_module
from augmap.config import Config, Preprocessing, Runtime, parse_duration
from augmap.errors import InputError
from augmap.stage import Stage

STAGE = {"name": "s", "epochs": 10.0}


def stages(**changes) -> tuple[Stage, ...]:
    return (Stage(**{**STAGE, **changes}),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": None}, "give one of epochs, steps and share, got epochs=None"),
        ({"steps": 5}, "give one of epochs, steps and share, got epochs=10.0, steps=5"),
        ({"epochs": 0}, "epochs must be positive, got 0.0"),
        ({"epochs": float("nan")}, "epochs must be positive, got nan"),
        ({"epochs": float("inf")}, "epochs must be positive, got inf"),
        ({"epochs": "ten"}, "epochs must be float | None, got 'ten'"),
        ({"epochs": None, "steps": 2.5}, "steps must be int | None, got 2.5"),
        ({"epochs": None, "steps": -1}, "steps must be positive, got -1"),
        ({"epochs": None, "share": 0}, "share must be positive, got 0.0"),
        ({"dim": 0}, "dim must be positive, got 0"),
        ({"dim": "2"}, "dim must be int, got '2'"),
        ({"dim": True}, "dim must be int, got True"),
        ({"dim": 2, "end_dim": 3}, "end_dim must be at most dim=2, got 3"),
        ({"lr": -1}, "lr must be positive, got -1.0"),
        ({"lr_batch": 0}, "lr_batch must be positive"),
        ({"temperature": 0}, "temperature must be positive"),
        ({"clip_norm": 0}, "clip_norm must be positive"),
        ({"batch_size": 0}, "batch_size must be at least 2, got"),
        ({"neighbors": 0}, "neighbors must be positive"),
        ({"new_layer_std": 0}, "new_layer_std must be positive"),
        ({"norm_radius": 0}, "norm_radius must be positive"),
        ({"norm_penalty": -1}, "norm_penalty must not be negative, got -1.0"),
        ({"weight_decay": float("inf")}, "weight_decay must not be negative, got inf"),
        ({"warmup_epochs": -1}, "warmup_epochs must not be negative"),
        ({"warmup_epochs": 11}, "warmup_epochs must lie in [0, epochs=10], got 11"),
        ({"momentum": 1}, "momentum must lie in [0, 1), got 1.0"),
        ({"views": 1}, "views must be at least 2, got 1"),
        ({"views": 4, "loss": "negative_sampling"}, "views=4 needs loss='info_nce', got 'negative_sampling'"),
        ({"views": 4, "edges": "pixels"}, "views=4 needs edges='augmentation', got 'pixels'"),
        ({"view_scale": 1.5}, "view_scale must lie in (0, 1], got 1.5"),
        (
            {"similarity": "euclid"},
            "similarity must be one of cauchy, cosine, gaussian, student, umap; got 'euclid'",
        ),
        ({"dof": 2}, "dof=2 needs similarity='student', got 'cauchy'"),
        ({"edges": "x"}, "edges must be one of augmentation, neighbors"),
        ({"loss": "hinge"}, "loss must be one of info_nce, negative_sampling, cross_entropy; got 'hinge'"),
        ({"affinity": "near"}, "affinity must be one of even, perplexity, fuzzy; got 'near'"),
        ({"affinity": "fuzzy"}, "affinity='fuzzy' needs edges='pixels', got 'augmentation'"),
        ({"negatives": 3}, "negatives=3.0 needs loss='negative_sampling', got 'info_nce'"),
        ({"loss": "negative_sampling", "negatives": 0}, "negatives must be positive, got 0.0"),
        (
            {"loss": "negative_sampling", "similarity": "cosine"},
            "needs a kernel of distances, got similarity",
        ),
        ({"loss": "negative_sampling", "decoupled": True}, "decoupled=True needs loss='info_nce'"),
        ({"loss": "negative_sampling", "edges": "layout"}, "edges='layout' has no negatives"),
        ({"hidden": (7,)}, "hidden=(7,) needs new_layer='head', got 'none'"),
        ({"norm": "batch", "new_layer": "last"}, "norm='batch' needs new_layer='head', got 'last'"),
        ({"on_sphere": True}, "on_sphere=True needs new_layer='head'"),
        ({"layout_passes": 3.0}, "layout_passes=3.0 needs edges='layout', got 'augmentation'"),
        ({"new_layer_std": 1.0}, "new_layer_std=1.0 is never read with new_layer='none'"),
        ({"neighbors": 3}, "neighbors=3 is never read with edges='augmentation'"),
        ({"norm_radius": 3.0}, "norm_radius=3.0 is never read with norm_penalty=0.0"),
        ({"label_smoothing": 0.1}, "label_smoothing=0.1 needs loss='cross_entropy', got 'info_nce'"),
        ({"loss": "cross_entropy", "label_smoothing": 1}, "label_smoothing must lie in [0, 1), got 1"),
        ({"loss": "cross_entropy", "edges": "pixels"}, "cross_entropy needs edges='augmentation' and no end"),
        ({"loss": "cross_entropy", "dim": 3, "end_dim": 2}, "got edges='augmentation' and end_dim=2"),
        ({"nesterov": True, "optimizer": "adamw"}, "nesterov=True needs optimizer='sgd', got 'adamw'"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum above 0"),
        ({"min_dist": 0.2}, "min_dist=0.2 needs similarity='umap', got 'cauchy'"),
        ({"min_dist": -1, "similarity": "umap"}, "min_dist must not be negative, got -1.0"),
        ({"whitening": 1.5, "edges": "layout"}, "whitening must lie in [0, 1], got 1.5"),
        ({"anchors": 9}, "anchors=9 needs edges='layout', got 'augmentation'"),
        ({"anchors": 9, "edges": "layout"}, "anchors=9 needs train='head', got 'all'"),
        (
            {"anchors": 9, "edges": "layout", "train": "head"},
            "anchors=9 needs new_layer='head', got 'none'",
        ),
        (
            {"anchors": 9, "edges": "layout", "train": "head", "new_layer": "head", "end_temperature": 0.1},
            "anchors have a loss of their own: leave end_temperature=0.1 out",
        ),
        (
            {"anchors": 9, "edges": "layout", "train": "head", "new_layer": "head", "end_dim": 1},
            "anchors have a loss of their own: leave end_dim=1 out",
        ),
        ({"anchors": 0, "edges": "layout"}, "anchors must be positive, got 0"),
        ({"whitening": 0.5}, "whitening needs edges='neighbors' or 'layout', got 'augmentation'"),
        ({"perplexity": 5}, "perplexity=5.0 needs affinity='perplexity', got 'even'"),
        ({"edges": "pixels", "affinity": "perplexity", "perplexity": 0.5}, "perplexity must be at least 1"),
        ({"edges": "pixels", "affinity": "fuzzy", "neighbors": 1}, "neighbors must be at least 2 with"),
        ({"train": "most"}, "train must be one of all, head, last; got 'most'"),
        ({"new_layer": "first"}, "new_layer must be one of none, last, head; got 'first'"),
        ({"optimizer": "adam"}, "optimizer must be one of sgd, adamw, muon; got 'adam'"),
        ({"rate": "day"}, "rate must be one of step, epoch; got 'day'"),
        ({"norm": "group"}, "norm must be one of batch, layer, none; got 'group'"),
        ({"hidden": (5, 0)}, "hidden must hold positive whole numbers, got (5, 0)"),
        ({"hidden": (5, 1.5)}, "hidden must hold positive whole numbers"),
        ({"hidden": 5}, "hidden must be tuple[int, ...], got 5"),
        ({"nesterov": 1}, "nesterov must be bool, got 1"),
        ({"name": 3}, "name must be str, got 3"),
    ],
)
def test_a_stage_refuses(changes, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        stages(**changes)
    assert "stage" in str(refused.value)  # which one


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": ()}, "needs at least one stage"),
        ({"stages": ("pretrain",)}, "stages must be a list of Stage, got 'pretrain' in it"),
        ({"seed": -1}, "seed must lie in [0, 2**63), got -1"),
        ({"seed": 2**63}, "seed must lie in [0, 2**63)"),
        ({"seed": 1.5}, "seed must be int, got 1.5"),
        ({"batch_size": 0}, "batch_size must be at least 2, got 0"),
        ({"budget": -1}, "budget must be positive, got -1.0"),
        ({"precision": "float16"}, "precision must be one of auto, float32, bfloat16; got 'float16'"),
        ({"norm": "group"}, "norm must be one of batch, layer, none; got 'group'"),
        ({"backbone": None}, "backbone must be str, got None"),
        ({"augmentation": "glyph"}, "augmentation must be dict[str, Any], got 'glyph'"),
        ({"stages": (*stages(dim=128), *stages())}, "stage 's' has dim=2 after 128: it needs new_layer"),
        ({"stages": stages(epochs=None, share=1.0)}, "has a share of the time, but there is no budget"),
    ],
)
def test_a_configuration_refuses(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Config(**{"stages": stages(), **changes})


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (Preprocessing, {"image_size": 0, "channels": 3}, "image_size must be positive, got 0"),
        (Preprocessing, {"image_size": 8, "channels": "3"}, "channels must be int, got '3'"),
        (
            Preprocessing,
            {"image_size": 8, "channels": 3, "resize": "nearest"},
            "resize must be one of bicubic",
        ),
        (Preprocessing, {"image_size": 8, "channels": 3, "fit": "pad"}, "fit must be one of crop; got 'pad'"),
        (Runtime, {"device": "tpu"}, "device must be one of auto, cpu, cuda, mps; got 'tpu'"),
        (Runtime, {"devices": 0}, "devices must be positive, got 0"),
        (Runtime, {"nodes": 0}, "nodes must be positive"),
        (Runtime, {"threads": 0}, "threads must be positive"),
        (Runtime, {"threads": 1.5}, "threads must be int | None, got 1.5"),
        (Runtime, {"checkpoint_every": -1}, "checkpoint_every must be positive"),
    ],
)
def test_the_others_refuse(cls, values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        cls(**values)


def test_dimensions_may_change_where_a_layer_is_new_or_columns_fall_away():
    chain = (*stages(dim=128), *stages(new_layer="last"), *stages())
    assert Config(stages=chain).dim == 2
    assert Config(stages=(*stages(dim=64, end_dim=3), *stages(dim=3))).dim == 3
    with pytest.raises(InputError, match="dim=64 after 3"):
        Config(stages=(*stages(dim=64, end_dim=3), *stages(dim=64)))


def test_numpy_numbers_become_plain():
    numbers = {"dim": np.int64(3), "lr": np.float32(0.5), "hidden": [np.int32(4)]}
    made = Config(stages=stages(**numbers, new_layer="head"), seed=np.int64(5))
    stage = made.stages[0]
    assert [type(v) for v in (stage.dim, stage.lr, stage.hidden[0], made.seed)] == [int, float, int, int]
    json.dumps(made.to_dict())


def _values(annotation: str, optional: bool):
    """Valid values of a field, by its annotation; checks between fields are met by the caller."""
    base = annotation.split(" | ")[0]
    literals = {
        k: st.sampled_from(typing.get_args(v))
        for k, v in (vars(stage_module) | vars(c)).items()
        if typing.get_args(v)
    }
    kinds = {
        "int": st.integers(2, 10**6),
        "float": st.floats(1e-6, 1, exclude_max=True),
        "bool": st.booleans(),
        "str": st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda s: s != "none"),
        "tuple[int, ...]": st.lists(st.integers(1, 9), max_size=3).map(tuple),
        "dict[str, Any]": st.dictionaries(
            st.sampled_from(["zoom", "flip"]), st.tuples(st.floats(0, 1), st.floats(0, 1))
        ),
        **literals,
    }
    return st.none() | kinds[base] if optional else kinds[base]


@st.composite
def _configs(draw):
    def fields(cls):
        return {
            f.name: draw(_values(str(f.type), "None" in str(f.type)))
            for f in dataclasses.fields(cls)
            if "Stage" not in str(f.type)
        }

    made = []
    for _ in range(draw(st.integers(1, 3))):
        values = fields(Stage)
        length = draw(st.sampled_from(["epochs", "steps", "share"]))
        values |= {"epochs": None, "steps": None, "share": None, length: 4}
        new_layer = draw(st.sampled_from(["last", "head"]))
        values |= {"end_dim": None, "new_layer": new_layer, "warmup_epochs": 0.5}
        if values["similarity"] != "student":
            values["dof"] = 1.0
        if values["momentum"] == 0:
            values["nesterov"] = False
        _agree(values)
        made.append(Stage(**values))
    return Config(**{**fields(Config), "stages": made, "budget": 60})


def _agree(values):
    """Settle what a stage would refuse about its pairs."""
    if values["loss"] == "cross_entropy":
        values["edges"] = "augmentation"
    if values["loss"] == "negative_sampling":
        values |= {"edges": "pixels", "similarity": "umap", "dof": 1.0}
    values["views"] += 1
    if values["edges"] != "augmentation" or values["loss"] != "info_nce":
        values["views"] = 2
    if values["edges"] == "layout" and values["anchors"] is not None:
        values |= {"train": "head", "new_layer": "head", "new_layer_std": None}
        values |= {"similarity": "cauchy", "temperature": 1.0, "end_temperature": None, "dof": 1.0}
        values |= {"learn_temperature": False, "decoupled": False, "norm_penalty": 0.0}
    else:
        values["anchors"] = None
    if values["edges"] != "pixels":
        values["affinity"] = "even"
    values["neighbors"] = max(values["neighbors"], 2)
    if values["edges"] in ("augmentation", "pixels"):
        values["whitening"] = None
    elif values["whitening"] is not None:
        values["whitening"] = min(values["whitening"], 1.0)
    values["perplexity"] += 1
    for name, needs, value in (
        ("negatives", "loss", "negative_sampling"),
        ("label_smoothing", "loss", "cross_entropy"),
        ("decoupled", "loss", "info_nce"),
        ("min_dist", "similarity", "umap"),
        ("perplexity", "affinity", "perplexity"),
        ("vector_lr", "optimizer", "muon"),
        ("nesterov", "optimizer", "sgd"),
        ("layout_passes", "edges", "layout"),
        *((name, "new_layer", "head") for name in ("hidden", "norm", "on_sphere")),
    ):
        if values[needs] != value:
            del values[name]
    for name, needs, unread in (("neighbors", "edges", "augmentation"), ("norm_radius", "norm_penalty", 0)):
        if values[needs] == unread:
            del values[name]


@settings(max_examples=10)  # a configuration has some 80 fields to draw
@given(_configs())
def test_a_configuration_comes_back_from_json_and_toml(tmp_path_factory, made):
    assert Config.from_dict(made.to_dict()) == made
    assert Config.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    file = tmp_path_factory.mktemp("toml") / "c.toml"
    file.write_text(made.to_toml(), encoding="utf-8")
    assert Config.from_toml(file) == made


def test_nothing_is_written_none_in_toml():
    made = Config(stages=stages(lr_batch=None))
    assert 'lr_batch = "none"' in made.to_toml()  # leaving it out would mean 256
    assert "budget" not in made.to_toml()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "c: 'stages' must be a list of at least one stage, got None"),
        ({"stages": []}, "'stages' must be a list of at least one stage"),
        ({"stages": {"name": "x"}}, "'stages' must be a list"),
        ({"stages": [5]}, "c: stage 1: expected a table, got 5"),
        ({"stages": [{"name": "x", "epochs": 1, "speed": 2}]}, "c: stage 1: unknown 'speed'; known are name"),
        ({"stages": [{"epochs": 1}]}, "c: stage 1: 'name' is missing"),
        (
            {"stages": [{"name": "x", "epochs": "many"}]},
            "c: stage 1: epochs must be float | None, got 'many'",
        ),
        ({"stages": [STAGE], "sede": 1}, "c: unknown 'sede'; known are stages, preset, seed"),
        ({"stages": [STAGE], "seed": "1"}, "c: seed must be int, got '1'"),
        ([], "c: expected a table, got []"),
    ],
)
def test_from_dict_names_what_is_wrong(values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Config.from_dict(values, where="c")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"a = = 1", "not a TOML file"), (b"\xff\xfe", "not a TOML file")],
)
def test_a_file_that_is_no_toml(tmp_path, content, message):
    file = tmp_path / "c.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=f"c.toml: {message}"):
        Config.from_toml(file)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2 H ", 7200), ("45", 45), (12.5, 12.5), ("1e2", 100)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "10 days", "-5m", "0", "inf", "nan", "1:30", "5ms", "1e18s", None, True]
)
def test_no_durations(text):
    with pytest.raises(InputError, match=re.escape(f"(90s, 10m, 1.5h), at most a year, got {text!r}")):
        parse_duration(text)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config(stages=stages()).seed = 1
    assert Config(stages=stages()).replace(seed=3).seed == 3
    with pytest.raises(InputError, match="seed must lie in"):
        Config(stages=stages()).replace(seed=-3)


def test_the_file_in_the_docs_is_read():
    page = (Path(__file__).parents[1] / "docs" / "method.md").read_text(encoding="utf-8")
    text = re.search(r"```toml\n(.*?)```", page, re.S).group(1)
    config = Config.from_dict(tomllib.loads(text))
    assert [s.name for s in config.stages] == ["pretrain", "readout", "finetune"]
    assert config.augmentation == {"grey": 0.1}


def test_a_configuration_that_is_older_than_a_field_has_its_default():
    older = Config(stages=stages()).to_dict()
    for name in ("loss", "negatives", "label_smoothing", "min_dist", "affinity", "perplexity"):
        del older["stages"][0][name]
    assert Config.from_dict(older) == Config(stages=stages())
