"""The baselines that train: each beats its untrained encoder at what it optimises."""

import numpy as np
import pytest
import torch
from runs import run, small_config, stripes
from sklearn.linear_model import LogisticRegression
from torch import nn

from augmap.errors import InputError
from augmap.evaluate.knn import knn_accuracy
from augmap.evaluate.recall import neighbor_recall
from augmap.method import graphs as graphing
from augmap.method.project import project
from augmap.method.weights import build_encoder
from augmap.neighbors import nearest
from augmap.stage import Stage

ADAM = {"optimizer": "adamw", "lr": 3e-3, "lr_batch": None}


class Flat(nn.Module):
    """Two layers over all pixels, without batch statistics: a parametric map of pixels needs no more."""

    def __init__(self, size: int, width: int = 64) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(1)
            self.layers = nn.Sequential(
                nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
            )

    def forward(self, x):
        return self.layers(x)


def faces(n=300, kinds=10, seed=0):
    """Pictures near ten random ones: pixels have neighbours."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, kinds, n)
    middle = random.uniform(60, 195, (kinds, 8, 8, 1))[kind]
    return (middle + random.normal(0, 25, (n, 8, 8, 1))).clip(0, 255).astype(np.uint8), kind


PARAMETRIC = {
    "parametric t-SNE": {"affinity": "perplexity", "perplexity": 8.0},
    "parametric UMAP": {"affinity": "fuzzy", "loss": "negative_sampling", "similarity": "umap"},
}


@pytest.mark.parametrize("name", PARAMETRIC)
def test_neighbours_in_pixels_are_neighbours_on_the_map(name):
    """Recall of the 10 nearest by pixels; the noise around a picture cannot be drawn in two dimensions."""
    pixels, _ = faces()
    stage = Stage(name="map", epochs=40, edges="pixels", **ADAM, **PARAMETRIC[name])
    config = small_config(stage, batch_size=100, hidden=(64,))
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    untrained = project(build_encoder(config, pixels, Flat(64)), pixels)[0]
    trained = run(config, pixels, backbone=Flat(64)).positions
    before, after = (neighbor_recall(z, flat, k=10).mean() for z in (untrained, trained))
    assert before < 0.15, before  # measured: 0.09, trained 0.46 and 0.42
    assert after > 0.3, after


def test_with_the_neighbours_of_other_images_it_finds_none(monkeypatch):
    """The control of the control: the same training on edges that say nothing."""
    pixels, _ = faces()
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    other = np.random.default_rng(0).permutation(len(flat))
    monkeypatch.setattr(graphing, "nearest", lambda x, k, **options: nearest(x[other], k))
    stage = Stage(name="map", epochs=40, edges="pixels", **ADAM, **PARAMETRIC["parametric t-SNE"])
    trained = run(small_config(stage, batch_size=100, hidden=(64,)), pixels, backbone=Flat(64)).positions
    assert (
        neighbor_recall(trained, flat, k=10).mean() < 0.12
    )  # measured: 0.07, of 10 among 299 by chance 0.03


def classes_of(kind, train):
    return np.where(train, kind, -1)


def held_out(features, kind, train):
    fitted = LogisticRegression(max_iter=500).fit(features[train], kind[train])
    return fitted.score(features[~train], kind[~train])


class Wide(nn.Module):
    """Filters of 5 px, so that a network can tell directions apart at any phase."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(1)
            self.layers = nn.Sequential(
                *(nn.Conv2d(3, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU()),
                *(nn.Conv2d(16, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()),
            )

    def forward(self, x):
        return self.layers(x)


SUPERVISED = small_config(
    Stage(name="classify", epochs=30, dim=1, loss="cross_entropy", label_smoothing=0.1, **ADAM),
    Stage(
        name="map", epochs=20, edges="layout", layout_passes=40, train="head", new_layer="head",
        hidden=(32,), norm="batch", on_sphere=True, end_temperature=0.05**2, **ADAM,
    ),
    batch_size=100,
    hidden=(),
)  # fmt: skip


@pytest.fixture(scope="module")
def supervised():
    pixels, kind = stripes(600, channels=3)
    train = np.arange(600) % 2 == 0
    outcome = run(SUPERVISED, pixels, backbone=Wide(), classes=classes_of(kind, train))
    return pixels, kind, train, outcome


def test_a_supervised_encoder_names_images_that_it_was_not_told(supervised):
    """Accuracy on the half whose labels were not given, of a probe on h and of neighbours on the map."""
    pixels, kind, train, outcome = supervised
    config = SUPERVISED.replace(stages=outcome.config.stages)
    features = project(build_encoder(config, pixels, Wide()), pixels)[1]
    before, after = (held_out(h, kind, train) for h in (features, outcome.features))
    assert after > max(0.9, before + 0.1), (before, after)
    splits = np.where(train, "train", "test")
    assert knn_accuracy(outcome.positions, kind.astype(str), splits, k=15).accuracy > 0.85


def test_a_class_that_trains_is_seen(supervised):
    """The same bits from the same classes; others where that of one training image is changed."""
    pixels, kind, train, _ = supervised
    short = SUPERVISED.replace(
        stages=(Stage(name="classify", steps=8, dim=1, loss="cross_entropy"),), batch_size=50
    )
    one = run(short, pixels, backbone=Wide(), classes=classes_of(kind, train)).positions
    again = run(short, pixels, backbone=Wide(), classes=classes_of(kind, train)).positions
    np.testing.assert_array_equal(one, again)
    changed = classes_of(kind, train)
    changed[0] = (changed[0] + 1) % 3
    assert not np.array_equal(one, run(short, pixels, backbone=Wide(), classes=changed).positions)


def test_the_classifier_has_a_column_for_each_class(supervised):
    *_, outcome = supervised
    assert [s.dim for s in outcome.config.stages] == [3, 2]
    assert outcome.positions.shape == (600, 2)


def test_steps_are_counted_by_the_images_that_train(supervised):
    *_, outcome = supervised
    assert outcome.history["steps"] == 30 * 3 + 20 * 6  # 300 of 600 images train the first stage


@pytest.mark.parametrize(
    ("dim", "classes", "says"),
    [(1, None, "stage 'classify' learns labels, and the images have none"),
     (5, np.arange(96) % 3, "stage 'classify' has dim=5 for 3 classes; give it dim=3")],
)  # fmt: skip
def test_refuses(dim, classes, says):
    with pytest.raises(InputError, match=says):
        run(small_config(Stage(name="classify", steps=1, dim=dim, loss="cross_entropy")), classes=classes)
