"""A map, the page in little, and somebody who asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from asking import Asking, photo_folder, write_page
from augmap.explorer.site import Shown, open_map
from madeup import full_map


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return write_page(tmp_path / "static")


@pytest.fixture
def map_folder(tmp_path: Path) -> Path:
    """A map of 40 images whose originals lie in ``images/``."""
    m = full_map(40)
    m.info["source"] = str(photo_folder(tmp_path / "images", m))
    return m.save(tmp_path / "some.map")


@pytest.fixture
def shown(map_folder: Path) -> Shown:
    return open_map(map_folder)


@pytest.fixture
def ask(shown: Shown, page: Path) -> Asking:
    return Asking(shown, page)
