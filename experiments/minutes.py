"""A picture: how good a map is for the minutes that it took.

    python experiments/minutes.py docs/images/minutes.png

Reads the results of ``baselines.py``; minutes are processor time of two cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from augmap.plots.colours import LIGHT, PALETTE
from baselines import METHODS, RESULTS

OURS, THEIRS, LABELLED = PALETTE[0], PALETTE[5], "#8a8a8a"
APART = 2.5  # per cent between two names
SHORTEST = 0.003  # minutes; PCA takes less


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    found = {
        n: json.loads(p.read_text("utf-8")) for n in METHODS if (p := given.results / f"{n}.json").exists()
    }
    draw(found).savefig(given.output, dpi=160)


def draw(results: dict[str, dict[str, Any]]) -> Figure:
    """Return the figure: a panel for 20,000 images and one for all."""
    figure = Figure(figsize=(9.4, 5.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, n in zip(panels, (20_000, 60_000), strict=True):
        shown = [e for e in results.values() if e["n"] == n and e["dim"] == 2]
        height, latest = 0.0, max((e["seconds"] / 60 for e in shown), default=0.0)
        for entry in sorted(shown, key=_accuracy):
            trained = entry["seconds"] > 300  # these stand in one column
            height = max(_accuracy(entry), height + APART) if trained else height
            _point(axes, entry, (latest, height) if trained else None)
        axes.set_xscale("log")
        axes.set_xlim(SHORTEST, 20_000)
        axes.set_xticks([0.1, 1, 10], ["6 s", "1 min", "10 min"])
        axes.set_title(f"{n:,} images of CIFAR-10", fontsize=11, color=LIGHT.ink, loc="left")
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("processor time of two cores")
    panels[0].set_ylim(10, 85)
    panels[0].set_ylabel("kNN accuracy of the map, per cent")
    figure.suptitle(
        "Blue: an encoder that places new images. Brown: points that stay alone. Grey: sees labels.",
        fontsize=9,
        color=LIGHT.ink,
        x=0.01,
        ha="left",
    )
    return figure


def _accuracy(entry: dict[str, Any]) -> float:
    scores = entry["measures"]["scores"]
    return 100 * next(s["value"] for s in scores if s["metric"] == "knn" and s["space"] == "map")


def _point(axes: Any, entry: dict[str, Any], beside: tuple[float, float] | None) -> None:
    """Draw a point, and its name beside it or beside another place."""
    accuracy = _accuracy(entry)
    minutes = max(entry["seconds"] / 60, 1.3 * SHORTEST)
    colour = LABELLED if entry["method"] == "supervised" else OURS if entry["parametric"] else THEIRS
    axes.scatter(minutes, accuracy, s=46, color=colour, zorder=3, linewidth=0)
    left = 0.3 < minutes < 5  # layouts of pixels; right of them stands what trains
    name = entry["title"].replace(", all", "").replace("t-SimCNE, quick", "quick")
    axes.annotate(
        f"{name} {accuracy:.1f}",
        beside or (minutes, accuracy),
        (-7 if left else 7, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=8.5,
        color=colour,
        fontweight="bold" if "quick" in entry["title"] else None,
    )


if __name__ == "__main__":
    main()
