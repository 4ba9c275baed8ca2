"""A pass of a layout: sums along the edges number by number, against the same by rows of two numbers.

    python benchmarks/layout.py                   # 60,000 points, 15 neighbours, one thread
    python benchmarks/layout.py --points 10000 --threads 2

Both take turns; the rest of the pass, gathering the ends of the edges and all repulsions, is the same. The
neighbours are drawn at random and the points fill a square as a finished layout would. One thread's processor
time is counted.
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
"""Half the edge of the square that a finished layout of one point fills; it grows as their root."""


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
        with mock.patch.object(layout, "from_ends", by_rows):
            whole()

    toward = torch.randn(n, options.neighbors, 2, generator=random)
    assert torch.equal(layout.from_ends(toward, neighbors), by_rows(toward, neighbors))
    turns = Turns({"numbers": seconds_of(whole), "rows": seconds_of(rows)})
    turns.take(1)  # prepares
    turns = Turns(turns.named)
    turns.take(options.rounds)
    result = {
        "seed": 0,
        "points": n,
        "neighbors": options.neighbors,
        "numbers": turns.of("numbers", "cpu"),
        "rows": turns.of("rows", "cpu"),
        "ratio": turns.ratio("rows", "numbers", "cpu"),
    }
    write(options.output, result, options.threads)
    print(
        f"{n:,} points: {1e3 * result['numbers']['median']:.0f} ms a pass, by rows "
        f"{1e3 * result['rows']['median']:.0f} ms, {result['ratio']['median']:.1f} times as long"
    )


def by_rows(toward: Tensor, neighbors: Tensor) -> Tensor:
    """Add up as it was before."""
    return toward.sum(1).index_add_(0, neighbors.flatten(), toward.flatten(0, 1), alpha=-1)


def seconds_of(work: Callable[[], None]) -> Callable[[], dict[str, float]]:
    def turn() -> dict[str, float]:
        began = time.process_time()
        work()
        return {"cpu": time.process_time() - began}

    return turn


if __name__ == "__main__":
    main()
