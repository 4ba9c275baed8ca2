"""augmap augmentations: a folder in, a sheet out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from augmap.cli.augmentations import Augment
from augmap.cli.main import run
from augmap.export.tensorboard import projector_files
from augmap.images.mark import MAKER
from augmap.images.open import open_images
from augmap.method.sets import AUGMENTATIONS
from augmap.review.queues import Entry, Queue
from augmap.review.sheets import draw_sheets
from madeup import full_map
from plotted import make_blobs


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
    (tmp_path / "views.png").mkdir()
    assert run(["augmentations", "nowhere", "-o", str(tmp_path / "views.png")]) == 2
    assert "views.png: is a folder" in capsys.readouterr().err
    (tmp_path / "views.png").rmdir()
    long = ["augmentations", "nowhere", "-o", str(tmp_path / "views.png"), "--seed", "9" * 23]
    assert run(long) == 2
    assert "--seed must lie in [0, 2**63), got 999" in capsys.readouterr().err


def test_sheets_and_plots_beside_the_photos_are_none_of_them(photos, tmp_path, capsys):
    """They are skipped with a reason; a photo that another program marked is one."""
    cache = ["--cache", str(tmp_path / "cache")]
    assert run(["augmentations", str(photos), "-o", str(photos / "views.png"), *cache]) == 0
    blobs = make_blobs()
    assert run(["plot", str(blobs.save(tmp_path / "m.map")), "-o", str(photos / "plot.png")]) == 0
    queue = Queue(name="outliers", entries=[Entry(row=0, rank=1, score=1.0)], found="")
    (sheet,) = draw_sheets(blobs, queue, lambda rows: np.zeros((len(rows), 8, 8, 3), np.uint8)).files.values()
    (photos / "outliers.png").write_bytes(sheet)
    (photos / "sprite.png").write_bytes(projector_files(full_map(4))["sprite.png"])
    grey = Image.new("L", (16, 16))
    grey.save(photos / "film.gif", comment=MAKER)
    grey.save(photos / "other.gif", comment="augmaps 1.0")
    other = PngInfo()
    other.add_text("Software", "augmaps 1.0")
    Image.new("RGB", (16, 16)).save(photos / "other.png", pnginfo=other)
    found = open_images(photos, cache=str(tmp_path / "cache"))
    assert list(found.names) == [*(f"{i}.png" for i in range(5)), "other.gif", "other.png"]
    assert [Path(s.name).name for s in found.skipped] == [
        *("film.gif", "outliers.png", "plot.png", "sprite.png", "views.png")
    ]
    assert {s.reason for s in found.skipped} == {"a plot or a sheet by augmap, not an image of yours"}
