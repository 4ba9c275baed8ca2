"""The ONNX model: what PyTorch says, what it says about itself, and what features+tsne makes of it."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from augmap.baselines.onnx import onnx_features
from augmap.config import Preprocessing
from augmap.embedder import embedder
from augmap.errors import InputError
from augmap.export import onnx as exported_by
from augmap.export.onnx import to_onnx
from augmap.export.program import session
from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.method.encoder import make_encoder
from augmap.method.project import project
from augmap.method.weights import from_weights, to_weights
from augmap.thumbs import make_thumbs
from madeup import full_map

N = 40


def a_map(backbone, **options) -> ImageMap:
    """Random images placed by an encoder with random weights; BatchNorm's statistics are not the identity."""
    pixels = np.random.default_rng(0).integers(0, 256, (N, 16, 16, 3), dtype=np.uint8)
    encoder = make_encoder(
        backbone, image_size=16, channels=3, dim=2, mean=[0.4] * 3, std=[0.2] * 3, hidden=(32,), **options
    ).eval()
    if encoder.head.anchors is not None:  # sure of where an image lies, as after training
        encoder.head.anchors.linear.weight.data *= 10
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    m = ImageMap(
        positions=np.zeros((N, 2)),
        items=Items([f"{i}.png" for i in range(N)]),
        preprocessing=Preprocessing(image_size=16, channels=3),
        weights=to_weights(encoder),
        info={"method": "t-SimCNE"},
    )
    m.positions, m.features = project(encoder, pixels)
    m.thumbs = make_thumbs(pixels, m.positions)
    return m


class Small(nn.Module):
    """A user's own network."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x):
        return self.layers(x).mean((2, 3))


@pytest.fixture(scope="module")
def small():
    return a_map(Small())


@pytest.fixture(scope="module")
def full(small):
    return to_onnx(small, backbone=Small())


@pytest.fixture(scope="module")
def pixels(small):
    return np.random.default_rng(1).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)


def run(data, pixels):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    x = pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255
    return session.run(["xy", "h"], {"image": x})


@pytest.mark.parametrize("b", [1, 2, 9])
def test_any_batch_agrees_with_embed(small, full, pixels, b):
    loaded = ImageMap(**{**small.__dict__, "embedder": embedder(small, Small(), "cpu")})
    there = loaded.embed(pixels[:b])
    xy, h = run(full.data, pixels[:b])
    np.testing.assert_allclose(xy, there.positions, atol=1e-5 * full.span)
    np.testing.assert_allclose(h, there.features, atol=1e-5)
    assert full.difference <= 1e-5 * full.span
    assert np.ptp(there.positions) > 0 or b == 1  # else agreeing were no art


def test_what_it_says_about_itself(small, full):
    model = onnx.load_from_string(full.data)
    onnx.checker.check_model(model)
    said = {p.key: p.value for p in model.metadata_props}
    assert (json.loads(said["image_size"]), json.loads(said["channels"])) == (16, 3)
    assert (said["resize"], said["fit"]) == ("bicubic", "crop")
    assert json.loads(said["mean"]) == [0, 0, 0]
    assert json.loads(said["std"]) == [1, 1, 1]
    np.testing.assert_allclose(json.loads(said["high"]), small.positions.max(0))
    assert said["augmap"]
    assert [i.name for i in model.graph.input] == ["image"]
    assert [o.name for o in model.graph.output] == ["xy", "h"]


def test_half_is_half_and_close(small, pixels):
    full, half = (to_onnx(small, backbone=Small(), half=half) for half in (False, True))
    model = onnx.load_from_string(half.data)
    large = [w for w in model.graph.initializer if np.prod(w.dims) > 64 and w.data_type in (1, 10)]
    assert large
    assert all(w.data_type == onnx.TensorProto.FLOAT16 for w in large)
    weights = [
        sum(len(w.raw_data) for w in onnx.load_from_string(e.data).graph.initializer) for e in (full, half)
    ]
    assert weights[1] < 0.65 * weights[0]
    xy, _ = run(half.data, pixels)
    assert 0 < np.abs(xy - run(full.data, pixels)[0]).max() < 5e-3 * full.span
    assert half.difference > full.difference


def test_features_tsne_takes_the_features(small, full, pixels, tmp_path):
    path, said = tmp_path / "encoder.onnx", []
    path.write_bytes(full.data)
    h, what = onnx_features(path, pixels, say=said.append)
    np.testing.assert_allclose(h, run(full.data, pixels)[1], atol=1e-5)
    assert (what["size"], said) == (16, [])


def test_a_model_that_differs_is_not_handed_out(small, full, monkeypatch):
    real = exported_by._difference
    monkeypatch.setattr(exported_by, "_program", lambda *_: full.data)
    monkeypatch.setattr(exported_by, "_difference", lambda *a: real(*a) + 0.02 * full.span)
    with pytest.raises(InputError, match=r"moves an image by .*2.00% of the map's span, more than 0.01%"):
        to_onnx(small, backbone=Small())


def test_other_weights_are_another_model(small, full):
    """The control: the check sees a difference where there is one."""
    other = a_map(Small(), seed=1)
    difference = exported_by._difference(
        onnxruntime, full.data, from_weights(other.weights, Small()), exported_by.samples(small)
    )
    assert difference > 100 * exported_by.TOLERANCE * full.span


def test_maps_without_an_encoder(small):
    with pytest.raises(InputError, match="a backbone of your own"):
        to_onnx(small)
    m = full_map()
    m.weights = None
    with pytest.raises(InputError, match="no encoder to export"):
        to_onnx(m)


@pytest.mark.parametrize("name", ["onnx", "onnxruntime", "onnxscript"])
def test_without_the_extra(small, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"{name}.*pip install 'augmap\[onnx\]'"):
        to_onnx(small, backbone=Small())


def test_a_network_that_onnx_does_not_know(small):
    class Odd(Small):
        def forward(self, x):
            return super().forward(x * float(x.sum().item() > 0))

    with pytest.raises(InputError, match="cannot be exported to ONNX"):
        to_onnx(small, backbone=Odd())


def test_a_head_with_anchors():
    torch.manual_seed(0)
    m = a_map(Small(), anchors=30)
    assert np.ptp(m.positions, axis=0).max() > 1e-2
    assert to_onnx(m, backbone=Small()).difference <= 1e-6  # of places of the size of 1


def test_few_images_may_lie_elsewhere_and_none_nowhere(small, full, monkeypatch):
    """An image that is as likely in two places goes to the other one by a hair."""
    encoder, x = from_weights(small.weights, Small()), exported_by.samples(small)
    few = int(exported_by.ELSEWHERE * len(x))
    assert few > 0

    def moved(count, by):
        class Moved:
            """A session whose first images of the largest batch lie elsewhere."""

            def __init__(self, real):
                self.get_outputs, self.real = real.get_outputs, real.run

            def run(self, names, given):
                xy, h = self.real(names, given)
                return (xy + by * (np.arange(len(xy)) < count)[:, None] if len(xy) > 8 else xy), h

        monkeypatch.setattr(exported_by, "session", lambda runtime, data: Moved(session(runtime, data)))
        return exported_by._difference(onnxruntime, full.data, encoder, x)

    assert moved(few, 100.0) < 1e-3
    assert moved(few + 1, 100.0) > 100
    assert moved(1, np.nan) == np.inf
