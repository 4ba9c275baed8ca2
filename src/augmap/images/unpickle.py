"""A reader of pickles that can make numbers, text, lists, dicts and numeric arrays, and nothing else.

The official CIFAR files are pickles, and a pickle is a program. Here it may name five things only, and each
of them is a harmless stand-in of ours: nothing that the file names is looked up, imported or called.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

_DTYPES = {"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"}


class _DType:
    """What ``numpy.dtype(code, align, copy)`` and its state become."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code, self.order = _text(code), "|"

    def __setstate__(self, state: Any) -> None:
        self.order = _text(state[1])

    def numpy(self) -> np.dtype:
        if self.code not in _DTYPES:
            raise pickle.UnpicklingError(f"arrays of type {self.code!r} are not read")
        return np.dtype(("" if self.order in "|=" else self.order) + self.code)


class _Array:
    """What ``numpy.ndarray`` becomes: shape, type and bytes, checked against each other."""

    array: np.ndarray

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType):
            raise pickle.UnpicklingError("an array without a type")
        raw = data.encode("latin1") if isinstance(data, str) else data
        if not isinstance(raw, bytes):
            raise pickle.UnpicklingError("an array of Python objects is not read")
        self.array = np.frombuffer(raw, dtype.numpy()).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """Stand in for what numpy names in pickles of protocol 5."""
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", bytes(data) if isinstance(data, bytearray) else data))
    return array


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stand in for ``_codecs.encode``, with which Python 3 writes bytes into old pickles."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("bytes in an unknown encoding")
    return text.encode("latin1")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"names {module}.{name}, which is not data") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("refers to something outside the file")


def loads(data: bytes) -> Any:
    """Return the content of a pickle: dicts with str keys, lists, str, numbers, bytes and numeric arrays.

    Raises
    ------
    pickle.UnpicklingError
        When it names anything that is not data, or is damaged.
    """
    try:
        return _plain(_Reader(io.BytesIO(data), encoding="bytes").load(), 0)
    except pickle.UnpicklingError:
        raise
    except (
        Exception
    ) as error:  # a damaged pickle ends in any of EOFError, ValueError, KeyError, MemoryError, ...
        raise pickle.UnpicklingError(f"damaged: {error}") from None


def _plain(value: Any, depth: int) -> Any:
    if depth > 8:
        raise pickle.UnpicklingError("nested too deeply")
    if isinstance(value, dict):
        return {_text(k): _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, depth + 1) for v in value]
    if isinstance(value, _Array):
        return value.array
    if value is None or isinstance(value, bytes | str | int | float):
        return value
    raise pickle.UnpicklingError(f"holds a {type(value).__name__}, which is not data")


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
