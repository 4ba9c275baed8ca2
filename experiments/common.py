"""What experiments and benchmarks share: the machine of a number, and numbers as plain JSON types."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent


def plain(found: object) -> dict[str, object]:
    """Return a dataclass as JSON types; what is not a number is None."""
    return {k: None if v != v else v for k, v in asdict(found).items()}


def hardware(threads: int | None = None) -> dict[str, object]:
    """Return what the figures depend on: commit, versions, processor, cores, load, threads."""
    import numpy
    import scipy
    import sklearn
    import torch

    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(
            (line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor
        )
    return {
        "commit": subprocess.run(git, capture_output=True, text=True).stdout.strip(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "sklearn": sklearn.__version__,
        "processor": processor,
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
        **({} if threads is None else {"threads": threads}),
    }
