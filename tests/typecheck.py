"""The type checker of the test run: beartype on the shapes of arrays and tensors, and on nothing else.

A value of another wrong type is for the function itself to refuse, in its own words; tests look at those.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from beartype import beartype

_SHAPE = re.compile(r"\b(?:Bool|Complex|Float|Inexact|Int|Integer|Num|Real|Shaped|UInt)\d*\[")


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that the shapes of its arguments and its result are checked.

    jaxtyping hands over a stand-in with the function's signature, so its annotations may be changed.
    """
    notes = function.__annotations__
    for name, note in list(notes.items()):
        if not _SHAPE.search(note if isinstance(note, str) else repr(note)):
            del notes[name]
    return beartype(function) if notes else function
