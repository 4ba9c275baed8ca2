"""The official batches: rows, classes, splits; and that a pickle cannot do anything here."""

from __future__ import annotations

import os
import pickle
import shutil
import tarfile

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.images import unpickle
from augmap.images.open import open_images

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 32, 32, 3), np.uint8)
FLAT = PIXELS.transpose(0, 3, 1, 2).reshape(6, 3072)


def old_names(blob: bytes) -> bytes:
    """Return a pickle as numpy 1 wrote it."""
    return blob.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.fixture(params=["old", "new"])
def ten(tmp_path, request):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = [f"{'ab'[i % 2]}_{i}.png".encode() for i in range(6)]
    for name, rows in (("data_batch_2", [2, 3]), ("data_batch_1", [0, 1]), ("test_batch", [4, 5])):
        blob = {
            b"data": FLAT[rows],
            b"labels": [i % 2 for i in rows],
            b"filenames": [names[i] for i in rows],
            b"batch_label": b"x",
        }
        data = pickle.dumps(blob, 2)
        (folder / name).write_bytes(old_names(data) if request.param == "old" else data)
    (folder / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [b"cat", b"dog"], b"num_vis": 3072}, 2)
    )
    (folder / "readme.html").write_text("x")
    return folder


def test_cifar10(ten, tmp_path):
    expected = ["train/cat/a_0.png", "train/dog/b_1.png", "train/cat/a_2.png", "train/dog/b_3.png"]
    expected += ["test/cat/a_4.png", "test/dog/b_5.png"]
    np.testing.assert_array_equal(open_images(ten.parent).pixels, PIXELS)  # the folder around it will do
    packed = shutil.make_archive(str(tmp_path / "cifar-10-python"), "gztar", tmp_path, ten.name)
    for source in (ten, packed):
        opened = open_images(source)
        assert opened.names == expected
        assert opened.splits == ["train"] * 4 + ["test"] * 2
        assert opened.labels == {"label": ["cat", "dog"] * 3}
        np.testing.assert_array_equal(opened.pixels, PIXELS)


def test_cifar100(tmp_path):
    for name, rows in (("train", [0, 1, 2, 3]), ("test", [4, 5])):
        blob = {
            "data": FLAT[rows],
            "fine_labels": [i % 3 for i in rows],
            "coarse_labels": [i % 2 for i in rows],
            "filenames": [f"{i}.png" for i in rows],
        }
        (tmp_path / name).write_bytes(pickle.dumps(blob, 4))
    meta = {"fine_label_names": ["apple", "baby", "bear"], "coarse_label_names": ["fruit", "people"]}
    (tmp_path / "meta").write_bytes(pickle.dumps(meta, 4))
    opened = open_images(tmp_path)
    assert opened.names[:2] == ["train/apple/0.png", "train/baby/1.png"]
    assert list(opened.labels) == ["label", "coarse_label"]
    assert opened.labels["coarse_label"] == ["fruit", "people"] * 3
    np.testing.assert_array_equal(opened.pixels, PIXELS)


class Bang:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "call",
    [(os.mkdir, ("executed",)), (eval, ("__import__('os').mkdir('executed')",)), (np.save, ("executed", 1))],
)
def test_nothing_is_executed(call, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": Bang(*call), "labels": [1]}, protocol))
    with pytest.raises(
        InputError, match=r"data_batch_1 is not an official CIFAR batch: it names .* which is not data"
    ):
        open_images(tmp_path)
    assert os.listdir() == ["data_batch_1"]


@pytest.mark.parametrize("protocol", range(6))
def test_reader(protocol):
    for array in (PIXELS, np.float32([1.5]), np.asfortranarray(FLAT), np.arange(3, dtype=">i4")):
        found = unpickle.loads(pickle.dumps({"a": [array, "é", b"\xff", 1, 2.5, None, True]}, protocol))["a"]
        np.testing.assert_array_equal(found[0], array)
        assert found[1:] == ["é", b"\xff", 1, 2.5, None, True]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([Bang(os.mkdir, ("x",))], dtype=object), "not data"),
        (np.array([1, "a"], dtype=object), "not read"),
        (np.zeros(1, [("a", "i4")]), "not read|damaged"),
        ({1, 2}, "not data"),
        (np.dtype("u1"), "not data"),
        (lambda: 0, None),
    ],
)
def test_reader_refuses(value, message):
    if message is None:
        blob = b"cbuiltins\nexec\n(S'1'\ntR."
        message = "names builtins.exec, which is not data"
    else:
        blob = pickle.dumps(value, 2)
    with pytest.raises(pickle.UnpicklingError, match=message):
        unpickle.loads(blob)


@pytest.mark.parametrize(
    "blob", [b"", b"no pickle", pickle.dumps(PIXELS)[:500], b"(" * 9, b"\x80\x02K\x01Q."]
)
def test_damaged_pickles(blob):
    with pytest.raises(pickle.UnpicklingError, match=r".+"):
        unpickle.loads(blob)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": FLAT[:, :99]}, "no 'data' of shape"),
        ({"labels": [0]}, "holds no labels for its 2 images"),
        ({"labels": [0, 9]}, "labels outside its 2 classes"),
    ],
)
def test_batches_that_are_wrong(ten, change, message):
    good = {"data": FLAT[:2], "labels": [0, 1]}
    (ten / "data_batch_1").write_bytes(pickle.dumps({**good, **change}))
    with pytest.raises(InputError, match=message):
        open_images(ten)


def test_damaged_tar(ten, tmp_path):
    path = tmp_path / "x" / "cifar-10-python.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as out:
        out.add(ten, "cifar-10-batches-py")
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(InputError, match=r"the archive is damaged .* download it again"):
        open_images(path)
