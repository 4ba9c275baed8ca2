"""augmap.report.facts: what is known is said, what is not is None; a map from elsewhere breaks nothing."""

from __future__ import annotations

from typing import get_args

from augmap.config import Config
from augmap.report.facts import OPTIMIZERS, facts_of
from augmap.stage import Optimizer, Stage
from compared import a_map


def test_of_a_trained_map():
    m = a_map(history={"views_per_second": 2921.8, "torch": "2.13.0+cpu", "steps": 40})
    m.config = Config(
        stages=(
            Stage(name="pretrain", steps=100, stop=90, dim=128, similarity="cosine", temperature=0.2),
            Stage(
                name="map",
                epochs=5,
                train="head",
                new_layer="head",
                edges="layout",
                batch_size=30,
                lr=0.003,
                optimizer="muon",
            ),
        ),
        batch_size=10,
        seed=3,
        backbone="slim",
    )
    m.log = [{"stage": "map", "epoch": 2.0}, {"stage": "map", "epoch": 4.5}]
    f = facts_of(m, "0.1.0")
    assert f.stages == [
        "pretrain: cosine in 128-D, T = 0.2, SGD 0.03, 10 epochs",  # 90 steps of 10 of 90 images
        "map: cauchy in 2-D, edges of the layout, new head, trains the head, Muon 0.003, batch 30, "
        "4.5 epochs",
    ]
    assert (f.epochs, f.seed, f.batch_size, f.backbone, f.preset) == (14.5, 3, 10, "slim", "custom")
    assert (f.views_per_second, f.seconds, f.n, f.dim, f.features, f.image_size) == (
        2921.8,
        90.0,
        90,
        2,
        3,
        8,
    )
    assert f.versions == {"augmap": "0.1.0", "torch": "2.13.0+cpu"}


def test_of_a_layout():
    settings = {"perplexity": 30.0, "seed": 7}
    f = facts_of(
        a_map(preset=None, settings=settings, versions={"openTSNE": "1.0.2"}, simclr={"seconds": 60.0}),
        "0.1.0",
    )
    assert (f.seed, f.settings, f.stages, f.epochs) == (7, {"perplexity": 30.0}, [], None)
    assert f.versions == {"augmap": "0.1.0", "openTSNE": "1.0.2"}
    assert f.features_seconds == 60.0
    assert settings == {"perplexity": 30.0, "seed": 7}  # the map's own is untouched


def test_strange_information_is_not_believed():
    f = facts_of(a_map(preset=None, history=3, settings=["x"], versions="new", seconds="long", simclr=None))
    assert (f.seconds, f.settings, f.versions, f.views_per_second) == (None, {}, {}, None)


def test_every_optimizer_has_its_name():
    assert set(OPTIMIZERS) == set(get_args(Optimizer))
