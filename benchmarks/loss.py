"""Time and memory of InfoNCE: our row blocks against the plain formula, which stores the whole matrix.

    python benchmarks/loss.py                     # seconds a loss and its gradient, and peak memory
    python benchmarks/loss.py --rows 2048 --device cuda --output loss.json

Every line is the median of some repeats. Peak memory is what a process needs beyond its start, each case in a
process of its own (on a GPU: what PyTorch allocated).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from measuring import HERE, peak, reset_peak, write

from augmap.method.loss import info_nce
from augmap.method.similarity import Cauchy, Cosine, LogSimilarity

KERNELS = {"cauchy": Cauchy(), "cosine": Cosine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1024, 2048, 8192], help="views a batch, m")
    parser.add_argument("--memory-rows", type=int, default=65536, help="for the peak memory in 2-D; 0: skip")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", help="write the results as JSON to this file")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)  # the process that measures memory
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        print(_peak_bytes(options.peak, options.device))
        return

    results = []
    for rows in options.rows:
        for dim, kernel in ((2, "cauchy"), (128, "cauchy"), (128, "cosine")):
            row = {"rows": rows, "dim": dim, "kernel": kernel}
            for name, function in (("blocks", info_nce), ("plain", plain)):
                times = _seconds(function, rows, dim, KERNELS[kernel], options)
                row[name] = statistics.median(times)
                row[f"{name}_spread"] = [min(times), max(times)]
            results.append(row)
            print(
                f"{rows:6d} views  {dim:3d}-D  {kernel:6s}  blocks {1e3 * row['blocks']:8.1f} ms"
                f"   plain {1e3 * row['plain']:8.1f} ms   ratio {row['plain'] / row['blocks']:.1f}",
                flush=True,
            )
    memory = None
    if options.memory_rows:
        command = [sys.executable, __file__, "--peak", str(options.memory_rows), "--device", options.device]
        command += ["--threads", str(options.threads)]
        memory = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{options.memory_rows:6d} views    2-D  cauchy  peak memory {memory / 1e6:.0f} MB")
    result = {
        "seed": 0,
        "device": options.device,
        "repeats": options.repeats,
        "seconds": results,
        "memory": {"rows": options.memory_rows, "dim": 2, "kernel": "cauchy", "peak_bytes": memory},
    }
    output = Path(options.output) if options.output else HERE / "results" / f"loss-{options.device}.json"
    write(output, result, options.threads)


def plain(a: torch.Tensor, b: torch.Tensor, similarity: LogSimilarity) -> torch.Tensor:
    """The formula as one writes it down: the whole matrix, gradients by autograd."""
    z = similarity.prepare(torch.cat([a, b]))
    m = len(z)
    if similarity.from_products:
        u = z @ z.T
    elif z.shape[1] <= 8:
        u = (z[:, None] - z[None]).square().sum(-1)
    else:
        squares = z.square().sum(1)
        u = (squares[:, None] + squares - 2 * (z @ z.T)).clamp_min(0)
    s = similarity.log(u).masked_fill(torch.eye(m, dtype=torch.bool, device=z.device), -torch.inf)
    i = torch.arange(m, device=z.device)
    return (s.logsumexp(1) - s[i, i.roll(m // 2)]).mean()


def _pairs(rows: int, dim: int, device: str) -> list[torch.Tensor]:
    a = 10 * torch.randn(rows // 2, dim, generator=torch.Generator().manual_seed(0))
    b = a + torch.randn(rows // 2, dim, generator=torch.Generator().manual_seed(1))
    return [t.to(device).requires_grad_() for t in (a, b)]


def _seconds(function, rows: int, dim: int, kernel: LogSimilarity, options) -> list[float]:
    a, b = _pairs(rows, dim, options.device)
    times = []
    # of the processor where one thread computes: other work on the machine disturbs it less
    clock = time.process_time if options.device == "cpu" and options.threads == 1 else time.perf_counter
    for _ in range(options.repeats + 1):
        start = clock()
        function(a, b, kernel).backward()
        if options.device != "cpu":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return times[1:]  # the first one warms up


def _peak_bytes(rows: int, device: str) -> int:
    info_nce(*_pairs(64, 2, device), Cauchy()).backward()  # libraries, threads
    a, b = _pairs(rows, 2, device)
    before = reset_peak() if device == "cpu" else 0
    info_nce(a, b, Cauchy()).backward()
    return peak() - before if device == "cpu" else torch.cuda.max_memory_allocated()


if __name__ == "__main__":
    main()
