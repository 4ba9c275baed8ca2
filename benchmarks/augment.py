"""Speed of the augmentation: views per second for each set, 32 px as they are and 128 px cut down to 64.

    python benchmarks/augment.py [--device cuda] [--compile] [--threads N] [--output FILE.json]

In float32 and, on a CPU, as a network in bfloat16 gets them. Medians over repeats, with the quartiles;
drawing the numbers (always on the CPU) is timed apart from making the pixels. Beside the wall clock stands
the processor time of a view, which other programs on the machine disturb less. With two threads and another
program on the same cores the wall clock says nothing: each of the many short parallel steps waits for the
slower thread.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from measuring import HERE, write

from augmap.cli.allocator import keep_buffers
from augmap.method.augment import AUGMENTATIONS, apply, draw

SIZES = ((32, 32, 1024), (128, 64, 256))  # image, view, views at a time on a CPU


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=101)
    parser.add_argument(
        "--batch", type=int, help="views at a time (default: 1024 and 256; on a GPU 16 times as many)"
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile the making of pixels")
    parser.add_argument("--output", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    keep_buffers()
    torch.set_num_threads(options.threads)
    make = torch.compile(apply, dynamic=False) if options.compile else apply
    rows, lows = [], (False, True) if options.device == "cpu" else (False,)
    for image, view, batch in SIZES:
        n = options.batch or batch * (16 if options.device != "cpu" else 1)
        for name, low in itertools.product(AUGMENTATIONS, lows):
            rows.append(measure(name, image, view, n, partial(make, low=low), options))
            rows[-1]["precision"] = "bfloat16" if low else "float32"
            print("{set:10s} {image:3d} -> {view:2d} px, {precision:8s} {views_per_s:12,.0f} views/s  "
                  "({low:,.0f} to {high:,.0f}; {cpu_us:.1f} µs processor time a view; "
                  "drawing {draw_us:.2f} µs a view)".format(**rows[-1]))  # fmt: skip
    result = {"seed": 0, "device": options.device, "compiled": options.compile, "repeats": options.repeats}
    name = f"augment-{options.device}-{options.threads}.json"
    write(options.output or HERE / "results" / name, {**result, "rows": rows}, options.threads)


def measure(name: str, image: int, view: int, n: int, make: Callable, options: argparse.Namespace) -> dict:
    """Rate of ``n`` views at a time with the set ``name``."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, image, image, 3), dtype=torch.uint8).to(options.device)

    def drawn():
        return draw(AUGMENTATIONS[name], n, generator, image_size=image, channels=3, out_size=view)

    drawing = [seconds(drawn, "cpu")[0] for _ in range(options.repeats)]
    parameters = drawn().to(options.device)
    for _ in range(3):
        make(pixels, parameters, view)
    made = [seconds(lambda: make(pixels, parameters, view), options.device) for _ in range(options.repeats)]
    low, middle, high = statistics.quantiles([wall for wall, _ in made], n=4)
    return {
        "set": name,
        "image": image,
        "view": view,
        "views_at_a_time": n,
        "views_per_s": n / middle,
        "low": n / high,
        "high": n / low,
        "cpu_us": statistics.median(cpu for _, cpu in made) / n * 1e6,
        "views_per_processor_second": n / statistics.median(cpu for _, cpu in made),
        "draw_us": statistics.median(drawing) / n * 1e6,
    }


def seconds(call: Callable, device: str) -> tuple[float, float]:
    """Wall and processor time of one call, the device's work included."""
    if device != "cpu":
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
