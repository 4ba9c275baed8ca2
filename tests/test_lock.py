"""Several writers of one map."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from augmap import folder as disk
from augmap import lock
from augmap.errors import InputError

FILES = {"a.txt": b"a", "b.txt": b"b"}
_WRITER = """
import os, sys
from pathlib import Path
os.fsync = lambda handle: None
from augmap import folder as disk
print("ready", flush=True)
sys.stdin.readline()
for k in range(40):
    disk.update(Path(sys.argv[1]), {sys.argv[2]: str(k).encode() * 20_000}, {sys.argv[2]: k})
"""


def test_writers_at_one_time_undo_nothing(tmp_path, root):
    disk.commit(tmp_path / "m", FILES, {})
    names = [*FILES, "new.txt"]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path / "m"), name], env=environment, **pipes)
        for name in names
    ]
    assert [writer.stdout.readline() for writer in writers] == 3 * ["ready\n"]
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    record = disk.read_record(tmp_path / "m")
    for name in names:  # what is read is held against its hash
        assert disk.read_file(tmp_path / "m", name, record) == b"39" * 20_000
        assert record[name] == 39


def test_a_writer_that_does_not_end_is_named(tmp_path, monkeypatch):
    disk.commit(tmp_path / "m", FILES, {})
    monkeypatch.setattr(lock, "PATIENCE", 0.05)
    with (
        lock.alone(tmp_path / "m"),
        ThreadPoolExecutor(1) as other,
        pytest.raises(InputError, match="m: another augmap has been writing here"),
    ):
        other.submit(disk.update, tmp_path / "m", {"c": b""}).result()
    disk.update(tmp_path / "m", {"c": b""})
    assert (tmp_path / "m" / "c").exists()
