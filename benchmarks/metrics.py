"""Time and memory of every metric on a map, each in a process of its own.

    python benchmarks/metrics.py MAP [--images IMAGES] [--metrics knn,rld] [--threads 2] [--output FILE.json]

Each line is one metric with everything that it needs (its neighbours, its splits), for all label columns
and spaces, as ``augmap evaluate MAP --metrics NAME`` runs it. Seconds are wall time and the processor's
time, which other work on the machine does not change much; peak memory is that of the process beyond what
it holds when the map is loaded. What is measured already is not measured again; ``--again`` starts over.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from measuring import HERE, peak, reset_peak, write

PAIRS = {"kmeans": "kmeans_ari,kmeans_ami", "hdbscan": "hdbscan_ari,hdbscan_ami"}
"""Metrics that are two readings of one piece of work."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("map", help="folder of a map with features and labels")
    parser.add_argument("--images", help="its images, for pixels and views")
    parser.add_argument("--cache", help="folder of the pixel store")
    parser.add_argument("--metrics", help="only these, by the names in docs/metrics.md; kmeans, hdbscan")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--timeout", type=float, default=3600, help="seconds after which a metric is given up"
    )
    parser.add_argument("--output", default=str(HERE / "results" / "metrics.json"))
    parser.add_argument("--again", action="store_true", help="measure anew what has been measured")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # the process that measures
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options)))
        return

    from augmap.evaluate.measure import METRICS

    output = Path(options.output)
    known = json.loads(output.read_text("utf-8")) if output.is_file() and not options.again else {}
    results = known.get("metrics", {})
    names = options.metrics.split(",") if options.metrics else list(dict.fromkeys(map(group, METRICS)))
    for name in names:
        if "seconds" not in results.get(name, {}):
            results[name] = in_a_process(name, options)
            record = {"map": about(options.map), "metrics": results}
            write(output, record, options.threads)
        print(line(name, results[name]), flush=True)


def group(metric: str) -> str:
    """Return what a metric is measured together with."""
    return next((name for name, both in PAIRS.items() if metric in both.split(",")), metric)


def in_a_process(name: str, options: argparse.Namespace) -> dict[str, object]:
    """Measure one metric in a fresh process with a number of threads."""
    command = [sys.executable, __file__, options.map, "--one", name]
    for option in ("images", "cache"):
        if value := getattr(options, option):
            command += [f"--{option}", value]
    threads = {
        key: str(options.threads) for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    }
    try:
        done = subprocess.run(
            command, env={**os.environ, **threads}, capture_output=True, text=True, timeout=options.timeout
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {options.timeout:.0f} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def measured(options: argparse.Namespace) -> dict[str, object]:
    """Measure one metric in this process."""
    from augmap.cli.evaluate import map_pixels, map_views
    from augmap.errors import InputError
    from augmap.evaluate.measure import measure
    from augmap.imagemap import ImageMap

    m = ImageMap.load(options.map)
    pixels, encoder, augmentation = None, None, None
    if options.images and options.one in ("knn", "agreement"):
        pixels, _ = map_pixels(m, options.images, options.cache and Path(options.cache))
    if options.one == "agreement" and pixels is not None:
        encoder, augmentation = map_views(m)
    before, wall, cpu = reset_peak(), time.perf_counter(), time.process_time()
    try:
        found = measure(
            m,
            labels=with_groups(m.items.labels) if options.one == "superclass" else None,
            pixels=pixels,
            encoder=encoder,
            augmentation=augmentation,
            metrics=PAIRS.get(options.one, options.one).split(","),
        )
    except InputError as error:
        return {"failed": str(error)}
    return {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_bytes": peak() - before,
        "spaces": list(dict.fromkeys(s.space for s in found.scores)),
        "values": {" ".join(filter(None, s.key)): s.value for s in found.scores},
    }


def with_groups(columns: dict) -> dict:
    """Return label columns with superclasses: made up, two labels each, where the map has none."""
    import numpy as np

    if len(columns) != 1:
        return columns
    ((name, y),) = columns.items()
    codes = np.unique(y, return_inverse=True)[1]
    return {name: y, "pairs_of_labels": np.where(y == "", "", (codes // 2).astype(str))}


def about(folder: str) -> dict[str, object]:
    """Return which map was measured."""
    record = json.loads((Path(folder) / "map.json").read_text("utf-8"))
    info = record.get("info", {})
    return {
        "n": record["n"],
        "dim": record["dim"],
        "features": features(folder),
        "method": info.get("method"),
        "fingerprint": info.get("fingerprint"),
    }


def features(folder: str) -> int | None:
    import numpy as np

    path = Path(folder) / "features.npy"
    return np.load(path, mmap_mode="r").shape[1] if path.is_file() else None


def table(record: dict) -> str:
    """Return the table of docs/metrics.md: minutes of the processor and memory of each metric."""
    lines = ["| metric | in | processor time | memory |", "| --- | --- | --- | --- |"]
    for name, result in record["metrics"].items():
        if "failed" in result:
            lines.append(f"| {name} | | {result['failed']} | |")
            continue
        seconds, memory = result["cpu_seconds"], result["peak_bytes"] / 1e6
        took = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
        lines.append(f"| {name} | {', '.join(result['spaces'])} | {took} | {memory:,.0f} MB |")
    return "\n".join(lines)


def line(name: str, result: dict) -> str:
    if "failed" in result:
        return f"{name:22} {result['failed']}"
    return (
        f"{name:22} {result['seconds']:8.1f} s   {result['cpu_seconds']:8.1f} s of the processor   "
        f"{result['peak_bytes'] / 1e6:8.0f} MB   {', '.join(result['spaces'])}"
    )


if __name__ == "__main__":
    main()
