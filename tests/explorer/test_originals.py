"""Where the originals of a map lie: where it was made, or beside it, and nowhere else."""

from __future__ import annotations

import pytest

from augmap.errors import InputError
from augmap.explorer.originals import find_root


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with images, and another project in which the program runs."""
    for place in ("mine/photos/deep", "mine/trip [2019]", "theirs/photos"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "mine" / "photos.zip").write_bytes(b"PK")
    monkeypatch.chdir(tmp_path / "theirs")
    return tmp_path / "mine"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("photos", "photos"),
        ("photos/**/*.jpg", "photos"),
        ("photos/d*/x.jpg", "photos"),
        ("trip [2019]", "trip [2019]"),
        ("trip [2019]/*.jpg", "trip [2019]"),
    ],
)
def test_beside_the_map(home, source, found):
    assert find_root(source, None, beside=home).root == home / found


def test_where_the_map_was_made(home, tmp_path):
    root = str(home / "photos")
    assert find_root("photos", None, root=root, beside=tmp_path).root == home / "photos"
    moved = find_root("photos", None, root=str(tmp_path / "gone"), beside=home)
    assert moved.root == home / "photos"


def test_not_where_the_program_runs(home, tmp_path):
    found = find_root("photos", None, beside=tmp_path)
    assert found.root is None
    assert "photos is not there; if the images moved, start with" in found.reason


def test_no_folder(home, tmp_path):
    assert "inside of photos.zip" in find_root("photos.zip", None, beside=home).reason
    assert "does not say" in find_root(None, None, beside=home).reason
    assert find_root("*.jpg", None, beside=home).root is None
    with pytest.raises(InputError, match="no such folder"):
        find_root("photos", tmp_path / "nowhere")
