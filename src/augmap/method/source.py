"""Pixels on their way to the device: resident where they fit, else fetched ahead of need."""

from __future__ import annotations

import copy
import mmap
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

_RESIDENT_SHARE = 0.4
"""Share of a GPU's free memory that the images may take; the rest is for training."""
_AHEAD = 3
"""Batches fetched ahead where the images do not lie on the device."""
_BLOCK = 1024
"""Images that are in the host's memory on their way to the device, or to be counted."""


class Source:
    """Rows of an array of images (or of features), as tensors on a device.

    Parameters
    ----------
    rows : array of shape (n, ...)
        uint8 pixels (n, h, w, c), a memory map perhaps; or float features (n, f).
    device : torch.device
    once : bool
        Each row is read a single time: none is kept on the device.
    """

    def __init__(self, rows: np.ndarray | Tensor, device: torch.device, *, once: bool = False) -> None:
        self.device = torch.device(device)
        self._resident: Tensor | None = None
        self._rows: np.ndarray | None = None
        if isinstance(rows, Tensor):
            self._resident = rows.to(self.device)
        elif not once and _fits(rows, self.device):
            self._resident = _sent_in_blocks(rows, self.device)
        else:
            self._rows = rows
        self.shape = tuple(rows.shape)
        self._only: Tensor | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def only(self, rows: Tensor) -> Source:
        """Return a source of these rows alone, numbered from 0; nothing is copied."""
        assert self._only is None
        part = copy.copy(self)
        part._only, part.shape = rows, (len(rows), *self.shape[1:])
        return part

    def take(self, index: Tensor) -> Shaped[Tensor, "k ..."]:
        """Return these rows, on the device; ``index`` is a CPU tensor of row numbers."""
        if self._resident is not None:
            index = index if self._only is None else self._only[index]
            return self._resident[sent(index, self.device)]
        return sent(self._fetch(index), self.device)

    def stream(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield ``take(index)`` for each index in turn, the next ones being fetched meanwhile.

        On a CPU, and for resident rows, there is nothing to hide and nothing is fetched ahead.
        """
        if self._resident is not None or self.device.type == "cpu":
            yield from map(self.take, indices)
            return
        with ThreadPoolExecutor(1, "augmap-fetch") as pool:
            ahead: deque = deque()
            for index in indices:
                ahead.append(pool.submit(self._fetch, index))
                if len(ahead) > _AHEAD:
                    yield sent(ahead.popleft().result(), self.device)
            while ahead:
                yield sent(ahead.popleft().result(), self.device)

    def _fetch(self, index: Tensor) -> Tensor:
        assert self._rows is not None
        wanted = (index if self._only is None else self._only[index]).numpy()
        order = np.argsort(wanted, kind="stable")  # a memory map on disk is read forwards
        out = np.empty((len(wanted), *self.shape[1:]), self._rows.dtype)
        out[order] = self._rows[wanted[order]]
        tensor = torch.from_numpy(out)
        return tensor.pin_memory() if self.device.type == "cuda" else tensor


@dataclass(frozen=True)
class PixelFile:
    """Where an array of pixels lies on disk, so that another process maps it instead of getting a copy."""

    path: str
    offset: int
    """Bytes before the first pixel."""
    shape: tuple[int, ...]

    @classmethod
    def of(cls, pixels: np.ndarray) -> PixelFile | None:
        """Return the place of a memory map; None where ``pixels`` is not a plain, whole stretch of a file."""
        if not isinstance(pixels, np.memmap) or pixels.filename is None or not pixels.flags.c_contiguous:
            return None
        # a slice of a memory map still has the file's offset: go by the addresses
        mapped = np.frombuffer(pixels._mmap, np.uint8)
        start = pixels.__array_interface__["data"][0] - mapped.__array_interface__["data"][0]
        offset = pixels.offset - pixels.offset % mmap.ALLOCATIONGRANULARITY + start
        return cls(str(pixels.filename), offset, pixels.shape)

    @classmethod
    def write(cls, pixels: np.ndarray, path: str) -> PixelFile:
        """Write ``pixels`` to a file of their own."""
        np.ascontiguousarray(pixels).tofile(path)
        return cls(path, 0, pixels.shape)

    def open(self) -> np.memmap:
        """Return the pixels, read-only."""
        return np.memmap(self.path, np.uint8, "r", self.offset, self.shape)


def sent(rows: Tensor, device: torch.device) -> Tensor:
    """Return rows on the device; the host does not wait for a GPU, which copies them before they are freed.

    Other devices may copy later than that, and then what lies in their place by now.
    """
    return rows.to(device, non_blocking=device.type == "cuda")


def _fits(rows: np.ndarray, device: torch.device) -> bool:
    """Whether an array can stay on a device, which is then a GPU."""
    return device.type == "cuda" and rows.nbytes <= _RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]


def _sent_in_blocks(rows: np.ndarray, device: torch.device) -> Tensor:
    """Return an array on a device; of a memory map only a block at a time is in the host's memory."""
    out = torch.from_numpy(np.empty(0, rows.dtype)).new_empty(rows.shape, device=device)
    for start in range(0, len(rows), _BLOCK):
        out[start : start + _BLOCK] = torch.from_numpy(np.array(rows[start : start + _BLOCK]))
    return out


def channel_statistics(pixels: np.ndarray, *, at_most: int = 5000) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, in [0, 1], from an even sample of the images.

    A channel that never changes gets deviation 1, so that it can be divided by.
    """
    sample, channels = pixels[:: max(1, -(-len(pixels) // at_most))], pixels.shape[-1]
    levels = np.arange(256) / 255
    counts = np.zeros((channels, 256), np.int64)  # of each level
    for start in range(0, len(sample), _BLOCK):
        flat = np.asarray(sample[start : start + _BLOCK]).reshape(-1, channels)
        counts += [np.bincount(flat[:, c], minlength=256) for c in range(channels)]
    share = counts / counts.sum(1, keepdims=True)
    mean = share @ levels
    std = np.sqrt((share * (levels - mean[:, None]) ** 2).sum(1))
    return mean.round(6).tolist(), np.where(std > 1e-3, std, 1.0).round(6).tolist()
