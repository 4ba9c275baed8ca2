"""Arrays in files and in memory: what is taken, what is refused and with which advice."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from augmap.errors import InputError
from augmap.images.open import open_images

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (7, 8, 8), np.uint8)
COLOUR = RANDOM.integers(0, 256, (7, 8, 8, 3), np.uint8)


def test_uint8_is_used_where_it_lies():
    opened = open_images(COLOUR)
    assert opened.pixels is COLOUR or np.shares_memory(opened.pixels, COLOUR)
    assert opened.names[:2] == ["000000", "000001"]
    assert (opened.labels, opened.skipped) == ({}, [])
    assert np.shares_memory(open_images(GREY).pixels, GREY)
    assert open_images(GREY).pixels.shape == (7, 8, 8, 1)


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 13])
def test_any_number_of_channels(channels):
    array = RANDOM.integers(0, 256, (3, 12, 8, channels), np.uint8)
    opened = open_images(array, image_size=8)
    np.testing.assert_array_equal(opened.pixels, array[:, 2:10])
    assert opened.preprocessing.channels == channels
    assert open_images(array, image_size=5).pixels.shape == (3, 5, 5, channels)


def test_floats():
    floats = np.float64([[[0, 0.5], [1, 0.1]]])
    assert open_images(floats).pixels[0, :, :, 0].tolist() == [[0, 128], [255, 26]]
    exact = (np.arange(256, dtype=np.float32) / 255).reshape(1, 16, 16)
    np.testing.assert_array_equal(open_images(exact).pixels.ravel(), np.arange(256))
    assert open_images(np.array([[[True, False], [False, True]]])).pixels.ravel().tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 4, 4), 16.0), r"must lie in \[0, 1\], got \[16, 16\]: pass X / 255, X / X.max\(\)"),
        (np.full((2, 4, 4), -0.1), r"got \[-0.1, -0.1\]"),
        (np.full((2, 4, 4), np.nan), "NaN or infinite"),
        (np.full((2, 4, 4), np.inf), "NaN or infinite"),
        (np.full((2, 4, 4), 300), r"got int64 \(values 300..300\): pass X.astype\(numpy.uint8\)"),
        (np.full((2, 4, 4), 300, np.uint16), r"got uint16 \(values 300..300\)"),
        (np.zeros((5, 64)), r"shape \(5, 64\) is flat; .*X.reshape\(-1, 8, 8\)"),
        (np.zeros((5, 65)), r"X.reshape\(-1, height, width\)"),
        (np.zeros(5), r"must have shape \(n, h, w\) or \(n, h, w, c\), got \(5,\)"),
        (np.zeros((2, 3, 32, 32), np.uint8), r"looks like \(n, c, h, w\).*X.transpose\(0, 2, 3, 1\)"),
        (np.zeros((0, 8, 8), np.uint8), "holds no images"),
        (np.full((2, 4, 4), "a"), "must be uint8 or floats"),
        (np.full((2, 4, 4), None), "must be uint8 or floats"),
        (np.zeros((2, 4, 4), complex), "must be uint8 or floats"),
    ],
)
def test_refused(array, message):
    with pytest.raises(InputError, match=message):
        open_images(array)


def test_floats_that_miss_the_range_by_their_rounding_are_taken():
    array = np.full((2, 4, 4), 1 + 2**-23, np.float32)
    array[0] = -1e-7
    assert open_images(array).pixels.ravel().tolist() == [0] * 16 + [255] * 16
    with pytest.raises(InputError, match=r"must lie in \[0, 1\], got \[0, 1.00001\]"):
        open_images(np.linspace(0, 1.00001, 16).reshape(1, 4, 4))
    with pytest.raises(InputError, match=r"got \[0, 1.000002\]"):
        open_images(np.linspace(0, 1.000002, 16).reshape(1, 4, 4))


def test_one_bad_row_is_named():
    array = np.zeros((100, 4, 4))
    array[77, 0, 0] = 2
    with pytest.raises(
        InputError, match=r"image '000077': images of float64 must lie in \[0, 1\], got \[0, 2\]"
    ):
        open_images(array)


def test_channels_as_asked_for():
    np.testing.assert_array_equal(open_images(GREY, channels=3).pixels, np.repeat(GREY[..., None], 3, 3))
    luma = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in COLOUR])[..., None]
    np.testing.assert_array_equal(open_images(COLOUR, channels=1).pixels, luma)
    clear = np.concatenate([COLOUR, np.zeros((7, 8, 8, 1), np.uint8)], 3)
    assert (open_images(clear, channels=3).pixels == 255).all()
    with pytest.raises(InputError, match=r"have 3 channels, 2 are asked for.*X\[..., :2\]"):
        open_images(COLOUR, channels=2)
    with pytest.raises(InputError, match=r"have 2 channels, 3 are asked for; pass images that have them"):
        open_images(COLOUR[..., :2], channels=3)


BYTES = np.zeros((60, 40, 13), np.uint8)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (BYTES[:32, :, :3], r"array: shape \(32, 40, 3\) may be one image or 32 .*X\[None\].*X\[..., None\]"),
        (BYTES[:32, :, :4], r"shape \(32, 40, 4\) may be one image"),
        (BYTES[:, :, :1], r"shape \(60, 40, 1\) may be one image"),
        (np.zeros((50, 3, 32, 48), np.uint8), r"looks like \(n, c, h, w\).*X.transpose\(0, 2, 3, 1\)"),
        (np.zeros((50, 1, 28, 28), np.uint8), r"looks like \(n, c, h, w\)"),
        (np.zeros((50, 4, 16, 12), np.uint8), r"looks like \(n, c, h, w\)"),
    ],
)
def test_one_image_or_another_order_is_not_taken_for_many(array, message):
    with pytest.raises(InputError, match=message):
        open_images(array)


def test_the_other_reading_is_at_hand(tmp_path):
    picture = BYTES[:32, :, :3]
    assert open_images(picture[None], image_size=8).pixels.shape == (1, 8, 8, 3)
    assert open_images(picture[..., None], image_size=8).pixels.shape == (32, 8, 8, 1)
    # as many labels as rows: then the rows are images
    np.savez(tmp_path / "a.npz", images=picture, labels=np.arange(32))
    assert len(open_images(tmp_path / "a.npz")) == 32
    np.save(tmp_path / "a.npy", picture)
    with pytest.raises(InputError, match=r"a.npy: shape \(32, 40, 3\) may be one image"):
        open_images(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "shape", [(9, 3, 3), (9, 4, 4), (9, 1, 1), (9, 2, 3), (3, 8, 8), (4, 9, 5), (1, 8, 8)]
)
def test_grey_images_of_any_shape_that_only_many_can_have(shape):
    assert len(open_images(np.zeros(shape, np.uint8), image_size=2)) == shape[0]


@pytest.mark.parametrize("shape", [(9, 3, 3, 5), (9, 12, 8, 13), (9, 1, 1, 6), (9, 4, 4, 64), (9, 3, 20, 4)])
def test_small_images_of_many_channels(shape):
    assert open_images(np.zeros(shape, np.uint8), image_size=2).pixels.shape == (9, 2, 2, shape[3])


def test_a_list_holds_one_image_an_item():
    X, y = np.zeros((60, 8, 8, 3), np.uint8), np.arange(60)
    for pair in ((X, X[:30]), (X, y), [X]):
        with pytest.raises(InputError, match=r"item 0 is an array of shape \(60, 8, 8, 3\), not one image"):
            open_images(pair)
    for pair in ((X[..., 0], X[:30, ..., 0]), (X[..., 0], y)):
        with pytest.raises(
            InputError, match=r"item 0 is an array of shape \(60, 8, 8\), not one image \(h, w"
        ):
            open_images(pair)
    with pytest.raises(InputError, match=r"item 1 is an array of shape \(60,\), not one image"):
        open_images([X[0], y])
    many = [np.zeros((9, 8, 5), np.uint8)] * 3
    assert open_images(np.stack(many), image_size=8).pixels.shape == (3, 8, 8, 5)
    assert len(open_images(many, image_size=8)) == 3


@pytest.mark.parametrize("mapped", [True, False])
def test_npy(tmp_path, mapped):
    path = tmp_path / "a.npy"
    np.save(path, COLOUR if mapped else COLOUR / 255)
    opened = open_images(path)
    np.testing.assert_array_equal(opened.pixels, COLOUR)
    assert isinstance(opened.pixels, np.memmap)
    again = open_images(path, progress=lambda *_: pytest.fail("decoded again"))
    assert again.fingerprint == opened.fingerprint == open_images(COLOUR).fingerprint


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    names = np.array([f"train/é{i}.png" for i in range(7)])
    path = tmp_path / "a.npz"
    save(path, images=COLOUR, labels=np.arange(7) % 2, names=names, classes=np.array(["cat", "dog"]))
    opened = open_images(path)
    np.testing.assert_array_equal(opened.pixels, COLOUR)
    assert isinstance(opened.pixels, np.memmap) == (save is np.savez)
    assert opened.names == names.tolist()
    assert opened.splits == ["train"] * 7
    assert opened.labels == {"label": ["cat", "dog"] * 3 + ["cat"]}


@pytest.mark.parametrize("key", ["x", "X", "data", "arr_0", "whatever"])
def test_npz_keys(tmp_path, key):
    np.savez(tmp_path / "a.npz", **{key: GREY, "y": np.arange(7), "coarse_label": np.arange(7) // 2})
    opened = open_images(tmp_path / "a.npz")
    np.testing.assert_array_equal(opened.pixels[..., 0], GREY)
    assert opened.labels["label"] == list("0123456")
    assert opened.labels["coarse_label"] == list("0011223")


def test_float_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY[:4], labels=[1.0, 2.5, np.nan, 0.0])
    assert open_images(tmp_path / "a.npz").labels == {"label": ["1", "2.5", "", "0"]}


def test_large_whole_numbers_stay_apart_as_labels(tmp_path):
    values = [1234567.0, 1234568.0, -0.0, 0.1, 1e20, np.inf]
    np.savez(tmp_path / "a.npz", images=GREY[:6], labels=values)
    found = open_images(tmp_path / "a.npz").labels["label"]
    assert found == ["1234567", "1234568", "0", "0.1", "100000000000000000000", "inf"]
    np.savez(tmp_path / "b.npz", images=GREY[:2], labels=np.float32([0.1, 2]))
    assert open_images(tmp_path / "b.npz").labels["label"] == ["0.1", "2"]


def test_npz_names(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY, names=np.array([b"same"] * 7))
    opened = open_images(tmp_path / "a.npz")
    assert opened.names[6] == "000006"
    assert "names are not unique" in opened.notes[0]


def test_npz_that_is_no_use(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=GREY, b=GREY)
    with pytest.raises(InputError, match=r"which array holds the images\? Name it 'images'; .*a \(7, 8, 8\)"):
        open_images(path)
    np.savez(path, images=GREY, labels=np.arange(3))
    with pytest.raises(InputError, match="3 values of 'label' for 7 images"):
        open_images(path)
    np.savez(path, images=GREY, names=np.array(["a"]))
    with pytest.raises(InputError, match="1 names for 7 images"):
        open_images(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"cannot be read as .npz"):
        open_images(path)
    (tmp_path / "a.npy").write_bytes(b"no")
    with pytest.raises(InputError, match="cannot be read as an array"):
        open_images(tmp_path / "a.npy")


class Bang:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_nothing_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.array([Bang()], dtype=object), allow_pickle=True)
    np.savez("a.npz", images=np.array([Bang()], dtype=object))
    np.savez("b.npz", images=GREY, labels=np.array([Bang()] * 7, dtype=object))
    for name in ("a.npy", "a.npz", "b.npz"):
        with pytest.raises(InputError, match="cannot be read"):
            open_images(name)
    assert not os.path.exists("executed")


def test_folder_of_npz(tmp_path):
    np.savez(tmp_path / "train.npz", images=COLOUR, labels=np.arange(7))
    np.savez(tmp_path / "test.npz", images=COLOUR[:2], labels=np.arange(2))
    opened = open_images(tmp_path)
    assert opened.names[:2] == ["test/000000", "test/000001"]
    assert opened.splits == ["test"] * 2 + ["train"] * 7
    assert opened.labels["label"] == [*"01", *"0123456"]
    np.testing.assert_array_equal(opened.pixels, np.concatenate([COLOUR[:2], COLOUR]))
    assert open_images(tmp_path, only_split="train").fingerprint != opened.fingerprint


def test_lists_of_pictures_and_arrays():
    pictures = [Image.fromarray(x) for x in COLOUR]
    np.testing.assert_array_equal(open_images(pictures).pixels, COLOUR)
    np.testing.assert_array_equal(open_images(list(COLOUR)).pixels, COLOUR)
    mixed = open_images([np.zeros((9, 12, 3), np.uint8), np.zeros((20, 10, 3), np.uint8)])
    assert mixed.pixels.shape == (2, 9, 9, 3)
    with pytest.raises(InputError, match="of one kind; item 1 is int"):
        open_images([pictures[0], 3])


def test_selection_of_a_mapped_array(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        images=COLOUR,
        names=np.array([f"{'train' if i % 2 else 'test'}/{i}" for i in range(7)]),
    )
    np.testing.assert_array_equal(open_images(tmp_path / "a.npz", only_split="train").pixels, COLOUR[1::2])


def test_tensors():
    torch = pytest.importorskip("torch")
    first = torch.from_numpy(COLOUR.transpose(0, 3, 1, 2).copy())
    for tensor in (first, first.float() / 255, torch.from_numpy(COLOUR)):
        np.testing.assert_array_equal(open_images(tensor).pixels, COLOUR)
    np.testing.assert_array_equal(open_images(torch.from_numpy(GREY)).pixels[..., 0], GREY)
    assert open_images(torch.zeros(2, 5, 8, 8)).pixels.shape == (2, 8, 8, 5)
    half = torch.zeros(2, 1, 8, 8, dtype=torch.bfloat16, requires_grad=True)
    assert open_images(half).pixels.shape == (2, 8, 8, 1)
    np.testing.assert_array_equal(open_images(list(first)).pixels, COLOUR)


def test_one_tensor_is_not_taken_for_many():
    torch = pytest.importorskip("torch")
    one = torch.zeros(3, 32, 40)
    with pytest.raises(
        InputError, match=r"tensor: shape \(3, 32, 40\) may be one image.*X\[None\].*X\[:, None\]"
    ):
        open_images(one)
    assert open_images(one[None], image_size=8).pixels.shape == (1, 8, 8, 3)
    assert open_images(one[:, None], image_size=8).pixels.shape == (3, 8, 8, 1)
    with pytest.raises(InputError, match=r"tensor: shape \(32, 40, 3\) may be one image"):
        open_images(torch.zeros(32, 40, 3))
    assert open_images(torch.zeros(1, 32, 40), image_size=8).pixels.shape == (1, 8, 8, 1)
    with pytest.raises(InputError, match=r"item 0 is an array of shape \(60, 3, 8, 8\), not one image"):
        open_images((torch.zeros(60, 3, 8, 8), torch.arange(60)))
