"""Features by an ONNX model: small ones made here, held against the same arithmetic in numpy."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from augmap.baselines.onnx import onnx_features
from augmap.errors import InputError


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (150, 6, 6, 3), dtype=np.uint8)


def model(path, shape, *, kind=TensorProto.FLOAT, axes=(2, 3), inputs=("x",), **metadata):
    """The mean over ``axes`` of each image."""
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["axes"], value_ints=list(axes)),
        helper.make_node("ReduceMean", ["f", "axes"], ["h"], keepdims=0),
    ]
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "mean",
            [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
            [helper.make_tensor_value_info("h", TensorProto.FLOAT, None)],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    helper.set_model_props(made, metadata)
    onnx.save(made, path)
    return path


@pytest.mark.parametrize("batch", ["n", 1, 64, 40])
def test_any_batch(pixels, tmp_path, batch):
    path, said = model(tmp_path / "m.onnx", [batch, 3, 6, 6]), []
    found, what = onnx_features(path, pixels, say=said.append)
    np.testing.assert_allclose(found, pixels.mean((1, 2)) / 255, atol=1e-6)
    assert what["size"] == 6
    assert said == [f"{path}: no mean and std in the model's metadata or given: it sees pixels in [0, 1]"]


def test_channels_last(pixels, tmp_path):
    path = model(tmp_path / "m.onnx", ["n", 6, 6, 3], axes=(1, 2))
    np.testing.assert_allclose(onnx_features(path, pixels)[0], pixels.mean((1, 2)) / 255, atol=1e-6)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_floats(pixels, tmp_path, kind):
    path = model(tmp_path / "m.onnx", ["n", 3, 6, 6], kind=kind)
    np.testing.assert_allclose(onnx_features(path, pixels)[0], pixels.mean((1, 2)) / 255, atol=1e-3)


def test_a_model_of_bytes_gets_bytes(pixels, tmp_path):
    path, said = model(tmp_path / "m.onnx", ["n", 3, 6, 6], kind=TensorProto.UINT8), []
    found, what = onnx_features(path, pixels, say=said.append)
    np.testing.assert_allclose(found, pixels.mean((1, 2)), atol=1e-3)
    assert said == []
    assert "mean" not in what
    with pytest.raises(InputError, match="takes bytes and normalises them itself"):
        onnx_features(path, pixels, std=[1.0])


def test_size_and_normalisation_from_the_metadata(pixels, tmp_path):
    path = model(
        tmp_path / "m.onnx",
        ["n", 3, "h", "w"],
        image_size="12",
        mean="[0.5, 0.4, 0.3]",
        std="0.25",
        other="?",
    )
    said = []
    found, what = onnx_features(path, pixels, say=said.append)
    plain, _ = onnx_features(
        model(tmp_path / "p.onnx", ["n", 3, "h", "w"]), pixels, size=12, mean=[0.5, 0.4, 0.3], std=[0.25]
    )
    np.testing.assert_array_equal(found, plain)
    # twelve pixels between six: the mean of a channel barely moves
    np.testing.assert_allclose(found, (pixels.mean((1, 2)) / 255 - [0.5, 0.4, 0.3]) / 0.25, atol=0.1)
    assert (what["size"], what["mean"], what["std"]) == (12, [0.5, 0.4, 0.3], [0.25])
    assert said == []


def test_what_is_given_comes_before_the_metadata_but_no_other_size(pixels, tmp_path):
    path = model(tmp_path / "m.onnx", ["n", 3, 6, 6], mean="0.5", std="0.25")
    found, _ = onnx_features(path, pixels, mean=[0.0], std=[1.0])
    np.testing.assert_allclose(found, pixels.mean((1, 2)) / 255, atol=1e-6)
    with pytest.raises(InputError, match="input says 6 px, got size=7"):
        onnx_features(path, pixels, size=7)
    assert onnx_features(path, pixels, size=6)[1]["size"] == 6


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        (["n", 3, "h", "w"], {}, "takes any size and names none"),
        (["n", 3, 6, 8], {}, "images of 6 x 8; only squares"),
        (["n", 108], {"axes": (1,)}, "one input of four axes"),
        (["n", 3, 6, 6], {"inputs": ("x", "y")}, "one input of four axes"),
        (["n", 3, 6, 6], {"kind": TensorProto.INT64}, "images are floats or bytes"),
        (["n", 5, 6, 6], {}, "takes 5 channels, the images have 3"),
        (["n", 3, 6, 6], {"mean": "white"}, "its metadata has mean='white'"),
        (["n", 3, 6, 6], {"image_size": "8"}, "metadata says 8 px, got size=6"),
        (["n", 3, 6, 6], {"axes": (1, 2, 3)}, r"one row of features an image: 64 images gave \(64,\)"),
    ],
)
def test_models_that_do_not_fit(pixels, tmp_path, shape, options, message):
    path = model(tmp_path / "m.onnx", shape, **options)
    with pytest.raises(InputError, match=message):
        onnx_features(path, pixels)


def test_no_model(pixels, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match="cannot load this model"):
        onnx_features(tmp_path / "m.onnx", pixels)


def test_without_onnxruntime(pixels, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"onnxruntime is not installed .*pip install 'augmap\[onnx\]'"):
        onnx_features(model(tmp_path / "m.onnx", ["n", 3, 6, 6]), pixels)
