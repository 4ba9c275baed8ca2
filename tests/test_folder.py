"""The map folder: written whole or not at all, and never trusted further than its hashes go."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augmap import folder as disk
from augmap.errors import DamagedMapError, InputError

OLD = {"a.txt": b"old a", "thumbs/page-000.webp": b"old page", "gone.txt": b"only before"}
NEW = {"a.txt": b"new a!", "thumbs/page-000.webp": b"new page", "more/b.txt": b"only after"}


def contents(folder: Path) -> dict[str, bytes]:
    """What a reader sees: every file of the record, held against its hash."""
    record = disk.read_record(folder)
    return {name: disk.read_file(folder, name, record) for name in record["files"]}


def files_in(folder: Path) -> set[str]:
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return found - {".lock"}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


class Crash(BaseException):
    """The process ends here."""


def crash_at(k: int, patch: pytest.MonkeyPatch) -> list[str]:
    """Let the process end before the k-th change of the disk; return the changes that were made."""
    done: list[str] = []

    def watch(name):
        real = getattr(os, name)

        def change(path, *args, **kwargs):
            if len(done) >= k:
                raise Crash
            done.append(f"{name} {path}")
            return real(path, *args, **kwargs)

        patch.setattr(os, name, change)

    for name in ("replace", "unlink", "rmdir", "mkdir"):  # what pathlib and shutil call
        watch(name)
    return done


def crashes(start, work, valid):
    """Run ``work`` with an end before each of its changes of the disk; what is left must be in ``valid``."""
    finished, k = False, 0
    while not finished:
        folder = start(k)
        with pytest.MonkeyPatch.context() as patch:  # undone before the folder is looked at
            done = crash_at(k, patch)
            try:
                work(folder)
                finished = True
            except Crash:
                k += 1
        assert contents(folder) in valid, f"after {done}"
        yield folder


def test_an_end_at_any_moment_of_a_commit_leaves_the_old_map_or_the_new_one(tmp_path):
    def start(k):
        disk.commit(tmp_path / str(k), OLD, {"n": 1})
        return tmp_path / str(k)

    seen = []
    for folder in crashes(start, lambda f: disk.commit(f, NEW, {"n": 2}), [OLD, NEW]):
        seen.append(contents(folder) == NEW)
        assert (disk.read_record(folder)["n"] == 2) == seen[-1]
        disk.update(folder, {"later.txt": b"x"})  # whoever writes next finishes it
        assert contents(folder) == {**(NEW if seen[-1] else OLD), "later.txt": b"x"}
        assert not (folder / ".incoming" / "map.json").exists()
    assert len(seen) > 12  # the moments are there to be tried
    assert seen == sorted(seen)  # first the old map, from one moment on the new one
    assert True in seen[:-2]
    assert files_in(folder) == {*NEW, "map.json", "later.txt"}


def test_a_commit_over_a_broken_off_one(tmp_path):
    third = {"c.txt": b"third"}
    for k in range(0, 40, 2):
        folder = tmp_path / str(k)
        disk.commit(folder, OLD, {})
        with pytest.MonkeyPatch.context() as patch:
            crash_at(k, patch)
            try:
                disk.commit(folder, NEW, {})
            except Crash:
                pass
            else:
                break
        disk.commit(folder, third, {})
        assert contents(folder) == third
        left = files_in(folder) - {"map.json", "c.txt"}
        assert left <= {"gone.txt"}, left  # a file of the first map at most, listed by none
    else:
        pytest.fail("a commit takes more than 40 changes of the disk")


def test_an_end_at_any_moment_of_a_first_commit(tmp_path):
    for k in range(40):
        folder = tmp_path / str(k)
        with pytest.MonkeyPatch.context() as patch:
            crash_at(k, patch)
            try:
                disk.commit(folder, NEW, {})
            except Crash:
                pass
            else:
                break
        if disk.is_map(folder):
            assert contents(folder) == NEW
        else:
            assert not disk.is_foreign(folder)  # so the same place may be used again
            with pytest.raises(InputError, match=r"no such map|not a map, it has no map\.json"):
                disk.read_record(folder)
    assert k > 10


def test_an_end_at_any_moment_of_an_update(tmp_path):
    before = {"a.txt": b"old a", "b.txt": b"old b"}
    change = {"a.txt": b"new a", "b.txt": b"new b", "sub/c.txt": b"c"}

    def start(k):
        disk.commit(tmp_path / str(k), before, {"n": 1})
        return tmp_path / str(k)

    mixed = [{**before, "a.txt": b"new a"}, {**before, "a.txt": b"new a", "b.txt": b"new b"}]
    moments = crashes(start, lambda f: disk.update(f, change, {"n": 2}), [before, *mixed, change])
    states = []
    for folder in moments:
        states.append(contents(folder))
        disk.update(folder, change)  # again
        assert contents(folder) == change
    assert [states[0], states[-1]] == [before, change]
    assert all(state in states for state in mixed)
    assert disk.read_record(folder)["n"] == 2


def test_a_reader_between_the_renames(tmp_path):
    """A reader that has the new record finds each file, in its place or still on the way."""
    disk.commit(tmp_path, OLD, {})
    incoming = tmp_path / ".incoming"
    disk.commit(tmp_path / "other", NEW, {})
    (tmp_path / "other").rename(incoming)
    assert contents(tmp_path) == NEW
    record = disk.read_record(tmp_path)
    (incoming / "a.txt").replace(tmp_path / "a.txt")
    assert disk.read_file(tmp_path, "a.txt", record) == b"new a!"
    assert disk.is_map(tmp_path)


def test_half_a_map_on_the_way_is_not_looked_at(tmp_path):
    disk.commit(tmp_path, OLD, {})
    (tmp_path / ".incoming").mkdir()
    (tmp_path / ".incoming" / "a.txt").write_bytes(b"half")
    assert contents(tmp_path) == OLD
    disk.commit(tmp_path, NEW, {})
    assert contents(tmp_path) == NEW
    assert files_in(tmp_path) == {*NEW, "map.json"}


def test_files_of_others_stay(tmp_path):
    disk.commit(tmp_path, OLD, {})
    (tmp_path / "notes.txt").write_text("mine")
    disk.commit(tmp_path, NEW, {})
    assert files_in(tmp_path) == {*NEW, "map.json", "notes.txt"}


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (half, "a.txt: 5 bytes expected, 2 found; the file is damaged: copy the map again"),
        (edit, "a.txt: changed since the map was written; copy the map again or refit it"),
        (Path.unlink, "a.txt: cannot be read (No such file or directory); copy the map again"),
    ],
)
def test_a_harmed_file(tmp_path, harm, message):
    disk.commit(tmp_path, OLD, {})
    harm(tmp_path / "a.txt")
    with pytest.raises(DamagedMapError, match=re.escape(message)):
        contents(tmp_path)
    with pytest.raises(DamagedMapError, match=r"this map has no b\.txt"):
        disk.read_file(tmp_path, "b.txt", disk.read_record(tmp_path))


ENTRY = {"size": 1, "sha256": "0"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "map.json: damaged (Expecting value"),
        ("[1]", "map.json: damaged (list indices"),
        ("5", "map.json: damaged"),
        ("{}", "damaged (no entry 'format_version')"),
        ('{"format_version": 1}', "damaged (no entry 'files')"),
        ('{"format_version": 1, "files": {}, "loss": NaN}', "damaged (NaN is no JSON)"),
        ('{"format_version": 1, "files": {}, "loss": -Infinity}', "damaged (-Infinity is no JSON)"),
        ('{"format_version": "1", "files": {}}', "damaged (format_version is '1')"),
        ('{"format_version": true, "files": {}}', "damaged (format_version is True)"),
        ('{"format_version": 0, "files": {}}', "damaged (format_version is 0)"),
        ('{"format_version": 1, "files": []}', "damaged (files is [])"),
        ('{"format_version": 1, "files": {}, "n": "many"}', "damaged (n is 'many'"),
        ('{"format_version": 1, "files": {"a": 5}}', "damaged (the entry of 'a' is 5)"),
        ('{"format_version": 1, "files": {"a": {"size": 1}}}', "damaged (the entry of 'a' is {'size': 1})"),
        (
            json.dumps({"format_version": 1, "files": {"a": {**ENTRY, "before": 7}}}),
            "damaged (the entry of 'a'",
        ),
        ("[" * 100_000, "damaged (maximum recursion"),
        (b"\xff\xfe{", "damaged ("),
        ('{"format_version": 99, "augmap": "7.1", "files": {}}', "written in format 99 by augmap 7.1; this"),
        *(
            (json.dumps({"format_version": 1, "files": {name: ENTRY}}), "which is no file of a map")
            for name in (
                *("../a", "/etc/passwd", "a/../../b", "", ".", "..", "c:\\a", "c:/a", "a\\..\\b", "a\0b"),
                *("map.json", "checkpoint/x", ".incoming/map.json"),
            )
        ),
    ],
)
def test_a_hostile_record(tmp_path, text, message):
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "map.json").write_bytes(data)
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        disk.read_record(tmp_path)
    assert isinstance(refused.value, DamagedMapError) == ("update augmap" not in str(refused.value))
    disk.commit(tmp_path, NEW, {})  # it can still be replaced
    assert contents(tmp_path) == NEW


def test_a_record_cut_anywhere(tmp_path):
    disk.commit(tmp_path, {"a.txt": b"a"}, {"n": 1})
    whole = (tmp_path / "map.json").read_bytes()
    for length in range(0, len(whole) - 1, 5):  # the last byte is a newline
        (tmp_path / "map.json").write_bytes(whole[:length])
        with pytest.raises(DamagedMapError, match=r"map\.json: damaged"):
            disk.read_record(tmp_path)


def test_nothing_outside_is_written_or_removed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "page-000.webp").write_bytes(b"mine")
    folder = tmp_path / "m"
    disk.commit(folder, {"a.txt": b"a"}, {})
    (folder / "thumbs").symlink_to(outside)
    with pytest.raises(InputError, match="lies outside the map's folder; remove the link"):
        disk.commit(folder, NEW, {})
    with pytest.raises(InputError, match="lies outside the map's folder"):
        disk.update(folder, {"thumbs/page-000.webp": b"x"})
    with pytest.raises(InputError, match="lies outside the map's folder"):
        disk.update(folder, {"../a": b"x"})
    assert {p.name: p.read_bytes() for p in outside.iterdir()} == {"page-000.webp": b"mine"}


def test_places(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    (tmp_path / "half" / "checkpoint").mkdir(parents=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("x")
    for place, message in (
        ("nothing", "no such map; give the folder that augmap fit wrote"),
        ("file", "no such map"),
        ("half", "this map is not finished; go on with augmap fit ... --resume"),
        ("full", "not a map, it has no map.json"),
    ):
        with pytest.raises(InputError, match=re.escape(f"{tmp_path / place}: {message}")):
            disk.read_record(tmp_path / place)
        assert not disk.is_map(tmp_path / place)
    foreign = [p for p in ("nothing", "file", "half", "full", ".") if disk.is_foreign(tmp_path / p)]
    assert foreign == ["file", "full", "."]
    with pytest.raises(InputError, match=re.escape("cannot create this folder (Not a directory)")):
        disk.commit(file / "m", NEW, {})


def test_json_has_no_nan_but_a_map_is_saved_all_the_same():
    value = {
        "a": float("nan"),
        "b": np.float32(0.5),
        "c": [np.inf, np.int64(3)],
        "d": (np.arange(2),),
        1: True,
    }
    text = disk.json_bytes(value)
    assert json.loads(text) == {"a": None, "b": 0.5, "c": [None, 3], "d": [[0, 1]], "1": True}
    assert json.loads(disk.json_bytes({"source": "caf\udce9", "ü": 1})) == {"source": "caf\udce9", "ü": 1}
    assert "ü".encode() in disk.json_bytes("ü")
    assert disk.json_bytes(Path("a/b"), indent=None) == b'"a/b"\n'


_FULL = """
import resource, sys
from pathlib import Path
from augmap import folder as disk
from augmap.errors import NoRoomError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (lambda f: disk.commit(f, {"small": b"x", "big": bytes(200_000)}, {}),
              lambda f: disk.update(f, {"a.txt": bytes(200_000)})):
    try:
        write(Path(sys.argv[1]))
    except NoRoomError as error:
        print(error)
