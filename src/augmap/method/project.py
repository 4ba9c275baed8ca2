"""From images to coordinates: the one way that training's end and new images share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from augmap.method.augment import plain
from augmap.method.batchnorm import recompute_statistics
from augmap.method.encoder import Encoder
from augmap.method.order import Order
from augmap.method.source import Source

BATCH, EDGE, FEWEST = 512, 64, 16
"""Images up to this edge, px, that go through the network together; of larger ones as many as have so many
pixels, and at least so many images."""
_STATISTICS = 20 * BATCH
"""Plain images from which BatchNorm's statistics are taken anew, at most."""


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute in float32 on this device: no autocast, and no TF32 on a GPU, whatever its program allows."""
    with _no_tf32(), torch.autocast(device.type, enabled=False):
        yield


@contextmanager
def _no_tf32() -> Iterator[None]:
    """Forbid reduced products under the names by which the program allowed them: PyTorch bears no mixture."""
    backends, cudnn = torch.backends, torch.backends.cudnn
    try:
        products, _ = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    except RuntimeError:  # the program has set fp32_precision, and the older names may not be read any more
        places = (backends.cuda.matmul, backends.mkldnn.matmul, backends.mkldnn.conv, cudnn.conv, cudnn.rnn)
        before = [place.fp32_precision for place in places]
        try:
            for place in places:
                place.fp32_precision = "ieee"
            yield
        finally:
            for place, precision in zip(places, before, strict=True):
                place.fp32_precision = precision
        return
    same = {"enabled": cudnn.enabled, "deterministic": cudnn.deterministic}  # flags() would reset them
    torch.set_float32_matmul_precision("highest")
    try:
        with cudnn.flags(**same, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(products)


@torch.no_grad()
def project(
    encoder: Encoder,
    pixels: np.ndarray,
    *,
    device: torch.device | None = None,
    positions: bool = True,
    features: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions and the features of plain images.

    The network runs in eval mode and in float32, without TF32, on whole batches: an image lands at the
    same place alone or in any batch, to 1e-5 of the map's span; or, of a head with anchors, at another place
    that is as likely to the last digit.

    Parameters
    ----------
    encoder : Encoder
        Left as it was found: mode and device are put back.
    pixels : uint8 array of shape (n, h, w, c)
        A memory map perhaps; at most ``BATCH`` images are read at a time.
    device : torch.device, optional
        The encoder's own by default.
    positions : bool
        Leave the head out where only features are wanted; positions are then empty, (n, 0).
    features : (n, f) float32 array, optional
        Where they are known: the backbone is then left out, and they are returned as they are.

    Returns
    -------
    positions : (n, d) float32 array
    features : (n, f) float32 array
    """
    home = next(encoder.parameters()).device
    device = device or home
    training = encoder.training
    encoder.eval().to(device)
    n, new = len(pixels), features is None
    source = Source(pixels if new else features, device, once=True)
    size = _batch(source)
    starts = range(0, n, size)
    batches = source.stream(torch.arange(s, min(s + size, n)) for s in starts)
    z_all: np.ndarray | None = None
    try:
        with full_precision(device):
            for start, batch in zip(starts, batches, strict=True):
                h = encoder.features(plain(batch)) if new else batch
                z = encoder.head(h) if positions else h[:, :0]
                if z_all is None:
                    z_all = np.empty((n, z.shape[1]), np.float32)
                    features = np.empty((n, h.shape[1]), np.float32) if new else features
                z_all[start : start + size] = _numpy(z)
                if new:
                    features[start : start + size] = _numpy(h)
                if progress:
                    progress(min(start + size, n), n)
    finally:
        encoder.train(training).to(home)
    assert z_all is not None, "no images"
    assert features is not None
    return z_all, features


def settle_statistics(encoder: Encoder, images: Source, seed: int) -> None:
    """Take BatchNorm's statistics anew from plain images, a random sample of at most 10,240."""
    n, batch = len(images), min(_batch(images), len(images))
    order = Order(n, batch, seed=seed, stage=-1)
    batches = min(_STATISTICS, n) // batch
    with full_precision(images.device):
        recompute_statistics(encoder, (plain(images.take(order.batch(i))) for i in range(batches)))


def _batch(images: Source) -> int:
    """Return how many images, or rows of features, go through the network together."""
    if len(images.shape) == 2:
        return BATCH
    return max(min(FEWEST, BATCH), min(BATCH, BATCH * EDGE**2 // math.prod(images.shape[1:3])))


def _numpy(x: Tensor) -> np.ndarray:
    return x.float().cpu().numpy()
