"""idx files, plain and compressed, alone and by the four."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.images.open import open_images

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(params=[".gz", ""])
def four(tmp_path, request):
    for split, rows in (("train", slice(0, 3)), ("t10k", slice(3, 5))):
        for kind, data in (
            ("images-idx3", IMAGES[rows]),
            ("labels-idx1", np.arange(5, dtype=np.uint8)[rows]),
        ):
            content = idx(data)
            path = tmp_path / f"{split}-{kind}-ubyte{request.param}"
            path.write_bytes(gzip.compress(content) if request.param else content)
    return tmp_path


def test_all_four(four):
    opened = open_images(four)
    assert opened.names == ["train/000000", "train/000001", "train/000002", "test/000000", "test/000001"]
    assert opened.splits == ["train"] * 3 + ["test"] * 2
    assert opened.labels == {"label": list("01234")}
    assert opened.preprocessing.channels == 1
    np.testing.assert_array_equal(opened.pixels[..., 0], IMAGES)


def test_one_file(four):
    (path,) = four.glob("t10k-images*")
    opened = open_images(path)
    assert opened.names == ["000000", "000001"]
    assert opened.splits == ["test"] * 2
    assert opened.labels == {"label": ["3", "4"]}
    assert isinstance(opened.pixels, np.memmap) == (path.suffix != ".gz")
    next(four.glob("t10k-labels*")).unlink()
    assert open_images(path).labels == {}


def test_any_name_and_colour(tmp_path):
    colour = np.random.default_rng(1).integers(0, 256, (2, 6, 6, 3), np.uint8)
    (tmp_path / "emnist.bin").write_bytes(idx(colour))
    np.testing.assert_array_equal(open_images(tmp_path / "emnist.bin").pixels, colour)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged(tmp_path, suffix):
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    pack = gzip.compress if suffix else bytes
    for content in (idx(IMAGES)[:-1], idx(IMAGES) + b"x"):
        path.write_bytes(pack(content))
        with pytest.raises(InputError, match=r"cut short or too long for its shape \(5, 28, 28\)"):
            open_images(path)
    path.write_bytes(pack(b"\0\0\x0d\x03" + bytes(20)))
    with pytest.raises(InputError, match="not an idx file of bytes"):
        open_images(path)
    path.write_bytes(gzip.compress(idx(IMAGES))[:-20] if suffix else b"\0\0\x08\x03\0")
    with pytest.raises(InputError, match="cannot be read as an idx file"):
        open_images(path)
    path.write_bytes(pack(idx(np.zeros((0, 3, 3), np.uint8))))
    with pytest.raises(InputError, match="holds no images"):
        open_images(path)


def test_a_size_that_lies_takes_no_memory(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 1 << 31, 1 << 10, 1 << 10)))
    with pytest.raises(InputError, match=r"run gunzip first"):
        open_images(path)


def test_labels_that_do_not_fit(four):
    (path,) = four.glob("train-labels*")
    content = idx(np.arange(4, dtype=np.uint8))
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    with pytest.raises(InputError, match="4 values of 'label' for 3 images"):
        open_images(four)
