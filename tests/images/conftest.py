"""Pictures to read: one at a time, and the hostile folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hostile import make_hostile, save_gradient


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a picture below ``tmp_path/in``: ``write("a/b.png", width, height)``."""

    def write(name: str, width: int = 8, height: int = 8, root: Path | None = None) -> Path:
        return save_gradient((root or tmp_path / "in") / name, width, height)

    return write


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """The hostile folder, see ``tests/hostile.py``."""
    make_hostile(tmp_path / "in")
    return tmp_path / "in"
