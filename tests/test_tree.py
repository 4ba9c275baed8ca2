"""The tree itself: rooms of a size, no traces of a machine, everything where the Makefile says it is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

MAX_LINES = 400
TEXT = {".py", ".md", ".toml", ".txt", ".cfg", ".json", ".yml", ".ts", ""}

# absolute paths of one person's or one workplace's machine; /tmp, /etc and the like are everybody's
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|work|mnt|opt)/[\w.-]+")


def tracked(root: Path) -> list[Path]:
    """Files of the tree: what git knows, or everything where there is no git (an unpacked release)."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [p for name in listed.decode().split("\0") if name and (p := root / name).is_file()]


def test_no_crowded_rooms(root):
    long = {
        str(p.relative_to(root)): n
        for p in tracked(root)
        if p.suffix == ".py" and (n := len(p.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert not long, f"over {MAX_LINES} lines, split at the noun: {long}"


def test_no_traces_of_a_machine(root):
    found = [
        f"{p.relative_to(root)}: {match.group()}"
        for p in tracked(root)
        if p.suffix in TEXT and p.name != Path(__file__).name
        for match in MACHINE_PATH.finditer(p.read_text("utf-8", errors="replace"))
    ]
    assert not found


def test_no_unfinished_places(root):
    marks = re.compile(r"\b(TODO|FIXME|XXX|TEMPORARY)\b|except( Exception)?: *pass")
    found = [
        f"{p.relative_to(root)}:{i}: {line.strip()}"
        for p in tracked(root)
        if p.suffix == ".py" and p.is_relative_to(root / "src")
        for i, line in enumerate(p.read_text("utf-8").splitlines(), start=1)
        if marks.search(line)
    ]
    assert not found


def test_no_large_files(root):
    runtime = "src/augmap/explorer/static/ort.wasm.gz"  # onnxruntime-web, which users need not fetch: 3.7 MB
    large = {
        name: p.stat().st_size
        for p in tracked(root)
        if (name := p.relative_to(root).as_posix()) != runtime and p.stat().st_size > 2_000_000
    }
    assert not large


def test_every_module_of_the_library_has_a_docstring(root):
    bare = [
        str(p.relative_to(root))
        for p in tracked(root)
        if p.suffix == ".py"
        and p.is_relative_to(root / "src")
        and not p.read_text("utf-8").lstrip().startswith(('"""', 'r"""'))
    ]
    assert not bare
