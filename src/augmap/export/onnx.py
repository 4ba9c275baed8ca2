"""The encoder as an ONNX model, checked against PyTorch before anybody gets it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

import augmap
from augmap.errors import InputError
from augmap.export.library import library
from augmap.export.program import program, session
from augmap.imagemap import ImageMap
from augmap.method.encoder import Encoder
from augmap.method.weights import from_weights

TOLERANCE = 1e-4
"""Difference to PyTorch in shares of the map's span; on a map of 50,000 images it was 3e-7 at most ..."""
TOLERANCE_HALF = 1e-2
"""... and with weights of half size 1e-4: a hundredth of the span is the size of a large dot."""
ELSEWHERE = 0.05
"""Share of the images that may lie elsewhere: one that is as likely in two places goes to the other by a
hair. With weights of half size these were four of 2,500."""
CHECKED = 64
"""Images that the check runs."""
_SMALL = 64  # values; below, a half-size weight saves nothing


@dataclass(frozen=True, eq=False)
class Exported:
    """An ONNX model and how well it agrees with PyTorch.

    Parameters
    ----------
    data : bytes
        The model, in one piece.
    difference : float
        Largest distance between the two positions of an image, in map units; :data:`ELSEWHERE` left out.
    span : float
        Longer side of the map, in map units.
    """

    data: bytes
    difference: float
    span: float


class Outputs(nn.Module):
    """The encoder with both of its outputs."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Float[Tensor, "b c s s"]) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b f"]]:
        h = self.encoder.features(image)
        return self.encoder.head(h), h


def to_onnx(m: ImageMap, *, half: bool = False, backbone: nn.Module | None = None) -> Exported:
    """Return the encoder as ONNX: ``image`` in, ``xy`` and ``h`` out, all float32, any batch.

    ``image`` is (b, c, s, s) in [0, 1], prepared as the model's ``metadata_props`` say: ``image_size``,
    ``channels``, ``fit`` and ``resize`` (the geometry), ``mean`` and ``std`` (what remains to be done to
    pixels in [0, 1]: nothing, the model normalises by itself), ``xy_output`` and ``features_output``,
    ``low`` and ``high`` (the corners of the map), ``n``, ``method``, ``augmap``.

    Parameters
    ----------
    m : ImageMap
        With an encoder.
    half : bool
        Store the weights as float16, which halves the file; the arithmetic stays float32.
    backbone : Module, optional
        The user's own module that the map was made with.

    Raises
    ------
    InputError
        The map has no encoder, a library is missing, or the model does not agree with PyTorch to
        :data:`TOLERANCE` (:data:`TOLERANCE_HALF`).
    """
    if m.weights is None or m.preprocessing is None:
        how = m.info.get("method", "this method")
        raise InputError(f"this map has no encoder to export ({how} cannot place new images)")
    onnx = library("onnx", "onnx")
    library("onnxscript", "onnx")
    runtime = library("onnxruntime", "onnx")
    encoder = from_weights(m.weights, backbone).cpu().float().requires_grad_(False)
    model = onnx.load_from_string(_program(Outputs(encoder).eval(), m.preprocessing))
    if half:
        _halve(onnx, model)
    onnx.helper.set_model_props(model, _about(m))
    model.producer_name, model.producer_version = "augmap", augmap.__version__
    data = model.SerializeToString()
    span = float(np.ptp(m.positions, axis=0).max()) or 1.0
    difference = _difference(runtime, data, encoder, samples(m))
    tolerance = TOLERANCE_HALF if half else TOLERANCE
    if not difference <= tolerance * span:
        how = "leave --half out" if half else "the encoder has a layer that ONNX computes differently"
        raise InputError(
            f"the ONNX model moves an image by {difference:.3g} map units, {difference / span:.2%} of the "
            f"map's span, more than {tolerance:.2%}; {how}"
        )
    return Exported(data, difference, span)


def _program(model: nn.Module, preprocessing) -> bytes:
    size, channels = preprocessing.image_size, preprocessing.channels
    example = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    return program(model, example, ["xy", "h"], any_batch=True)


def _halve(onnx, model) -> None:
    """Store large float32 weights as float16, each behind a Cast that carries the old name."""
    graph, casts = model.graph, []
    for weight in graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or int(np.prod(weight.dims)) <= _SMALL:
            continue
        name = weight.name
        values = onnx.numpy_helper.to_array(weight).astype(np.float16)
        if not np.isfinite(values).all():
            raise InputError(f"the weight {name} does not fit into float16; leave --half out")
        weight.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]


def _about(m: ImageMap) -> dict[str, str]:
    """What the model says about itself; everything but words is JSON."""
    at = m.preprocessing
    assert at is not None
    if not m.n:
        raise InputError("an empty map has no extent, which the program tells; export one with images")
    low, high = m.positions.min(0), m.positions.max(0)
    values = {
        "image_size": at.image_size,
        "channels": at.channels,
        "mean": [0.0] * at.channels,
        "std": [1.0] * at.channels,
        "low": low.tolist(),
        "high": high.tolist(),
        "n": m.n,
    }
    return {
        **{name: json.dumps(value) for name, value in values.items()},
        "resize": at.resize,
        "fit": at.fit,
        "input": "image (b, c, s, s), float32 in [0, 1], RGB or grey, upright (EXIF), alpha over white",
        "xy_output": "xy",
        "features_output": "h",
        "method": str(m.info.get("method", "")),
        "augmap": augmap.__version__,
    }


def samples(m: ImageMap) -> Float[np.ndarray, "b c s s"]:
    """Images to check with: thumbnails of the map where it has them, beside some noise."""
    at = m.preprocessing
    assert at is not None
    rng = np.random.default_rng(0)
    noise = rng.random((8, at.channels, at.image_size, at.image_size), np.float32)
    if m.thumbs is None or at.channels not in (1, 3):
        return noise
    rows = np.sort(rng.permutation(m.n)[:CHECKED])
    made = np.stack([_resized(p, at.image_size, at.channels) for p in m.thumbs.images(rows)])
    return np.concatenate([made.astype(np.float32) / 255, noise])


def _resized(pixels: np.ndarray, size: int, channels: int) -> np.ndarray:
    picture = Image.fromarray(pixels).convert("L" if channels == 1 else "RGB").resize((size, size))
    return np.asarray(picture).reshape(size, size, channels).transpose(2, 0, 1)


def _difference(runtime, data: bytes, encoder: Encoder, x: Float[np.ndarray, "b c s s"]) -> float:
    """Distance between the positions by ONNX and by PyTorch that few exceed, in batches of several sizes."""
    run = session(runtime, data)
    names: Sequence[str] = [o.name for o in run.get_outputs()]
    assert list(names) == ["xy", "h"], names
    distances: list[float] = []
    parts = np.split(x, [1, 8])
    for part in (p for p in parts if len(p)):
        with torch.no_grad():
            h = encoder.features(torch.from_numpy(part))
            xy = encoder.head(h).numpy()
        found, features = run.run(["xy", "h"], {"image": part})
        if found.shape != xy.shape or features.shape != tuple(h.shape):
            raise InputError(f"the ONNX model returns shape {found.shape}, PyTorch {xy.shape}")
        distances += np.linalg.norm(found - xy, axis=1).tolist()
    if not np.isfinite(distances).all():
        return float("inf")
    return sorted(distances)[-1 - int(ELSEWHERE * len(distances))]
