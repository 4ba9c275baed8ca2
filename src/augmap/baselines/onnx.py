"""Features by an ONNX model, by onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augmap.baselines.layout import library
from augmap.baselines.prepare import BATCH, Input, collect
from augmap.errors import InputError

_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


def onnx_features(
    path: Path,
    pixels: np.ndarray,
    *,
    size: int | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the features by a model of one image input, (b, c, h, w) or (b, h, w, c).

    These are the output that the model's metadata name (``features_output``, as ``augmap export --to onnx``
    writes it), else the first.

    The size comes from the input's shape, else from the model's metadata (``image_size``), else from
    ``size``; mean and standard deviation of pixels in [0, 1] from ``mean`` and ``std``, else from the
    metadata (as JSON). A model that takes bytes gets bytes.

    Raises
    ------
    InputError
        onnxruntime is not installed, the model cannot be read, or does not take these images.
    """
    runtime, version = library("onnxruntime", "onnxruntime", "onnx")
    runtime.set_default_logger_severity(3)
    try:
        session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise InputError(f"{path}: onnxruntime cannot load this model ({error})") from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise InputError(
            f"{path}: the model must have one input of four axes (images), "
            f"got {', '.join(f'{i.name} {i.shape}' for i in inputs)}"
        )
    wanted = inputs[0]
    batch, *axes = (axis if isinstance(axis, int) else None for axis in wanted.shape)
    last = axes[2] in (1, 3) and axes[0] not in (1, 3)
    channels, edges = (axes[2], axes[:2]) if last else (axes[0], axes[1:])
    told = _metadata(session.get_modelmeta().custom_metadata_map, path)
    fixed = next((edge for edge in edges if edge is not None), None)
    if None not in edges and edges[0] != edges[1]:
        raise InputError(f"{path}: the model takes images of {edges[0]} x {edges[1]}; only squares are made")
    for name, here in (("input", fixed), ("metadata", told.get("image_size"))):
        if here is not None and size is not None and size != here:
            raise InputError(f"{path}: the model's {name} says {here} px, got size={size}: leave it out")
        size = here if size is None else size
    if size is None:
        raise InputError(f"{path}: the model takes any size and names none: give the size (--feature-size)")
    takes_bytes = wanted.type == "tensor(uint8)"
    if not takes_bytes and wanted.type not in _FLOATS:
        raise InputError(f"{path}: the model takes {wanted.type}; images are floats or bytes")
    if takes_bytes and (mean is not None or std is not None):
        raise InputError(f"{path}: the model takes bytes and normalises them itself: leave mean and std out")
    mean, std = (told.get(k) if v is None else v for k, v in (("mean", mean), ("std", std)))
    if not takes_bytes and mean is None and std is None:
        say(f"{path}: no mean and std in the model's metadata or given: it sees pixels in [0, 1]")
    if takes_bytes:
        mean = std = None
    prepare = Input(size=size, channels=channels, mean=mean, std=std)
    kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64}.get(wanted.type, np.float32)
    outputs = [o.name for o in session.get_outputs()]
    output = told.get("features_output", outputs[0])
    if output not in outputs:
        raise InputError(f"{path}: its metadata has features_output={output!r}, its outputs are {outputs}")

    def compute(block: np.ndarray) -> np.ndarray:
        x = prepare(block).numpy()
        x = np.rint(x * 255).astype(np.uint8) if takes_bytes else x.astype(kind)
        x = x.transpose(0, 2, 3, 1) if last else x
        short = (batch or len(x)) - len(x)  # a model of a fixed batch gets its last one filled up
        x = np.concatenate([x, np.repeat(x[-1:], short, 0)]) if short else x
        try:
            found = session.run([output], {wanted.name: np.ascontiguousarray(x)})[0]
        except Exception as error:
            raise InputError(f"{path}: the model fails on images of shape {x.shape} ({error})") from error
        return found[: len(block)]

    h = collect(pixels, compute, batch=batch or BATCH, progress=progress)
    what = {"source": str(path), "size": size, "mean": prepare.mean, "std": prepare.std}
    return h, {k: v for k, v in {**what, "onnxruntime": version}.items() if v is not None}


def _metadata(texts: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Read what the model says about its images; entries of other names are not ours to judge."""
    found: dict[str, Any] = {name: texts[name] for name in ("features_output",) if name in texts}
    for name in ("image_size", "mean", "std"):
        if name not in texts:
            continue
        try:
            value = json.loads(texts[name])
            found[name] = int(value) if name == "image_size" else [float(v) for v in np.ravel(value)]
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path}: its metadata has {name}={texts[name]!r}, which is no number"
            ) from error
    return found
