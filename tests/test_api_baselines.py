"""The baselines that train, from the outside: maps like any other, and what labels may do."""

from __future__ import annotations

import dataclasses
import os
import signal

import numpy as np
import pytest

import augmap
from augmap.errors import InputError, Interrupted
from augmap.images.open import open_images


def images(n=64, size=8):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 1), dtype=np.uint8)


def span(m):
    return np.ptp(m.positions, axis=0).max()


SMALL = {"backbone": "slim", "batch_size": 32, "precision": "float32"}


@pytest.fixture(scope="module")
def labelled():
    """Half of 64 images are of a training split; what a test image is called stands in no training image."""
    plain = open_images(images())
    splits = ["train", "test"] * 32
    names = [str(i // 2 % 2) if s == "train" else "unheard" for i, s in enumerate(splits)]
    return dataclasses.replace(plain, splits=splits, labels={"label": names})


@pytest.mark.parametrize(
    ("preset", "epochs", "dim", "method"),
    [("simclr", (1,), 128, "SimCLR"), ("parametric-tsne", (1,), 2, "parametric t-SNE"),
     ("parametric-umap", (1,), 2, "parametric UMAP"), ("supervised", (1, 1), 2, "supervised")],
)  # fmt: skip
def test_a_baseline_is_a_map_like_any_other(labelled, tmp_path, preset, epochs, dim, method):
    made = augmap.fit(labelled, output=tmp_path / "m", preset=preset, epochs=epochs, **SMALL)
    assert (made.info["method"], made.dim, made.config.preset) == (method, dim, preset)
    again = augmap.load(tmp_path / "m").embed(images()[:5])
    assert np.abs(again.positions - made.positions[:5]).max() < 1e-5 * span(made)
    config = augmap.load(tmp_path / "m").config
    np.testing.assert_array_equal(augmap.fit(labelled, config=config).positions, made.positions)


def test_labels_of_the_test_split_train_nothing_and_those_of_train_do(labelled):
    def positions(change, **options):
        names = [
            change.get(s, name) for s, name in zip(labelled.splits, labelled.labels["label"], strict=True)
        ]
        given = dataclasses.replace(labelled, labels={"label": names})
        return augmap.fit(given, preset="supervised", epochs=(1, 1), **SMALL, **options)

    one = positions({})
    assert one.config.stages[0].dim == 2
    np.testing.assert_array_equal(one.positions, positions({"test": ""}).positions)
    moved = dataclasses.replace(
        labelled, labels={"label": ["1" if i == 0 else v for i, v in enumerate(labelled.labels["label"])]}
    )
    other = augmap.fit(moved, preset="supervised", epochs=(1, 1), **SMALL)
    assert not np.array_equal(one.positions, other.positions)


def test_labels_do_not_reach_another_preset(labelled):
    options = {"preset": "parametric-tsne", "epochs": (1,), **SMALL}
    blind = augmap.fit(dataclasses.replace(labelled, labels={}), **options)
    np.testing.assert_array_equal(blind.positions, augmap.fit(labelled, **options).positions)


def test_a_supervised_encoder_needs_labels():
    with pytest.raises(InputError, match="trains on labels, and these images have none; give --labels FILE"):
        augmap.fit(images(), preset="supervised", epochs=(1, 1), **SMALL)


def test_a_supervised_run_is_not_gone_on_with_other_labels(labelled, tmp_path):
    def stop(report):
        if report.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    options = {"preset": "supervised", "epochs": (4, 1), "output": tmp_path / "m", **SMALL, "batch_size": 8}
    with pytest.raises(Interrupted, match="go on with --resume"):
        augmap.fit(labelled, listeners=[stop], **options)
    moved = dataclasses.replace(
        labelled, labels={"label": ["1" if i == 0 else v for i, v in enumerate(labelled.labels["label"])]}
    )
    with pytest.raises(InputError, match="the checkpoint was made with labels"):
        augmap.fit(moved, resume=True, **options)
    assert augmap.fit(labelled, resume=True, **options).info["history"]["resumed_steps"] == [3]
