"""Ways of a 3x3 convolution in bfloat16 on a CPU: oneDNN's, with matrix products, Winograd's.

    python benchmarks/convolution.py                     # one thread; --edges 3 6 --channels 128 --threads 2

Milliseconds of forward and backward together, of 256 images, in turns; and how far the outputs and both
gradients are from those of float64. ``products`` has the gradient of the weights made of nine matrix
products. With stride 2, from c channels to 2 c, there is no third way. The rules of ``method/convolution.py``
and ``method/winograd.py`` rest on this table, and a test holds them against it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from measuring import HERE, Turns, write
from torch import Tensor

from augmap.cli.allocator import keep_buffers
from augmap.method.convolution import weight_gradient
from augmap.method.winograd import Winograd

MOST = 3600
"""Edge times channels up to which a shape is measured: more takes seconds a step."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edges", type=int, nargs="+", default=[2, 3, 4, 5, 6, 7, 8, 9, 12], help="pixels")
    parser.add_argument("--channels", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_buffers()
    rows = []
    for stride in (1, 2):
        for edge in options.edges:
            for channels in options.channels:
                if edge * channels > MOST / stride:
                    continue
                rows.append(row(edge, channels, stride, options))
                seconds = rows[-1]["seconds"]
                shown = "   ".join(f"{way} {found['median'] * 1e3:6.1f} ms" for way, found in seconds.items())
                shape = f"{edge:3d} px  stride {stride}  {channels:4d} channels"
                print(f"{shape}   {shown}   {rows[-1]['ratio']['median']:.2f}", flush=True)
    result = {"images": options.images, "dtype": "bfloat16", "seed": 0, "rows": rows}
    write(options.output or HERE / "results" / "convolution.json", result, options.threads)


def row(edge: int, channels: int, stride: int, options: argparse.Namespace) -> dict:
    """Measure one shape; ``ratio`` is of the better of the other ways and the last one."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        made = torch.randn(shape, generator=generator).bfloat16()
        return made.contiguous(memory_format=torch.channels_last)

    out, c2 = -(-edge // stride), stride * channels
    x = drawn(options.images, channels, edge, edge).relu_()  # what a layer gets from the one before
    weight, upstream = drawn(c2, channels, 3, 3), drawn(options.images, c2, out, out)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    found: dict[str, list[Tensor]] = {}

    def timed(way: str) -> dict[str, float]:
        began = clock()
        found[way] = made(way, x, weight, upstream, stride)
        return {"seconds": clock() - began}

    ways = ["oneDNN", "products", "Winograd"][: 4 - stride]
    turns = Turns({way: lambda way=way: timed(way) for way in ways})
    for way in ways:
        timed(way)
    turns.take(options.rounds)
    exact = made("oneDNN", x.double(), weight.double(), upstream.double(), stride)
    best = min(ways[:-1], key=lambda way: turns.of(way, "seconds")["median"])
    return {
        "edge": edge,
        "stride": stride,
        "channels": channels,
        "seconds": {way: turns.of(way, "seconds") for way in ways},
        "ratio": turns.ratio(best, ways[-1], "seconds"),
        "error": {
            way: round(max(error(a, b) for a, b in zip(found[way], exact, strict=True)), 5) for way in ways
        },
    }


def made(way: str, x: Tensor, weight: Tensor, upstream: Tensor, stride: int) -> list[Tensor]:
    """Return the outputs, and the gradients by the images and by the weights."""
    if way == "Winograd":
        x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
        y = Winograd.apply(x, weight)
        y.backward(upstream)
        return [y.detach(), x.grad, weight.grad]
    y = torch.nn.functional.conv2d(x, weight, None, stride, 1)
    shape = ([stride, stride], [1, 1], [1, 1], False, [0, 0], 1)  # stride, padding, dilation, ...
    both = way == "oneDNN"
    to_x, to_weight, _ = torch.ops.aten.convolution_backward(
        upstream, x, weight, None, *shape, [True, both, False]
    )
    if not both:
        to_weight = weight_gradient(x, upstream, (3, 3), (stride, stride), (1, 1))
    return [y, to_x, to_weight]


def error(found: Tensor, exact: Tensor) -> float:
    """Root mean square of the difference, beside that of the exact ones."""
    return ((found.double() - exact).norm() / exact.norm()).item()


if __name__ == "__main__":
    main()
