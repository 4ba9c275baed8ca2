"""Where randomness comes from: one generator for each purpose, made from the seed and a key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def generator(seed: int, *key: int | str) -> torch.Generator:
    """Return a CPU generator that depends on ``seed`` and ``key`` alone.

    Nothing is carried from step to step, so a resumed run draws what an unbroken one would have drawn,
    and every process draws the same.

    >>> import torch
    >>> a = torch.rand(2, generator=generator(0, "views", 3))
    >>> torch.equal(a, torch.rand(2, generator=generator(0, "views", 3)))
    True
    """
    return torch.Generator().manual_seed(_number(seed, *key))


@contextmanager
def chance(device: torch.device, seed: int, *key: int | str) -> Iterator[None]:
    """Make PyTorch's own generators, from which dropout draws, depend on ``seed`` and ``key`` alone.

    They are put back as they were.
    """
    with lent(device, _number(seed, *key)):
        yield


@contextmanager
def lent(device: torch.device, number: int) -> Iterator[None]:
    """Lend PyTorch's generators of the CPU and of ``device`` a seed, and put them back as they were.

    ``torch.manual_seed`` would move those of all devices.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(number)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(number)
        if device.type != "mps":
            yield
            return
        before = torch.mps.get_rng_state()
        torch.mps.manual_seed(number)
        try:
            yield
        finally:
            torch.mps.set_rng_state(before)


def _number(seed: int, *key: int | str) -> int:
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
