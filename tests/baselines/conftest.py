"""Striped pictures, opened; and a stand-in for umap-learn, which compiles itself for ten seconds."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from augmap.images.open import open_images
from pictures import make_photos


@pytest.fixture(scope="session")
def stripes(tmp_path_factory):
    """3 kinds of 40 pictures of 12 x 12 pixels; their kind cannot be seen from the mean colour."""
    folder = tmp_path_factory.mktemp("stripes") / "photos"
    make_photos(folder, each=40, size=12)
    return open_images(folder, store=False)


@pytest.fixture
def fake_umap(monkeypatch):
    """In place of umap-learn: its arguments, and the first columns of the data as positions."""
    seen = {}

    class UMAP:
        def __init__(self, **settings):
            seen.update(settings)

        def fit_transform(self, x):
            seen["x"] = x
            return np.array(x[:, : seen["n_components"]])

    module = types.ModuleType("umap")
    module.UMAP = UMAP
    monkeypatch.setitem(sys.modules, "umap", module)
    return seen
