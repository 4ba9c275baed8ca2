"""Libraries that an export needs and augmap does not bring along."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from augmap.errors import InputError


def library(name: str, extra: str) -> ModuleType:
    """Import a module of an extra.

    Raises
    ------
    InputError
        It is not installed, or does not fit what is; the message says which extra brings it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        why = f"{name} is not installed" if absent else f"{name} cannot be imported ({error})"
        raise InputError(f"{why}: pip install 'augmap[{extra}]'") from error
