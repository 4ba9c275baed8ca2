"""Pictures: the images of the map, row by row, or its thumbnails with the reason."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.open import open_images
from augmap.review.pictures import EDGE, from_pixels, from_set, open_pictures, small_grey
from looked_at import map_of, textures

N = 12


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of 16 px in a folder."""
    for i, picture in enumerate(textures(N, size=16)):
        path = tmp_path / "photos" / f"{'ab'[i % 2]}" / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path / "photos"


def map_from(folder, rows=None) -> ImageMap:
    opened = open_images(str(folder), store=False)
    if rows is not None:
        opened = opened.subset(rows)
    m = map_of(
        np.random.default_rng(0).normal(size=(len(opened), 2)),
        names=opened.names, pixels=opened.pixels, source=str(folder), fingerprint=opened.fingerprint,
    )  # fmt: skip
    m.preprocessing = opened.preprocessing
    return m


def test_the_record_says_where_the_images_are(folder):
    m = map_from(folder)
    pictures, seen = open_pictures(m)
    assert seen == f"pixels of {folder}"
    assert pictures.root == str(folder)
    for row, name in enumerate(m.names):
        np.testing.assert_array_equal(
            pictures.read(np.array([row]))[0], np.asarray(Image.open(folder / name))
        )


def test_a_map_of_some_of_the_images_in_another_order(folder):
    rows = [7, 2, 9, 3]
    m = map_from(folder, rows)
    pictures, _ = open_pictures(m)
    everything = open_images(str(folder), store=False)
    np.testing.assert_array_equal(pictures.read(np.arange(4)), everything.pixels[rows])
    np.testing.assert_array_equal(pictures.pixels[1:3], everything.pixels[[2, 9]])
    np.testing.assert_array_equal(pictures.digests, everything.digests[rows])
    assert pictures.order.tolist() == [1, 3, 0, 2]
    assert len(pictures.pixels) == 4


def test_images_that_moved_leave_thumbnails(folder, tmp_path):
    m = map_from(folder)
    folder.rename(tmp_path / "elsewhere")
    pictures, seen = open_pictures(m)
    assert seen.startswith("thumbnails: ")
    assert seen == f"thumbnails: {folder} is not here; give --images"
    assert pictures.pixels is None
    np.testing.assert_array_equal(pictures.read(np.array([3, 1])), m.thumbs.images(np.array([3, 1])))
    again, seen = open_pictures(m, str(tmp_path / "elsewhere"))
    assert again.pixels is not None
    assert seen == f"pixels of {tmp_path / 'elsewhere'}"


def test_a_relative_source_is_not_looked_for_in_the_working_folder(folder, tmp_path, monkeypatch):
    m = map_from(folder)
    m.info = {**m.info, "source": "photos", "root": str(folder)}
    (tmp_path / "here" / "photos").mkdir(parents=True)
    Image.fromarray(textures(1, size=16)[0]).save(tmp_path / "here" / "photos" / "x.png")
    monkeypatch.chdir(tmp_path / "here")
    assert open_pictures(m)[1] == f"pixels of {folder}"
    folder.rename(tmp_path / "elsewhere")
    assert open_pictures(m)[1].startswith("thumbnails: photos holds other images in this folder")


def test_images_that_changed_are_not_taken_for_the_maps(folder):
    m = map_from(folder)
    Image.fromarray(255 - np.asarray(Image.open(folder / "a/00.png"))).save(folder / "a/00.png")
    assert open_pictures(m)[1].startswith("thumbnails: ")
    with pytest.raises(InputError, match="the images changed since the map was made"):
        open_pictures(m, str(folder))


def test_other_images_are_refused(folder, tmp_path):
    m = map_from(folder)
    (tmp_path / "other").mkdir()
    Image.fromarray(textures(1, size=16)[0]).save(tmp_path / "other" / "x.png")
    with pytest.raises(InputError, match=r"12 of the map's 12 images are not there, first 'a/00\.png'"):
        open_pictures(m, str(tmp_path / "other"))
    with pytest.raises(InputError, match="no such file or folder"):
        open_pictures(m, str(tmp_path / "nowhere"))


def test_a_map_that_does_not_say(folder):
    bare = map_of(np.zeros((3, 2)))
    assert open_pictures(bare) == (
        None,
        "no pictures: the map does not say where its images are; give --images; the map has no thumbnails",
    )
    m = map_from(folder)
    m.preprocessing = None
    assert "does not say how its pictures were brought to one size" in open_pictures(m)[1]


def test_a_set_that_is_open_will_do(folder):
    opened = open_images(str(folder), store=False)
    m = map_of(np.zeros((N, 2)), names=opened.names)
    pictures, _ = open_pictures(m, opened)
    np.testing.assert_array_equal(pictures.read(np.arange(N)), opened.pixels)
    other = dataclasses.replace(opened, names=[f"x{n}" for n in opened.names])
    with pytest.raises(InputError, match="are not there"):
        from_set(m, other)


@pytest.mark.parametrize("size", [8, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_of_any_size(size, channels):
    pixels = textures(5, size=size)
    pixels = np.concatenate([pixels, pixels], -1)[..., :channels]
    grey = small_grey(from_pixels(pixels))
    assert grey.shape == (5, EDGE, EDGE)
    assert grey.dtype == np.uint8
    rgb = pixels[..., :3] if channels >= 3 else pixels.repeat(3, -1)
    # ITU-R BT.601; resizing keeps the mean to a grey level
    means = (rgb @ np.array([0.299, 0.587, 0.114])).mean((1, 2))
    np.testing.assert_allclose(grey.mean((1, 2)), means, atol=1.5)


def test_preprocessing_is_the_maps(folder):
    m = map_from(folder)
    m.preprocessing = Preprocessing(image_size=8, channels=3)
    m.info.pop("fingerprint")
    pictures, _ = open_pictures(m)
    assert pictures.pixels.shape == (N, 8, 8, 3)