"""


def test_a_full_disk_leaves_the_old_map(tmp_path, root):
    disk.commit(tmp_path / "m", OLD, {})
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path / "m")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done
    assert all("cannot be written (File too large, 0.2 MB); make room" in line for line in lines)
    assert contents(tmp_path / "m") == OLD
    assert files_in(tmp_path / "m") == {*OLD, "map.json"}  # no half-written rest


_OTHER_USER = """
import os, sys
from pathlib import Path
os.setgid(65534); os.setuid(65534)
from augmap import folder as disk
from augmap.errors import InputError
m = Path(sys.argv[1])
print(disk.read_file(m / "open", "a.txt", disk.read_record(m / "open")))
for act in (
    lambda: disk.commit(m / "open", {"a.txt": b"mine"}, {}),
    lambda: disk.update(m / "open", {"b": b""}),
    lambda: disk.commit(m / "new", {"a.txt": b"mine"}, {}),
    lambda: disk.read_record(m / "closed"),
):
    try:
        act()
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root becomes another user")
def test_another_user_reads_and_is_told_why_not_more(tmp_path, root):
    for name in ("open", "closed"):
        disk.commit(tmp_path / name, OLD, {})
    (tmp_path / "closed").chmod(0o700)
    for place in (tmp_path, *tmp_path.parents):
        if not place.stat().st_mode & stat.S_IXOTH and place != Path("/"):
            place.chmod(place.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            # imported before it becomes another user, who may not read the checkout
            "import sys; sys.path.insert(0, sys.argv[2])\nimport augmap.folder\n" + _OTHER_USER,
            str(tmp_path),
            str(root / "src"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "b'old a'"
    assert all("Permission denied" in line for line in lines[1:]), lines
    assert len(lines) == 5
    assert contents(tmp_path / "open") == OLD
