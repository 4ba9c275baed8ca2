"""Several maps held side by side: :class:`Comparison`, and how it comes about."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import augmap
from augmap import folder as disk
from augmap.errors import InputError
from augmap.evaluate.score import Measures
from augmap.fields import a_seed
from augmap.imagemap import ImageMap
from augmap.plots.colours import label_colours
from augmap.plots.figure import Kind
from augmap.report.aligned import Placed, place
from augmap.report.columns import Aside, Column, Key, columns
from augmap.report.differences import Compared, differences
from augmap.report.facts import Facts, facts_of
from augmap.report.measured import K, check, measured, reason, stored
from augmap.report.methods import Method, method_of
from augmap.report.pictures import Picture, picture

Progress = Callable[[str, float, int, str], None]

MOST_NAMED = 40
"""Labels up to which names are written into the pictures."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One map of a comparison; its features and weights are let go."""

    name: str
    map: ImageMap
    method: Method
    facts: Facts
    measures: Measures
    placed: Placed | None
    """None for a map of one dimension."""
    picture: Picture | None
    """None for a map of one dimension."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What a report shows."""

    entries: list[Entry]
    columns: list[Column]
    aside: Aside
    """Why a map takes no part in which is the best of a column."""
    warnings: list[str]
    colours: dict[str, str]
    """Colour of each label, the same in all pictures."""
    color_by: str | None
    onto: str | None
    """Name of the map that the others are turned onto."""

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers of the report in plain JSON types."""
        return {
            "augmap": augmap.__version__,
            "warnings": self.warnings,
            "aligned_onto": self.onto,
            "maps": [_plain(e) for e in self.entries],
            "columns": [
                {
                    **dict(zip(("metric", "space", "column", "setting"), c.key, strict=True)),
                    "higher_is_better": c.higher_is_better,
                    "best": [self.entries[i].name for i in c.best],
                    "aside": {
                        e.name: cell.aside
                        for e, cell in zip(self.entries, c.cells, strict=True)
                        if cell.score is not None and cell.aside
                    },
                    "missing": {
                        e.name: cell.reason
                        for e, cell in zip(self.entries, c.cells, strict=True)
                        if cell.score is None
                    },
                }
                for c in self.columns
            ],
        }


def compare(
    paths: Sequence[Path],
    *,
    metrics: Sequence[str] | None = None,
    k: int = K,
    seed: int = 0,
    kind: Kind = "scatter",
    color_by: str = "label",
    progress: Progress | None = None,
) -> Comparison:
    """Read maps, measure them, turn them onto one another and draw them.

    Parameters
    ----------
    paths : two or more folders of maps
    metrics, k, seed
        What is measured and how, see :func:`augmap.report.measured.measured`.
    kind : {"scatter", "thumbnails"}
    color_by : str
        Label column that colours the pictures, where a map has it.
    progress : callable, optional
        Called with what is done, how much of it, of how much in all, and with what it is busy.

    Raises
    ------
    InputError
        Fewer than two maps, a seed out of range, one that is no map or damaged, or a column that no map has.
    """
    if len(paths) < 2:
        raise InputError(
            f"compare needs two maps or more, got {len(paths)}; for one there is augmap evaluate"
        )
    tell = progress or (lambda title, done, total, note: None)
    check(metrics)
    a_seed(seed)
    names, maps, facts, methods = names_of(paths), [], [], []
    for path in paths:  # all of them before any is measured: a damaged one is found without a wait
        m = ImageMap.load(path)
        stored(path)
        facts.append(facts_of(m, disk.read_record(path).get("augmap")))
        methods.append(method_of(m))
        maps.append(dataclasses.replace(m, features=None, weights=None))
    by = _coloured(maps, color_by)
    measures = []
    for name, path in zip(names, paths, strict=True):
        watch = partial(_watch, tell, name)
        measures.append(measured(path, ImageMap.load(path), metrics=metrics, k=k, seed=seed, progress=watch))
    scores = [found.scores for found in measures]
    missing = [
        {key: reason(key, m, f.features, found) for key in {s.key for of_map in scores for s in of_map}}
        for m, f, found in zip(maps, facts, measures, strict=True)
    ]
    apart = partial(aside, maps, methods)
    warnings = differences(
        [
            Compared(name=name, map=m, measures=found)
            for name, m, found in zip(names, maps, measures, strict=True)
        ]
    )
    colours = label_colours(*(m.items.labels[by] for m in maps if by in m.items.labels))
    drawn = []
    laid, reference = place(maps)
    for i, (m, at) in enumerate(zip(maps, laid, strict=True)):
        drawn.append(_drawn(m, at, kind, by, colours))
        tell("drawing", i + 1, len(maps), names[i])
    return Comparison(
        entries=[
            Entry(
                name=names[i],
                map=maps[i],
                method=methods[i],
                facts=facts[i],
                measures=measures[i],
                placed=laid[i],
                picture=drawn[i],
            )
            for i in range(len(maps))
        ],
        columns=columns(scores, missing, apart),
        aside=apart,
        warnings=warnings,
        colours=colours,
        color_by=by,
        onto=None if reference is None else names[reference],
    )


def aside(maps: Sequence[ImageMap], methods: Sequence[Method], row: int, key: Key) -> str:
    """Say why a map is no rival of the others in a score; empty where it is one.

    A map of 128 dimensions has room that one of two has not, and one that was trained on labels has seen the
    answers.
    """
    dims = [m.dim for m in maps]
    usual = 2 if 2 in dims else dims[0]
    if key[1].startswith("map") and dims[row] != usual:
        return f"{dims[row]}-D"
    if key[2] is not None and methods[row].labels and not all(m.labels for m in methods):
        return "saw labels"
    return ""


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return a name for each map: its folder's, with as much of the path as tells it from the others."""
    parts = [Path(p).absolute().parts for p in paths]
    given = Counter(parts)  # one and the same map may be given more than once
    short = {p: _stem(p, 1) for p in given}
    for depth in range(2, 1 + max(map(len, parts))):
        often = Counter(short.values())
        short = {p: _stem(p, depth) if often[name] > 1 else name for p, name in short.items()}
    seen: Counter[tuple[str, ...]] = Counter()
    names = []
    for p in parts:
        seen[p] += 1
        names.append(short[p] if given[p] == 1 else f"{short[p]} ({seen[p]})")
    return names


