"""What one server shows: the map, a second one perhaps, and what is found out while it is being looked at."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augmap import folder as disk
from augmap.errors import AugmapError, InputError
from augmap.explorer import nearby, pair, regions
from augmap.explorer.build import Blobs, build, with_neighbors, with_regions
from augmap.explorer.nearby import Nearby
from augmap.explorer.originals import Originals, Picture, find_root
from augmap.explorer.placing import Place, Placing
from augmap.explorer.queues import Queues
from augmap.explorer.replay import Replay, read_replay
from augmap.imagemap import ImageMap

FindRegions = Callable[[ImageMap], Mapping[str, Any]]
"""Divides a map into regions, in the form of ``regions.json``; handed in from above."""


@dataclass(eq=False, kw_only=True)
class Shown:
    """One map as the server shows it.

    Parameters
    ----------
    path : Path, optional
        Folder of the map; None while it is being trained.
    m : ImageMap
    blobs : Blobs
        Replaced as a whole when there is more to show.
    near : Nearby
    originals : Originals
    """

    path: Path | None
    m: ImageMap
    blobs: Blobs
    near: Nearby
    originals: Originals
    queues: Queues | None = None
    placing: Placing | None = None
    replay: Replay | None = None
    second: Blobs | None = None
    second_near: Callable[[int], dict[str, Any]] | None = None
    cannot: str | None = None
    """Why images cannot be placed."""
    find_regions: FindRegions | None = None
    """Divides the map, where that has not been done."""

    def meta(self) -> dict[str, Any]:
        """Return ``meta.json``; a review may have been written since the start, so that is looked up now."""
        found = self.blobs.meta()
        if self.queues is not None:
            why = self.queues.why_not()
            others = {name: reason for name, reason in found["reasons"].items() if name != "review"}
            found["capabilities"] = {**found["capabilities"], "review": why is None}
            found["reasons"] = others | ({} if why is None else {"review": why})
        return found

    def original(self, row: int) -> Picture:
        """Return the original of a row; raises :class:`~augmap.explorer.originals.GoneError`."""
        return self.originals.get(self.m.items.names[row])

    def cannot_place(self, reason: str) -> None:
        """Take note that images cannot be placed, and why."""
        self.placing, self.cannot = None, reason
        facts = self.blobs.facts
        can, why = {**facts["capabilities"], "embed": False}, {**facts["reasons"], "embed": reason}
        self.blobs = replace(self.blobs, facts={**facts, "capabilities": can, "reasons": why})

    def pending(self, *names: str) -> None:
        """Say in ``meta.json`` what is still being found."""
        reasons = {name: why for name, why in self.blobs.facts["reasons"].items() if name != "regions"}
        if "regions" in names:
            reasons["regions"] = "regions are being found; that may take some minutes"
        self.blobs = replace(
            self.blobs, facts={**self.blobs.facts, "pending": list(names), "reasons": reasons}
        )

    def near_row(self, row: int) -> dict[str, Any]:
        """Return the neighbours of one row, found now where they are not known yet."""
        return nearby.of_row(self.m, row, self.near)


def open_map(
    path: Path,
    *,
    second: Path | None = None,
    images: Path | None = None,
    place: Callable[[ImageMap], Place | str] | None = None,
    find_regions: FindRegions | None = None,
) -> Shown:
    """Read a map's folder, and a second one, for the page.

    Parameters
    ----------
    path, second : path
    images : path, optional
        Folder of the originals, where they are not at the place that the map records.
    place : callable, optional
        Given the map, returns its encoder, or a sentence why it has none.
    find_regions : callable, optional
        Divides the map where it has no ``regions.json``.

    Raises
    ------
    InputError, DamagedMapError
        See :meth:`ImageMap.load`; or the two maps have no images in common.
    """
    path = Path(path)
    m = ImageMap.load(path)
    record = disk.read_record(path)
    near = nearby.read(path, record, m.n)
    if near.map is None:
        near = replace(near, map=nearby.find_map(m, near.k or nearby.K))
    levels = regions.read(path, record, m.n)
    originals = find_root(
        m.info.get("source"), images, root=m.info.get("root"), beside=path.absolute().parent
    )
    queues = Queues(path, {name: row for row, name in enumerate(m.items.names)})
    replay = read_replay(path, record, m.n)
    encoder = place(m) if place is not None else "this server has no encoder"
    reasons = {
        "live": "this map is finished",
        "embed": encoder if isinstance(encoder, str) else None,
        "originals": originals.reason or None,
        "review": queues.why_not(),
        "replay": None if replay else "this map was not watched while it formed: augmap fit --watch",
        "compare": None if second else "augmap explore MAP MAP2 shows two maps of the same images",
    }
    blobs = build(
        m,
        title=path.absolute().name,
        near=near,
        levels=levels,
        metrics=_json(path, record, "metrics.json"),
        reasons={name: reason for name, reason in reasons.items() if reason},
    )
    if replay is not None and replay.rows is not None:
        blobs = replace(blobs, others={**blobs.others, "replay_rows": replay.rows.astype("<u4").tobytes()})
    shown = Shown(path=path, m=m, blobs=blobs, near=near, originals=originals, queues=queues, replay=replay)
    if not levels and m.n > 1:
        shown.find_regions = find_regions
    if not isinstance(encoder, str):
        usual = None if near.distances is None else near.distances[:, 0]
        shown.placing = Placing(m, blobs.scale, encoder, usual)
    shown.cannot = reasons["embed"]
    if second is not None:
        other, title = ImageMap.load(second), Path(second).absolute().name
        shown.second = pair.build_second(m, other, blobs.scale, title)
        shown.second_near = pair.near_finder(m, other)
        shown.blobs = replace(
            blobs, facts={**blobs.facts, "maps": [*blobs.facts["maps"], {"prefix": "b/", "title": title}]}
        )
    return shown


def complete(shown: Shown) -> None:
    """Find what takes long: everybody's neighbours in feature space, and regions; and keep it with the map.

    May run in a thread of its own while the map is shown.
    """
    features = shown.near.features is None and nearby.why_not(shown.m) is None
    shown.pending(*(["neighbors"] if features else []), *(["regions"] if shown.find_regions else []))
    if features:
        table, distances = nearby.find_features(shown.m, shown.near.k or nearby.K)
        shown.near = replace(shown.near, features=table, distances=distances)
        shown.blobs = with_neighbors(shown.blobs, shown.m, shown.near)
        if shown.path is not None:
            nearby.keep(shown.path, shown.near)
    if shown.find_regions is not None:
        shown.pending("regions")
        levels = _find_regions(shown.path, shown.m, shown.find_regions)
        shown.blobs = with_regions(shown.blobs, shown.m, levels) if levels else shown.blobs
    shown.pending()


def prepare_in_background(shown: Shown) -> threading.Thread:
    """Load the encoder and :func:`complete` what is shown, in a thread that ends with the process."""

    def prepare() -> None:
        if shown.placing is not None:
            try:
                shown.placing.warm()
            except InputError as error:  # the description of the encoder was edited by hand
                shown.cannot_place(str(error))
        complete(shown)

    thread = threading.Thread(target=prepare, daemon=True, name="augmap-prepare")
    thread.start()
    return thread


def _find_regions(path: Path | None, m: ImageMap, find: FindRegions) -> list[regions.Level]:
    """Divide the map and keep the division with it, where it may be written."""
    found = dict(find(m))
    levels = regions.parse(found, m.n)
    if path is not None:
        with contextlib.suppress(AugmapError, OSError):  # a map that may only be read
            disk.update(path, {regions.FILE: disk.json_bytes(found, indent=None)})
    return levels


def _json(path: Path, record: Mapping[str, Any], name: str) -> Any:
    """Read a by-product of the map; None where there is none or it cannot be understood."""
    if name not in record["files"]:
        return None
    try:
        return json.loads(disk.read_file(path, name, record))
    except (InputError, ValueError):
        return None
