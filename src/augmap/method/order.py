"""Which images each step takes."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from augmap.method.seeds import generator


class Order:
    """Batches of image numbers, a function of ``(n, batch, seed, stage, step)``.

    Every epoch is a permutation of all images. With ``keep_short`` it ends in a short batch, as in the
    paper. Otherwise permutations follow one another without a break: a batch that spans two epochs takes
    the rest of one and the beginning of the next, and holds no image twice (an image that met itself as
    a negative would be pushed away from itself).

    Parameters
    ----------
    n : int
        Number of images.
    batch : int
        Images a step, at most ``n``.
    """

    def __init__(self, n: int, batch: int, *, seed: int, stage: int, keep_short: bool = False) -> None:
        assert 1 <= batch <= n, (batch, n)
        self.n, self.size, self.keep_short = n, batch, keep_short
        self._seed, self._stage = seed, stage
        self._epoch, self._permutation = -1, torch.empty(0, dtype=torch.long)

    def batch(self, step: int) -> Int[Tensor, " b"]:
        """Return the images of a step; quick when called in increasing order of ``step``."""
        if self.keep_short:
            per_epoch = -(-self.n // self.size)
            epoch, i = divmod(step, per_epoch)
            return self._at(epoch)[i * self.size : (i + 1) * self.size]
        epoch, start = divmod(step * self.size, self.n)
        head = self._at(epoch)[start : start + self.size]
        missing = self.size - len(head)
        return torch.cat([head, self._at(epoch + 1)[:missing]]) if missing else head

    def _at(self, epoch: int) -> Int[Tensor, " n"]:
        if epoch < self._epoch:
            self._epoch, self._permutation = -1, torch.empty(0, dtype=torch.long)
        while self._epoch < epoch:
            self._epoch += 1
            self._permutation = self._next(self._epoch, self._permutation)
        return self._permutation

    def _next(self, epoch: int, before: Int[Tensor, " k"]) -> Int[Tensor, " n"]:
        drawn = torch.randperm(self.n, generator=generator(self._seed, "order", self._stage, epoch))
        left = 0 if self.keep_short else epoch * self.n % self.size
        if not left:
            return drawn
        taken = torch.zeros(self.n, dtype=torch.bool)
        taken[before[-left:]] = True
        free = drawn[~taken[drawn]][: self.size - left]  # completes the batch that the last epoch began
        rest = torch.ones(self.n, dtype=torch.bool)
        rest[free] = False
        return torch.cat([free, drawn[rest[drawn]]])
