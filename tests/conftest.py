"""What every test gets: checked shapes, a cache of its own, one thread; and where the real data is.

This file is imported before any test imports augmap, which is why it sets things up at its top.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# one thread: small tensors are faster that way, and the bits do not depend on the machine's cores
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# matplotlib's list of fonts takes seconds to build: keep it where it is although XDG_CACHE_HOME moves
os.environ.setdefault(
    "MPLCONFIGDIR", str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matplotlib")
)

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

from pictures import ROOT, make_photos

# Shapes and types of every augmap function are checked while tests run; users pay nothing for it.
install_import_hook("augmap", "typecheck.check")

# the same examples each time: a failure here is a failure for everybody
settings.register_profile("augmap", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("augmap")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the pixel stores of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write real data as a user would have it: ``unpacked("cifar10", limit=200, form="npz")`` -> folder.

    The data lies in ``AUGMAP_TEST_DATA``, by default ``shared/data`` beside the checkout.
    """
    data = Path(os.environ.get("AUGMAP_TEST_DATA") or ROOT.parent / "shared" / "data")

    def unpack(name: str, *, limit: int | None = None, form: str = "folder") -> Path:
        if not (data / "unpack.py").is_file() or not (data / name).is_dir():
            pytest.skip(f"no {name} in {data}; set AUGMAP_TEST_DATA to the folder that has it")
        key = (name, limit, form)
        if key not in made:
            made[key] = tmp_path_factory.mktemp(name)
            options = ["--as", form, *(["--limit", str(limit)] if limit else [])]
            command = [sys.executable, str(data / "unpack.py"), name, str(made[key]), *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return made[key]

    made: dict[tuple[str, int | None, str], Path] = {}
    return unpack


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 3 kinds of 16 small pictures: stripes that run across, down and aslant. Read only."""
    folder = tmp_path_factory.mktemp("home") / "photos"
    make_photos(folder)
    return folder


@pytest.fixture
def augmap_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``augmap ARGUMENTS`` as a person would, in a process of its own."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        source = os.pathsep.join(p for p in (str(ROOT / "src"), os.environ.get("PYTHONPATH")) if p)
        return subprocess.run(
            [sys.executable, "-m", "augmap", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=120,
            env={**os.environ, "PYTHONPATH": source, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"},
            check=False,
        )

    return run
