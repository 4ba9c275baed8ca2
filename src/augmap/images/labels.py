"""CSV files that speak about images by name: labels, and rows to leave out."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Collection
from pathlib import Path

from augmap.errors import InputError
from augmap.images.names import escape

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_labels(
    path: str | os.PathLike[str],
    names: list[str],
    also_known: Collection[str] = (),
    *,
    of_more: bool = False,
) -> dict[str, list[str]]:
    """Return label columns from a CSV file with columns ``name`` and ``label``, further ``..._label`` if any.

    Parameters
    ----------
    names : list of n str
        The images; one without a row gets ``""``.
    also_known : collection of str
        Names that may stand in the file though they are not among the images (skipped or left out).
    of_more : bool
        The file may speak of more images than these, which may be a part of others: names that are not known
        are passed over, unless none is.

    Raises
    ------
    InputError
        When a column is missing, or a name is not known, or has two different labels.
    """
    header, rows = _read(path)
    columns = ["label", *(c for c in header if c.endswith("_label"))]
    if "name" not in header or "label" not in header:
        raise InputError(f"{path}: needs the columns 'name' and 'label', has {header}")
    index = {name: i for i, name in enumerate(names)}
    out = {c: [""] * len(names) for c in columns}
    known, strange, seen = set(also_known), [], {}
    for row in rows:
        name = _resolve(row["name"], index, known)
        values = tuple(row[c] for c in columns)
        if name is None:
            strange.append(row["name"])
        elif seen.setdefault(name, values) != values:
            raise InputError(
                f"{path}: {name!r} has two labels, {seen[name][0]!r} and {values[0]!r}; keep one row"
            )
        elif name in index:
            for c, value in zip(columns, values, strict=True):
                out[c][index[name]] = value
    if strange and not (of_more and seen):
        example = f", as {names[0]!r}" if names else ""
        raise InputError(
            f"{path}: {len(strange)} of {len(rows)} names are not among the images, first {strange[0]!r}; "
            f"names are paths relative to the folder that is opened{example}"
        )
    return out


def read_excluded(path: str | os.PathLike[str]) -> list[str]:
    """Return the names to leave out: rows whose ``decision`` is ``drop``, or all rows without that column."""
    header, rows = _read(path)
    if "name" not in header:
        raise InputError(f"{path}: needs a column 'name', has {header}")
    return [r["name"] for r in rows if "decision" not in header or r["decision"].strip().lower() == "drop"]


def known_excluded(
    path: str | os.PathLike[str], names: Collection[str], also_known: Collection[str] = ()
) -> tuple[set[str], set[str]]:
    """Return the names to leave out that are known, as the images are called, and those that are not.

    A name may stand in many rows (one for each queue of a review) and counts once.

    Parameters
    ----------
    names, also_known
        The images, and names of files that cannot be read.
    """
    index, known = set(names), set(also_known)
    found = {name: _resolve(name, index, known) for name in read_excluded(path)}
    return {x for x in found.values() if x is not None}, {name for name, x in found.items() if x is None}


def read_rows(data: bytes, where: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and the rows of a table as spreadsheets save it.

    Commas, semicolons or tabs separate its cells, whichever the first line has most of; it is UTF-8, or
    UTF-16 that begins with its mark. A row that is too short ends in ``""``.

    Raises
    ------
    InputError
        It is no such table.
    """
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig", "surrogateescape")
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        lines = io.StringIO(text, newline="")
        header, *rows = list(csv.reader(lines, delimiter=delimiter, strict=True)) or [[]]
    except (csv.Error, UnicodeError) as error:
        raise InputError(f"{where}: not a table ({error}); save it as CSV in UTF-8") from None
    header = [name.strip() for name in header]
    return header, [dict(zip(header, [*row, *[""] * len(header)], strict=False)) for row in rows if row]


def _read(path: str | os.PathLike[str]) -> tuple[list[str], list[dict[str, str]]]:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a CSV file") from None
    return read_rows(data, str(path))


def _resolve(name: str, index: Collection[str], known: Collection[str]) -> str | None:
    """Return the name as augmap writes it; one that was typed as the file system shows it will do."""
    for candidate in (name, escape(name), name.removeprefix("./"), name.replace("\\", "/")):
        if candidate in index or candidate in known:
            return candidate
    return None
