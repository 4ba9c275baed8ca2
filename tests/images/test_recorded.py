"""Where the images of a map lie: in the folder that it records, not in one of that name that lies here."""

from __future__ import annotations

import os

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.images import known
from augmap.images.open import open_images
from augmap.images.recorded import recorded_source


@pytest.fixture
def info(write, tmp_path, monkeypatch):
    """The record of a map that was made of a relative path."""
    for name in ("cat/a.png", "dog/b.png"):
        write(name)
    monkeypatch.chdir(tmp_path)
    opened = open_images("in")
    (tmp_path / "elsewhere").mkdir()
    return {"source": opened.source, "root": opened.root, "names": opened.names}


def test_the_folder_of_the_originals_wherever_one_is(info, tmp_path, write, monkeypatch):
    assert os.path.samefile(recorded_source(info, info["names"]), tmp_path / "in")
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("cat/a.png", "x.png"):
        write(name, root=tmp_path / "elsewhere" / "in")
    assert os.path.samefile(recorded_source(info, info["names"]), tmp_path / "in")
    glob = open_images(str(tmp_path / "in" / "*" / "*.png"))
    found = recorded_source({"source": "in/*/*.png", "root": glob.root}, glob.names)
    assert set(glob.names) <= set(open_images(found).names)


def test_a_folder_of_that_name_counts_only_with_the_maps_images(info, tmp_path, write, monkeypatch):
    os.rename(tmp_path / "in", tmp_path / "elsewhere" / "in")  # both moved, as to another machine
    with pytest.raises(InputError, match=r"^in is not here$"):
        recorded_source(info, info["names"])
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert recorded_source(info, info["names"]) == "in"
    monkeypatch.setattr("augmap.images.store.fill", lambda *a, **k: pytest.fail("decoded"))
    (tmp_path / "elsewhere" / "in" / "dog" / "b.png").rename("in/c.png")
    with pytest.raises(
        InputError, match=r"in holds other images in this folder: 1 of the map's 2.*'dog/b.png'"
    ):
        recorded_source(info, info["names"])


def test_an_archive_or_an_array(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", images=np.zeros((3, 8, 8), np.uint8))
    names = ["000000", "000002"]
    assert recorded_source({"source": "a.npz", "root": None}, names) == "a.npz"
    assert recorded_source({"source": f"{tmp_path}/a.npz"}, ["any"]) == f"{tmp_path}/a.npz"
    for source in (None, 3):
        with pytest.raises(InputError, match="the map does not say where its images are"):
            recorded_source({"source": source}, names)
    with pytest.raises(InputError, match="array is not here"):
        recorded_source({"source": "array"}, names)


def test_a_known_name_is_not_downloaded(tmp_path):
    with pytest.raises(InputError, match="mnist is not here"):
        recorded_source({"source": "mnist"}, [], cache=tmp_path)
    (tmp_path / "downloads" / "mnist").mkdir(parents=True)
    for file in known.KNOWN["mnist"].files:
        (tmp_path / "downloads" / "mnist" / file.name).touch()
    assert recorded_source({"source": "mnist"}, [], cache=tmp_path) == "mnist"
