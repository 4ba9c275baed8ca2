"""The ablations: four maps that differ in their stages alone, made once, gone on with after a stop."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from augmap.baselines import ablations as home
from augmap.baselines.ablations import ARMS, ablations, configurations
from augmap.errors import InputError, Interrupted
from augmap.imagemap import ImageMap
from augmap.items import Items


@pytest.fixture
def fits(monkeypatch):
    """In place of training: the options it is given; the answer is a small map, saved."""
    calls = []

    def fit(images, *, output, config, resume, overwrite, **options):
        calls.append({"name": output.stem, "config": config, "resume": resume, **options})
        if options.get("listeners") and output.stem == "cosine":
            (output / "checkpoint").mkdir(parents=True)
            raise Interrupted("stopped")
        rng = np.random.default_rng(len(calls))
        n = len(images)
        made = ImageMap(
            positions=rng.normal(size=(n, config.dim)),
            items=Items(images.names, images.splits, {k: np.array(v) for k, v in images.labels.items()}),
            features=np.eye(3)[np.unique(images.labels["label"], return_inverse=True)[1]]
            * rng.uniform(0.5, 9, (n, 1)),
            config=config.replace(batch_size=min(config.batch_size, n)),
            info={"method": "t-SimCNE", "fingerprint": images.fingerprint},
        )
        made.save(output, overwrite=overwrite)
        return made

    monkeypatch.setattr(home, "fit", fit)
    return calls


def test_they_differ_in_their_stages_alone():
    made = configurations(budget="10m", device="cpu", seed=4)
    assert list(made) == list(ARMS)
    same = [dataclasses.replace(c, stages=made["paper"].stages, preset="paper") for c in made.values()]
    assert len({repr(c) for c in same}) == 1
    assert same[0].budget == 600
    assert (same[0].backbone, same[0].batch_size, same[0].seed) == ("slim", 128, 4)
    kinds = {k: [(s.similarity, s.out_dim) for s in c.stages] for k, c in made.items()}
    assert kinds == {
        "direct": [("cauchy", 2)],
        "cosine": [("cosine", 128), ("cauchy", 2), ("cauchy", 2)],
        "paper": [("cauchy", 128), ("cauchy", 2), ("cauchy", 2)],
        "simclr": [("cosine", 128)],
    }
    recipes = {
        (s.optimizer, s.lr_batch, s.weight_decay, s.lr)
        for c in made.values()
        for s in c.stages
        if s.train == "all" and s.name != "finetune"
    }
    assert len(recipes) == 1


def test_settings_are_those_of_all():
    made = configurations(
        budget=60, device="cuda", backbone="slim", batch_size=32, precision="bfloat16", augment="glyph"
    )
    for config in made.values():
        assert (config.backbone, config.batch_size, config.precision, config.augment) == (
            *("slim", 32, "bfloat16", "glyph"),
        )
    assert configurations(budget=60, device="cuda")["direct"].backbone == "resnet18"


def test_made_once_and_judged(stripes, fits, tmp_path):
    said = []
    arms = ablations(stripes, tmp_path / "a", budget=60, device="cpu", threads=1, say=said.append)
    assert [call["name"] for call in fits] == list(ARMS) == [arm.name for arm in arms]
    assert all(call["threads"] == 1 and call["device"] == "cpu" for call in fits)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(f"{a}.map" for a in ARMS)
    for arm in arms:
        assert arm.made_now
        assert arm.knn < 0.6  # positions are noise
        assert arm.knn_features == 1.0  # of different lengths, but each kind in its direction
    again = ablations(stripes, tmp_path / "a", budget=60, device="cpu")
    assert len(fits) == 4
    assert [(a.knn, a.made_now) for a in again] == [(a.knn, False) for a in arms]
    ablations(stripes, tmp_path / "a", budget=60, device="cpu", overwrite=True)
    assert len(fits) == 8


def test_what_was_stopped_goes_on(stripes, fits, tmp_path):
    with pytest.raises(Interrupted):
        ablations(stripes, tmp_path, budget=60, device="cpu", listeners=[print])
    ablations(stripes, tmp_path, budget=60, device="cpu")
    assert [(c["name"], c["resume"]) for c in fits] == [
        *(("direct", False), ("cosine", False), ("cosine", True), ("paper", False), ("simclr", False)),
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"seed": 1}, "made with seed 0, now it is 1"),
        ({"budget": 90}, "made with budget 60.0, now it is 90.0"),
        ({"backbone": "resnet18"}, "made with backbone 'slim', now it is 'resnet18'"),
        ({"batch_size": 64}, "made with batch_size 120, now it is 64"),
    ],
)
def test_maps_of_other_settings_are_no_part_of_it(stripes, fits, tmp_path, asked, message):
    ablations(stripes, tmp_path, budget=60, device="cpu")
    with pytest.raises(InputError, match=message):
        ablations(stripes, tmp_path, **{"budget": 60, "device": "cpu", **asked})
    assert len(fits) == 4


def test_maps_of_other_images_are_no_part_of_it(stripes, fits, tmp_path):
    ablations(stripes, tmp_path, budget=60, device="cpu")
    with pytest.raises(InputError, match=r"direct.map: a map of other images"):
        ablations(stripes.subset(range(60)), tmp_path, budget=60, device="cpu")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        ablations(stripes, tmp_path / "file")


def test_without_labels_nothing_is_judged(stripes, fits, tmp_path):
    unlabelled = dataclasses.replace(stripes, labels={})
    fits_before = home.fit

    def fit(images, **options):
        made = fits_before(dataclasses.replace(images, labels=stripes.labels), **options)
        made.items = Items(made.names)
        return made

    home.fit = fit
    try:
        arms = ablations(unlabelled, tmp_path, budget=60, device="cpu")
    finally:
        home.fit = fits_before
    assert [(a.knn, a.knn_features) for a in arms] == [(None, None)] * 4
