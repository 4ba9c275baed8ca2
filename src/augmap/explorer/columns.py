"""A column of the page: what ``meta.json`` says about it, and its bytes (docs/explorer-format.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["position", "category", "score", "text", "slot", "order", "neighbors"]
NOBODY = 0xFFFFFFFF
"""A row that is not there, where u32 rows are listed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    id : str
        Safe in an address: letters, digits, underscores.
    name : str
        What the user calls it.
    dtype : str
        ``f32``, ``u8``, ``u16``, ``u32`` or ``utf8``.
    data : bytes, optional
        Little-endian, n x ``k`` items; None while it is being computed.
    categories, counts : lists, optional
        Of a category: names by code, and how many rows each has.
    """

    id: str
    name: str
    kind: Kind
    dtype: str
    data: bytes | None
    k: int = 1
    range: tuple[float, float] | None = None
    categories: Sequence[str] | None = None
    counts: Sequence[int] | None = None
    about: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    """What else ``meta.json`` says of it."""

    def describe(self) -> dict[str, Any]:
        """Return its entry in ``meta.json``."""
        entry = {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "dtype": self.dtype,
            "k": self.k,
            "range": list(self.range) if self.range else None,
            "categories": None if self.categories is None else list(self.categories),
            "counts": None if self.counts is None else list(self.counts),
            "about": self.about,
            "ready": self.data is not None,
        }
        return {**entry, **self.more}


def score(id: str, name: str, values: np.ndarray | None, about: str = "") -> Column:
    """Return a column of numbers; NaN and infinities are not known. Without values it is not ready yet."""
    if values is None:
        return Column(id=id, name=name, kind="score", dtype="f32", data=None, about=about)
    with np.errstate(over="ignore"):  # beyond float32 is as good as not known
        numbers = np.asarray(values).astype("<f4")
    numbers[~np.isfinite(numbers)] = np.nan
    known = numbers[~np.isnan(numbers)]
    lowest_highest = (float(known.min()), float(known.max())) if len(known) else None
    return Column(
        id=id,
        name=name,
        kind="score",
        dtype="f32",
        data=numbers.tobytes(),
        range=lowest_highest,
        about=about,
    )


def category(id: str, name: str, values: np.ndarray, about: str = "") -> Column:
    """Return a column of codes; ``""`` is code 0, the others are numbered by their names."""
    names, codes = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    if not len(names) or names[0] != "":
        names, codes = np.concatenate([[""], names]), codes + 1
    return coded(id, name, codes, [str(x) for x in names], about)


def coded(id: str, name: str, codes: np.ndarray, categories: Sequence[str], about: str = "") -> Column:
    """Return a column of codes that are known already; code 0 is not known."""
    dtype = "u8" if len(categories) <= 2**8 else "u16" if len(categories) <= 2**16 else "u32"
    return Column(
        id=id,
        name=name,
        kind="category",
        dtype=dtype,
        data=codes.astype({"u8": "u1", "u16": "<u2", "u32": "<u4"}[dtype]).tobytes(),
        categories=categories,
        counts=np.bincount(codes, minlength=len(categories)).tolist(),
        about=about,
    )


def text(id: str, name: str, values: Sequence[str], about: str = "") -> Column:
    """Return a column of text: n + 1 offsets in bytes, u32, then UTF-8.

    Halves of surrogate pairs, which UTF-8 has no place for, become U+FFFD.
    """
    rows = [v.encode("utf-8", "replace") if v.isascii() else _utf8(v) for v in values]
    offsets = np.zeros(len(rows) + 1, "<u4")
    np.cumsum([len(r) for r in rows], out=offsets[1:])
    data = offsets.tobytes() + b"".join(rows)
    return Column(id=id, name=name, kind="text", dtype="utf8", data=data, about=about)


def rows(id: str, name: str, kind: Kind, values: np.ndarray | None, *, k: int = 1, about: str = "") -> Column:
    """Return a column of row numbers (or slots), u32 of shape (n,) or (n, k)."""
    data = None if values is None else values.astype("<u4").tobytes()
    return Column(id=id, name=name, kind=kind, dtype="u32", data=data, k=k, about=about)


def _utf8(text: str) -> bytes:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
