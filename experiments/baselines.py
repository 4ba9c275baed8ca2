"""What t-SimCNE is compared with: each method on the same images, in the same time, with the same metrics.

    python experiments/baselines.py --data DIR --work DIR

maps the first 10,000 of each CIFAR-10 split by every method in :data:`METHODS`, with 10 minutes of two cores
for those that train, and all 60,000 by some; measures each map and writes
``experiments/results/baselines/NAME.json``. Time is the processor's (``coreminutes.py``), so that other work
beside it changes nothing. Maps are kept in the working folder as ``NAME.map``; a map or a result that is
there already is not made again. At the end the table is printed; ``--table`` prints nothing else.

Seed 0; ``--seed 1`` makes the same with another one, as ``NAME-seed-1``. Labels are for evaluation only, but
for ``supervised``, which is there to show what they do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import HERE, hardware

if TYPE_CHECKING:
    from augmap.evaluate.score import Measures
    from augmap.imagemap import ImageMap

RESULTS = HERE / "results" / "baselines"
K = 15


@dataclass(frozen=True)
class Method:
    """How a map is made."""

    command: tuple[str, ...]
    """Of augmap, without images and output."""
    title: str
    limit: int | None = 10_000
    """First images of each split; None takes all."""
    init: str | None = None
    """The method whose map it starts from; that map's time is part of its own."""


_TEN = ("--budget", "10m")
_SAME = ("--backbone", "slim", "--batch-size", "512", "--precision", "auto", *_TEN)
"""For the paper's stages, whose own network and batch are made for hours on a GPU."""


def _baseline(name: str, *options: str, title: str, **more: Any) -> Method:
    return Method(("baseline", *options, name), title, **more)


METHODS: dict[str, Method] = {
    "pca": _baseline("pca", title="PCA of pixels"),
    "tsne": _baseline("tsne", title="t-SNE of pixels"),
    "umap": _baseline("umap", title="UMAP of pixels"),
    "parametric-tsne": _baseline("parametric-tsne", *_TEN, title="parametric t-SNE"),
    "parametric-umap": _baseline("parametric-umap", *_TEN, title="parametric UMAP"),
    "simclr": _baseline("simclr", *_TEN, title="SimCLR, 128-D"),
    "simclr+tsne": _baseline("simclr+tsne", title="SimCLR, then t-SNE", init="simclr"),
    "simclr+whitened+tsne": _baseline(
        "simclr+tsne", "--whitening", "0.75", title="SimCLR, whitened by 0.75, then t-SNE", init="simclr"
    ),
    "simclr+umap": _baseline("simclr+umap", title="SimCLR, then UMAP", init="simclr"),
    "direct": Method(("fit", "--preset", "direct", *_SAME), "t-SimCNE, direct 2-D"),
    "cosine": Method(("fit", "--preset", "cosine", *_SAME), "t-SimCNE, cosine → Cauchy"),
    "paper": Method(("fit", "--preset", "paper", *_SAME), "t-SimCNE, Cauchy → Cauchy"),
    "quick": Method(("fit", "--preset", "quick", *_TEN), "t-SimCNE, quick"),
    "supervised": _baseline("supervised", *_TEN, title="supervised (sees labels)"),
    "pca-60k": _baseline("pca", title="PCA of pixels, all", limit=None),
    "tsne-60k": _baseline("tsne", title="t-SNE of pixels, all", limit=None),
    "umap-60k": _baseline("umap", title="UMAP of pixels, all", limit=None),
    "cifar10-60k": Method(
        ("fit", "--preset", "quick", "--budget", "20m"), "t-SimCNE, quick, all, 20 min", limit=None
    ),
    "cifar10-60k-30m": Method(
        ("fit", "--preset", "quick", "--budget", "30m"), "t-SimCNE, quick, all, 30 min", limit=None
    ),
    "cifar10-60k-60m": Method(
        ("fit", "--preset", "quick", "--budget", "60m"), "t-SimCNE, quick, all, 60 min", limit=None
    ),
}
"""In the order of the table."""

