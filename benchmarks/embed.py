"""Speed of ``embed``: against the forward pass alone, and for photos against decoding them.

    python benchmarks/embed.py [--photos FOLDER] [--threads N] [--device cuda]

The forward pass alone is the same network in the same batches over views that lie in memory; ``embed`` goes
from uint8 pixels to numpy arrays of positions and features. They take turns. For photos, decoding alone is
Pillow in a pool of as many threads as there are cores, read, decoded, resized; ``open_images`` and ``embed``
are what ``augmap embed`` does with the same folder. Without ``--photos`` some JPEGs are made.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measuring import HERE, Turns, write


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=Path, help="folder of JPEGs")
    parser.add_argument("--photo-size", type=int, default=128)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    import torch

    from augmap.cli.allocator import keep_buffers

    keep_buffers()
    torch.set_num_threads(options.threads)
    clock = "processor" if options.device == "cpu" and options.threads == 1 else "wall"
    result = {"seed": 0, "n": options.images, "device": options.device, "compared_by": clock}
    result["arrays"] = [arrays(backbone, clock, options) for backbone in ("slim", "resnet18")]
    for row in result["arrays"]:
        print(
            f"{row['backbone']:9} {row['n']:,} images of 32 px: {row['images_per_second']:,.0f} images/s, "
            f"{row['share_of_forward']['median']:.1%} of the forward pass alone"
        )
    result["photos"] = photos(options)
    print("{n:,} photos at {size} px: decoding alone {decode[median]:.2f} s, opened in {open[median]:.2f} s, "
          "embedded in {embed[median]:.2f} s".format(**result["photos"]))  # fmt: skip
    name = f"embed-{options.device}-{options.threads}.json"
    write(options.output or HERE / "results" / name, result, options.threads)


def arrays(backbone: str, clock: str, options: argparse.Namespace) -> dict[str, object]:
    """Embed images of 32 px, and take the forward pass alone."""
    import torch

    from augmap.method.augment import plain
    from augmap.method.project import BATCH, full_precision, project

    # on a CPU ResNet-18 costs twenty times as much
    n = options.images if backbone == "slim" or options.device != "cpu" else BATCH
    encoder = made(backbone, 32, options.device)
    pixels = torch.randint(256, (n, 32, 32, 3), dtype=torch.uint8).numpy()
    views = [plain(torch.from_numpy(p)).to(options.device) for p in _batches(pixels, BATCH)]

    @torch.no_grad()
    def forward():
        with full_precision(views[0].device):
            for x in views:
                encoder(x)

    turns = Turns({
        "forward": lambda: timed(forward, options.device),
        "embed": lambda: timed(lambda: project(encoder, pixels), options.device),
    })  # fmt: skip
    turns.take(1)
    turns = Turns(turns.named)  # the first round warmed up
    turns.take(options.rounds)
    return {
        "backbone": backbone,
        "n": n,
        "forward": turns.of("forward", clock),
        "embed": turns.of("embed", clock),
        "images_per_second": n / turns.of("embed", clock)["median"],
        "share_of_forward": turns.ratio("forward", "embed", clock),
    }


def photos(options: argparse.Namespace) -> dict[str, object]:
    """Open and embed a folder of JPEGs, and decode it with nothing else."""
    from augmap.config import Preprocessing
    from augmap.images.open import open_images
    from augmap.method.project import project

    size, gpu = options.photo_size, options.device != "cpu"
    with tempfile.TemporaryDirectory() as folder:
        source = options.photos or make_photos(Path(folder))
        paths = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
        encoder, how = made("slim", size, options.device), Preprocessing(image_size=size, channels=3)

        def decode():
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                return list(pool.map(lambda path: decoded(path, size), paths))

        opened = []

        def open_all():
            opened[:] = [open_images(source, preprocessing=how, store=False)]

        turns = Turns({
            "decode": lambda: timed(decode, "cpu"),
            "open": lambda: timed(open_all, "cpu"),
            "embed": lambda: timed(lambda: project(encoder, opened[0].pixels), options.device),
        })  # fmt: skip
        turns.named["open"]()
        for _ in range(3):
            for name in turns.named:
                turns.found[name].append(turns.named[name]())
    return {
        "n": len(paths),
        "made_up": options.photos is None,
        "size": size,
        "cores": os.cpu_count(),
        **{name: turns.of(name, "wall" if name == "embed" and gpu else "processor") for name in turns.named},
        "share_of_decoding": turns.ratio("decode", "open", "processor"),
        "wall": {name: turns.of(name, "wall")["median"] for name in turns.named},
    }


def made(backbone: str, size: int, device: str):
    """Return an encoder with drawn weights."""
    import torch

    from augmap.method.encoder import make_encoder

    pixels = {"image_size": size, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}
    encoder = make_encoder(backbone, dim=2, hidden=(1024,), **pixels)
    return encoder.eval().to(device, memory_format=torch.channels_last)


def decoded(path: Path, size: int):
    """Decode one JPEG with Pillow, cut to a square and resized."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        return ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BICUBIC)


def make_photos(folder: Path, n: int = 200) -> Path:
    """Write JPEGs of 500 x 375 pixels, as smooth and as rough as photos are."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(n):
        rough = Image.fromarray(rng.integers(0, 256, (75, 100, 3), np.uint8))
        smooth = np.asarray(rough.resize((500, 375), Image.Resampling.BICUBIC), np.int16)
        grain = rng.integers(-8, 9, smooth.shape)
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(folder / f"{i}.jpg", quality=90)
    return folder


def timed(work, device: str) -> dict[str, float]:
    """Wall and processor time of a call, the device's work included."""
    import torch

    wall, cpu = time.perf_counter(), time.process_time()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return {"wall": time.perf_counter() - wall, "processor": time.process_time() - cpu}


def _batches(pixels, batch: int):
    return [pixels[i : i + batch] for i in range(0, len(pixels), batch)]


if __name__ == "__main__":
    main()
