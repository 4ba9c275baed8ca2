"""``review.csv``: one row an image that is to be looked at, and a column for what a person decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.labels import read_rows
from augmap.items import write_table
from augmap.review.queues import Queue

COLUMNS = (
    *("queue", "group", "rank", "row", "name", "split"),
    *("label", "score", "tag", "reason", "decision"),
)
"""Of ``review.csv``. ``decision`` is empty; ``drop`` in it is acted on by ``apply`` and ``fit --exclude``."""


@dataclass(frozen=True)
class Decided:
    """What a person wrote into an earlier ``review.csv``, whole rows by column name."""

    rows: Sequence[dict[str, str]] = ()

    def __add__(self, other: Decided) -> Decided:
        return Decided([*self.rows, *other.rows])


def read_decisions(data: bytes, where: str) -> Decided:
    """Read the rows of a ``review.csv`` in which a person decided something.

    Raises
    ------
    InputError
        It cannot be understood, so that what was decided there would be lost.
    """
    header, rows = read_rows(data, where)
    if not header:
        return Decided()
    if "name" not in header or "decision" not in header:
        raise InputError(
            f"{where}: has no columns name and decision, so what was decided in it cannot be carried over; "
            "move it away or choose another folder with -o"
        )
    return Decided([row for row in rows if row["decision"].strip()])


def review_csv(m: ImageMap, queues: Iterable[Queue], decided: Decided = Decided()) -> bytes:
    """Return ``review.csv``.

    Decisions of an earlier review are put beside the same name in the same queue; a decided row that is no
    longer found is kept below the others.
    """
    before = {(row.get("queue", ""), row["name"]): row for row in decided.rows}
    used: set[tuple[str, str]] = set()
    rows, names, splits = [COLUMNS], m.names, m.splits
    for queue in queues:
        for entry in queue.entries:
            name = names[entry.row]
            earlier = before.get((queue.name, name))
            used.add((queue.name, name))
            rows.append(
                (
                    queue.name,
                    "" if entry.group is None else str(entry.group),
                    str(entry.rank),
                    str(entry.row),
                    name,
                    splits[entry.row],
                    "" if m.labels is None else str(m.labels[entry.row]),
                    number(entry.score),
                    entry.tag,
                    entry.reason,
                    earlier["decision"] if earlier else "",
                )
            )
    rows += [tuple(row.get(c, "") for c in COLUMNS) for key, row in before.items() if key not in used]
    return write_table(rows)


def number(value: float) -> str:
    """Four significant digits; empty where there is no number."""
    return "" if np.isnan(value) else np.format_float_positional(value, 4, fractional=False, trim="-")


def earlier_decisions(*paths: Path) -> Decided:
    """Collect the decisions in these files, as far as they exist; of two about one entry the later counts.

    Which is later, the files' times say: a table is edited by hand, and the map's own in the explorer.
    """
    written: list[tuple[int, Path, bytes]] = []
    for path in reversed(paths):
        try:
            written.append((path.stat().st_mtime_ns, path, path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    found = Decided()
    for _, path, data in sorted(written, key=lambda entry: entry[0]):
        found += read_decisions(data, str(path))
    return found
