"""What a source offers before anything is decoded: a :class:`Listing`, the same for every kind of source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augmap.errors import InputError
from augmap.images.imageset import Skipped
from augmap.images.names import label_of, split_of

Payload = Any
"""One undecoded image: ``str`` (path of a file), ``bytes`` (content of one), a PIL image, or an array (h,
w[, c])."""


@dataclass(frozen=True)
class Labelled:
    """A payload whose label becomes known only when it is read."""

    payload: Payload
    label: str


class UnreadableError(Exception):
    """One image cannot be read; the message is the reason that stands in ``skipped.csv``."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The images of a source by name, and a way to read each.

    Parameters
    ----------
    source : str
        What was opened, for messages.
    names, splits : lists of n str
    labels : dict of lists of n str
    read : callable
        ``read(i)`` returns the payload of image ``i``, or raises :class:`UnreadableError`.
    stamps : list of n str, or None
        What changes when the image changes (size and time of its file), known without reading it.
        None: nothing is known, so that no stored pixels can be trusted to be these.
    positions : list of n int, or None
        None: ``read`` may be called from many threads in any order. Else only from one thread; where the
        numbers differ, in their order (a compressed archive can be read forwards only).
    peek : callable or None
        ``peek(k)`` returns payloads of about ``k`` images all over the source, when ``read`` cannot jump.
    array : uint8 array (n, h, w, c), or None
        All the images at once, when the source is such an array. It may be a memory map.
    root : str or None
        The folder that names are relative to.
    skipped : list of Skipped
        What was found unreadable while listing.
    others : int
        Files that are left out quietly because their names say that they are no images.
    """

    source: str
    names: list[str]
    splits: list[str]
    labels: dict[str, list[str]]
    read: Callable[[int], Payload]
    stamps: list[str] | None
    positions: list[int] | None = None
    peek: Callable[[int], list[Payload]] | None = None
    array: np.ndarray | None = None
    root: str | None = None
    skipped: list[Skipped] = field(default_factory=list)
    others: int = 0
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)


def from_paths(names: list[str]) -> dict[str, Any]:
    """Return ``names``, ``splits`` and ``labels`` of a listing whose folders tell them."""
    labels = [label_of(name) for name in names]
    return {
        "names": names,
        "splits": [split_of(name) for name in names],
        "labels": {"label": labels} if any(labels) else {},
    }


def select(listing: Listing, rows: Sequence[int]) -> Listing:
    """Return the listing of some of the images, in the order of ``rows``."""
    rows = list(rows)
    if rows == list(range(len(listing))):
        return listing
    array = listing.array
    if array is not None:
        # a run of rows stays a view of the file; scattered rows of a file are read when they are stored
        if rows and rows == list(range(rows[0], rows[0] + len(rows))):
            array = array[rows[0] : rows[0] + len(rows)]
        else:
            array = None if isinstance(array, np.memmap) else array[rows]
    read = listing.read

    def at(values: list[Any] | None) -> list[Any] | None:
        return None if values is None else [values[i] for i in rows]

    return dataclasses.replace(
        listing,
        names=at(listing.names),
        splits=at(listing.splits),
        labels={k: at(v) for k, v in listing.labels.items()},
        read=lambda i: read(rows[i]),
        stamps=at(listing.stamps),
        positions=at(listing.positions),
        array=array,
    )


def join(source: str, listings: dict[str, Listing]) -> Listing:
    """Return one listing of several, each under its own folder name (``train``, ``test``, ...).

    Raises
    ------
    InputError
        When two of them can be read forwards only.
    """
    if sum(part.positions is not None for part in listings.values()) not in (0, len(listings)):
        raise InputError(
            f"{source}: parts of different kinds cannot be opened together; open them one by one"
        )
    parts = list(listings.values())
    names = [f"{key}/{name}" for key, part in listings.items() for name in part.names]
    starts = np.cumsum([0, *(len(p) for p in parts)])
    columns = list(dict.fromkeys(k for p in parts for k in p.labels))

    def read(i: int) -> Payload:
        k = int(np.searchsorted(starts, i, side="right")) - 1
        return parts[k].read(i - int(starts[k]))

    def chain(values: Sequence[list[Any] | None]) -> list[Any] | None:
        return None if any(v is None for v in values) else [x for v in values for x in v]

    positions = None
    if parts and parts[0].positions is not None:
        last, positions = 0, []
        for p in parts:
            positions += [last + x for x in p.positions or []]
            last = max(positions, default=-1) + 1
    return Listing(
        source=source,
        names=names,
        splits=[s or split_of(n) for s, n in zip(chain([p.splits for p in parts]), names, strict=True)],
        labels={c: chain([p.labels.get(c, [""] * len(p)) for p in parts]) for c in columns},
        read=read,
        stamps=chain([p.stamps for p in parts]),
        positions=positions,
        skipped=[s for p in parts for s in p.skipped],
        others=sum(p.others for p in parts),
        notes=[n for p in parts for n in p.notes],
    )
