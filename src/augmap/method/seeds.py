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
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_number(seed, *key))
        yield


def _number(seed: int, *key: int | str) -> int:
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
