"""Cost as the number of images grows: time of an epoch and memory beyond the pixel store.

    python benchmarks/growth.py [--images 6000,60000] [--threads 1]

Each number of images is a run of ``augmap.fit`` in a process of its own, over made-up images of 32 px in a
file. Memory is the highest anonymous memory while it trains: what the process holds itself, without the
mapped pixel store, which the system may drop at any time. (At the start a sample of at most 5,000 images is
taken for mean and deviation of the channels: below that number memory grows with it.)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import HERE, resident, write


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", default="6000,60000", help="numbers of images")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # the process that measures
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(Path(options.one), options.threads)))
        return
    rows = []
    numbers = [int(n) for n in options.images.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        for n in numbers:
            command = [sys.executable, __file__, "--one", str(make(Path(folder), n))]
            command += ["--threads", str(options.threads)]
            found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            rows.append({"n": n, **json.loads(found.splitlines()[-1])})
            print("{n:7,} images: {processor:.1f} s of the processor an epoch, {anonymous_mb:.0f} MB beyond "
                  "the pixels".format(**rows[-1]), flush=True)  # fmt: skip
    first, last = rows[0], rows[-1]
    result = {
        "seed": 0,
        "rows": rows,
        "images_ratio": last["n"] / first["n"],
        "seconds_ratio": last["processor"] / first["processor"],
        "memory_more_mb": last["anonymous_mb"] - first["anonymous_mb"],
    }
    write(options.output or HERE / "results" / f"growth-{options.threads}.json", result, options.threads)
    print("{images_ratio:.0f} times the images: {seconds_ratio:.1f} times the time, {memory_more_mb:.0f} MB "
          "more memory".format(**result))  # fmt: skip


def make(folder: Path, n: int) -> Path:
    """Write ``n`` made-up images."""
    import numpy as np

    path = folder / f"{n}.npy"
    pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (n, 32, 32, 3))
    rng = np.random.default_rng(0)
    for start in range(0, n, 5000):
        pixels[start : start + 5000] = rng.integers(0, 256, pixels[start : start + 5000].shape, np.uint8)
    pixels.flush()
    return path


def one(path: Path, threads: int) -> dict[str, float]:
    """Train on one file, two epochs, and report the second."""
    from augmap.cli.allocator import keep_buffers

    keep_buffers()
    import augmap

    marks: dict[int, tuple[float, float]] = {}
    most = 0

    def listen(report) -> None:
        nonlocal most
        marks[report.step] = (time.perf_counter(), time.process_time())
        most = max(most, resident("RssAnon") if os.path.exists("/proc/self/status") else 0)

    augmap.fit(
        path, preset="simclr", epochs=(2,), backbone="slim", batch_size=100, precision="bfloat16",
        device="cpu", threads=threads, listeners=[listen], checkpoint_every=None,
        cache=path.parent / "cache",
    )  # fmt: skip
    last = max(marks)
    wall, processor = (b - a for a, b in zip(marks[last // 2], marks[last], strict=True))
    return {"wall": wall, "processor": processor, "anonymous_mb": most / 1e6}


if __name__ == "__main__":
    main()
