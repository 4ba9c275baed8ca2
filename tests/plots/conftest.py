"""A map that most tests of figures draw."""

from __future__ import annotations

import pytest

from augmap.imagemap import ImageMap
from plotted import make_blobs


@pytest.fixture(scope="session")
def blobs() -> ImageMap:
    """600 images in 6 blobs of 100, one label each."""
    return make_blobs()
