"""augmap fit: every option arrives, results go to stdout, and mistakes are one line."""

from __future__ import annotations

import inspect
import re
import typing

import numpy as np
import pytest

import augmap
from augmap.cli import fit as command
from augmap.cli.fit import parse_epochs, skipped_lines
from augmap.cli.main import run
from augmap.config import Config
from augmap.errors import Interrupted
from augmap.stage import Stage
from madeup import full_map

PYTHON = inspect.signature(augmap.fit).parameters
"""Options of the function, before a test puts another one in its place."""
TINY = ("--preset", "direct", "--epochs", "1", "--backbone", "slim", "--batch-size", "32")
QUALITY = {
    "sample": 6,
    "k": 4,
    "map": {"agreement": 0.9, "neighbor_recall": 0.5},
    "untrained": {"agreement": 0.5, "neighbor_recall": 0.25},
}


@pytest.fixture
def seen(monkeypatch):
    """What the command hands to ``augmap.fit``, which answers with a map that was made up."""
    given = {}

    def watch(images, **options):
        given.update(images=images, **options)
        made = full_map()
        made.info |= {"seconds": 75.0, "quality": QUALITY}
        return made

    monkeypatch.setattr("augmap.api.fit", watch)
    return given


WISHES = {  # one value for each option that is not its default
    "budget": ("90s", "90s"),
    "epochs": ("10,2.5", [10, 2.5]),
    "preset": ("paper", "paper"),
    "config": ("c.toml", "c.toml"),
    "dim": ("3", 3),
    "image_size": ("24", 24),
    "augment": ("glyph", "glyph"),
    "backbone": ("resnet18", "resnet18"),
    "batch_size": ("77", 77),
    "precision": ("bfloat16", "bfloat16"),
    "seed": ("9", 9),
    "device": ("cpu", "cpu"),
    "devices": ("2", 2),
    "nodes": ("3", 3),
    "threads": ("1", 1),
    "checkpoint_every": ("12.5", 12.5),
    "resume": (None, True),
    "overwrite": (None, True),
    "labels": ("l.csv", "l.csv"),
    "only_split": ("train", "train"),
    "init": ("old.map", "old.map"),
    "exclude": ("review.csv", "review.csv"),
    "strict": (None, True),
    "max_pixels": ("1000", 1000),
    "cache": ("c", "c"),
}


def plain(value):
    return str(value) if hasattr(value, "__fspath__") else value


def test_there_is_a_wish_for_every_option():
    watching = {"watch", "no_open"}  # become an audience, see test_explore
    assert set(inspect.signature(command.fit).parameters) == {"images", "output", *WISHES, *watching}
    python = set(PYTHON)
    assert {"images", "output", *WISHES} == python - {"listeners", "say", "progress", "audience"}


@pytest.mark.parametrize("name", WISHES)
def test_every_option_arrives(seen, name):
    written, expected = WISHES[name]
    option = [f"--{name.replace('_', '-')}", *([written] if written else [])]
    assert run(["fit", "photos", "-o", "m", *option]) == 0
    assert plain(seen[name]) == expected
    default = PYTHON[name].default
    assert expected != default
    others = {k: v for k, v in seen.items() if k in WISHES and k != name}
    defaults = {k: PYTHON[k].default for k in others}
    assert others == defaults  # the command's defaults are Python's
    assert (seen["images"], plain(seen["output"])) == ("photos", "m")


def test_help_tells_every_default_that_is_not_none():
    for name, parameter in inspect.signature(command.fit, eval_str=True).parameters.items():
        option = typing.get_args(parameter.annotation)[1]
        assert option.help, name
        if parameter.default is None and name in ("dim", "budget", "preset", "backbone"):
            assert "[default: " in option.help


def test_no_checkpoints_are_asked_for_with_zero(seen):
    assert run(["fit", "photos", "-o", "m", "--checkpoint-every", "0"]) == 0
    assert seen["checkpoint_every"] is None