def _stem(parts: Sequence[str], depth: int) -> str:
    name = "/".join(parts[-depth:])
    return name.removesuffix(".map") or name


def _watch(tell: Progress, name: str, task: str, done: float, total: int) -> None:
    tell(f"measuring {name}", done, total, task)


def _coloured(maps: Sequence[ImageMap], asked: str) -> str | None:
    """Return the column that colours the pictures; None where no map has labels."""
    there = list(dict.fromkeys(c for m in maps for c in m.items.labels))
    if asked in there:
        return asked
    if asked == "label" and not there:
        return None
    raise InputError(
        f"no map has a label column {asked!r} to colour by; there are: {', '.join(there) or 'none'}"
    )


def _drawn(
    m: ImageMap, at: Placed | None, kind: Kind, by: str | None, colours: Mapping[str, str]
) -> Picture | None:
    if at is None:
        return None
    has = by if by in m.items.labels else None
    kind = "scatter" if m.thumbs is None else kind
    shown = dataclasses.replace(m, positions=at.positions)
    return picture(shown, kind, color_by=has, colours=colours, names=len(colours) <= MOST_NAMED)


def _plain(e: Entry) -> dict[str, Any]:
    aligned = e.placed.aligned if e.placed else None
    return {
        "name": e.name,
        "method": dataclasses.asdict(e.method),
        **dataclasses.asdict(e.facts),
        "aligned_by": aligned.shared if aligned else None,
        "procrustes_correlation": aligned.correlation if aligned else None,
        "measures": e.measures.to_dict(),
    }
