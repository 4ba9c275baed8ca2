"""How a map formed: frames of a probe set, losses, stages; ``replay.npz`` in the map's folder."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt16

from augmap import folder as disk
from augmap.explorer.arrays import read_arrays

FILE = "replay.npz"
MAX_FRAMES = 100_000
FIELDS = ("stage", "stage_number", "step", "epoch", "seconds", "pca", "loss")
"""What stands beside each frame."""


@dataclass(eq=False, kw_only=True)
class Replay:
    """Frames as they came.

    Parameters
    ----------
    frames : list of (n, 2) uint16 arrays
        ``u = q / 65535 * 2 - 1``.
    entries : list of dict
        One a frame, with :data:`FIELDS`.
    losses : list of (seconds, loss, stage number)
    stages : list of str
    rows : (n,) uint32 array, optional
        Rows of the map that the probe is; None while the map is not there yet.
    """

    frames: list[np.ndarray] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    losses: list[tuple[float, float, int]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    rows: np.ndarray | None = None

    def describe(self) -> dict[str, Any]:
        """Return the answer of ``GET /replay.json``."""
        return {
            "n": len(self.frames[0]) if self.frames else 0,
            "frames": list(self.entries),
            "stages": list(self.stages),
            "losses": [list(x) for x in self.losses],
            "rows": self.rows is not None,
        }

    def data(self) -> bytes:
        """Return the answer of ``GET /replay.bin``: u16 (frames, n, 2)."""
        return b"".join(frame.astype("<u2").tobytes() for frame in list(self.frames))


def to_u16(uv: Float[np.ndarray, "n 2"]) -> UInt16[np.ndarray, "n 2"]:
    """Return positions in [-1, 1] as 16 bits; the step is 3e-5."""
    return np.rint((np.clip(uv, -1, 1) + 1) / 2 * 65535).astype(np.uint16)


def from_u16(q: UInt16[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Return positions in [-1, 1]."""
    return q.astype(np.float64) / 65535 * 2 - 1


def replay_bytes(replay: Replay) -> bytes:
    """Return the content of ``replay.npz``: arrays and JSON, nothing that could run."""
    assert replay.rows is not None
    about = {"entries": replay.entries, "stages": replay.stages}
    file = io.BytesIO()
    np.savez_compressed(
        file,
        frames=np.stack(replay.frames) if replay.frames else np.zeros((0, len(replay.rows), 2), np.uint16),
        losses=np.array(replay.losses, np.float64).reshape(-1, 3),
        rows=replay.rows.astype(np.uint32),
        about=np.frombuffer(disk.json_bytes(about, indent=None), np.uint8),
    )
    return file.getvalue()


def read_replay(path: Path, record: Mapping[str, Any], n: int) -> Replay | None:
    """Read ``replay.npz`` of a map of ``n`` images; None where there is none, or it does not fit."""
    found = read_arrays(path, record, FILE)
    if found is None or not {"frames", "losses", "rows", "about"} <= set(found):
        return None
    frames, losses, rows = found["frames"], found["losses"], found["rows"]
    try:
        about = json.loads(found["about"].tobytes())
        entries, stages = about["entries"], about["stages"]
    except (ValueError, KeyError, TypeError):
        return None
    fits = (
        (frames.dtype, rows.dtype) == (np.uint16, np.uint32)
        and frames.ndim == 3
        and 0 < len(frames) <= MAX_FRAMES
        and frames.shape[1:] == (len(rows), 2)
        and rows.ndim == 1
        and len(rows) > 0
        and rows.max() < n
        and losses.dtype == np.float64
        and losses.shape == (len(losses), 3)
        and isinstance(entries, list)
        and len(entries) == len(frames)
        and all(isinstance(x, dict) and set(x) == set(FIELDS) for x in entries)
        and isinstance(stages, list)
        and all(isinstance(x, str) for x in stages)
    )
    if not fits:
        return None
    kept = [
        (float(s), float(loss), int(number)) for s, loss, number in losses if np.isfinite([s, loss]).all()
    ]
    return Replay(frames=list(frames), entries=entries, losses=kept, stages=stages, rows=rows)


def thinned(losses: Sequence[tuple[float, float, int]], most: int) -> list[tuple[float, float, int]]:
    """Return at most about ``most`` of the losses, evenly, each the mean of those it stands for."""
    if len(losses) <= most:
        return list(losses)
    values = np.array(losses)
    parts = np.array_split(values, most)
    return [(float(p[:, 0].mean()), float(p[:, 1].mean()), int(p[-1, 2])) for p in parts]