def test_results_go_to_stdout(seen, capsys):
    assert run(["fit", "photos", "-o", "some.map"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "1 file skipped, all listed in skipped.csv:",
        "  'bad,\\n.png': truncated \"header\"",
        "some.map: 6 images in 2-D, 1 min 15 s",
        "two views of an image lie closer than 90.0% of other pairs (untrained 50.0%); "
        "neighbour recall 50.0% of 4 (untrained 25.0%; 6 images)",
    ]
    assert err == ""


def test_a_map_that_could_not_be_judged(seen, capsys, monkeypatch):
    monkeypatch.setattr("augmap.cli.words.quality", lambda q: pytest.fail("there is nothing to say"))
    whole = augmap.api.fit

    def unjudged(*args, **options):
        made = whole(*args, **options)
        made.info["quality"] = None
        return made

    monkeypatch.setattr("augmap.api.fit", unjudged)
    assert run(["fit", "photos", "-o", "some.map"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "some.map: 6 images in 2-D, 1 min 15 s"


def test_skipped_lines():
    made = full_map()
    made.skipped = []
    assert skipped_lines(made) == []
    made.skipped = [(f"{i}.png", "empty") for i in range(1234)]
    assert skipped_lines(made) == [
        "1,234 files skipped, all listed in skipped.csv:",
        "  '0.png': empty",
        "  '1.png': empty",
        "  '2.png': empty",
    ]


def test_epochs():
    assert parse_epochs("1000,50,450") == [1000, 50, 450]
    assert parse_epochs("0.5") == [0.5]
    for text in ("", "1,", "1;2", "many"):
        with pytest.raises(augmap.InputError, match=re.escape(f"(1000,50,450), got {text!r}")):
            parse_epochs(text)


def test_an_interruption_says_how_to_go_on(seen, capsys, monkeypatch):
    def stop(*args, **options):
        raise Interrupted("stopped at step 5 of stage 1 (direct); go on with --resume")

    monkeypatch.setattr("augmap.api.fit", stop)
    assert run(["fit", "photos", "-o", "some.map"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert "stopped at step 5" in err
    assert "augmap fit photos -o some.map ... --resume" in err
    assert run(["fit", "my photos/*.jpg", "-o", "it's.map"]) == 130
    assert """(augmap fit 'my photos/*.jpg' -o 'it'"'"'s.map' ... --resume)""" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no/folder", "-o", "{m}", *TINY), "no/folder"),
        (("{photos}", "-o", "{photos}", *TINY), "exists and is not a map; choose another name"),
        (("{photos}", "-o", "{m}", "--preset", "fast"), "unknown preset 'fast'"),
        (("{photos}", "-o", "{m}", "--epochs", "x"), "--epochs takes numbers"),
        (("{photos}", "-o", "{m}", "--preset", "paper", "--epochs", "1"), "has 3 stages"),
        (("{photos}", "-o", "{m}", "--budget", "soon"), "a duration is a number above 0 with s, m or h"),
        (("{photos}", "-o", "{m}", "--config", "no.toml"), "no.toml: cannot be read"),
        (("{photos}", "-o", "{m}", "--init", "no.map"), "no.map: no such map"),
        (("{photos}", "-o", "{m}", "--exclude", "no.csv", *TINY), "no.csv: cannot be read"),
        (("{photos}", "-o", "{m}", "--dim", "0"), "--dim"),
        (("{photos}",), "output"),
        (("{photos}", "-o", "{m}", "--resume", "--overwrite"), "give --resume or --overwrite, not both"),
        (("{photos}", "-o", "{m}", "--only-split", "dev", *TINY), "no images of split 'dev'"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(photos, tmp_path, capsys, arguments, message):
    place = tmp_path / "m"
    assert run(["fit", *(a.format(photos=photos, m=place) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("augmap: ")
    assert len([line for line in err.splitlines() if line.startswith("augmap: ")]) == 1
    assert not place.exists()


def test_a_folder_becomes_a_map(photos, tmp_path, capsys):
    place = tmp_path / "some.map"
    arguments = ["fit", str(photos), "-o", str(place), "--seed", "3", "--cache", str(tmp_path / "c"), *TINY]
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert re.fullmatch(rf"{re.escape(str(place))}: 48 images in 2-D, \d+ s", lines[-2])
    assert lines[-1].startswith("kNN accuracy ")
    assert "48 images are few" in err
    loaded = augmap.load(place)
    assert (loaded.n, loaded.config.seed) == (48, 3)
    assert run(arguments) == 2
    assert "there is a map already; give --overwrite to replace it" in capsys.readouterr().err
    assert run([*arguments, "--overwrite"]) == 0
    np.testing.assert_array_equal(augmap.load(place).positions, loaded.positions)  # same seed, same bits


def test_everything_from_a_file(photos, tmp_path, capsys):
    config = Config(stages=(Stage(name="only", steps=2),), backbone="slim", batch_size=16, seed=4)
    (tmp_path / "c.toml").write_text(config.to_toml())
    place = tmp_path / "m"
    arguments = ["fit", str(photos), "-o", f"{place}2", "--config", str(tmp_path / "c.toml")]
    assert run([*arguments, "--dim", "3"]) == 2
    assert "a configuration says everything: leave out dim, or change it there" in capsys.readouterr().err
