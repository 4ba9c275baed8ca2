"""The review queues: ``review.csv`` of a map's folder for the page, and the decisions back."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augmap import folder as disk
from augmap.errors import AugmapError, InputError
from augmap.items import read_table, write_table

FILE = "review.csv"
COLUMNS = ("queue", "group", "rank", "row", "name", "split", "label", "score", "tag", "reason", "decision")
TEXTS = ("rank", "name", "split", "label", "tag", "reason", "decision")
"""Columns that the page gets as they are."""
DECISIONS = "keep, drop, relabel:NAME, or nothing"
MAX_NAME = 200
"""Characters of a new label."""


class ConflictError(Exception):
    """The file is not what the page has seen: it has to be loaded again."""


@dataclass(frozen=True, eq=False)
class Queues:
    """The review of one map.

    Parameters
    ----------
    folder : Path
        Of the map.
    rows : mapping of str to int
        Row of each image of the map by its name.
    """

    folder: Path
    rows: Mapping[str, int]

    def why_not(self) -> str | None:
        """Return why there is nothing to review; None where there is."""
        try:
            self._table()
        except InputError as error:
            return str(error)
        return None

    def read(self) -> dict[str, Any]:
        """Return the answer of ``GET /review.json``.

        Raises
        ------
        InputError
            There is no ``review.csv``, or it cannot be understood.
        """
        columns, lines = self._table()
        queues: dict[str, dict[tuple[str, int], list[dict[str, Any]]]] = {}
        for number, line in enumerate(lines):
            entry = {name: line[at] if at is not None else "" for name, at in columns.items()}
            item = {
                "line": number,
                "row": self.rows.get(entry["name"]),
                **{key: entry[key] for key in TEXTS},
                "score": _number(entry["score"]),
            }
            group = (entry["group"], -1 if entry["group"] else number)  # one without a group is by itself
            queues.setdefault(entry["queue"], {}).setdefault(group, []).append(item)
        return {
            "queues": [
                {
                    "queue": queue,
                    "groups": [{"group": name, "items": items} for (name, _), items in groups.items()],
                }
                for queue, groups in queues.items()
            ]
        }

    def decide(self, decisions: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Write decisions into the file, all or none; return the answer of ``POST /review``.

        Raises
        ------
        InputError
            A decision cannot be understood, or the file cannot be written.
        ConflictError
            A line holds another name than the page says.
        """
        with _writing:
            columns, lines = self._table()
            header, name_at, decision_at = self._header(), columns["name"], columns["decision"]
            assert name_at is not None
            if decision_at is None:
                decision_at, header = len(header), [*header, "decision"]
                lines = [[*line, ""] for line in lines]
            for line, name, decision in map(_checked, decisions):
                if not 0 <= line < len(lines) or lines[line][name_at] != name:
                    raise ConflictError("the review was written anew meanwhile; load the page again")
                lines[line][decision_at] = decision
            self._write(write_table([header, *lines]))
        decided = sum(bool(line[decision_at]) for line in lines)
        return {"saved": len(decisions), "decided": decided, "total": len(lines)}

    def _path(self) -> Path:
        path = self.folder / FILE
        if path.is_symlink():
            raise InputError(f"{FILE} is a link, which may lead anywhere; replace it by the file itself")
        return path

    def _read(self) -> list[list[str]]:
        try:
            data = self._path().read_bytes()
        except FileNotFoundError:
            raise InputError("nothing to review yet: augmap review MAP -o DIR writes the queues") from None
        except OSError as error:
            raise InputError(f"{FILE} cannot be read ({error.strerror})") from None
        # a spreadsheet may have added the mark that UTF-8 can begin with
        return read_table(data.removeprefix(b"\xef\xbb\xbf"), where=FILE)

    def _header(self) -> list[str]:
        return (self._read() or [[]])[0]

    def _table(self) -> tuple[dict[str, int | None], list[list[str]]]:
        """Return where each column is, and the lines."""
        header, *lines = self._read() or [[]]
        columns = {name: header.index(name) if name in header else None for name in COLUMNS}
        if columns["queue"] is None or columns["name"] is None:
            raise InputError(
                f"{FILE} has no columns queue and name; move it away, and augmap review MAP -o DIR "
                "writes it anew"
            )
        for number, line in enumerate(lines):
            if len(line) != len(header):
                raise InputError(
                    f"{FILE}: line {number + 2} has {len(line)} entries, the header {len(header)}"
                )
        return columns, lines

    def _write(self, data: bytes) -> None:
        record = disk.read_record(self.folder)
        try:
            if FILE in record["files"]:
                disk.update(self.folder, {FILE: data})
            else:
                disk.write_atomic(self._path(), data)
        except (AugmapError, OSError) as error:
            raise InputError("the decisions cannot be saved: the map's folder may not be written") from error


_writing = threading.Lock()


def _checked(entry: Any) -> tuple[int, str, str]:
    line, name, decision = (
        (entry.get("line"), entry.get("name"), entry.get("decision"))
        if isinstance(entry, Mapping)
        else (None,) * 3
    )
    if type(line) is not int or not isinstance(name, str) or not isinstance(decision, str):
        raise InputError("each decision needs a line, a name and a decision")
    label = decision.removeprefix("relabel:")
    is_relabel = decision.startswith("relabel:") and 0 < len(label) <= MAX_NAME and label.isprintable()
    if decision not in ("", "keep", "drop") and not is_relabel:
        raise InputError(f"a decision is {DECISIONS}, got {decision[:50]!r}")
    return line, name, decision


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
