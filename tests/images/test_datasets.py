"""Data sets of other libraries, by stand-ins that look like them; torch is real."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from augmap.errors import InputError
from augmap.images import store
from augmap.images.open import open_images

COLOUR = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), np.uint8)


class Items:
    """A torch-like data set; it notes the threads that ask and the order."""

    def __init__(self, make, n=70, **attributes):
        self.make, self.n = make, n
        self.asked, self.threads = [], set()
        self.__dict__.update(attributes)

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.asked.append(i)
        self.threads.add(threading.current_thread())
        return self.make(i)


def test_torch_data_set():
    torch = pytest.importorskip("torch")

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return 70

        def __getitem__(self, i):
            return torch.from_numpy(COLOUR[i]).permute(2, 0, 1) / 255, torch.tensor(i % 3)

    opened = open_images(Pairs())
    np.testing.assert_array_equal(opened.pixels, COLOUR)
    assert opened.labels["label"] == [str(i % 3) for i in range(70)]
    with pytest.raises(InputError, match=r"DataLoader: a data loader: pass its data set \(loader.dataset\)"):
        open_images(torch.utils.data.DataLoader(Pairs()))

    tensors = torch.utils.data.TensorDataset(torch.from_numpy(COLOUR).permute(0, 3, 1, 2), torch.arange(70))
    assert open_images(tensors).labels["label"][69] == "69"


@pytest.mark.parametrize(
    "make",
    [
        lambda i: COLOUR[i],
        lambda i: (COLOUR[i], i % 2),
        lambda i: (Image.fromarray(COLOUR[i]), np.int64(i % 2)),
        lambda i: {"img": COLOUR[i], "label": i % 2},
        lambda i: (COLOUR[i], {"boxes": []}),
    ],
)
def test_items_of_any_kind(make):
    source = Items(make, classes=["cat", "dog"])
    opened = open_images(source)
    np.testing.assert_array_equal(opened.pixels, COLOUR)
    assert source.threads == {threading.main_thread()}
    assert source.asked[-70:] == list(range(70))
    item = make(1)
    has_label = isinstance(item, dict) or (isinstance(item, tuple) and not isinstance(item[1], dict))
    assert opened.labels == ({"label": ["cat", "dog"] * 35} if has_label else {})
    assert open_images(source, labels="none").labels == {}


def test_targets_are_known_before(tmp_path):
    opened = open_images(Items(lambda i: (COLOUR[i], "?"), targets=[0] * 70, classes=["only"]))
    assert opened.labels == {"label": ["only"] * 70}


def test_large_data_set_goes_to_a_store(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "IN_MEMORY_BYTES", 1000)
    source = Items(lambda i: (COLOUR[i], i))
    for _ in range(2):
        opened = open_images(source, cache=tmp_path)
        assert isinstance(opened.pixels, np.memmap)
        np.testing.assert_array_equal(opened.pixels, COLOUR)
        assert opened.labels["label"][5] == "5"
    assert len(list(tmp_path.iterdir())) == 1
    assert not isinstance(open_images(source, store=False).pixels, np.memmap)


def test_items_that_are_no_images():
    with pytest.raises(InputError, match="item 0 of the data set is a int; it must be a PIL image, an array"):
        open_images(Items(lambda i: 3))
    with pytest.raises(InputError, match=r"have no image, only \['text'\]; name it 'image'"):
        open_images(Items(lambda i: {"text": 3}))
    with pytest.raises(InputError, match=r"Items of 70 images, image '000000': .* do not normalise"):
        open_images(Items(lambda i: COLOUR[i] / 100 - 1))
    for shape in ((60,), (2, 8, 8, 3)):
        with pytest.raises(InputError, match=r"must have shape \(h, w\) or \(h, w, c\), got"):
            open_images(Items(lambda i, shape=shape: np.zeros(shape)))
    with pytest.raises(InputError, match="Items is empty"):
        open_images(Items(lambda i: COLOUR[i], n=0))
    with pytest.raises(InputError, match="from a generator: read in a stream"):
        open_images(x for x in COLOUR)
    with pytest.raises(InputError, match="from a int: not known"):
        open_images(3)


def test_like_torchvision_arrays():
    grey = Items(None, data=COLOUR[..., 0], targets=list(range(70)), classes=[f"c{i}" for i in range(70)])
    opened = open_images(grey)
    assert np.shares_memory(opened.pixels, COLOUR) or (opened.pixels[..., 0] == COLOUR[..., 0]).all()
    assert opened.labels["label"][69] == "c69"
    first = Items(None, data=COLOUR.transpose(0, 3, 1, 2).copy(), targets=list(range(70)))
    np.testing.assert_array_equal(open_images(first).pixels, COLOUR)
    # a transform of the user's counts
    half = Items(lambda i: (COLOUR[i] // 2, 0), data=COLOUR, targets=[0] * 70, transform=lambda x: x)
    np.testing.assert_array_equal(open_images(half).pixels, COLOUR // 2)


def test_like_torchvision_image_folder(write, tmp_path):
    samples = [(str(write(f"{c}/{i}.png")), k) for k, c in enumerate("ab") for i in range(2)]
    write("a/zero.png").write_bytes(b"")
    samples.append((str(tmp_path / "in/a/zero.png"), 0))
    source = Items(
        lambda i: pytest.fail("the files are read, not the items"), n=5, samples=samples, classes=["A", "B"]
    )
    opened = open_images(source)
    assert opened.names == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
    assert opened.labels == {"label": ["A", "A", "B", "B"]}
    assert [s.name for s in opened.skipped] == ["a/zero.png"]


class Image_:  # noqa: N801
    """Like datasets.Image."""

    def __init__(self, decode=True):
        self.decode = decode


class ClassLabel:
    """Like datasets.ClassLabel."""

    def __init__(self, names):
        self.names = names


Image_.__name__ = "Image"


class Table:
    """Like datasets.Dataset."""

    _fingerprint = "f1"

    def __init__(self, columns, features):
        self.columns, self.features, self.column_names = columns, features, list(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        return {k: v[key] for k, v in self.columns.items()}

    def cast_column(self, name, feature):
        assert feature.decode is False
        return Table(self.columns, {**self.features, name: feature})


def test_like_hugging_face(write, tmp_path):
    files = [write(f"{i}.png", 8 + i, 8) for i in range(3)]
    images = [{"bytes": files[0].read_bytes(), "path": None}, {"bytes": None, "path": str(files[1])}]
    images.append({"bytes": b"broken", "path": None})
    columns = {"coarse": [0, 1, 0], "img": images, "label": [1, 0, -1], "text": ["a", "b", "c"]}
    features = {
        "coarse": ClassLabel(["x", "y"]),
        "img": Image_(),
        "label": ClassLabel(["cat", "dog"]),
        "text": str,
    }
    opened = open_images(Table(columns, features), cache=tmp_path / "c")
    assert opened.names == ["000000", "000001"]
    assert opened.labels == {"label": ["dog", "cat"], "coarse": ["x", "y"]}
    assert opened.skipped[0].reason == "not an image"
    again = open_images(
        Table(columns, features), cache=tmp_path / "c", progress=lambda *_: pytest.fail("decoded again")
    )
    assert again.fingerprint == opened.fingerprint
    both = open_images({"train": Table(columns, features), "test": Table(columns, features)}, store=False)
    assert both.names[:3] == ["train/000000", "train/000001", "test/000000"]
    assert both.splits == ["train", "train", "test", "test"]
    with pytest.raises(InputError, match="no column of type Image"):
        open_images(Table({"text": ["a"]}, {"text": str}))


def test_no_torch_unless_handed_in():
    code = (
        "import sys, numpy as np; from augmap.images.open import open_images;"
        "open_images(np.zeros((2, 9, 8), np.uint8), image_size=4, store=False);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(p for p in sys.path if p)}
    )


def test_a_dict_of_images_and_labels_is_not_one_of_splits():
    arrays = {"images": np.zeros((4, 8, 8), np.uint8), "labels": np.arange(4)}
    with pytest.raises(InputError, match=r"for each split \(train, test\), got 'images', 'labels'; .*pairs"):
        open_images(arrays)


@pytest.mark.parametrize(
    "make", [lambda i: (COLOUR[i], "ab"[i % 2]), lambda i: {"image": COLOUR[i], "label": "ab"[i % 2]}]
)
def test_a_list_of_pairs_is_a_data_set(make):
    opened = open_images([make(i) for i in range(6)])
    np.testing.assert_array_equal(opened.pixels, COLOUR[:6])
    assert opened.labels == {"label": ["a", "b"] * 3}


def test_labels_that_are_numbers_with_a_point():
    opened = open_images(Items(lambda i: (COLOUR[i], np.float64(i % 2))))
    assert set(opened.labels["label"]) == {"0", "1"}


@pytest.mark.parametrize("source", [b"abc", {1, 2}, {}])
def test_what_is_no_stream_is_not_called_one(source):
    with pytest.raises(InputError, match="pass a list, an array, a data set, or the path of"):
        open_images(source)
