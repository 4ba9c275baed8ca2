"""A pass of a layout: attraction along the edges column by column, against the same by rows of two numbers.

    python benchmarks/layout.py                   # 60,000 points, 15 neighbours, one thread
    python benchmarks/layout.py --points 10000 --threads 2

Both take turns; the rest of the pass, all repulsions, is the same. The neighbours are drawn at random and the
points fill a square as a finished layout would. The processor's time is counted, that of all threads.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from measuring import HERE, Turns, write
from torch import Tensor

from augmap.method import layout
from augmap.method.repulsion import Grid

HALF_EDGE = 0.22
"""Half the edge of the square that a finished layout of one point fills; of n points it is √n times that."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=60_000)
    parser.add_argument("--neighbors", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "layout.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    n, random = options.points, torch.Generator().manual_seed(0)
    y = HALF_EDGE * math.sqrt(n) * (2 * torch.rand(n, 2, generator=random) - 1)
    neighbors = torch.randint(n, (n, options.neighbors), generator=random)
    weights, grid = torch.ones(neighbors.shape), Grid()

    def whole() -> None:
        layout.gradient(y, neighbors, weights, 1.0, grid, random)

    def rows() -> None:
        with mock.patch.object(layout, "attraction", by_rows):
            whole()

    same = (layout.attraction(y, neighbors, weights, 1.0), by_rows(y, neighbors, weights, 1.0))
    torch.testing.assert_close(*same)
    turns = Turns({"columns": seconds_of(whole), "rows": seconds_of(rows)})
    turns.take(1)  # prepares
    turns = Turns(turns.named)
    turns.take(options.rounds)
    result = {
        "seed": 0,
        "points": n,
        "neighbors": options.neighbors,
        "columns": turns.of("columns", "cpu"),
        "rows": turns.of("rows", "cpu"),
        "ratio": turns.ratio("rows", "columns", "cpu"),
    }
    write(options.output, result, options.threads)
    print(
        f"{n:,} points: {1e3 * result['columns']['median']:.0f} ms a pass, by rows "
        f"{1e3 * result['rows']['median']:.0f} ms, {result['ratio']['median']:.1f} times as long"
    )


def by_rows(y: Tensor, neighbors: Tensor, weights: Tensor, pull: float) -> Tensor:
    """Attract as it was before."""
    toward = y[:, None] - y[neighbors]  # (n, k, d)
    toward *= (pull / (2 * weights.shape[1]) * weights / (1 + toward.square().sum(2)))[..., None]
    return toward.sum(1).index_add_(0, neighbors.flatten(), toward.flatten(0, 1), alpha=-1)


def seconds_of(work: Callable[[], None]) -> Callable[[], dict[str, float]]:
    def turn() -> dict[str, float]:
        began = time.process_time()
        work()
        return {"cpu": time.process_time() - began}

    return turn


if __name__ == "__main__":
    main()
