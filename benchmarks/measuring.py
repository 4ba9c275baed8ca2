"""What benchmarks share: turns taken by what is compared, medians with quartiles, memory, the JSON.

Two things are compared in one run and in turns, because a machine is not equally fast all the time. Beside
the wall clock stands the processor's time of the process, which other work on the machine changes less; with
one thread the two are the same thing on a quiet machine.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXPERIMENTS = HERE.parent / "experiments"
sys.path.append(str(EXPERIMENTS))

from common import hardware  # noqa: E402

__all__ = ["HERE", "Turns", "hardware", "peak", "reset_peak", "summary", "workers", "write"]

QUIET = 0.7
"""Load average before a benchmark up to which nothing else of weight is running."""
LOAD = os.getloadavg()[0]
"""That of the last minute when this was imported: before anything is measured."""


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the median of some values, with the quartiles and the least."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return {"median": middle, "low": low, "high": high, "least": min(values), "n": len(values)}


class Turns:
    """Seconds of several things that take turns.

    Parameters
    ----------
    named : mapping
        Each a function without arguments that returns its figures, the same names for all of them.
    """

    def __init__(self, named: Mapping[str, Callable[[], Mapping[str, float]]]) -> None:
        self.named = dict(named)
        self.found: dict[str, list[Mapping[str, float]]] = {name: [] for name in named}

    def take(self, rounds: int) -> None:
        """Let each have its turn, ``rounds`` times; every other round begins at the other end."""
        for number in range(rounds):
            for name in list(self.named)[:: 1 if number % 2 == 0 else -1]:
                self.found[name].append(self.named[name]())

    def of(self, name: str, figure: str) -> dict[str, float]:
        """Return the summary of one figure of one thing."""
        return summary([turn[figure] for turn in self.found[name]])

    def ratio(self, above: str, below: str, figure: str) -> dict[str, float]:
        """Return the summary of the ratios of one figure, turn by turn."""
        pairs = zip(self.found[above], self.found[below], strict=True)
        return summary([a[figure] / b[figure] for a, b in pairs])


class Worker:
    """A process that answers each line with one line of JSON: settings of a process stay its own."""

    def __init__(self, script: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def ask(self, line: str) -> dict:
        """Send a line, wait for the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"a process of the benchmark ended with {self.process.wait()}")
        return json.loads(answer)

    def end(self) -> None:
        """Close its input, upon which it ends."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def workers(script: str, named: Mapping[str, Sequence[str]], threads: int) -> dict[str, Worker]:
    """Start a worker for each name."""
    environment = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {name: Worker(script, arguments, environment) for name, arguments in named.items()}


def write(path: Path, record: Mapping[str, object], threads: int | None = None) -> None:
    """Write a result with the machine that it comes from."""
    quiet = LOAD <= QUIET
    machine = {**hardware(threads), "load": round(LOAD, 1)}
    note = None if quiet else "other work ran on the machine: rates are lower bounds, compare ratios"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {**record, "quiet": quiet, "note": note, "machine": machine}
    path.write_text(json.dumps(_short(whole), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _short(value: object) -> object:
    """Round what was measured to five digits, all the way down."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {k: _short(v) for k, v in value.items()}
    return [_short(v) for v in value] if isinstance(value, list | tuple) else value


def reset_peak() -> int:
    """Forget the highest memory so far, where the system can, and return what is held now."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")
        return resident("VmRSS")
    return peak()


def peak() -> int:
    """Return the highest memory of this process in bytes."""
    if Path("/proc/self/status").exists():
        return resident("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resident(name: str) -> int:
    """Return a line of the process's status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(text.split()[1]) for text in lines if text.startswith(name))
