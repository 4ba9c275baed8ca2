"""A browser, and augmap serving in a process of its own: what the tests of the page share."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import pytest

from pictures import ROOT

EXPLORER = ROOT / "src" / "augmap" / "explorer"
STATIC = EXPLORER / "static"
WEB = EXPLORER / "web"
GRACE = 60
"""Seconds that a process has to end in: one or two on a quiet machine."""


def browser() -> str | None:
    """Return the browser's program."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def need_browser() -> None:
    """Skip where the page cannot be driven, and say what is missing; with AUGMAP_REQUIRE_BROWSER=1 fail."""
    _need(browser(), "no browser; apt-get install chromium")
    _need(shutil.which("node"), "no node; apt-get install nodejs npm")
    _need((WEB / "node_modules/playwright-core").is_dir(), f"no playwright-core; npm ci in {_short(WEB)}")


def need_esbuild() -> None:
    """Skip, or fail, where the page cannot be built."""
    _need(shutil.which("node"), "no node; apt-get install nodejs npm")
    _need((WEB / "node_modules/esbuild").is_dir(), f"no esbuild; npm ci in {_short(WEB)}")


def drive(out: Path, *, seconds: float = 1800, **given: object) -> dict[str, dict]:
    """Run scenarios of tests/browser in the browser; what came of each by name."""
    given |= {"browser": browser(), "out": os.environ.get("AUGMAP_SCREENSHOTS") or str(out)}
    run = subprocess.run(
        ["node", "tests/browser/run.mjs", json.dumps(given, default=str)],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert lines, run.stderr
    return {line["name"]: line for line in lines}


class Running:
    """``augmap ARGUMENTS`` in a process that serves a page; as a context manager its start address."""

    def __init__(self, *arguments: object) -> None:
        source = os.pathsep.join(p for p in (str(ROOT / "src"), os.environ.get("PYTHONPATH")) if p)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "augmap", *map(str, arguments), "--no-open"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": source, "NO_COLOR": "1", "TERM": "dumb"},
        )
        self.said = ""

    def __enter__(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if "http://" in line:
                return line[line.index("http://") :].split()[0]
        self.end()
        raise AssertionError(self.said)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> int:
        """Press Ctrl-C, wait, and return the exit status; what it has said to the end is in ``said``."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            rest, _ = self.process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            rest, _ = self.process.communicate()
        self.said += rest or ""
        return self.process.returncode


def run_unit_tests(name: str, cases: object, folder: Path) -> str:
    """Run one of the page's own test files by node on these cases; return what it printed."""
    (folder / "cases.json").write_text(json.dumps(cases))
    done = subprocess.run(
        ["node", "--test", f"tests/unit/{name}.test.mjs"],
        cwd=WEB,
        env={**os.environ, "AUGMAP_CASES": str(folder / "cases.json")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def _need(what: object, how: str) -> None:
    if not what:
        assert os.environ.get("AUGMAP_REQUIRE_BROWSER") != "1", f"the page cannot be tested: {how}"
        pytest.skip(f"the page is not tested: {how}")


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))
