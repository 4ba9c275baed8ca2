"""The table of numbers in the README, from the results: ``python experiments/table.py`` prints it.

A test holds the README against it, so that no number stands there without a result behind it.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path

from augmap.method.fitted import fit_batches
from augmap.presets import make_config
from augmap.stage import Stage

RESULTS = Path(__file__).resolve().parent / "results"
SINCE = "2026-11-28"
"""The day of the last change of what ``quick`` reaches beside its settings: other light for grey images.

What came after it, Muon's rounds and crops in bfloat16, changes no accuracy that two seeds can tell.
"""
FITTED = {"epochs", "steps", "share", "stop", "warmup_epochs"}
"""What a budget fits; ``stop`` is where its end came before the last step."""
ROWS = {
    "baselines/cifar10-60k": "CIFAR-10",
    "baselines/cifar10-60k-30m": "CIFAR-10",
    "baselines/cifar10-60k-60m": "CIFAR-10",
    "baselines/quick": "CIFAR-10, first 10,000 of each split",
    "fashion-mnist-10m": "Fashion-MNIST",
    "fashion-mnist-tsne": "the same by t-SNE of the pixels",
    "mnist-10m": "MNIST",
    "mnist-glyph-10m": "MNIST with `--augment glyph`",
    "mnist-tsne": "the same by t-SNE of the pixels",
    "flowers5-10m": "photos of five kinds of flowers, 128 px",
    "flowers5-tsne": "the same by t-SNE of the pixels",
}


def table(results: Path = RESULTS) -> str:
    """Return the table in Markdown, a row for each result that is there."""
    lines = [
        "| images | ready in | 2-D kNN accuracy | untrained | in features h | views/s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, title in ROWS.items():
        path = results / f"{name}.json"
        paths = [path, *sorted(path.parent.glob(f"{path.stem}-seed-*.json"))] if path.exists() else []
        if paths:
            lines.append(row(title, [json.loads(path.read_text()) for path in paths]))
    return "\n".join(lines)


def row(title: str, results: list[dict]) -> str:
    """Return one row, of a result of ``maps.py`` or of those of ``baselines.py``, one a seed.

    What follows ± is the standard deviation, over the seeds or over the random splits of one map.
    """
    result, same = results[0], all(map(as_it_is, results))
    minutes, seconds = divmod(round(statistics.mean(r["seconds"] for r in results)), 60)
    if "measures" in result:
        found, in_h = over_seeds(results, "map"), over_seeds(results, "features")
        split = "official split" + f", {len(results)} seeds" * (len(results) > 1)
    else:
        found, in_h = result["knn_2d"], result["knn_features_cosine"]
        split = f"{found['split'].split(',')[0]} split"
    trained = result["history"] is not None
    control = result["quality"]["untrained"]["knn_sample"]["accuracy"] if trained else None
    pace = statistics.mean(r["history"]["views_per_second"] for r in results) if trained else None
    cells = [
        f"{title}: {result['n']:,}{'' if same else 'ᵇ'}",
        f"{minutes} min {seconds:02d} s",
        f"{'**' * trained}{_percent(found)}{'**' * trained} ({split})",
        f"{control:.1%}" if trained else "–",
        _percent(in_h) if trained else "–",
        f"{pace:,.0f}" if trained else "–",
    ]
    return f"| {' | '.join(cells)} |"


def over_seeds(results: list[dict], space: str) -> dict:
    """Return mean and standard deviation of the kNN accuracy, in the features by their cosine."""
    scores = [s for r in results for s in r["measures"]["scores"] if s["metric"] == "knn"]
    values = [
        s["value"]
        for s in scores
        if s["space"] == space and (space == "map" or s["setting"].endswith("cosine"))
    ]
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"accuracy": statistics.mean(values), "sd": sd}


def as_it_is(result: dict) -> bool:
    """Return whether a map was made by ``quick`` as it is now, or by what does not change."""
    if not result["config"]:
        return True
    asked = make_config("quick", budget=600)
    fitted = fit_batches(asked, result["n"], 1, lambda line: None).stages
    now = json.loads(json.dumps([dataclasses.asdict(stage) for stage in fitted]))
    then = result["config"]["stages"]
    defaults = {f.name: f.default for f in dataclasses.fields(Stage)}
    same = len(now) == len(then) and all(
        before.get(name, defaults[name]) == value
        for before, stage in zip(then, now, strict=True)
        for name, value in stage.items()
        if name not in FITTED
    )
    return same and result["machine"]["date"] >= SINCE


def _percent(knn: dict) -> str:
    sd = knn["sd"]
    return f"{knn['accuracy']:.1%}" + ("" if sd is None else f" ± {sd:.1%}")


if __name__ == "__main__":
    print(table())
