"""Labels that train: of the training split alone."""

import re

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.images.classes import fingerprint, training_classes
from augmap.images.open import open_images


@pytest.fixture
def opened(write, tmp_path):
    def make(*names):
        for name in names:
            write(name)
        return open_images(tmp_path / "in")

    return make


def test_without_splits_all_labels_train(opened):
    images = opened("dog/a.png", "cat/b.png", "cat/c.png", "d.png")
    assert images.names == ["cat/b.png", "cat/c.png", "d.png", "dog/a.png"]
    assert training_classes(images).tolist() == [0, 0, -1, 1]


def test_with_splits_those_of_train_alone(opened):
    images = opened("train/dog/a.png", "train/cat/b.png", "test/cat/c.png", "val/cat/d.png", "loose/e.png")
    assert dict(zip(images.names, training_classes(images).tolist(), strict=True)) == {
        "loose/e.png": -1, "test/cat/c.png": -1, "train/cat/b.png": 0, "train/dog/a.png": 1,
        "val/cat/d.png": -1,
    }  # fmt: skip


def test_a_label_of_the_test_split_makes_no_class(opened):
    images = opened("train/dog/a.png", "train/cat/b.png", "test/ant/c.png")
    assert training_classes(images).max() == 1


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a.png", "b.png"], "trains on labels, and these images have none; give --labels FILE.csv, or"),
        (["test/cat/a.png", "test/dog/b.png"], "only images of the split 'train' may train a supervised"),
        (["cat/a.png", "cat/b.png"], "needs at least 2 different labels, all 2 training images have 'cat'"),
        (["train/cat/a.png", "test/dog/b.png"], "needs at least 2 different labels, all 1 training images"),
    ],
)
def test_refuses(opened, names, says):
    with pytest.raises(InputError, match=re.escape(says)):
        training_classes(opened(*names))


def test_which_labels_these_are():
    one, other = np.array([0, 1, -1]), np.array([0, 1, 1])
    assert fingerprint(one) == fingerprint(one.copy()) != fingerprint(other)
