"""Features by a torch module: what it sees, and that it is left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from augmap.baselines.module import module_features
from augmap.baselines.prepare import Input
from augmap.errors import InputError


@pytest.fixture
def pixels():
    made = np.random.default_rng(0).integers(0, 256, (150, 6, 6, 3), dtype=np.uint8)
    made.setflags(write=False)  # as a pixel store is
    return made


class Seen(nn.Module):
    """Keeps what it is shown; its answer is the mean of each channel."""

    def __init__(self, shape=None):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.norm = nn.BatchNorm1d(3)
        self.inputs, self.modes, self.shape = [], set(), shape

    def forward(self, x):
        self.inputs.append(x)
        self.modes.add((self.training, self.norm.training))
        return x.mean((2, 3)) * self.scale if self.shape is None else torch.zeros(self.shape)


def test_it_sees_every_image_once_in_eval_mode(pixels):
    net, ticks = Seen(), []
    net.train()
    net.norm.eval()
    found, _ = module_features(net, pixels, device="cpu", progress=lambda a, b: ticks.append((a, b)))
    np.testing.assert_allclose(found, pixels.mean((1, 2)) / 255, atol=1e-6)
    assert [len(x) for x in net.inputs] == [64, 64, 22]
    assert ticks == [(64, 150), (128, 150), (150, 150)]
    assert net.modes == {(False, False)}
    assert (net.training, net.norm.training) == (True, False)
    assert net.scale.grad is None
    assert not net.inputs[0].requires_grad


def test_maps_of_features_are_averaged(pixels):
    found, _ = module_features(nn.Identity(), pixels, device="cpu")
    np.testing.assert_allclose(found, pixels.mean((1, 2)) / 255, atol=1e-6)


@pytest.mark.parametrize("shape", [(64,), (3, 64), (64, 5, 3), (1, 8)])
def test_other_answers_are_refused(pixels, shape):
    with pytest.raises(InputError, match="one row of features an image: 64 images gave"):
        module_features(Seen(shape), pixels, device="cpu")


def test_modules_that_fail_or_answer_no_tensor(pixels):
    net = nn.Sequential(nn.Flatten(), nn.Linear(5, 5))
    with pytest.raises(InputError, match=r"fails on images of shape \(64, 3, 6, 6\)"):
        module_features(net, pixels, device="cpu")
    assert net.training
    net.forward = lambda x: {"h": x}
    with pytest.raises(InputError, match="must return a tensor, got dict"):
        module_features(net, pixels, device="cpu")


def test_normalisation_and_size():
    grey = np.full((2, 4, 4, 1), 51, np.uint8)  # 0.2
    x = Input(size=8, channels=3, mean=(0.1, 0.2, 0.3), std=(0.1,))(grey)
    assert x.shape == (2, 3, 8, 8)
    for channel, value in enumerate((1, 0, -1)):
        torch.testing.assert_close(x[:, channel], torch.full((2, 8, 8), float(value)), atol=1e-5, rtol=0)


def test_colour_for_a_network_of_grey():
    red = np.zeros((1, 2, 2, 3), np.uint8)
    red[..., 0] = 255
    torch.testing.assert_close(Input(channels=1)(red), torch.full((1, 1, 2, 2), 0.299))


def test_a_resized_picture_stays_in_range():
    edge = np.zeros((1, 8, 8, 1), np.uint8)
    edge[:, :, 4:] = 255
    x = Input(size=21)(edge)  # bicubic overshoots at an edge
    assert 0 <= x.min() < x.max() <= 1
    assert x[0, 0, 10, 2] < 0.01
    assert x[0, 0, 10, 18] > 0.99


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "lie in"),
        ({"size": 5000}, "lie in"),
        ({"mean": (0.1, 0.2), "channels": 3}, "mean must be one number"),
        ({"mean": (float("nan"),)}, "mean must be one number"),
        ({"std": (0.0,)}, "std must be positive"),
        ({"std": (0.1, -0.1, 0.1)}, "std must be positive"),
    ],
)
def test_mistakes(values, message):
    with pytest.raises(InputError, match=message):
        Input(**values)


def test_channels_that_do_not_fit(pixels):
    with pytest.raises(InputError, match="takes 4 channels, the images have 3"):
        Input(channels=4)(pixels)
    with pytest.raises(InputError, match="2 numbers for normalisation, 3 channels"):
        Input(mean=(0.1, 0.2))(pixels)
