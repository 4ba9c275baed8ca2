"""An encoder at rest and back, to the last bit; what does not fit is refused."""

import numpy as np
import pytest
import torch
from runs import Small, small_config, stripes

from augmap.errors import InputError
from augmap.imagemap import Weights
from augmap.method.weights import build_encoder, from_weights, to_weights

PIXELS = stripes(20, channels=3)[0]


def test_there_and_back():
    ours = build_encoder(small_config(), PIXELS, Small(3))
    weights = to_weights(ours)
    assert all(isinstance(v, np.ndarray) for v in weights.arrays.values())
    theirs = from_weights(weights, Small(3))
    assert not theirs.training
    assert theirs.spec() == ours.spec()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name])


def test_built_from_configuration_and_pixels():
    def build(pixels=PIXELS, **changes):
        return build_encoder(small_config(**{"backbone": "slim", **changes}), pixels)

    encoder = build(hidden=(7,))
    mean = (PIXELS / 255).mean((0, 1, 2))
    np.testing.assert_allclose(encoder.mean.flatten(), mean, atol=1e-5)
    assert encoder.spec()["hidden"] == [7]
    assert encoder.dim == 2
    same, other = build(hidden=(7,)), build(hidden=(7,), seed=1)
    assert torch.equal(same.last.weight, encoder.last.weight)
    assert not torch.equal(other.last.weight, encoder.last.weight)


def test_weights_that_do_not_fit():
    weights = to_weights(build_encoder(small_config(), PIXELS, Small(3)))
    cut = Weights(weights.spec, {**weights.arrays, "head.last.bias": np.zeros(5, np.float32)})
    with pytest.raises(InputError, match=r"the saved weights do not fit the encoder: .*head\.last\.bias"):
        from_weights(cut, Small(3))
    with pytest.raises(InputError, match="backbone of your own"):
        from_weights(weights)
