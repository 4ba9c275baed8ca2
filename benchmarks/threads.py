"""Views per second by number of CPU threads, alone and beside a program that keeps one core busy.

    python benchmarks/threads.py          # needs a machine that does nothing else

``chosen`` is what ``augmap fit`` does: it measures before a stage, and goes on watching. ``later`` is the
same where the other program begins when the number has been chosen. Each is a training of its own, of the
same images, backbone and batch; the medians are of steps, the rates of the whole time.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from measuring import HERE, write
from step_cpu import make

from augmap.cli.allocator import keep_buffers
from augmap.method.threads import Threads, ladder
from augmap.settings import BACKBONE, BATCH


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default=BACKBONE["cpu"])
    parser.add_argument("--batch", type=int, default=BATCH["cpu"], help="images a step")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each row")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "threads.json")
    options = parser.parse_args()
    options.device, options.kind, options.threads = "cpu", "ours, Muon", 1
    keep_buffers()
    most = torch.get_num_threads()
    rows = []
    for other in ("none", "one"):
        with busy(other == "one"):
            for counts in ([count] for count in ladder(most)):
                rows.append({"other": other, "kind": str(counts[0]), **train(Threads(counts), options)})
                show(rows[-1])
            rows.append({"other": other, "kind": "chosen", **train(Threads(ladder(most)), options)})
            show(rows[-1])
    rows.append({"other": "later", "kind": "chosen", **train(Threads(ladder(most)), options, later=True)})
    show(rows[-1])
    write(options.output, {"backbone": options.backbone, "batch": options.batch, "rows": rows}, most)


def train(threads: Threads, options: argparse.Namespace, *, later: bool = False) -> dict:
    """Take steps for a while; the time of choosing, and of the first two steps, is not counted."""
    torch.set_num_threads(threads.counts[-1])
    step, _ = make(options)

    def seconds_of(limit: float) -> float:
        times = []
        for _ in range(4):
            times.append(timed(step))
            if times[-1] > limit:
                return times[-1]
        return statistics.median(times[1:])

    threads.settle(lambda seconds, limit: seconds_of(limit), 1.0, "", 0)
    for _ in range(2):
        step()
    times = []
    with busy(later):
        began = time.perf_counter()
        while time.perf_counter() - began < options.seconds:
            times.append(timed(step))
            threads.after(times[-1], "", len(times))
        spent = time.perf_counter() - began
    views = 2 * options.batch
    return {
        "views_per_second": views * len(times) / spent,
        "median_views_per_second": views / statistics.median(times),
        "steps": len(times),
        "ends_with_threads": torch.get_num_threads(),
        "changes": len(threads.changes),
    }


def timed(step) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


@contextlib.contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Keep one core busy meanwhile, from a session of its own, as another program would."""
    if not wanted:
        yield
        return
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    time.sleep(2)
    try:
        yield
    finally:
        other.kill()
        other.wait()


def show(row: dict) -> None:
    print("other program: {other:6} threads: {kind:6} {views_per_second:7,.0f} views/s, "
          "median step {median_views_per_second:7,.0f} views/s".format(**row), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
