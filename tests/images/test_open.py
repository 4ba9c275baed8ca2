"""Size and channels chosen from the data; exactly the given preprocessing; the same images in every form."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.images.imageset import digest_rows, fingerprint
from augmap.images.open import open_images
from hostile import BOMB_PIXELS


@pytest.mark.parametrize(
    ("sizes", "chosen", "note"),
    [
        ([(28, 28)] * 3, 28, "images are 28 x 28 and taken as they are"),
        ([(128, 128)] * 3, 128, "128 x 128 and taken as they are"),
        ([(129, 129)] * 3, 64, r"images are 129 x 129, .*resized to 64 x 64 \(--image-size\)"),
        ([(640, 480)] * 3, 64, "images are 640 x 480, shorter side 480"),
        ([(300, 200), (100, 80), (90, 500)], 64, "images are of 3 sizes, shorter side 90 in the median"),
        ([(40, 30), (30, 60), (20, 20)], 30, "resized to 30 x 30"),
        ([(1, 1)], 1, "1 x 1"),
    ],
)
def test_size_is_chosen_and_said(write, tmp_path, sizes, chosen, note):
    for i, (width, height) in enumerate(sizes):
        write(f"{i}.png", width, height)
    opened = open_images(tmp_path / "in", store=False)
    assert opened.pixels.shape[1:3] == (chosen, chosen)
    assert opened.preprocessing == Preprocessing(image_size=chosen, channels=3)
    with pytest.raises(AssertionError, match=note):
        raise AssertionError(opened.notes[-1])
    assert open_images(tmp_path / "in", image_size=7, store=False).notes == []


def test_bad_files_do_not_choose(write, tmp_path):
    for i in range(300):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{i:03d}.png").touch()
    write("120b.png", 20, 20)  # not among those that are looked at
    opened = open_images(tmp_path / "in", store=False)
    assert opened.names == ["120b.png"]
    assert opened.pixels.shape == (1, 20, 20, 3)


def test_grey(tmp_path):
    for i, mode in enumerate(["L", "1", "I;16", "LA"]):
        Image.new(mode, (8, 8)).save(tmp_path / f"{i}.png")
    opened = open_images(tmp_path, store=False)
    assert opened.pixels.shape == (4, 8, 8, 1)
    assert "all images looked at are grey: 1 channel" in opened.notes
    Image.new("RGB", (8, 8)).save(tmp_path / "9.png")
    assert open_images(tmp_path, store=False).preprocessing.channels == 3
    assert open_images(tmp_path, channels=1, store=False).preprocessing.channels == 1


def test_preprocessing_is_kept_to(hostile):
    wanted = Preprocessing(image_size=11, channels=1, resize="lanczos")
    opened = open_images(hostile, preprocessing=wanted, max_pixels=BOMB_PIXELS, store=False)
    assert opened.preprocessing == wanted
    assert opened.pixels.shape[1:] == (11, 11, 1)
    array = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8)
    assert open_images(array, preprocessing=wanted).pixels.shape == (2, 11, 11, 1)
    with pytest.raises(InputError, match=r"asks for size 11 and 1 channels, .* for 12 and None"):
        open_images(array, preprocessing=wanted, image_size=12)
    assert open_images(array, preprocessing=wanted, image_size=11).preprocessing == wanted


def test_one_image_alone_has_the_pixels_it_has_among_others(hostile):
    opened = open_images(hostile, image_size=16, max_pixels=BOMB_PIXELS, store=False)
    for i in range(0, len(opened), 3):
        path = hostile / opened.names[i]
        if path.exists():  # a name without escapes
            alone = open_images(path, preprocessing=opened.preprocessing, store=False)
            np.testing.assert_array_equal(alone.pixels[0], opened.pixels[i])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "image files have 1 or 3 channels, not 2: pass an array that has so many"),
        ({"image_size": 0}, "image.size must be .*, got 0"),
        ({"max_pixels": 0}, "max_pixels must be at least 1, got 0"),
    ],
)
def test_options_out_of_range(write, tmp_path, options, message):
    write("a.png")
    with pytest.raises(InputError, match=message):
        open_images(tmp_path / "in", **options)


def test_image_set(write, tmp_path):
    for i in range(4):
        write(f"train/{'ab'[i % 2]}/{i}.png", 8 + i, 8)
    opened = open_images(tmp_path / "in", image_size=8, store=False)
    assert open_images(opened) is opened
    assert open_images(opened, preprocessing=opened.preprocessing, image_size=8) is opened
    assert open_images(opened, strict=True) is opened
    for option in (
        {"image_size": 9},
        {"only_split": "train"},
        {"labels": "none"},
        {"exclude": "x.csv"},
        {"max_pixels": 9},
    ):
        with pytest.raises(InputError, match="in is open already; give these options where it is opened"):
            open_images(opened, **option)
    (tmp_path / "in" / "bad.png").touch()
    with pytest.raises(InputError, match=r"1 of 5 files cannot be read, first 'bad.png'.*leave out --strict"):
        open_images(open_images(tmp_path / "in", image_size=8, store=False), strict=True)
    part = opened.subset([3, 0])
    assert part.names == [opened.names[3], opened.names[0]]
    assert part.labels == {"label": ["b", "a"]}
    np.testing.assert_array_equal(part.pixels, opened.pixels[[3, 0]])
    assert part.fingerprint == fingerprint((8, 8, 3), part.names, digest_rows(part.pixels))
    assert len({opened.fingerprint, part.fingerprint, opened.subset([0, 3]).fingerprint}) == 3
    assert opened.subset(range(4)).fingerprint == opened.fingerprint
    np.testing.assert_array_equal(digest_rows(opened.pixels, 3), opened.digests)


def test_fingerprint_tells_names_order_shape_and_pixels():
    digests = np.arange(64, dtype=np.uint8).reshape(4, 16)
    base = ((8, 8, 3), ["a", "b", "c", "d"], digests)
    others = [
        ((8, 24, 1), *base[1:]),
        (base[0], ["a", "b", "c", "e"], digests),
        (base[0], ["a", "b", "d", "c"], digests),
        (base[0], ["a", "bc", "", "d"], digests),
        (*base[:2], digests[[0, 1, 3, 2]]),
    ]
    assert fingerprint(*base) == fingerprint(*base)
    assert len({fingerprint(*x) for x in [base, *others]}) == 6


def test_digests_of_many_rows_in_order():
    rows = np.arange(3000, dtype=np.uint16).view(np.uint8).reshape(3000, 1, 1, 2)
    np.testing.assert_array_equal(digest_rows(rows, 4), digest_rows(rows, 1))
    assert len(np.unique(digest_rows(rows), axis=0)) == 3000


@pytest.mark.parametrize("form", ["npz", "batches"])
def test_cifar10_in_every_form(unpacked, form):
    folder = open_images(unpacked("cifar10", limit=200))
    other = open_images(unpacked("cifar10", limit=200, form=form))
    assert len(folder) == len(other) == 400
    assert sorted(set(folder.splits)) == ["test", "train"]
    assert len(set(folder.labels["label"])) == 10

    def rows(s):  # a .npz knows names, but its labels are numbers
        key = [n.rsplit("/", 1)[1] for n in s.names] if form == "batches" else None
        return sorted(zip(key or [""] * 400, s.splits, map(bytes, s.pixels.reshape(400, -1)), strict=True))

    assert rows(folder) == rows(other)
    if form == "batches":
        assert sorted(zip(folder.names, folder.labels["label"], strict=True)) == sorted(
            zip(other.names, other.labels["label"], strict=True)
        )


def test_fashion_mnist_in_every_form(unpacked):
    folder = open_images(unpacked("fashion_mnist", limit=200))
    idx = open_images(unpacked("fashion_mnist", limit=200, form="idx"))
    assert folder.pixels.shape == idx.pixels.shape == (400, 28, 28, 1)
    assert sorted(map(bytes, folder.digests)) == sorted(map(bytes, idx.digests))
    assert idx.splits == ["train"] * 200 + ["test"] * 200
    assert len(set(idx.labels["label"])) == 10


def test_flowers(unpacked):
    opened = open_images(unpacked("flowers5", limit=50))
    assert opened.pixels.shape == (50, 128, 128, 3)
    assert all(opened.labels["label"])
    assert opened.skipped == []
