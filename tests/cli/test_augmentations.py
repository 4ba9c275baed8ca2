"""augmap augmentations: a folder in, a sheet out."""

import numpy as np
import pytest
from PIL import Image

from augmap.cli.augmentations import Augment
from augmap.cli.main import run
from augmap.method.sets import AUGMENTATIONS


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def test_the_sets_are_the_methods():
    assert [a.value for a in Augment] == list(AUGMENTATIONS)


def test_writes_a_sheet(photos, tmp_path, capsys):
    output = tmp_path / "views.png"
    arguments = ["augmentations", str(photos), "-o", str(output), "--count", "3", "--views", "2"]
    assert run([*arguments, "--cache", str(tmp_path / "cache")]) == 0
    assert capsys.readouterr().out == f"{output}: 3 of 5 images, 2 views each (natural)\n"
    natural = np.asarray(Image.open(output))
    assert natural.shape[0] > natural.shape[1] * 0.9  # three rows, three columns
    again = [*arguments, "--cache", str(tmp_path / "cache")]
    assert run(again) == 0
    assert np.array_equal(np.asarray(Image.open(output)), natural)
    for changed in (["--augment", "symmetric"], ["--seed", "1"], ["--image-size", "12"], ["--views", "3"]):
        assert run([*again, *changed]) == 0
        assert not np.array_equal(np.asarray(Image.open(output)), natural), changed


def test_mistakes_come_before_any_reading(tmp_path, capsys):
    assert run(["augmentations", "nowhere", "-o", str(tmp_path / "views.jpg")]) == 2
    assert "views.jpg: the sheet is written as PNG" in capsys.readouterr().err
    assert run(["augmentations", "nowhere", "-o", str(tmp_path / "no" / "views.png")]) == 2
    assert "does not exist" in capsys.readouterr().err
    long = ["augmentations", "nowhere", "-o", str(tmp_path / "views.png"), "--seed", "9" * 23]
    assert run(long) == 2
    assert "--seed must lie in [0, 2**63), got 999" in capsys.readouterr().err
