"""The table of a map: one row an image, in the order of its positions."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int

from augmap.errors import InputError

_FIXED = ("name", "split")
_NOT_KNOWN = ("None", "nan", "NaT", "<NA>")
"""What None, NaN and pandas' NaT and NA read as."""
_SPECIAL = re.compile('[,"\r\n]')
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


@dataclass(frozen=True, eq=False)
class Items:
    """Names, splits, labels and scores of ``n`` images.

    Parameters
    ----------
    names : list of n str
        Path relative to the root that was given, ``/``-separated.
    splits : list of n str
        ``"train"``, ``"test"``, ``"val"`` or ``""``.
    labels : mapping of str to (n,) arrays of str
        Label columns; the first is ``label``. ``""`` means not known, and so do None and NaN.
    scores : mapping of str to (n,) float64 arrays
        Numbers per image; NaN means not known.

    Raises
    ------
    InputError
        A name or split that is no text, a column of another shape, or two of one name.
    """

    names: Sequence[str]
    splits: Sequence[str] = ()
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.names)
        labels = {k: label_column(v) for k, v in self.labels.items()}
        scores = {k: np.asarray(v, dtype=np.float64) for k, v in self.scores.items()}
        for name, column in {**labels, **scores}.items():
            if column.shape != (n,):
                raise InputError(f"column {name!r} must have shape ({n},), got {column.shape}")
            if name in _FIXED or (name in labels and name in scores):
                raise InputError(f"column {name!r} is taken; choose another name")
        if len(self.splits) not in (0, n):
            raise InputError(f"splits must have {n} entries, got {len(self.splits)}")
        for what, texts in (("names", self.names), ("splits", self.splits)):
            for row, value in enumerate(texts):
                if not isinstance(value, str):
                    raise InputError(f"{what} must be text, row {row} is {type(value).__name__} {value!r}")
        object.__setattr__(self, "names", list(self.names))
        object.__setattr__(self, "splits", list(self.splits) or [""] * n)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Labels and scores by name, in the order of the file."""
        return {**self.labels, **self.scores}

    def take(self, rows: np.ndarray) -> Items:
        """Return the given rows, in the given order."""
        return Items(
            [self.names[i] for i in rows],
            [self.splits[i] for i in rows],
            {k: v[rows] for k, v in self.labels.items()},
            {k: v[rows] for k, v in self.scores.items()},
        )

    def with_scores(self, **scores: np.ndarray) -> Items:
        """Return a table with these score columns added or replaced."""
        return Items(self.names, self.splits, self.labels, {**self.scores, **scores})

    def to_csv(self) -> bytes:
        """Return UTF-8 CSV; names with commas, quotes or newlines are quoted."""
        columns = [self.names, self.splits, *(v.tolist() for v in self.labels.values())]
        columns += [[_number(x) for x in v] for v in self.scores.values()]
        return write_table([(*_FIXED, *self.labels, *self.scores), *zip(*columns, strict=True)])

    @classmethod
    def from_csv(cls, data: bytes, *, scores: Sequence[str] = (), where: str = "items.csv") -> Items:
        """Read what :meth:`to_csv` wrote; columns named in ``scores`` are numbers.

        Raises
        ------
        InputError
            Rows of different length, missing columns, or a score that is no number.
        """
        header, *rows = read_table(data, where=where) or [[]]
        if tuple(header[:2]) != _FIXED or len(set(header)) != len(header):
            raise InputError(f"{where}: the columns must start with name,split and differ; got {header}")
        for i, row in enumerate(rows):
            if len(row) != len(header):
                raise InputError(f"{where}: row {i + 1} has {len(row)} entries, the header {len(header)}")
        columns = {h: [row[j] for row in rows] for j, h in enumerate(header)}
        try:
            numbers = {
                h: np.array([float(x) if x else np.nan for x in columns[h]]) for h in header if h in scores
            }
        except ValueError as error:
            raise InputError(f"{where}: a score is not a number: {error}") from error
        labels = {h: np.array(v, dtype=str) for h, v in columns.items() if h not in {*_FIXED, *scores}}
        return cls(columns["name"], columns["split"], labels, numbers)


def label_column(values: Any) -> np.ndarray:
    """Return labels as an array of str, ``""`` where they are None or NaN."""
    # not straight to str, which turns the NaN of a list into a text like any other
    values = np.asarray(values) if hasattr(values, "dtype") else np.asarray(values, dtype=object)
    texts = np.asarray(values, dtype=str)
    if values.dtype.kind in "OfM":
        no_text = np.array([not isinstance(v, str) for v in values.flat], dtype=bool)
        texts[no_text.reshape(values.shape) & np.isin(texts, _NOT_KNOWN)] = ""
    return texts


def row_numbers(rows: Any, n: int) -> Int[np.ndarray, " q"]:
    """Return which of ``n`` rows are meant: by numbers, below 0 from the end, or by an (n,) mask.

    Raises
    ------
    InputError
        Neither of these, or a number out of range.
    """
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.shape != (n,):
            raise InputError(f"a mask of rows must have shape ({n},), got {rows.shape}")
        return np.flatnonzero(rows)
    if rows.size and rows.dtype.kind not in "iu":
        raise InputError(f"rows must be whole numbers or a mask, got {rows.dtype}")
    if rows.ndim != 1:
        raise InputError(f"rows must be a list of whole numbers or a mask, got shape {rows.shape}")
    wrong = rows[(rows < -n) | (rows >= n)]
    if len(wrong):
        raise InputError(f"rows must lie in [0, {n}), or in [{-n}, 0) from the end, got {wrong[0]}")
    rows = rows.astype(np.int64)
    return np.where(rows < 0, rows + n, rows)


def write_table(rows: Iterable[Sequence[str]]) -> bytes:
    """Return CSV in UTF-8; bytes that were no UTF-8 in a name come out as they were."""
    text = "".join(",".join(map(_quoted, row)) + "\n" for row in rows)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which no file system and no encoding knows
        return _HALVES.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def read_table(data: bytes, *, where: str) -> list[list[str]]:
    """Read what :func:`write_table` wrote.

    Raises
    ------
    InputError
        It is no CSV.
    """
    text = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")
    try:
        return list(csv.reader(text, strict=True))
    except csv.Error as error:
        raise InputError(f"{where}: not a table ({error})") from error


def _quoted(text: str) -> str:
    # Python's own writer leaves a lone carriage return bare up to 3.12, and its reader ends the row there
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def _number(value: np.floating) -> str:
    """Shortest text that reads back as the same number; empty for NaN."""
    return "" if np.isnan(value) else np.format_float_positional(value, unique=True, trim="-")
