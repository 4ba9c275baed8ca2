"""Does a contrastive encoder make labels locally dense, and a supervised one globally dense as well?

    python experiments/rld.py contrastive=A.map supervised=B.map [untrained=C.map ...]

measures the features h of maps of the same images, as they are and scaled to unit length, training and
held-out images apart, 10,000 of each with equally many of every label: relative local density at several
temperatures with its ceiling, shuffled expectation and effective number of neighbours; purity of
neighbourhoods; Calinski-Harabasz score, silhouette, kNN and linear accuracy; and the GCN classifier beside
a linear one, by the honest protocol and by the paper's. It writes ``experiments/results/rld.json`` after
each part, and prints the tables. Parts of the same maps that are there already are not measured again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from maps import hardware
from sklearn.metrics import calinski_harabasz_score

from augmap.cli.progress import Progress
from augmap.errors import InputError
from augmap.evaluate.clusters import silhouette
from augmap.evaluate.gcn import gcn_accuracy
from augmap.evaluate.knn import knn_accuracy
from augmap.evaluate.linear import linear_accuracy
from augmap.evaluate.purity import KS, neighbour_purity
from augmap.evaluate.rld import TEMPERATURES, relative_local_density
from augmap.imagemap import ImageMap

HERE = Path(__file__).resolve().parent
SPACES = {"raw": False, "unit length": True}
SPLITS = ("train", "test")


def main() -> None:
    """Measure the maps that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("maps", nargs="+", metavar="NAME=MAP")
    parser.add_argument("--sample", type=int, default=10_000, help="images of each split")
    parser.add_argument("--gcn-sample", type=int, default=10_000, help="images of each split, for the GCN")
    parser.add_argument("--gcn-temperatures", type=float, nargs="*", default=[0.1])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "rld.json")
    given = parser.parse_args()
    if wrong := [part for part in given.maps if not all(part.partition("=")[::2])]:
        parser.error(f"{wrong[0]!r}: write NAME=MAP, as in contrastive=simclr.map")
    folders = {name: Path(folder) for name, _, folder in (part.partition("=") for part in given.maps)}
    try:
        result = measure(
            folders, given.sample, given.gcn_sample, given.gcn_temperatures, given.seed, given.output
        )
    except InputError as error:
        parser.error(str(error))
    print(tables(result))


def measure(
    folders: dict[str, Path], sample: int, gcn_sample: int, taus: list[float], seed: int, output: Path
) -> dict[str, Any]:
    """Measure what is missing in the result at ``output``, and return all of it."""
    maps = {name: ImageMap.load(folder) for name, folder in folders.items()}
    check(maps)
    before = json.loads(output.read_text()) if output.exists() else {}
    names = common(maps)
    images = hashlib.sha256("\n".join(names["train"] + names["test"]).encode("utf-8", "surrogateescape"))
    settings = {"sample": sample, "gcn_sample": gcn_sample, "seed": seed, "images": images.hexdigest()}
    result: dict[str, Any] = {
        "experiment": "rld",
        **settings,
        "features": "backbone output h",
        "maps": {},
        "machine": hardware(),
    }
    for name, m in maps.items():
        entry = {
            "sha256": hashlib.sha256((folders[name] / "map.json").read_bytes()).hexdigest(),
            "method": m.info.get("method"),
            "n": m.n,
            "features": m.features.shape[1],
            "config": None if m.config is None else m.config.to_dict(),
            "parts": {},
        }
        old = before.get("maps", {}).get(name, {})
        if old.get("sha256") == entry["sha256"] and all(before.get(k) == v for k, v in settings.items()):
            entry["parts"] = old["parts"]
        result["maps"][name] = entry
    with Progress() as progress:
        for name, m in maps.items():
            done = result["maps"][name]["parts"]
            for title, work in parts(m, names, sample, gcn_sample, taus, seed):
                if title in done:
                    progress.say(f"{name}, {title}: there already")
                    continue
                began = time.process_time()
                found = work(progress.counter(f"{name}, {title}", "step"))
                done[title] = {**found, "cpu_seconds": round(time.process_time() - began, 1)}
                output.parent.mkdir(exist_ok=True, parents=True)
                output.write_text(json.dumps(result, indent=1) + "\n")
    return result


def check(maps: dict[str, ImageMap]) -> None:
    """Refuse maps that cannot be compared."""
    for name, m in maps.items():
        if m.features is None or m.labels is None or not set(SPLITS) <= set(m.splits):
            raise InputError(f"{name}: a map with features, labels and the splits train and test is needed")


def common(maps: dict[str, ImageMap]) -> dict[str, list[str]]:
    """Return the labelled images of each split that all maps hold."""
    found = {}
    for split in SPLITS:
        sets = [
            {a for a, s, y in zip(m.names, m.splits, m.labels, strict=True) if s == split and y}
            for m in maps.values()
        ]
        found[split] = sorted(set.intersection(*sets))
        if not found[split]:
            raise InputError(
                f"the maps {', '.join(maps)} share no labelled {split} image; map the same images"
            )
    return found


