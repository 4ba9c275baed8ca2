"""Files that a user names: behind a link, into a pipe, and never over what belongs to a map."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from augmap import folder as disk
from augmap.errors import InputError

OLD = {"a.txt": b"old a", "thumbs/page-000.webp": b"old page"}


def test_a_file_that_a_user_names_is_written_behind_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    for name, target in (("a", "there/a"), ("b", "there/b")):
        (tmp_path / name).symlink_to(tmp_path / target)
    (tmp_path / "there" / "a").write_bytes(b"old")  # the other link leads to nothing yet
    for name in "ab":
        disk.check_file(tmp_path / name)
        disk.write_file(tmp_path / name, b"new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "there" / name).read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path / "there")) == ["a", "b"]


def test_a_pipe_that_a_user_names_is_written_into(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    disk.check_file(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        disk.write_file(tmp_path / "pipe", b"a table")
        assert os.read(reader, 100) == b"a table"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_the_files_of_a_map_are_put_where_links_were(tmp_path):
    """A map is handed on: a link in it would lead what is written to any file of whoever opens it."""
    disk.commit(tmp_path / "m", OLD, {})
    (tmp_path / "mine").write_bytes(b"mine")
    for write in (disk.update, lambda folder, files: disk.commit(folder, files, {})):
        (tmp_path / "m" / "a.txt").unlink()
        (tmp_path / "m" / "a.txt").symlink_to(tmp_path / "mine")
        write(tmp_path / "m", {"a.txt": b"new"})
        assert (tmp_path / "mine").read_bytes() == b"mine"
        assert not (tmp_path / "m" / "a.txt").is_symlink()


def test_no_file_of_a_map_can_be_named(tmp_path, monkeypatch):
    disk.commit(tmp_path / "m", OLD, {})
    (tmp_path / "link").symlink_to(tmp_path / "m" / "a.txt")
    monkeypatch.chdir(tmp_path / "m")
    for path in ("../m/a.txt", "a.txt", "map.json", "thumbs/page-000.webp", tmp_path / "link"):
        with pytest.raises(
            InputError, match=re.escape(f"{path}: belongs to the map {tmp_path / 'm'}; choose")
        ):
            disk.check_file(Path(path))
    for path in ("points.csv", "thumbs/a.txt", "../a.txt"):
        disk.check_file(Path(path))
    with pytest.raises(InputError, match="thumbs: is a folder; choose another name"):
        disk.check_file(Path("thumbs"))
    with pytest.raises(InputError, match="no/a: its folder no does not exist; create it or choose another"):
        disk.check_file(Path("no/a"))


def test_room_is_made_only_where_it_lacks(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"\(Is a directory, 0.0 MB\); choose another place with -o"):
        disk.write_atomic(tmp_path / "folder", b"x")
