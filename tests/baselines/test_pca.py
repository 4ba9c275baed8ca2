"""PCA: scikit-learn's answer, in blocks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from augmap.baselines import layout
from augmap.baselines.pca import pca, principal_components
from augmap.errors import InputError
from augmap.evaluate.knn import knn_accuracy
from augmap.images.open import open_images


@pytest.fixture
def images():
    """200 pictures of 8 x 8 with a falling spectrum, as pixels have it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 40)) * 2.0 ** -np.arange(40) @ rng.normal(size=(40, 192))
    x = 128 + 60 * x / np.abs(x).max()
    return x.clip(0, 255).astype(np.uint8).reshape(200, 8, 8, 3)


@pytest.mark.parametrize("block_bytes", [1, 5000, 1 << 20])
def test_it_is_that_of_scikit_learn(images, block_bytes, monkeypatch):
    monkeypatch.setattr(layout, "_BLOCK_BYTES", block_bytes)
    found, explained = principal_components(images, 3)
    full = PCA(3, svd_solver="full")
    expected = full.fit_transform(images.reshape(200, -1) / 255)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()  # worst seen: 3e-6
    np.testing.assert_allclose(explained, full.explained_variance_ratio_, rtol=1e-4)


def test_floats_are_taken_as_they_are_and_the_seed_does_not_matter_much(images):
    x = images.reshape(200, -1).astype(np.float32) / 255
    np.testing.assert_allclose(
        principal_components(x, 2, seed=1)[0], principal_components(images, 2, seed=2)[0], atol=1e-4
    )


def test_a_counted_answer():
    # along (3, 4) / 5 the rows lie at -5, 0, 5; across it at nothing
    x = np.array([[0, 0], [3, 4], [6, 8]], np.float32)
    found, explained = principal_components(x, 2)
    np.testing.assert_allclose(found, [[-5, 0], [0, 0], [5, 0]], atol=1e-5)
    np.testing.assert_allclose(explained, [1, 0], atol=1e-6)


def test_a_memory_map_is_read_in_blocks(images, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "_BLOCK_BYTES", 4 * 192 * 10)
    np.save(tmp_path / "x.npy", images)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    sizes = [len(block) for _, block in layout.blocks(mapped)]
    assert sizes == [10] * 20
    np.testing.assert_array_equal(principal_components(mapped, 2)[0], principal_components(images, 2)[0])


def test_progress_ends_at_all_images(images):
    seen = []
    principal_components(images, 2, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (200, 200)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_map_says_how_it_was_made(stripes):
    made = pca(stripes, dim=3, seed=5)
    assert made.dim == 3
    assert made.info["method"] == "PCA of pixels"
    assert made.info["settings"]["seed"] == 5
    assert made.info["fingerprint"] == stripes.fingerprint
    assert len(made.info["settings"]["explained_variance"]) == 3
    with pytest.raises(InputError, match="PCA of pixels cannot place new images"):
        made.embed(stripes)


def test_it_beats_a_random_layout(stripes):
    # phase and colour differ from picture to picture: two directions see some of it
    accuracy = knn_accuracy(pca(stripes).positions, np.array(stripes.labels["label"])).accuracy
    shuffled = np.random.default_rng(0).permutation(stripes.labels["label"])
    control = knn_accuracy(pca(stripes).positions, shuffled).accuracy
    assert accuracy > 0.5  # 0.58
    assert control < 0.45  # 0.27


@pytest.mark.parametrize("k", [0, -1, 6])
def test_components_out_of_range(k):
    with pytest.raises(InputError, match=rf"must lie in \[1, 5\] for 5 images of 9 numbers, got {k}"):
        principal_components(np.random.default_rng(0).normal(size=(5, 9)), k)


def test_equal_images_have_no_directions():
    with pytest.raises(InputError, match="all 4 images are equal"):
        pca(open_images(np.full((4, 8, 8, 3), 7, np.uint8)))
