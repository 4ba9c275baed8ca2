"""Features that the user brings: one row an image, from a file, an array or a network."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from augmap.baselines.features import features_tsne, features_umap, read_features
from augmap.errors import InputError
from augmap.evaluate.knn import knn_accuracy
from augmap.images.imageset import Skipped


@pytest.fixture
def h(stripes):
    """The kind of each picture in 3 of 8 columns, with noise."""
    kinds = np.array(stripes.labels["label"])
    columns = (kinds[:, None] == np.unique(kinds)).astype(np.float32)
    return np.hstack([4 * columns, np.zeros((120, 5), np.float32)]) + np.random.default_rng(0).normal(
        size=(120, 8)
    ).astype(np.float32)


def test_their_neighbours_make_the_map(stripes, h):
    made = features_tsne(stripes, h, perplexity=10, jobs=1, iterations=250)
    labels = made.labels
    assert knn_accuracy(made.positions, labels).accuracy > 0.9
    shuffled = features_tsne(
        stripes, np.random.default_rng(0).permutation(h), perplexity=10, jobs=1, iterations=250
    )
    assert knn_accuracy(shuffled.positions, labels).accuracy < 0.5
    np.testing.assert_array_equal(made.features, h)
    assert made.info["method"] == "t-SNE of features"
    assert made.info["read"] == {"source": "array"}
    with pytest.raises(InputError, match="t-SNE of features cannot place new images"):
        made.embed(stripes)


def test_umap_gets_the_features_and_its_settings(stripes, h, fake_umap):
    made = features_umap(stripes, h, neighbors=5, metric="cosine")
    np.testing.assert_array_equal(fake_umap["x"], h)
    assert (fake_umap["n_neighbors"], fake_umap["metric"]) == (5, "cosine")
    assert made.info["method"] == "UMAP of features"
    reduced = features_umap(stripes, h, pca=3)
    assert fake_umap["x"].shape == (120, 3)
    assert reduced.info["read"]["pca"] == 3
    assert reduced.features.shape == (120, 8)  # those that were brought


def test_features_can_be_whitened_before_the_layout(stripes, h, fake_umap):
    made = features_umap(stripes, h, whitening=1.0)
    np.testing.assert_allclose(np.cov(fake_umap["x"].T, bias=True), np.eye(8), atol=1e-4)
    assert made.info["read"]["whitening"] == 1.0
    np.testing.assert_array_equal(made.features, h)
    features_umap(stripes, h, whitening=0.0)
    np.testing.assert_allclose(
        fake_umap["x"].std(0), np.sqrt(np.linalg.eigvalsh(np.cov(h.T, bias=True)))[::-1], rtol=1e-4
    )
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match=r"whitening must lie in \[0, 1\], got"):
            features_umap(stripes, h, whitening=wrong)


@pytest.mark.parametrize("name", ["h.npy", "h.NPY", "h.npz"])
def test_files(stripes, h, tmp_path, name):
    path = tmp_path / name
    with path.open("wb") as file:
        if name == "h.npz":
            np.savez(file, features=h, names=np.array(stripes.names), other=np.zeros(3))
        else:
            np.save(file, h.astype(np.float64))
    found, what = read_features(path, stripes)
    np.testing.assert_allclose(found, h, rtol=1e-6)
    assert found.dtype == np.float32
    assert what == {"source": str(path)}


def test_a_lone_array_of_an_npz_needs_no_name(stripes, h, tmp_path):
    np.savez(tmp_path / "h.npz", anything=h)
    np.testing.assert_array_equal(read_features(tmp_path / "h.npz", stripes)[0], h)


def test_names_in_another_order_are_refused(stripes, h, tmp_path):
    names = np.array(stripes.names)
    np.savez(tmp_path / "h.npz", features=h[::-1], names=names[::-1])
    with pytest.raises(InputError, match=r"row 0 is 'down/39.png', image 'across/00.png'"):
        read_features(tmp_path / "h.npz", stripes)
    np.savez(tmp_path / "h.npz", features=h, names=names[:-1])
    with pytest.raises(InputError, match="there are 119"):
        read_features(tmp_path / "h.npz", stripes)


def bad(h):
    yield h[:-1], "119 rows of 8 features for 120 images"
    yield h[:, :0], "120 rows of 0 features"
    yield h[:, 0], r"shape \(n, f\), got float32 \(120,\)"
    yield h.astype(str), r"numbers of shape \(n, f\), got <U"
    yield h > 0, "got bool"
    yield h.astype(complex), "got complex"
    yield np.where(h == h.max(), np.nan, h), "features of 1 of 120 images are not finite"
    yield h.astype(np.float64) * 1e300, "features of 120 of 120 images are not finite"


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("case", range(8))
def test_arrays_that_do_not_fit(stripes, h, case):
    array, message = list(bad(h))[case]
    with pytest.raises(InputError, match=message):
        read_features(array, stripes)


def test_skipped_images_are_named_where_the_rows_do_not_fit(stripes, h):
    stripes.skipped.append(Skipped("x.png", "broken"))
    try:
        with pytest.raises(InputError, match=r"121 rows .* 120 images \(1 more were skipped\)"):
            read_features(np.vstack([h, h[:1]]), stripes)
    finally:
        stripes.skipped.clear()


def test_files_that_are_none(stripes, h, tmp_path):
    for name, data, message in (
        ("a.npy", b"", "cannot be read as an array"),
        ("b.npy", b"no numpy at all, but text", "cannot be read as an array"),
        ("c.npz", b"PK\x03\x04 cut short", "damaged"),
        ("d.txt", b"1 2 3", "features are a .npy or .npz file"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_features(tmp_path / name, stripes)
    np.savez(tmp_path / "two.npz", a=h, b=h)
    with pytest.raises(InputError, match="holds a, b; call the array 'features'"):
        read_features(tmp_path / "two.npz", stripes)
    with pytest.raises(InputError, match="no such file"):
        read_features(tmp_path / "none.npy", stripes)
    with pytest.raises(InputError, match=r"features are a \.npy"):
        read_features("facebook/dinov2-small", stripes)  # without hf: no network is asked
    with pytest.raises(InputError, match=r"features are a \.npy.* got dict"):
        read_features({"h": h}, stripes)


def test_no_pickle_is_run(stripes, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    np.save(tmp_path / "h.npy", np.array([Evil()] * 120, dtype=object), allow_pickle=True)
    np.savez(tmp_path / "h.npz", features=np.array([Evil()] * 120, dtype=object))
    (tmp_path / "ran").unlink(missing_ok=True)
    for name in ("h.npy", "h.npz"):
        with pytest.raises(InputError, match="Object arrays cannot be loaded"):
            read_features(tmp_path / name, stripes)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("option", [{"size": 8}, {"mean": [0.5]}, {"std": [0.5]}, {"device": "cpu"}])
def test_options_of_networks_mean_nothing_for_numbers(stripes, h, option):
    with pytest.raises(InputError, match=f"leave out {next(iter(option))}: it means nothing"):
        read_features(h, stripes, **option)


def test_a_module_gets_its_options(stripes):
    net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    found, what = read_features(net, stripes, size=6, mean=[0.5], std=[0.25], device="cpu")
    assert found.shape == (120, 12)
    assert what == {"source": "torch module Sequential", "size": 6, "mean": [0.5], "std": [0.25]}
    same, of_one = read_features(net, stripes, size=6, mean=0.5, std=0.25, device="cpu")
    np.testing.assert_array_equal(same, found)
    assert of_one == what
