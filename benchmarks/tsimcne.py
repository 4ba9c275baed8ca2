"""An epoch of our ``fit`` against one of tsimcne 0.3.12: the same ResNet-18, the same images and batch.

    python -m venv THEIRS; THEIRS/bin/pip install tsimcne==0.3.12 torchvision
    python benchmarks/tsimcne.py --python THEIRS/bin/python [--shim torchvision_cpu.py] [--device cuda]

tsimcne needs an environment of its own. Where torch is a build for CPUs, torchvision cannot be imported
beside it until the operators it lacks are declared: ``--shim`` is a file that does so, run before it. Theirs
loads with as many workers as there are threads, as its own default of 8 would for a machine of 8 cores, and
trains in float32; ours is the preset ``paper`` with the precision that ``auto`` finds faster, and in float32.
A few steps an epoch are enough: the second epoch is reported.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from measuring import HERE, Turns, write

THEIRS = """
import json, os, runpy, sys, tempfile, time
n, batch, threads, shim, device, epochs = json.loads(sys.argv[1])
if shim:
    declared = runpy.run_path(shim)  # what it declares lives as long as it does
os.chdir(tempfile.mkdtemp())  # its logs
import numpy, torch
from PIL import Image
torch.set_num_threads(threads)
import tsimcne.tsimcne as theirs
pixels = numpy.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), numpy.uint8)
class Images(torch.utils.data.Dataset):
    def __len__(self): return n
    def __getitem__(self, i): return Image.fromarray(pixels[i]), 0
began = []
def note(self): began.append((time.perf_counter(), time.process_time()))
theirs.PLtSimCNE.on_train_epoch_start = note
theirs.PLtSimCNE.on_train_end = note
model = theirs.TSimCNE(total_epochs=[epochs], batch_size=batch, num_workers=0 if threads == 1 else threads)
model.fit(Images())
wall, processor = (b - a for a, b in zip(began[-2], began[-1]))
print(json.dumps({"wall": wall, "processor": processor}))
"""
"""What runs in their environment: two epochs with their own loader, augmentation, loss and trainer."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", required=True, help="interpreter of an environment with tsimcne 0.3.12")
    parser.add_argument("--shim", help="file to run before torchvision is imported")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--ours", help=argparse.SUPPRESS)  # the process that measures
    options = parser.parse_args()
    if options.ours:
        print(json.dumps(ours(options.ours, options)))
        return

    given = json.dumps([options.images, options.batch, options.threads, options.shim, options.device, 2])
    mine = [sys.executable, __file__, "--python", options.python, "--device", options.device]
    for name in ("threads", "images", "batch"):
        mine += [f"--{name}", str(getattr(options, name))]
    turns = Turns({
        "tsimcne": lambda: answer([options.python, "-c", THEIRS, given]),
        "ours": lambda: answer([*mine, "--ours", "auto"]),
        "ours, float32": lambda: answer([*mine, "--ours", "float32"]),
    })  # fmt: skip
    turns.take(options.rounds)
    clock = "processor" if options.device == "cpu" and options.threads == 1 else "wall"
    result = {
        "seed": 0,
        "backbone": "resnet18",
        "device": options.device,
        "images": options.images,
        "batch": options.batch,
        "compared_by": clock,
        "seconds": {name: turns.of(name, clock) for name in turns.named},
        "ratio": {name: turns.ratio("tsimcne", name, clock) for name in ("ours", "ours, float32")},
    }
    name = f"tsimcne-{options.device}-{options.threads}.json"
    write(options.output or HERE / "results" / name, result, options.threads)
    for name in turns.named:
        print(f"{name:14} {result['seconds'][name]['median']:8.1f} s an epoch of {options.images:,} images")
    print(f"ratio {result['ratio']['ours']['median']:.2f}")


def answer(command: list[str]) -> dict[str, float]:
    """Return the JSON on the last line of a command."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def ours(precision: str, options: argparse.Namespace) -> dict[str, float]:
    """Two epochs of the paper's first stage."""
    from augmap.cli.allocator import keep_buffers

    keep_buffers()
    import numpy as np

    import augmap
    from augmap.presets import PRESETS

    pixels = np.random.default_rng(0).integers(0, 256, (options.images, 32, 32, 3), np.uint8)
    marks = []

    def listen(report) -> None:
        if report.stage_number == 0:
            marks.append((time.perf_counter(), time.process_time()))

    epochs = [2, *[1] * (len(PRESETS["direct"].stages) - 1)]
    augmap.fit(
        pixels, preset="direct", dim=128, epochs=epochs, batch_size=options.batch, precision=precision,
        backbone="resnet18", device=options.device, threads=options.threads, listeners=[listen],
    )  # fmt: skip
    steps = len(marks) // 2
    wall, processor = (b - a for a, b in zip(marks[steps - 1], marks[-1], strict=True))
    return {"wall": wall, "processor": processor}


if __name__ == "__main__":
    main()
