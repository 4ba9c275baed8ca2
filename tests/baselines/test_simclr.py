"""SimCLR and a layout of its features: trained or taken from a map, in a budget, and after a stop."""

from __future__ import annotations

import json

import numpy as np
import pytest

from augmap import folder as disk
from augmap import unfinished
from augmap.baselines import simclr
from augmap.baselines.simclr import layout_seconds, simclr_layout
from augmap.cli.main import run
from augmap.errors import InputError, Interrupted
from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.method.whiten import whitened

SMALL = {"epochs": (1,), "batch_size": 32, "backbone": "slim", "precision": "float32", "device": "cpu"}
FAST = {"perplexity": 5, "iterations": 10, "jobs": 1}


@pytest.fixture
def encoder(stripes):
    """A SimCLR map whose features are the kinds of the pictures."""
    kinds = np.unique(stripes.labels["label"], return_inverse=True)[1]
    rng = np.random.default_rng(0)
    h = 3 * np.eye(3)[kinds] + 0.3 * rng.normal(size=(120, 3))
    return ImageMap(
        positions=rng.normal(size=(120, 128)),
        items=Items(stripes.names),
        features=h.astype(np.float16),
        info={"method": "SimCLR", "fingerprint": stripes.fingerprint, "source": "stripes", "seconds": 9.0},
    )


@pytest.fixture
def fits(monkeypatch, encoder):
    """In place of training: the options it is given; the answer is the map above, saved where it belongs."""
    calls = []

    def trained(name, images, *, output=None, **options):
        calls.append({"name": name, "output": output, **options})
        if options.get("listeners"):
            raise Interrupted("stopped at step 3")
        if output is not None:
            encoder.save(output)
        return encoder

    monkeypatch.setattr(simclr, "trained", trained)
    return calls


def test_one_of_the_features_that_training_made(stripes):
    said = []
    made = simclr_layout(stripes, "tsne", layout=dict(FAST), say=said.append, **SMALL)
    assert made.positions.shape == (120, 2)
    assert made.features.shape == (120, 256)
    assert made.weights is None
    assert made.info["method"] == "SimCLR, then t-SNE of its features"
    assert made.info["settings"]["metric"] == "cosine"
    assert made.info["simclr"]["config"]["preset"] == "simclr"
    assert said[-1] == "t-SNE of 256 features of 120 images"
    with pytest.raises(InputError, match="SimCLR, then t-SNE of its features cannot place new images"):
        made.embed(stripes)


def test_features_of_a_map_that_is_there(stripes, encoder, fits, fake_umap, tmp_path):
    encoder.save(tmp_path / "s.map")
    made = simclr_layout(stripes, "umap", init=tmp_path / "s.map", layout={"neighbors": 7}, seed=3)
    np.testing.assert_array_equal(fake_umap["x"], encoder.features.astype(np.float32))
    assert (fake_umap["metric"], fake_umap["n_neighbors"], fake_umap["random_state"]) == ("cosine", 7, 3)
    assert fits == []
    assert made.info["simclr"]["seconds"] == 9.0
    assert made.labels[0] == stripes.labels["label"][0]
    simclr_layout(stripes, "umap", init=encoder, pca=2)
    assert fake_umap["x"].shape == (120, 2)
    made = simclr_layout(stripes, "umap", init=encoder, whitening=0.5)
    np.testing.assert_array_equal(fake_umap["x"], whitened(encoder.features.astype(np.float32), 0.5))
    assert made.info["simclr"]["whitening"] == 0.5


def test_maps_of_others_are_refused(stripes, encoder):
    encoder.info["fingerprint"] = "0" * 64
    with pytest.raises(InputError, match=r"a map of other images \(stripes, 120\)"):
        simclr_layout(stripes, "tsne", init=encoder)
    encoder.info["method"] = "t-SimCNE"
    with pytest.raises(InputError, match="made by t-SimCNE; give a map of augmap baseline simclr"):
        simclr_layout(stripes, "tsne", init=encoder)
    with pytest.raises(InputError, match="got int"):
        simclr_layout(stripes, "tsne", init=3)


def test_the_layout_has_its_part_of_the_budget(stripes, fits, fake_umap, monkeypatch):
    monkeypatch.setattr(simclr.time, "monotonic", lambda: 130.0)
    said = []
    simclr_layout(stripes, "umap", budget="5m", started=100.0, say=said.append)
    reserve = layout_seconds("umap", 120)
    assert fits[0]["budget"] == pytest.approx(300 - 30 - reserve)
    assert f"{reserve:.0f} s are kept free for the layout" in said[0]
    with pytest.raises(InputError, match="a budget of 60 s is too short: the layout of 120 images"):
        simclr_layout(stripes, "umap", budget=60, started=100.0)
    with pytest.raises(InputError, match="give a budget or epochs, not both"):
        simclr_layout(stripes, "umap", budget=60, epochs=(1,))
    assert len(fits) == 1


