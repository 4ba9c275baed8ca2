"""What tests and fixtures share: where the checkout is, and small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def make_photos(folder: Path, each: int = 16, size: int = 24) -> None:
    """Write ``each`` striped PNG pictures of three kinds to ``folder/KIND/NN.png``."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    for kind, along in {"across": y, "down": x, "aslant": x + y}.items():
        (folder / kind).mkdir(parents=True)
        for i in range(each):
            wave = np.sin(along * random.uniform(0.6, 1.2) + random.uniform(0, 6))
            colour = random.uniform(60, 120, size=3)
            pixels = 128 + wave[..., None] * colour + random.normal(0, 6, (size, size, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / kind / f"{i:02d}.png")
