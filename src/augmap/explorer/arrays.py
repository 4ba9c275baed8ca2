"""By-products of a map that are arrays: read with care, since a map may come from anybody."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from augmap import folder as disk
from augmap.errors import InputError

MAX_BYTES = 2**30
"""Unpacked; neighbours of 1,000,000 images take 180 MB."""


def read_arrays(path: Path, record: Mapping[str, Any], name: str) -> dict[str, np.ndarray] | None:
    """Read an ``.npz`` file of a map; None where there is none, or it cannot be understood.

    What it holds can be made again, so a damaged one is no error. No pickle is read.
    """
    if name not in record["files"]:
        return None
    try:
        data = disk.read_file(path, name, record)
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MAX_BYTES:
                return None
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (InputError, ValueError, OSError, KeyError, EOFError, MemoryError):
        return None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):  # packed in a way of its own
        return None
