"""The authors' chain for Tiny ImageNet, run from a folder of 200 classes at 64 px, a few steps a stage.

    python benchmarks/tiny_imagenet.py [--backbone resnet18] [--images 400] [--steps 2]

The images are made up (Tiny ImageNet is not shipped): this shows that the chain of five stages runs, what a
step of each costs, and that the map comes back whole; it says nothing about quality.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from measuring import HERE, write

CLASSES = 200


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--images", type=int, default=CLASSES)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2, help="steps a stage")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = chain(make(Path(folder), options.images), options)
    name = f"tiny-imagenet-{options.device}.json"
    write(options.output or HERE / "results" / name, result, options.threads)
    for stage in result["stages"]:
        print(
            "{name:9} {steps} steps in {dim:3}-D, loss {loss:.3f}, {processor_a_step:.1f} s a step".format(
                **stage
            )
        )


def make(folder: Path, n: int) -> Path:
    """Write ``n`` images of 64 px into a folder for each of 200 classes, which differ in colour."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    colours = rng.integers(40, 216, (CLASSES, 3))
    for i in range(n):
        home = folder / f"n{i % CLASSES:08d}"
        home.mkdir(parents=True, exist_ok=True)
        pixels = colours[i % CLASSES] + rng.integers(-40, 40, (64, 64, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(home / f"{i}.png")
    return folder


def chain(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Train all five stages, a few steps each."""
    import numpy as np

    import augmap
    from augmap.presets import PRESETS

    marks: dict[int, list[float]] = {}
    losses: dict[int, float] = {}

    def listen(report) -> None:
        marks.setdefault(report.stage_number, []).append(time.process_time())
        losses[report.stage_number] = report.loss

    stages = PRESETS["tiny-imagenet"].stages
    epochs = [options.steps * options.batch / options.images] * len(stages)
    began = time.perf_counter()
    made = augmap.fit(
        folder, preset="tiny-imagenet", epochs=epochs, backbone=options.backbone, batch_size=options.batch,
        image_size=64, device=options.device, threads=options.threads, listeners=[listen],
        checkpoint_every=None, cache=folder.parent / f"{folder.name}-cache",
    )  # fmt: skip
    assert made.positions.shape == (options.images, 2)
    assert np.isfinite(made.positions).all()
    again = made.embed(folder).positions
    spread = np.ptp(made.positions, axis=0).max()
    return {
        "seed": 0,
        "n": made.n,
        "classes": len(set(made.labels)),
        "image_size": 64,
        "backbone": options.backbone,
        "batch": options.batch,
        "seconds": time.perf_counter() - began,
        "embeds_alike": float(np.abs(again - made.positions).max() / spread),
        "stages": [
            {
                "name": stage.name,
                "dim": stage.out_dim,
                "steps": len(marks[i]),
                "loss": losses[i],
                "processor_a_step": (marks[i][-1] - marks[i][0]) / max(1, len(marks[i]) - 1),
            }
            for i, stage in enumerate(stages)
        ],
    }


if __name__ == "__main__":
    main()