def parts(
    m: ImageMap, names: dict[str, list[str]], sample: int, gcn_sample: int, taus: list[float], seed: int
) -> list[tuple[str, Callable[..., dict[str, Any]]]]:
    """Return what is measured of a map, by title."""
    x, y, position = m.features.astype(np.float32), m.labels, {a: i for i, a in enumerate(m.names)}
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    rows = {s: np.array([position[a] for a in names[s]]) for s in SPLITS}
    few = {s: balanced(rows[s], y, sample, seed) for s in SPLITS}
    fewer = {s: balanced(rows[s], y, gcn_sample, seed) for s in SPLITS}
    splits = np.array(m.splits)
    found: list[tuple[str, Callable[..., dict[str, Any]]]] = []
    for space, scaled in SPACES.items():
        points = unit if scaled else x
        for split in SPLITS:
            r = few[split]
            found.append((f"{space}, {split}", lambda p, a=points[r], b=y[r]: structure(a, b, p)))
        both = np.concatenate([few["train"], few["test"]])
        found.append(
            (f"{space}, classifiers", lambda p, a=points[both], r=both: classifiers(a, y[r], splits[r], seed))
        )
    both = np.concatenate([fewer["train"], fewer["test"]])
    for tau in taus:
        for protocol in ("honest", "paper"):

            def work(progress, tau=tau, protocol=protocol):
                options = {"temperature": tau, "protocol": protocol, "seed": seed, "progress": progress}
                return plain(asdict(gcn_accuracy(x[both], y[both], splits[both], normalize=True, **options)))

            found.append((f"gcn τ={tau:g}, {protocol}", work))
    return found


def balanced(rows: np.ndarray, labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return at most ``size`` rows with equally many of every label, in random order."""
    rows = np.random.default_rng(seed).permutation(rows)
    kinds, counts = np.unique(labels[rows], return_counts=True)
    each = min(size // len(kinds), int(counts.min()))
    return np.concatenate([rows[labels[rows] == kind][:each] for kind in kinds])


def structure(x: np.ndarray, y: np.ndarray, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Measure how labels lie among points."""
    ks = [k for k in KS if k < len(x)]
    return {
        "n": len(x),
        "rld": [asdict(d) for d in relative_local_density(x, y, progress=progress)],
        "purity": [asdict(p) for p in neighbour_purity(x, y, ks=ks)],
        "purity_left_out": [k for k in KS if k not in ks],
        "calinski_harabasz": float(calinski_harabasz_score(x.astype(np.float64), y)),
        "silhouette": float(silhouette(x, y).mean()),
    }


def classifiers(x: np.ndarray, y: np.ndarray, splits: np.ndarray, seed: int) -> dict[str, Any]:
    """Classify the test images by the training images."""
    return {
        "knn": plain(asdict(knn_accuracy(x, y, splits))),
        "linear": plain(asdict(linear_accuracy(x, y, splits, seed=seed))),
    }


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return JSON types; what is not a number is None."""
    return {k: None if v != v else v for k, v in values.items()}


def tables(result: dict[str, Any]) -> str:
    """Return the result in Markdown."""
    lines = ["RLD (its share of the ceiling; expected for shuffled labels; effective neighbours).", ""]
    lines += row("map", "features", "images", *(f"τ = {t:g}" for t in TEMPERATURES), "CHS", "silhouette")
    lines += row(*["---"] * (5 + len(TEMPERATURES)))
    structures = [
        (name, *title.split(", "), part)
        for name, m in result["maps"].items()
        for title, part in m["parts"].items()
        if "rld" in part
    ]
    for name, space, split, part in structures:
        cells = [
            f"{d['rld']:.3f} ({d['rld'] / d['ceiling']:.0%}; {d['shuffled']:.4f}; "
            f"{d['effective_neighbors']:,.0f})"
            for d in part["rld"]
        ]
        of = f"{split}, {part['n']:,}"
        lines += row(name, space, of, *cells, f"{part['calinski_harabasz']:.0f}", f"{part['silhouette']:.3f}")
    d = structures[0][3]["rld"]
    ceilings = (f"{t['ceiling']:.3f}" for t in d)
    lines += [*row("ceiling", "", "", *ceilings, "", ""), "", "Purity of the k nearest.", ""]
    lines += row("map", "features", "images", *(f"k = {k:,}" for k in KS))
    lines += row(*["---"] * (3 + len(KS)))
    for name, space, split, part in structures:
        cells = [f"{p['value']:.3f}" for p in part["purity"]]
        cells += [f"needs over {k:,} images" for k in part["purity_left_out"]]
        lines += row(name, space, f"{split}, {part['n']:,}", *cells)
    lines += [
        "",
        "Test accuracy.",
        "",
        *row("map", "classifier", "accuracy", "weights", "learned from / chose / test"),
    ]
    lines += row(*["---"] * 5)
    for name, m in result["maps"].items():
        for title, part in m["parts"].items():
            if "knn" in part:
                for kind in ("knn", "linear"):
                    f = part[kind]
                    how = f"{kind} (k={f['k']})" if kind == "knn" else "logistic regression"
                    of = f"{f['n_train']:,} / - / {f['n_test']:,}"
                    lines += row(name, f"{how}, {title.split(', ')[0]}", f"{f['accuracy']:.1%}", "", of)
            elif title.startswith("gcn"):
                of = f"{part['n_train']:,} / {part['n_val']:,} / {part['n_test']:,}"
                for kind, key, weights in (
                    (f"GCN τ={part['temperature']:g}", "accuracy", "parameters"),
                    ("linear", "linear", "linear_parameters"),
                ):
                    how = f"{kind}, unit length, {part['protocol']} protocol"
                    lines += row(name, how, f"{part[key]:.1%}", f"{part[weights]:,}", of)
    return "\n".join(lines)


def row(*cells: str) -> list[str]:
    """Return a row of a Markdown table."""
    return [f"| {' | '.join(cells)} |"]


if __name__ == "__main__":
    main()
