"""``augmap info``: what a map is and how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from augmap import folder as disk
from augmap.cli.words import duration, size
from augmap.errors import InputError

_STAGE_COLUMNS = ("name", "epochs", "steps", "dim", "similarity", "temperature", "train", "optimizer", "lr")


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
    if path.is_dir() and not disk.is_map(path) and (path / disk.CHECKPOINT).is_dir():
        return _unfinished(path)
    record = disk.read_record(path)
    log = disk.read_file(path, "log.jsonl", record) if "log.jsonl" in record["files"] else b""
    sizes = {name: entry["size"] for name, entry in record["files"].items()}
    known = {k: v for k, v in record.items() if k != "files"}
    return {"map": str(path), "finished": True, **known, "training": _training(log), "files": sizes}


def _unfinished(path: Path) -> dict[str, Any]:
    states = {}
    for file in sorted((path / disk.CHECKPOINT).rglob("*.json")):
        try:
            states[file.relative_to(path / disk.CHECKPOINT).as_posix()] = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: cannot be read ({error}); start over with --overwrite") from error
    log = (path / "log.jsonl").read_bytes() if (path / "log.jsonl").is_file() else b""
    files = {f.relative_to(path).as_posix(): f.stat().st_size for f in sorted(path.rglob("*")) if f.is_file()}
    state = max(states.values(), key=lambda s: s.get("step", 0), default={})
    return {"map": str(path), "finished": False, **state, "training": _training(log), "files": files}


def _training(log: bytes) -> dict[str, Any]:
    """Sum up ``log.jsonl``: epochs, seconds, loss of the last epoch."""
    lines = []
    for line in log.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # the last line of a run that was killed
            continue
    if not lines:
        return {}
    last = lines[-1]
    return {"epochs": len(lines), **{k: last[k] for k in ("stage", "loss", "views_per_second") if k in last}}


def _lines(facts: Mapping[str, Any]) -> Iterable[str]:
    config, how = facts.get("config") or {}, facts.get("info") or {}
    if facts["finished"]:
        yield f"{facts['map']}: a map of {facts['n']:,} images in {facts['dim']}-D"
    else:
        step = f", checkpoint at step {facts['step']:,}" if "step" in facts else ""
        yield f"{facts['map']}: not finished{step}; go on with augmap fit ... --resume"
    rows = {"augmap": facts.get("augmap")}
    if pre := facts.get("preprocessing"):
        rows["images"] = f"{pre['image_size']} × {pre['image_size']} pixels, {_channels(pre['channels'])}"
    rows["labels"] = ", ".join(facts.get("labels") or ()) or None
    for key in ("preset", "seed", "backbone", "augment", "batch_size"):
        rows[key.replace("_", " ")] = config.get(key)
    if config.get("budget"):
        rows["budget"] = duration(config["budget"])
    for key, value in how.items():
        rows.setdefault(key.replace("_", " "), _flat(key, value))
    training = facts["training"]
    if training:
        rows["training"] = ", ".join(f"{k.replace('_', ' ')} {_short(v)}" for k, v in training.items())
    rows = {k: v for k, v in rows.items() if v not in (None, "")}
    width = max(map(len, rows), default=0)
    for key, value in rows.items():
        yield f"  {key:{width}}  {value}"
    if config.get("stages"):
        yield "stages"
        yield from _table(config["stages"])
    yield "files"
    yield from (f"  {size(count):>9}  {name}" for name, count in sorted(facts["files"].items()))


def _channels(count: int) -> str:
    return {1: "grey", 3: "colour"}.get(count, f"{count} channels")


def _flat(key: str, value: Any) -> str:
    """One line for a value of ``info``, which is free JSON."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k.replace('_', ' ')} {_flat(k, v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return f"{len(value):,} entries" if len(value) > 4 else ", ".join(_flat(key, v) for v in value)
    if "seconds" in key and isinstance(value, int | float):
        return duration(value)
    return _short(value)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def _table(stages: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """The stages as columns; one that no stage uses is left out."""
    columns = [c for c in _STAGE_COLUMNS if any(s.get(c) is not None for s in stages)]
    rows = [columns, *(["" if s.get(c) is None else _short(s[c]) for c in columns] for s in stages)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    for row in rows:
        yield "  " + "  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
