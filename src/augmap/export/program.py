"""A PyTorch module as an ONNX program, and onnxruntime to run it."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from augmap.errors import InputError

_MAX_BATCH = 65_536
_FLOAT = 1  # onnx.TensorProto.FLOAT


def program(
    model: nn.Module, example: Tensor, outputs: Sequence[str], *, any_batch: bool, what: str = "encoder"
) -> bytes:
    """Return a module with the one input ``image`` as an ONNX program.

    Parameters
    ----------
    model : Module
        In eval mode, on the CPU.
    example : Tensor
        An input of the shape that the program will take.
    outputs : sequence of str
        Names of what the module returns.
    any_batch : bool
        The first axis of the input may have any length, else that of ``example``.
    what : str
        What this is, in the error.

    Raises
    ------
    InputError
        The module does something that ONNX does not know.
    """
    file = io.BytesIO()
    # its log speaks of its own passes, and its warnings of what it will look like one day
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    shapes = {"image": {0: torch.export.Dim("batch", min=1, max=_MAX_BATCH)}} if any_batch else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                (example,),
                file,
                input_names=["image"],
                output_names=list(outputs),
                dynamic_shapes=shapes,
                custom_translation_table=_words(),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the user's own backbone may hold anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"this {what} cannot be exported to ONNX ({reason[:200]})") from error
    finally:
        logging.disable(level)
    return _without_remarks(file.getvalue())


def _without_remarks(data: bytes) -> bytes:
    """Leave out what torch notes at each node: lines of code, with the places of files on this machine."""
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    for part in (
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    ):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    return model.SerializeToString()


def _words() -> dict:
    """What torch's exporter cannot say in ONNX, and the making of views needs."""
    from onnxscript import opset18 as op

    def signbit(x):
        return op.Less(x, op.CastLike(0.0, x))  # of -0, which is left alone: nothing here tells it from 0

    def median(x, dim: int, keepdim: bool = False):
        ordered = op.Cast(x, to=_FLOAT)  # onnxruntime sorts no bytes
        count = op.Shape(x, start=dim, end=dim + 1)
        ordered, rows = op.TopK(ordered, count, axis=dim, largest=0)
        middle = op.Div(op.Sub(count, [1]), [2])  # torch's: the lower of the two
        values, rows = op.Gather(ordered, middle, axis=dim), op.Gather(rows, middle, axis=dim)
        if not keepdim:
            values, rows = op.Squeeze(values, [dim]), op.Squeeze(rows, [dim])
        return op.CastLike(values, x), rows

    return {torch.ops.prims.signbit.default: signbit, torch.ops.aten.median.dim: median}


def session(runtime, data: bytes):
    """Return onnxruntime's session of a program, on the CPU and silent."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
