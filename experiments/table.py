"""The table of numbers in the README, from the results: ``python experiments/table.py`` prints it.

A test holds the README against it, so that no number stands there without a result behind it.
"""

from __future__ import annotations

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
ROWS = {
    "cifar10-20m": "CIFAR-10",
    "cifar10-20000-10m": "CIFAR-10, first 10,000 of each split",
    "fashion-mnist-10m": "Fashion-MNIST",
    "flowers5-20m": "photos of five kinds of flowers, 128 px",
}


def table(results: Path = RESULTS) -> str:
    """Return the table in Markdown, a row for each result that is there."""
    lines = [
        "| images | asked | ready in | 2-D kNN accuracy | untrained | in features h | views/s | memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, title in ROWS.items():
        path = results / f"{name}.json"
        if path.exists():
            lines.append(row(title, json.loads(path.read_text())))
    return "\n".join(lines)


def row(title: str, result: dict) -> str:
    """Return one row."""
    minutes, seconds = divmod(round(result["seconds"]), 60)
    control = result["quality"]["untrained"]["knn_sample"]
    cells = [
        f"{title}: {result['n']:,}",
        result["run"]["budget"].replace("m", " min"),
        f"{minutes} min {seconds:02d} s",
        f"**{_percent(result['knn_2d'])}** ({result['knn_2d']['split'].split(',')[0]} split)",
        f"{control['accuracy']:.1%}",
        _percent(result["knn_features_cosine"]),
        f"{result['history']['views_per_second']:,.0f}",
        f"{result['peak_memory_gib']:.1f} GiB",
    ]
    return f"| {' | '.join(cells)} |"


def _percent(knn: dict) -> str:
    sd = knn["sd"]
    return f"{knn['accuracy']:.1%}" + ("" if sd is None else f" ± {sd:.1%}")


if __name__ == "__main__":
    print(table())
