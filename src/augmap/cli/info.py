"""``augmap info``: what a map is and how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from augmap import folder as disk
from augmap import unfinished
from augmap.cli.words import count, duration, quality, size
from augmap.errors import InputError

_STAGE_COLUMNS = (
    *("name", "epochs", "steps", "dim", "edges", "similarity", "temperature", "train", "optimizer", "lr"),
    *("epoch", "loss", "views_per_second"),
)
"""Fields of a stage, then what its last line of the log says."""


def info(
    map: Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map, finished or not.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what a map is and how it was made: images, stages, seed, time, loss, versions, quality, files."""
    facts = describe(map)
    if as_json:
        print(json.dumps(facts, indent=1, ensure_ascii=True))
    else:
        print("\n".join(_lines(facts)))


def describe(path: Path) -> dict[str, Any]:
    """Collect what is known about a map folder in plain JSON types.

    A folder in which training is not finished has ``finished: False``, what its checkpoint records, and
    the log so far.

    Raises
    ------
    InputError
        ``path`` holds neither a map nor a checkpoint.
    """
    if path.is_dir() and not disk.is_map(path) and unfinished.is_begun(path):
        return _unfinished(path)
    record = disk.read_record(path)
    log = disk.read_file(path, "log.jsonl", record) if "log.jsonl" in record["files"] else b""
    training = _training([json.loads(line) for line in log.splitlines()])
    sizes = {name: entry["size"] for name, entry in record["files"].items()}
    known = {k: v for k, v in record.items() if k != "files"}
    return {"map": str(path), "finished": True, **known, "training": training, "files": sizes}


def _unfinished(path: Path) -> dict[str, Any]:
    file = path / unfinished.CHECKPOINT / "checkpoint.json"
    state: dict[str, Any] = {}
    if file.is_file():
        try:
            state = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: cannot be read ({error}); start over with --overwrite") from error
    files = {f.relative_to(path).as_posix(): f.stat().st_size for f in sorted(path.rglob("*")) if f.is_file()}
    training = _training(state.pop("log", []))
    if (path / unfinished.CHECKPOINT / "baseline.json").is_file():
        state["baseline"] = True
    return {"map": str(path), "finished": False, **state, "training": training, "files": files}


def _training(log: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum up the log: the last epoch's loss of each stage, and its pace."""
    last = {line["stage"]: line for line in log if "stage" in line}
    kept = ("epoch", "loss", "views_per_second")
    return {name: {k: line[k] for k in kept if k in line} for name, line in last.items()}


def _lines(facts: Mapping[str, Any]) -> Iterable[str]:
    config, how = facts.get("config") or {}, dict(facts.get("info") or {})
    stages = config.get("stages", [])
    if facts["finished"]:
        yield f"{facts['map']}: a map of {facts['n']:,} images in {facts['dim']}-D"
    elif "step" in facts:
        at = f"step {facts['step']:,} of stage {facts['stage'] + 1} ({stages[facts['stage']]['name']})"
        yield f"{facts['map']}: not finished, a checkpoint at {at}; go on with augmap fit ... --resume"
    else:
        if facts.get("baseline"):  # whose encoder has a checkpoint of its own
            yield f"{facts['map']}: not finished; go on with augmap baseline ... --resume"
        else:
            yield f"{facts['map']}: not finished, no checkpoint yet; augmap fit ... --resume starts over"
    rows = {"method": how.pop("method", None), "source": how.pop("source", None)}
    if pre := facts.get("preprocessing"):
        rows["images"] = f"{pre['image_size']} × {pre['image_size']} pixels, {_channels(pre['channels'])}"
    rows["labels"] = ", ".join(facts.get("labels") or ())
    for key in ("preset", "seed", "backbone", "augment", "batch_size", "precision"):
        rows[key.replace("_", " ")] = config.get(key)
    rows["budget"] = duration(config["budget"]) if config.get("budget") else None
    rows["took"] = duration(how.pop("seconds")) if "seconds" in how else None
    if measures := how.pop("quality", None):
        rows["quality"] = quality(measures)
    history = how.pop("history", None) or facts.get("machine") or {}
    for key, value in {**history, **how}.items():
        rows.setdefault(key.replace("_", " "), _flat(key, value))
    rows = {k: v for k, v in rows.items() if v not in (None, "")}
    width = max(map(len, rows), default=0)
    for key, value in rows.items():
        yield f"  {key:{width}}  {value}"
    if stages:
        yield "stages"
        yield from _table([{**s, **facts["training"].get(s["name"], {})} for s in stages])
    yield "files"
    yield from (f"  {size(n):>9}  {name}" for name, n in sorted(facts["files"].items()))


def _channels(count: int) -> str:
    return {1: "grey", 3: "colour"}.get(count, f"{count} channels")


def _flat(key: str, value: Any) -> str | None:
    """One line for a value of ``info``, which is free JSON; None for what is not worth one."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k.replace('_', ' ')} {_flat(k, v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        entries = len(value) if any(isinstance(v, Mapping | list) for v in value) else 0
        return count(entries, "entry", "entries") if entries else ", ".join(map(_short, value))
    if "seconds" in key and isinstance(value, int | float):
        return duration(value)
    return None if value is None else _short(value)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if type(value) is int and value >= 10_000 else str(value)


def _table(stages: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """The stages as columns; one that no stage uses is left out."""
    columns = [c for c in _STAGE_COLUMNS if any(s.get(c) is not None for s in stages)]
    heads = [c.replace("views_per_second", "views/s").replace("_", " ") for c in columns]
    rows = [heads, *(["" if s.get(c) is None else _short(s[c]) for c in columns] for s in stages)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    for row in rows:
        cells = (f"{cell:{w}}" for cell, w in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()
