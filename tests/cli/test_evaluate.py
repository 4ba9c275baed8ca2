"""augmap evaluate: the table, what it leaves in the map, and when it refuses."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

from augmap.cli.main import run
from augmap.config import Config
from augmap.evaluate.knn import knn_accuracy
from augmap.imagemap import ImageMap
from augmap.images.open import open_images
from augmap.items import Items
from augmap.method.project import project
from augmap.method.weights import build_encoder, to_weights
from augmap.stage import Stage


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    """A map of the photos by an untrained encoder, and their copy in a place of its own."""
    home = tmp_path_factory.mktemp("trained")
    shutil.copytree(photos, home / "photos")
    opened = open_images(home / "photos", image_size=16)
    config = Config(stages=(Stage(name="direct", epochs=1, dim=2),), backbone="slim")
    encoder = build_encoder(config, opened.pixels)
    positions, features = project(encoder, opened.pixels)
    ImageMap(
        positions=positions,
        items=Items(opened.names, opened.splits, {k: np.array(v) for k, v in opened.labels.items()}),
        features=features,
        preprocessing=opened.preprocessing,
        config=config,
        weights=to_weights(encoder),
        info={"method": "t-SimCNE", "source": opened.source, "fingerprint": opened.fingerprint},
    ).save(home / "photos.map")
    return home


@pytest.fixture
def there(trained, tmp_path, monkeypatch):
    """A copy of the map, which a test may write to."""
    shutil.copytree(trained / "photos.map", tmp_path / "photos.map")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos.map"


def test_the_table_and_what_it_leaves(there, capsys):
    before = ImageMap.load(there)
    assert run(["evaluate", "photos.map", "-k", "5,3", "--json", "out.json"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("photos.map: 48 images in 2-D\n\nwith labels: label (3 labels)\n")
    for text in (
        "kNN accuracy",
        "k=5",
        "k=3",
        "silhouette",
        "RLD",
        "τ=0.05",
        "without labels",
        "trustworthiness",
    ):
        assert text in out
    assert "40 -> 8 images, stratified, 5 random splits" in out
    assert "pixels" in out  # found where the map was made from
    assert "not measured: superclass" in out
    assert "docs/metrics.md" in out
    assert "measuring: 100%" in err

    record = json.loads((there.parent / "out.json").read_text())
    assert record == json.loads((there / "metrics.json").read_text())
    assert record["settings"]["ks"] == [5, 3]
    assert {"knn", "agreement", "rld"} <= {s["metric"] for s in record["scores"]}

    after = ImageMap.load(there)  # which holds every file against its hash
    columns = ["neighbor_recall", "trustworthiness", "continuity", "agreement", "knn_correct"]
    assert sorted(after.items.scores) == sorted(columns)
    assert (after.names, after.splits) == (before.names, before.splits)
    np.testing.assert_array_equal(after.labels, before.labels)
    np.testing.assert_array_equal(after.positions, before.positions)
    value = next(s["value"] for s in record["scores"] if s["metric"] == "agreement")
    assert after.items.scores["agreement"].mean() == pytest.approx(value)


def test_again_is_the_same_and_adds_nothing(there, capsys):
    arguments = ["evaluate", "photos.map", "--images", "none", "-k", "5", "--metrics", "knn,trustworthiness"]
    assert run([*arguments, "--json", "a.json"]) == 0
    first = ImageMap.load(there).items.scores
    assert run([*arguments, "--json", "b.json"]) == 0
    a, b = (json.loads((there.parent / name).read_text()) for name in ("a.json", "b.json"))
    assert a["scores"] == b["scores"]
    again = ImageMap.load(there).items.scores
    assert list(first) == list(again) == ["knn_correct", "trustworthiness"]
    assert "without the images: left out by --images none" in capsys.readouterr().out


def test_scores_that_were_there_stay(there):
    m = ImageMap.load(there)
    m.items = m.items.with_scores(outlier=np.arange(48.0), trustworthiness=np.zeros(48))
    m.save(there, overwrite=True)
    assert run(["evaluate", "photos.map", "-k", "5", "--metrics", "trustworthiness"]) == 0
    after = ImageMap.load(there).items.scores
    np.testing.assert_array_equal(after["outlier"], np.arange(48.0))
    assert after["trustworthiness"].max() > 0


def test_a_metric_is_added_to_those_measured_alike(there):
    arguments = ["evaluate", "photos.map", "--images", "none"]
    assert run([*arguments, "-k", "5", "--metrics", "knn,purity"]) == 0
    assert run([*arguments, "-k", "5", "--metrics", "silhouette,knn"]) == 0
    record = json.loads((there / "metrics.json").read_text())
    assert record["settings"]["metrics"] == ["knn", "purity", "silhouette"]
    keys = [(s["metric"], s["space"], s["setting"]) for s in record["scores"]]
    assert len(keys) == len(set(keys))
    assert {"knn", "purity", "silhouette"} == set(record["seconds"]) == {k[0] for k in keys}
    assert run([*arguments, "-k", "4", "--metrics", "knn"]) == 0  # other neighbours: nothing to be joined
    record = json.loads((there / "metrics.json").read_text())
    assert {s["metric"] for s in record["scores"]} == {"knn"}


def test_scores_written_meanwhile_stay(there, monkeypatch):
    from augmap.evaluate import measure

    slow = measure.measure_each

    def meanwhile(*args, **kwargs):
        m = ImageMap.load(there)
        m.items = m.items.with_scores(outlier=np.arange(48.0))
        m.save(there, overwrite=True)
        return slow(*args, **kwargs)

    monkeypatch.setattr(measure, "measure_each", meanwhile)
    assert run(["evaluate", "photos.map", "-k", "5", "--metrics", "continuity"]) == 0
    assert sorted(ImageMap.load(there).items.scores) == ["continuity", "outlier"]


def test_a_sample_leaves_no_scores_of_single_images(there):
    assert run(["evaluate", "photos.map", "-k", "5", "--metrics", "continuity", "--sample", "40"]) == 0
    assert not ImageMap.load(there).items.scores
    assert json.loads((there / "metrics.json").read_text())["settings"]["n"] == 40


def test_no_save_leaves_the_map_alone(there):
    before = {p.name: p.read_bytes() for p in there.iterdir() if p.is_file()}
    assert run(["evaluate", "photos.map", "-k", "5", "--no-save", "--sample", "40"]) == 0
    assert {p.name: p.read_bytes() for p in there.iterdir() if p.is_file()} == before


def test_json_on_stdout_is_all_there_is(there, capsys):
    assert run(["evaluate", "photos.map", "-k", "5", "--metrics", "knn", "--json", "-", "--no-save"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["metric"] == "knn"


def test_labels_from_a_table_or_none(there, capsys):
    names = ImageMap.load(there).names
    with open("labels.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("name", "label", "coarse_label"),
                *((n, "abcd"[i % 4], "xxyy"[i % 4]) for i, n in enumerate(names)),
            ]
        )
    assert run(["evaluate", "photos.map", "--labels", "labels.csv", "-k", "5", "--images", "none"]) == 0
    out = capsys.readouterr().out
    assert "with labels: label (4 labels)" in out
    assert "with labels: coarse_label (2 labels)" in out
    assert "in the superclass" in out
    assert ImageMap.load(there).labels[0] != "a"  # the map keeps its own
    assert run(["evaluate", "photos.map", "--labels", "none", "-k", "5", "--images", "none"]) == 0
    out = capsys.readouterr().out
    assert "with labels" not in out
    assert "not measured: knn: it needs labels, and there are none" in out


def test_a_table_for_more_images_than_the_map_shows(there, capsys):
    m = ImageMap.load(there)
    m.take(range(0, 48, 2)).save("part.map")
    rows = [(name, "ab"[i % 4 // 2]) for i, name in enumerate(m.names)]
    with open("labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([("name", "label"), *rows])
    arguments = ["evaluate", "part.map", "-k", "5", "--metrics", "knn", "--images", "none", "--no-save"]
    assert run([*arguments, "--labels", "labels.csv"]) == 0
    assert "with labels: label (2 labels)" in capsys.readouterr().out
    with open("labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([("name", "label"), *((f"photos/{name}", label) for name, label in rows)])
    assert run([*arguments, "--labels", "labels.csv"]) == 2
    assert "labels.csv: 48 of 48 names are not among the images, first 'photos/" in capsys.readouterr().err


def test_images_that_moved_and_images_that_are_others(there, trained, capsys):
    shutil.copytree(trained / "photos", "moved")
    arguments = ["evaluate", "photos.map", "-k", "5", "--metrics", "knn", "--no-save"]
    assert run([*arguments, "--images", "moved"]) == 0
    assert "pixels" in capsys.readouterr().out
    shutil.copytree("moved/across", "moved/more")  # images that the map does not show do not matter
    assert run([*arguments, "--images", "moved"]) == 0
    assert "pixels" in capsys.readouterr().out

    first, second = sorted(p for p in there.parent.joinpath("moved", "down").iterdir())[:2]
    shutil.copy(first, second)
    assert run([*arguments, "--images", "moved"]) == 2
    assert capsys.readouterr().err.endswith("moved: its images differ from those of the map (fingerprint)\n")
    second.unlink()
    assert run([*arguments, "--images", "moved"]) == 2
    assert "1 of the map's 48 images are not there, first 'down/" in capsys.readouterr().err
    second.write_text("no picture")
    assert run([*arguments, "--images", "moved"]) == 2
    assert f"first 'down/{second.name}' (not an image)" in capsys.readouterr().err
    assert run([*arguments, "--images", "moved", "--max-pixels", "575"]) == 2
    assert "(24 x 24 pixels, more than --max-pixels 575)" in capsys.readouterr().err


def test_a_part_of_a_map_finds_its_images(there, capsys):
    m = ImageMap.load(there)
    rows = np.arange(48)[::-1][:40]
    m.take(rows).save("part.map")
    assert run(["evaluate", "part.map", "-k", "5", "--metrics", "knn", "--json", "part.json"]) == 0
    found = json.loads((there.parent / "part.json").read_text())["scores"]
    opened = open_images(m.info["source"], preprocessing=m.preprocessing)
    x = opened.pixels.reshape(48, -1)[rows].astype(np.float32)
    (value,) = (s["value"] for s in found if s["space"] == "pixels")
    assert value == knn_accuracy(x, m.labels[rows], k=5).accuracy


def test_a_relative_source_is_not_looked_for_in_the_working_folder(there, trained, capsys):
    m = ImageMap.load(there)
    m.info = {**m.info, "source": "photos", "root": str(trained / "photos")}
    m.save(there, overwrite=True)
    shutil.copytree(trained / "photos" / "across", "photos")  # another folder of that name
    arguments = ["evaluate", "photos.map", "-k", "5", "--metrics", "knn", "--no-save"]
    assert run(arguments) == 0
    assert "pixels" in capsys.readouterr().out
    m.info = {**m.info, "root": str(trained / "gone")}
    m.save(there, overwrite=True)
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    assert "without the images: photos holds other images in this folder: 48 of the map's 48" in out
    assert "reading images" not in err


def test_a_source_that_is_gone_is_said(there, capsys):
    m = ImageMap.load(there)
    m.info = {**m.info, "source": "nowhere"}
    m.save(there, overwrite=True)
    assert run(["evaluate", "photos.map", "-k", "5", "--no-save"]) == 0
    out = capsys.readouterr().out
    assert "without the images: nowhere is not here; give --images" in out
    assert "not measured: agreement: it needs the images" in out


def test_a_map_of_another_program(there, capsys):
    m = ImageMap.load(there)
    bare = dataclasses.replace(m, features=None, weights=None, config=None, preprocessing=None, info={})
    bare.save("bare.map")
    assert run(["evaluate", "bare.map", "-k", "5"]) == 0
    out = capsys.readouterr().out
    assert "kNN accuracy" in out
    assert "not measured: trustworthiness: it needs features, or the images" in out
    assert run(["evaluate", "bare.map", "--images", "somewhere"]) == 2
    assert "does not say which images it shows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.map"], "nothing.map: no such map"),
        (
            ["photos.map", "-k", "15,x"],
            "-k must be whole numbers of at least 1, as in 15 or 15,5; got '15,x'",
        ),
        (["photos.map", "-k", "0"], "-k must be whole numbers"),
        (["photos.map", "--metrics", "knn, nearest"], "unknown metric 'nearest'; choose from knn"),
        (["photos.map", "--labels", "no.csv"], "no.csv: cannot be read"),
        (["photos.map", "--json", "no/out.json"], "no/out.json: its folder no does not exist"),
        (["photos.map", "--json", "."], ".: is a folder; choose another name"),
        (["photos.map", "--json", "photos.map/map.json"], "photos.map/map.json: belongs to the map"),
        (["photos.map", "--images", "nowhere"], "nowhere: no such file or folder"),
        (["photos.map", "--sample", "99", "--images", "none"], "sample must lie in [2, 48]"),
        (["photos.map", "-k", "60", "--metrics", "knn", "--images", "none"], "must lie in [1, 40]"),
    ],
)
def test_refuses(there, arguments, message, capsys):
    before = {p.name: p.read_bytes() for p in there.iterdir() if p.is_file()}
    assert run(["evaluate", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert {p.name: p.read_bytes() for p in there.iterdir() if p.is_file()} == before