def test_without_a_budget_it_is_that_of_fit(stripes, fits, fake_umap, monkeypatch):
    monkeypatch.setattr(simclr.time, "monotonic", lambda: 100.0)
    simclr_layout(stripes, "umap", device="cpu")
    assert fits[0]["budget"] == pytest.approx(20 * 60 - layout_seconds("umap", 120))
    assert fits[0]["device"] == "cpu"


def test_more_images_and_iterations_take_longer():
    assert layout_seconds("tsne", 60_000) > 2 * layout_seconds("tsne", 20_000) > 100
    assert layout_seconds("tsne", 1000, 1250) == 2 * layout_seconds("tsne", 1000) - simclr.SECONDS["tsne"][0]


def test_what_was_stopped_goes_on_with_the_budget_it_had(stripes, encoder, fits, fake_umap, tmp_path):
    out = tmp_path / "o.map"
    with pytest.raises(Interrupted):
        simclr_layout(stripes, "umap", output=out, budget=600, listeners=[print])
    folder = out / unfinished.CHECKPOINT
    assert json.loads((folder / "baseline.json").read_text())["train"] == fits[0]["budget"]
    assert not disk.is_foreign(out)
    simclr_layout(stripes, "umap", output=out, budget=600, resume=True)
    assert [call["resume"] for call in fits] == [False, True]
    assert fits[1]["budget"] == fits[0]["budget"]
    assert fits[1]["output"] == folder / "simclr.map"
    said = []
    simclr_layout(stripes, "umap", output=out, budget=600, resume=True, say=said.append)
    assert len(fits) == 2  # it was trained to its end
    assert said[0] == "SimCLR is trained already"


def test_info_says_how_to_go_on(stripes, fits, fake_umap, tmp_path, capsys):
    with pytest.raises(Interrupted):
        simclr_layout(stripes, "umap", output=tmp_path / "o.map", budget=600, listeners=[print])
    assert run(["info", str(tmp_path / "o.map")]) == 0
    assert "not finished; go on with augmap baseline ... --resume" in capsys.readouterr().out


def test_a_mistake_leaves_nothing_behind(stripes, monkeypatch, tmp_path, fake_umap):
    def refuse(name, images, *, output, **_):
        output.mkdir()
        raise InputError("no step fits in")

    monkeypatch.setattr(simclr, "trained", refuse)
    with pytest.raises(InputError, match="no step fits in"):
        simclr_layout(stripes, "umap", output=tmp_path / "o.map", budget=600)
    assert list((tmp_path / "o.map").iterdir()) == []


def test_a_mistake_costs_no_run_that_was_stopped(stripes, encoder, fits, monkeypatch, tmp_path, fake_umap):
    simclr_layout(stripes, "umap", output=tmp_path / "o.map", budget=600)

    def refuse(name, images, *, output, **_):
        assert not output.exists()  # nor is it gone on with
        raise InputError("no step fits in")

    monkeypatch.setattr(simclr, "trained", refuse)
    with pytest.raises(InputError, match="no step fits in"):
        simclr_layout(stripes, "umap", output=tmp_path / "o.map", budget=600)
    assert ImageMap.load(tmp_path / "o.map" / "checkpoint" / "simclr.map").info == encoder.info


def test_another_run_is_not_gone_on_with(stripes, fits, fake_umap, tmp_path):
    out = tmp_path / "o.map"
    simclr_layout(stripes, "umap", output=out, budget=600)
    for asked, message in (
        ({"how": "tsne", "budget": 600}, "begun with how 'umap', now it is 'tsne'"),
        ({"how": "umap", "budget": 700}, "begun with budget 600.0, now it is 700.0"),
    ):
        with pytest.raises(InputError, match=message):
            simclr_layout(stripes, output=out, resume=True, **asked)
    record = out / unfinished.CHECKPOINT / "baseline.json"
    for damage in ("", "[]", "{}"):
        record.write_text(damage)
        with pytest.raises(InputError, match="damaged"):
            simclr_layout(stripes, "umap", output=out, budget=600, resume=True)
    record.unlink()
    with pytest.raises(InputError, match="another run was begun there"):
        simclr_layout(stripes, "umap", output=out, budget=600, resume=True)


def test_nothing_is_trained_where_the_library_is_missing(stripes, fits, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(InputError, match="umap-learn is not installed"):
        simclr_layout(stripes, "umap", budget=600)
    assert fits == []
