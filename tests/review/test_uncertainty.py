"""Spread of views: the views that training draws, held against a loop; a control without training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augmap.config import Config
from augmap.errors import InputError
from augmap.method.augment import AUGMENTATIONS, apply, draw
from augmap.method.seeds import generator
from augmap.method.weights import build_encoder, from_weights, to_weights
from augmap.review.uncertainty import cannot_spread, spread_of, view_spread
from augmap.stage import Stage
from looked_at import map_of, textures

PIXELS = textures(20, size=16)


@pytest.fixture(scope="module")
def made():
    config = Config(stages=(Stage(name="direct", epochs=1, dim=2),), backbone="slim", seed=0)
    m = map_of(np.random.default_rng(0).normal(size=(20, 2)))
    m.config, m.weights = config, to_weights(build_encoder(config, PIXELS))
    return m


def test_it_is_what_a_loop_finds(made):
    spacing = np.linspace(0.5, 2, 20)
    found = view_spread(made, PIXELS, spacing, views=8, seed=3)
    encoder = from_weights(made.weights)
    images = torch.from_numpy(PIXELS).repeat_interleave(8, 0)
    drawn = draw(AUGMENTATIONS["natural"], 160, generator(3, "spread", 0), image_size=16, channels=3)
    with torch.no_grad():
        z = encoder(apply(images, drawn)).double().numpy().reshape(20, 8, 2)
    for i in range(20):
        squares = sorted(((z[i] - np.median(z[i], axis=0)) ** 2).sum(1))[:6]  # three quarters of 8
        assert found[i] == pytest.approx(np.sqrt(np.mean(squares)) / spacing[i], rel=1e-4)


def test_pictures_that_no_view_changes_do_not_spread(made):
    plain = np.full((20, 16, 16, 3), 128, np.uint8)
    m = map_of(made.positions)
    m.weights = made.weights
    still = {"jitter": 0.0, "grey": 0.0}
    m.config = made.config.replace(augmentation=still)
    assert view_spread(m, plain, np.ones(20)).max() < 1e-5
    assert view_spread(m, PIXELS, np.ones(20)).min() > 1e-3


def test_the_same_seed_gives_the_same_spread(made):
    one, two = (view_spread(made, PIXELS, np.ones(20), seed=1) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (view_spread(made, PIXELS, np.ones(20), seed=2) != one).any()


def test_progress_reaches_the_end(made):
    seen = []
    view_spread(made, PIXELS, np.ones(20), views=64, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(8, 20), (16, 20), (20, 20)]


def test_copies_do_not_have_the_spread_of_all_others_a_billion_times(made):
    apart = np.full(20, 2.0)
    some = np.where(np.arange(20) < 4, 0.0, apart)  # whose neighbours lie where they lie
    usual, found = (view_spread(made, PIXELS, spacing) for spacing in (apart, some))
    np.testing.assert_allclose(found[:4], 10 * usual[:4])
    np.testing.assert_array_equal(found[4:], usual[4:])
    assert np.isnan(view_spread(made, PIXELS, np.zeros(20))).all()  # of a map of one place


def test_maps_whose_views_cannot_be_placed(made):
    assert cannot_spread(map_of(np.zeros((3, 2)))) == "the map has no encoder"
    m = map_of(np.zeros((3, 2)))
    m.weights, m.config = made.weights, made.config.replace(augment="custom")
    assert cannot_spread(m) == "the map was made with an augmentation of your own"
    assert spread_of(m) == cannot_spread(m)
    with pytest.raises(InputError, match="an augmentation of your own"):
        view_spread(m, PIXELS, np.ones(20))
    with pytest.raises(InputError, match="views must be at least 3 to have a spread, got 2"):
        spread_of(made, views=2)
    assert callable(spread_of(made))