METRICS = (
    *("knn", "linear", "silhouette", "kmeans_ari", "hdbscan_ari"),
    *("neighbor_recall", "trustworthiness"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is not there yet, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds unpack.py and the data")
    parser.add_argument("--work", type=Path, help="where images and maps are kept")
    parser.add_argument("--only", help=f"some of {','.join(METHODS)}")
    parser.add_argument("--seed", type=int, default=0, help="of training and of what is measured by chance")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    given = parser.parse_args(arguments)
    names = given.only.split(",") if given.only else list(METHODS)
    if unknown := [name for name in names if name not in METHODS]:
        parser.error(f"no method {unknown[0]!r}; there are {', '.join(METHODS)}")
    if not given.table:
        if given.data is None or given.work is None:
            parser.error("give --data and --work, or --table")
        for name in names:
            result = given.results / f"{seeded(name, given.seed)}.json"
            if result.exists():
                print(f"{result.stem}: done already", flush=True)
                continue
            run(name, given.seed, given.data, given.work, result)
    print(table(given.results), spread(given.results), sep="\n\n")


def seeded(name: str, seed: int) -> str:
    """Return what the map and the result of a method with this seed are called."""
    return f"{name}-seed-{seed}" if seed else name


def run(name: str, seed: int, data: Path, work: Path, result: Path) -> None:
    """Make one map where there is none, measure it, and write its numbers down."""
    from augmap.folder import is_map, json_bytes, write_atomic

    method = METHODS[name]
    images = unpack(data, work, method.limit)
    init = None if method.init is None else work / f"{seeded(method.init, seed)}.map"
    map_folder = work / f"{seeded(name, seed)}.map"
    if not is_map(map_folder):
        if init is not None and not is_map(init):
            make(METHODS[method.init], seed, images, init)
        make(method, seed, images, map_folder, init)
    entry = evaluate(name, seed, images, map_folder, init)
    result.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(result, json_bytes(entry))
    print(row(entry), flush=True)


def unpack(data: Path, work: Path, limit: int | None) -> Path:
    """Write CIFAR-10 as a folder of images, as a user would have it."""
    folder = work / ("cifar10" if limit is None else f"cifar10-{limit}")
    if not folder.exists():
        command = [sys.executable, str(data / "unpack.py"), "cifar10", str(folder)]
        subprocess.run(command + ([] if limit is None else ["--limit", str(limit)]), check=True)
    return folder


def make(method: Method, seed: int, images: Path, map_folder: Path, init: Path | None = None) -> None:
    """Run the command by the processor's clock; decoding the images is part of its time."""
    command = [sys.executable, str(HERE / "coreminutes.py"), *method.command, str(images)]
    command += ["-o", str(map_folder), "--seed", str(seed), "--overwrite"]
    command += ["--cache", str(map_folder.with_suffix(".cache"))]
    command += [] if init is None else ["--init", str(init)]
    if subprocess.run(command).returncode:
        sys.exit(f"{map_folder.stem}: augmap {method.command[0]} failed")


def evaluate(
    name: str, seed: int, images: Path, map_folder: Path, init: Path | None = None
) -> dict[str, Any]:
    """Measure a map; what is measured also lies in the map, where ``augmap compare`` finds it."""
    import augmap
    from augmap.folder import json_bytes, update
    from augmap.imagemap import ImageMap

    method, m = METHODS[name], ImageMap.load(map_folder)
    found = measured(m, method, seed, pixels(m, images, map_folder.parent))
    update(map_folder, {"metrics.json": json_bytes(found.to_dict())})
    seconds = [m.info.get("seconds")]
    if init is not None:
        seconds.append(ImageMap.load(init).info.get("seconds"))
    return {
        "experiment": f"baselines/{seeded(name, seed)}",
        "title": method.title,
        "run": asdict(method),
        "n": m.n,
        "dim": m.dim,
        "seed": seed,
        "seconds": round(sum(s for s in seconds if s is not None), 1),
        "clock": "processor time of all threads over 2 cores",
        "method": m.info.get("method"),
        "parametric": m.weights is not None,
        "quality": m.info.get("quality"),
        "history": m.info.get("history"),
        "settings": m.info.get("settings"),
        "versions": {"augmap": augmap.__version__, **(m.info.get("versions") or {})},
        "config": m.config.to_dict() if m.config else None,
        "fingerprint": m.info.get("fingerprint"),
        "measures": found.to_dict(),
        "machine": hardware(),
    }


def measured(m: ImageMap, method: Method, seed: int, images: Any) -> Measures:
    """Return the numbers of a map.

    The kNN accuracy of the pixels is the same for all maps of the same images, so only PCA's has it.
    Neighbours on a map are held against h, and against the pixels for a map without features; of 60,000
    images that takes half an hour, and is left out.
    """
    import dataclasses

    from augmap.evaluate.measure import measure

    metrics = [name for name in METRICS if m.dim <= 4 or not name.startswith("hdbscan")]
    first = method.command[-1] == "pca"
    if m.features is None and method.limit is None:
        metrics = [name for name in metrics if name not in ("neighbor_recall", "trustworthiness")]
    against = images if m.features is None and method.limit is not None else None
    others = [name for name in metrics if name != "knn"]
    knn = measure(m, metrics=["knn"], ks=(K,), seed=seed, pixels=images if first else None)
    rest = measure(m, metrics=others, ks=(K,), seed=seed, pixels=against)
    settings = {**rest.settings, "metrics": metrics}
    return dataclasses.replace(
        rest,
        scores=[*knn.scores, *rest.scores],
        tables={**knn.tables, **rest.tables},
        seconds={**knn.seconds, **rest.seconds},
        settings=settings,
    )


def pixels(m: ImageMap, images: Path, work: Path) -> Any:
    """Return the images in the order of the map."""
    from augmap.images.open import open_images

    opened = open_images(images, preprocessing=m.preprocessing, cache=work / "evaluation.cache")
    if opened.fingerprint != m.info["fingerprint"]:
        sys.exit(f"{images}: not the images of the map (fingerprint)")
    return opened.pixels


def table(results: Path = RESULTS) -> str:
    """Return the table in Markdown, a row for each result that is there, in the order of the methods."""
    lines = [
        "| method | images | minutes | kNN 2-D | kNN h | linear 2-D | linear h | silhouette | k-means ARI "
        "| HDBSCAN ARI | recall | trust |",
        "| --- " * 12 + "|",
    ]
    found = [results / f"{name}.json" for name in METHODS]
    entries = [json.loads(path.read_text("utf-8")) for path in found if path.exists()]
    best = _best(entries)
    lines += [row(entry, best) for entry in entries]
    return "\n".join([*lines, "", _pixels(entries)]).rstrip()


def spread(results: Path = RESULTS) -> str:
    """Return a table of the methods that several seeds have trained: kNN accuracy, mean and deviation."""
    lines = ["| method | images | seeds | kNN 2-D | kNN h |", "| --- " * 5 + "|"]
    for name in METHODS:
        paths = [results / f"{name}.json", *sorted(results.glob(f"{name}-seed-*.json"))]
        entries = [json.loads(path.read_text("utf-8")) for path in paths if path.exists()]
        if len(entries) > 1:
            columns = [[_score(entry, *column) for entry in entries] for column in _COLUMNS[:2]]
            about = [entries[0]["title"], f"{entries[0]['n']:,}", str(len(entries))]
            lines.append(f"| {' | '.join([*about, *map(_several, columns)])} |")
    return "\n".join(lines)


def _several(scores: Sequence[dict[str, Any] | None]) -> str:
    values = [100 * score["value"] for score in scores if score is not None]
    if not values:
        return "–"
    each = ", ".join(f"{value:.1f}" for value in values)
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f} ({each})"


_COLUMNS = (
    ("knn", "map", f"k={K}"),
    ("knn", "features", f"k={K}, cosine"),
    ("linear", "map", ""),
    ("linear", "features", "cosine"),
    ("silhouette", "map", ""),
    ("kmeans_ari", "map", ""),
    ("hdbscan_ari", "map", ""),
    ("neighbor_recall", "map against", f"k={K}"),
    ("trustworthiness", "map against", f"k={K}"),
)
_PER_CENT = ("knn", "linear", "neighbor_recall")


def row(entry: dict[str, Any], best: Sequence[str | None] = ()) -> str:
    """Return one row; ``best`` are the cells to be set in bold."""
    cells = [_cell(_score(entry, *column)) for column in _COLUMNS]
    marked = [
        f"**{cell}**" if best and cell == best[i] and _ranked(entry) else cell for i, cell in enumerate(cells)
    ]
    about = [entry["title"], f"{entry['n']:,}", f"{entry['seconds'] / 60:.1f}"]
    return f"| {' | '.join([*about, *marked])} |"


def _best(entries: Sequence[dict[str, Any]]) -> list[str | None]:
    """The best cell of each column, more being better, among maps of 20,000 images that saw no labels.

    None of recall and trust: maps with features are held against these, others against the pixels.
    """
    best: list[str | None] = []
    for column in _COLUMNS:
        if column[1] == "map against":
            best.append(None)
            continue
        scores = [s for e in entries if _ranked(e) and (s := _score(e, *column)) is not None]
        best.append(_cell(max(scores, key=lambda s: s["value"])) if len(scores) > 1 else None)
    return best


def _ranked(entry: dict[str, Any]) -> bool:
    return entry["run"]["limit"] is not None and entry["method"] != "supervised"


def _score(entry: dict[str, Any], metric: str, space: str, setting: str) -> dict[str, Any] | None:
    """The score of a column of the table; a map in 128-D has none in 2-D."""
    found = [
        s
        for s in entry["measures"]["scores"]
        if s["metric"] == metric
        and s["space"].startswith(space)
        and (s["setting"].startswith(setting) or not s["setting"])
    ]
    if space != "features" and entry["dim"] > 2:
        return None
    return found[0] if found else None


def _cell(score: dict[str, Any] | None) -> str:
    if score is None:
        return "–"
    mark = "ᵖ" if score["space"].endswith("pixels") else ""
    value = f"{100 * score['value']:.1f}" if score["metric"] in _PER_CENT else f"{score['value']:.3f}"
    return value + mark


def _pixels(entries: Sequence[dict[str, Any]]) -> str:
    """The line below the table."""
    of = {
        e["n"]: s["value"]
        for e in entries
        for s in e["measures"]["scores"]
        if s["metric"] == "knn" and s["space"] == "pixels"
    }
    known = ", ".join(f"{100 * value:.1f} % of {n:,} images" for n, value in of.items())
    line = f"kNN accuracy of the pixels themselves: {known}." if known else ""
    return f"{line} ᵖ against the pixels, where a map has no features." if entries else ""


if __name__ == "__main__":
    main()
