"""The type checker of the test run: beartype, with whole numbers taken as floats (PEP 484)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep3119Exception

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that its arguments and result are checked."""
    try:
        return _beartype(function)
    except BeartypeDecorHintPep3119Exception:  # a Protocol that is for reading, not for isinstance
        return function
