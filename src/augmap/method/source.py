"""Pixels on their way to the device: resident where they fit, else fetched ahead of need."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

_RESIDENT_SHARE = 0.4
"""Share of a GPU's free memory that the images may take; the rest is for training."""
_AHEAD = 3
"""Batches fetched ahead where the images do not lie on the device."""


class Source:
    """Rows of an array of images (or of features), as tensors on a device.

    Parameters
    ----------
    rows : array of shape (n, ...)
        uint8 pixels (n, h, w, c), a memory map perhaps; or float features (n, f).
    device : torch.device
    """

    def __init__(self, rows: np.ndarray | Tensor, device: torch.device) -> None:
        self.device = torch.device(device)
        self._resident: Tensor | None = None
        self._rows: np.ndarray | None = None
        if isinstance(rows, Tensor):
            self._resident = rows.to(self.device)
        elif (
            self.device.type == "cuda" and rows.nbytes <= _RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
        ):
            self._resident = torch.from_numpy(np.array(rows)).to(self.device)
        else:
            self._rows = rows
        self.shape = tuple(rows.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, index: Tensor) -> Shaped[Tensor, "k ..."]:
        """Return these rows, on the device; ``index`` is a CPU tensor of row numbers."""
        if self._resident is not None:
            return self._resident[index.to(self.device, non_blocking=True)]
        return self._fetch(index).to(self.device, non_blocking=True)

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
                    yield ahead.popleft().result().to(self.device, non_blocking=True)
            while ahead:
                yield ahead.popleft().result().to(self.device, non_blocking=True)

    def _fetch(self, index: Tensor) -> Tensor:
        assert self._rows is not None
        wanted = index.numpy()
        order = np.argsort(wanted, kind="stable")  # a memory map on disk is read forwards
        out = np.empty((len(wanted), *self.shape[1:]), self._rows.dtype)
        out[order] = self._rows[wanted[order]]
        tensor = torch.from_numpy(out)
        return tensor.pin_memory() if self.device.type == "cuda" else tensor


def channel_statistics(pixels: np.ndarray, *, at_most: int = 5000) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, in [0, 1], from an even sample of the images.

    A channel that never changes gets deviation 1, so that it can be divided by.
    """
    sample = pixels[:: max(1, -(-len(pixels) // at_most))]
    flat = np.asarray(sample, dtype=np.float32).reshape(-1, pixels.shape[-1]) / 255
    mean, std = flat.mean(0, dtype=np.float64), flat.std(0, dtype=np.float64)
    return mean.round(6).tolist(), np.where(std > 1e-3, std, 1.0).round(6).tolist()
