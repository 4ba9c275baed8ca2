"""Fields of a frozen dataclass: held against their annotations and ranges, read and written as TOML."""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
import tomllib
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from augmap.errors import InputError


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file, or raise :class:`InputError` naming it."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error


def build(cls: type, values: dict[str, Any], where: str) -> Any:
    """Make a dataclass from plain types, checked by the field's annotation."""
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected a table, got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise InputError(f"{where}: unknown {unknown[0]!r}; known are {', '.join(fields)}")
    missing = [
        n
        for n, f in fields.items()
        if n not in values and f.default is f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InputError(f"{where}: {missing[0]!r} is missing")
    for name, value in values.items():
        _convert(value, str(fields[name].type), f"{where}: {name}")
    return cls(**values)


def check_types(self: Any, where: str = "") -> None:
    """Hold each field against its annotation; lists become tuples, numpy's numbers Python's."""
    for field in dataclasses.fields(self):
        value = _convert(getattr(self, field.name), str(field.type), where + field.name)
        object.__setattr__(self, field.name, value)


def _convert(value: Any, annotation: str, where: str) -> Any:
    """Return the value in the type of the annotation, or raise."""
    kinds = {part.strip().split("[")[0] for part in annotation.split("|")}
    if "None" in kinds and (value is None or value == "none"):
        return None
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if "float" in kinds and number:
        return float(value)
    if "int" in kinds and number and isinstance(value, numbers.Integral):
        return int(value)
    if "tuple" in kinds and isinstance(value, list | tuple):
        if "int" not in annotation:  # of dataclasses, which check themselves
            return tuple(value)
        if not all(isinstance(v, numbers.Integral) and not isinstance(v, bool) and v > 0 for v in value):
            raise InputError(f"{where} must hold positive whole numbers, got {value!r}")
        return tuple(map(int, value))
    if "bool" in kinds and isinstance(value, bool):
        return value
    if "dict" in kinds and isinstance(value, dict):
        return value
    # the named literals (Similarity, ...) are strings, checked by their dataclass
    if not kinds & {"int", "float", "tuple", "bool", "dict"} and isinstance(value, str):
        return value
    raise InputError(f"{where} must be {annotation}, got {value!r}")


def tuples(value: Any) -> Any:
    """JSON and TOML know lists only; the ranges of an augmentation are tuples."""
    return tuple(map(tuples, value)) if isinstance(value, list | tuple) else value


def toml(values: dict[str, Any], cls: type | None = None) -> str:
    """Return ``key = value`` lines; None is written where leaving it out would mean something else."""
    defaults = {f.name: f.default for f in dataclasses.fields(cls)} if cls else {}
    kept = {k: "none" if v is None else v for k, v in values.items() if v is not None or defaults.get(k)}
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in kept.items())


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()  # true, false, 1e-05


def choice(self: Any, name: str, kinds: Any, *, where: str = "") -> None:
    """Raise unless the field holds one of the values of a ``Literal``."""
    value = getattr(self, name)
    known = [v for kind in get_args(kinds) for v in (get_args(kind) or (kind,))]
    if value not in known and not (value is None and NoneType in known):
        names = ", ".join("none" if v is NoneType else str(v) for v in known)
        raise InputError(f"{where}{name} must be one of {names}; got {value!r}")


def positive(self: Any, *names: str, where: str = "") -> None:
    """Raise unless the fields hold positive, finite numbers; None passes."""
    for name in names:
        value = getattr(self, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise InputError(f"{where}{name} must be positive, got {value!r}")


def at_least(self: Any, least: int, *names: str, where: str = "") -> None:
    """Raise unless the fields hold numbers from ``least`` on; None passes."""
    for name in names:
        value = getattr(self, name)
        if value is not None and value < least:
            raise InputError(f"{where}{name} must be at least {least}, got {value!r}")


def not_negative(self: Any, *names: str, where: str = "") -> None:
    """Raise unless the fields hold finite numbers that are not below 0."""
    for name in names:
        value = getattr(self, name)
        if not (value >= 0 and math.isfinite(value)):
            raise InputError(f"{where}{name} must not be negative, got {value!r}")


def a_seed(seed: int, name: str = "seed") -> None:
    """Raise :class:`InputError` on a seed that no generator takes."""
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool):
        raise InputError(f"{name} must be a whole number, got {seed!r}")
    if not 0 <= seed < 2**63:
        raise InputError(f"{name} must lie in [0, 2**63), got {seed}")
