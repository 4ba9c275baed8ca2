"""augmap baseline: every option arrives, results go to stdout, and mistakes are one line."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
import typing

import numpy as np
import pytest

from augmap.baselines.ablations import Arm
from augmap.baselines.baseline import baseline as python
from augmap.cli import baseline as command
from augmap.cli.main import run
from augmap.errors import Interrupted
from madeup import full_map

PYTHON = inspect.signature(python).parameters


@pytest.fixture
def seen(monkeypatch):
    """What the command hands over; the answer is a map that was made up."""
    given = {}

    def watch(name, images, **options):
        given.update(name=name, images=images, **options)
        made = full_map()
        made.info |= {"method": "t-SNE of pixels", "seconds": 75.0}
        made.info["knn"] = {"accuracy": 0.25, "k": 15, "n_train": 4000, "n_test": 1000, "split": "official"}
        return made

    monkeypatch.setattr("augmap.baselines.baseline.baseline", watch)
    return given


WISHES = {  # one value for each option that is not its default
    "overwrite": (None, True),
    "resume": (None, True),
    "seed": ("9", 9),
    "dim": ("3", 3),
    "budget": ("90s", "90s"),
    "epochs": ("10,2.5", [10, 2.5]),
    "backbone": ("resnet18", "resnet18"),
    "batch_size": ("77", 77),
    "augment": ("glyph", "glyph"),
    "precision": ("bfloat16", "bfloat16"),
    "device": ("cpu", "cpu"),
    "threads": ("1", 1),
    "checkpoint_every": ("12.5", 12.5),
    "init": ("s.map", "s.map"),
    "features": ("h.npy", "h.npy"),
    "feature_size": ("224", 224),
    "mean": ("0.5,0.4,0.3", [0.5, 0.4, 0.3]),
    "std": ("0.25", [0.25]),
    "metric": ("cosine", "cosine"),
    "pca": ("50", 50),
    "whitening": ("0.5", 0.5),
    "perplexity": ("12.5", 12.5),
    "exaggeration": ("4", 4.0),
    "iterations": ("1000", 1000),
    "jobs": ("2", 2),
    "neighbors": ("30", 30),
    "min_dist": ("0.5", 0.5),
    "image_size": ("24", 24),
    "labels": ("l.csv", "l.csv"),
    "only_split": ("train", "train"),
    "exclude": ("review.csv", "review.csv"),
    "strict": (None, True),
    "max_pixels": ("1000", 1000),
    "cache": ("c", "c"),
}


def plain(value):
    return str(value) if hasattr(value, "__fspath__") else value


def test_there_is_a_wish_for_every_option():
    assert set(inspect.signature(command.baseline).parameters) == {"name", "images", "output", *WISHES}
    assert {"name", "images", "output", *WISHES} == set(PYTHON) - {"listeners", "say", "progress"}


@pytest.mark.parametrize("name", WISHES)
def test_every_option_arrives(seen, name):
    written, expected = WISHES[name]
    option = [f"--{name.replace('_', '-')}", *([written] if written else [])]
    assert run(["baseline", "tsne", "photos", "-o", "m", *option]) == 0
    assert plain(seen[name]) == expected
    assert expected != PYTHON[name].default
    others = {k: v for k, v in seen.items() if k in WISHES and k != name}
    assert others == {k: PYTHON[k].default for k in others}
    assert (seen["name"], seen["images"], plain(seen["output"])) == ("tsne", "photos", "m")


def test_every_option_has_help():
    for name, parameter in inspect.signature(command.baseline, eval_str=True).parameters.items():
        assert typing.get_args(parameter.annotation)[1].help, name


def test_results_go_to_stdout(seen, capsys):
    assert run(["baseline", "tsne", "photos", "-o", "some.map"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "1 file skipped, all listed in skipped.csv:",
        "  'bad,\\n.png': truncated \"header\"",
        "some.map: 6 images in 2-D by t-SNE of pixels, 1 min 15 s",
        "kNN accuracy 25.0% (k=15, 4,000 -> 1,000 images, official)",
    ]
    assert err == ""


def test_a_stop_says_how_to_go_on(monkeypatch, capsys):
    def stop(*_, **__):
        raise Interrupted("stopped at step 3; go on with --resume")

    monkeypatch.setattr("augmap.baselines.baseline.baseline", stop)
    assert run(["baseline", "simclr", "photos", "-o", "m"]) == 130
    assert "(augmap baseline simclr photos -o m ... --resume)" in capsys.readouterr().err
    assert run(["baseline", "simclr", "photos", "-o", "my m"]) == 130
    assert "(augmap baseline simclr photos -o 'my m' ... --resume)" in capsys.readouterr().err
    monkeypatch.setattr("augmap.baselines.ablations.ablations", stop)
    assert run(["baseline", "ablations", "photos", "-o", "m"]) == 130
    assert capsys.readouterr().err == "augmap: stopped at step 3; the same command goes on\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mds"], "unknown baseline 'mds'"),
        (["pca", "--budget", "5m"], "budget means nothing for pca"),
        (["tsne", "--neighbors", "5"], "neighbors means nothing for tsne"),
        (["features+tsne", "--mean", "white"], "--mean takes numbers separated by commas, got 'white'"),
        (["ablations", "--resume"], "resume means nothing for ablations"),
        (["ablations", "--min-dist", "0.5"], "leave --min-dist out"),
        (["pca", "--seed", "-1"], "seed"),
    ],
)
def test_mistakes_are_one_line(arguments, message, photos, tmp_path, capsys):
    assert run(["baseline", arguments[0], str(photos), "-o", str(tmp_path / "m"), *arguments[1:]]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_ablations_print_a_table(monkeypatch, capsys):
    given = {}

    def watch(images, folder, **options):
        given.update(images=images, folder=folder, **options)
        made = full_map()
        made.info["history"] = {"train_seconds": 600.0, "steps": 12345}
        return [
            Arm(name="direct", map=made, made_now=True, knn=0.3456, knn_features=0.5),
            Arm(name="simclr", map=full_map(dim=128), made_now=False, knn=None, knn_features=None),
        ]

    monkeypatch.setattr("augmap.baselines.ablations.ablations", watch)
    assert run(["baseline", "ablations", "photos", "-o", "a", "--budget", "10m", "--backbone", "slim"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "map     dimensions  training     steps   kNN of the map  kNN of h",
        "direct  2           10 min 00 s  12,345  34.6%           50.0%",
        "simclr  128         –            –       –               –",
    ]
    assert (given["budget"], given["backbone"], given["device"], given["checkpoint_every"]) == (
        *("10m", "slim", "auto", 300.0),
    )


@pytest.mark.parametrize("seconds", [0, 4])
def test_sigterm_at_the_start_or_in_a_layout_leaves_nothing_behind(tmp_path, seconds):
    # openTSNE imports it, and the first import compiles for seconds: the layout is what is to be interrupted
    subprocess.run([sys.executable, "-c", "import pynndescent"], check=True)
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 8, 8, 1), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    output = tmp_path / "t.map"
    command = [sys.executable, "-m", "augmap", "baseline", "tsne", str(tmp_path / "pixels.npy")]
    command += ["-o", str(output), "--iterations", "1000000", "--cache", str(tmp_path / "cache")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not output.exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(seconds)
        process.terminate()
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "augmap: interrupted"
    assert not output.exists()
