r"""InfoNCE over log-similarities, in row blocks: memory grows with batch x block, not with batch².

The sum over all rows is the only part that costs. ``_MeanLogSumExp`` walks over it in blocks of rows and
leaves, in the same walk, its own gradient: the loss is a scalar, so ``backward`` has only to scale it. No
m x m matrix is ever stored, and nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from augmap.errors import InputError
from augmap.method.pairs import Differences, Products
from augmap.method.processes import all_stack
from augmap.method.similarity import LogSimilarity

DIFFERENCES_UP_TO = 8
"""Largest output dimension whose distances come from coordinate differences.

They keep near pairs apart wherever the map lies (at coordinates of ±500 products lose a tenth of the small d²
and one pair in a hundred entirely) and cost d passes over a block. 2048 rows on one CPU thread, loss and
gradient: differences 23 ms in 2-D, 42 in 8-D, 76 in 12-D, 248 in 32-D; products about 30 in any of these.
"""

BLOCK_ELEMENTS = {"cpu": 2**17, "cuda": 2**24}
"""Entries of one block, rows times columns, by device.

On a CPU a block and its work space stay in the cache (2048 rows in 2-D: 19 ms; 30 with 2**20 entries, 123 for
the plain formula). On a GPU the buffers of a block, eight at most in 2-D, take 64 MiB each.
"""


def info_nce(
    a: Float[Tensor, "b d"],
    b: Float[Tensor, "b d"],
    similarity: LogSimilarity,
    *,
    columns: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None = None,
    offset: int = 0,
    decoupled: bool = False,
    block: int | None = None,
) -> Float[Tensor, ""]:
    r"""Mean InfoNCE loss of ``b`` pairs, in nats.

    Row ``i`` of ``a`` and row ``i`` of ``b`` are two views of one image (a positive pair); all other rows are
    its negatives. Over the :math:`m = 2b` rows, :math:`i'` being the other view of :math:`i`:

    .. math:: L = \frac{1}{m} \sum_i \Big[ \log \sum_{k \neq i} s(z_i, z_k) - \log s(z_i, z_{i'}) \Big]

    Parameters
    ----------
    a, b : float tensors of shape (b, d)
        Outputs for the two views. Computed in float32 at least, whatever autocast says: a squared distance
        above 65504 overflows float16.
    similarity : LogSimilarity
        :math:`\log s`, its temperature included.
    columns, offset
        See ``info_nce_views``; ``columns`` is the pair of all ranks' ``a`` and ``b``.
    decoupled : bool
        Leave the positive out of the sum (DCL, arXiv 2110.06848). The loss can then be negative.
    block : int, optional
        Rows a block. The default fits the device (``BLOCK_ELEMENTS``); the result does not depend on it
        beyond rounding.

    Returns
    -------
    Scalar tensor. It equals log(2b - 1) when all rows coincide, and its gradient is 0 there. It is not finite
    where squared distances of positives overflow (rows 1e20 apart); the caller looks at it.

    Raises
    ------
    InputError
        If nothing is left in the sum (``decoupled`` with one image).

    References
    ----------
    Böhm, Berens & Kobak, ICLR 2023, https://arxiv.org/abs/2210.09879
    """
    stacked = None if columns is None else torch.stack(columns)
    return info_nce_views(
        torch.stack((a, b)), similarity, columns=stacked, offset=offset, decoupled=decoupled, block=block
    )


def info_nce_views(
    views: Float[Tensor, "k b d"],
    similarity: LogSimilarity,
    *,
    columns: Float[Tensor, "k n d"] | None = None,
    offset: int = 0,
    decoupled: bool = False,
    block: int | None = None,
) -> Float[Tensor, ""]:
    r"""InfoNCE of ``b`` images with ``k`` views each: symmetric over all ordered pairs of views, in nats.

    Each row is compared with each of the ``k - 1`` other views of its image, over one common sum of all rows
    but itself. With ``k = 2`` this is ``info_nce``.

    .. math:: L = \frac{1}{kb} \sum_i \Big[ \log \sum_{j \neq i} s(z_i, z_j)
        - \frac{1}{k - 1} \sum_{p \in P(i)} \log s(z_i, z_p) \Big]

    Parameters
    ----------
    views : float tensor of shape (k, b, d)
        ``views[:, i]`` are the outputs for the views of image ``i``.
    similarity : LogSimilarity
        :math:`\log s`, its temperature included.
    columns : float tensor of shape (k, n, d), optional
        In several processes: the views of all ranks with their gradients (``gather_views``). The sums run
        over these, the outer mean over ``views`` alone, so that with equal shares the mean of the ranks'
        losses is the loss of one process.
    offset : int
        Where this rank's images begin in ``columns``: rank x b.
    decoupled : bool
        Leave all views of the own image out of the sum (DCL).
    block : int, optional
        Rows a block.

    Returns
    -------
    Scalar tensor; log(kb - 1) when all rows coincide.

    Raises
    ------
    InputError
        With fewer than two views, or nothing left in the sum.
    """
    if views.ndim != 3 or len(views) < 2:
        raise InputError(f"views must be (k, b, d) with k >= 2, got {tuple(views.shape)}")
    k, b, _ = views.shape
    n = b if columns is None else columns.shape[1]
    if decoupled and n < 2:
        raise InputError("a decoupled loss needs at least 2 images a batch: nothing is left to compare with")
    with torch.autocast(views.device.type, enabled=False):
        wide = torch.promote_types(views.dtype, torch.float32)
        rows = similarity.prepare(views.to(wide))
        others = rows if columns is None else similarity.prepare(columns.to(wide))
        positive = _mean_positive(rows, similarity)
        excluded = _excluded(k, b, n, offset, decoupled, views.device)
        rows, others = rows.flatten(0, 1), others.flatten(0, 1)
        if not (similarity.from_products or _differences(rows, similarity)):
            # |x|² + |y|² - 2xy loses less when the rows lie around the origin
            centre = others.detach().mean(0)
            rows, others = rows - centre, others - centre
        if block is None:
            block = _block_rows(rows.device.type, len(others))
        want = torch.is_grad_enabled() and (rows.requires_grad or others.requires_grad)
        return _MeanLogSumExp.apply(rows, others, similarity, excluded, block, want) - positive


def norm_penalty(z: Float[Tensor, "*rows d"], radius: float = 1.0) -> Float[Tensor, ""]:
    r"""Mean of :math:`(|z_i| - \text{radius})^2`: keeps outputs near a sphere; the caller weighs it.

    Part of the Tiny ImageNet chain of the paper's authors (weight 1, radius 1, beside a cosine loss that does
    not see lengths). Computed in float32 at least; at a row of zeros its gradient is 0.
    """
    with torch.autocast(z.device.type, enabled=False):
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        return (torch.linalg.vector_norm(z, dim=-1) - radius).square().mean()


def gather_views(
    views: Float[Tensor, "k b d"], stack: Callable[[Tensor], Tensor] = all_stack
) -> Float[Tensor, "k n d"]:
    """Views of all processes, rank after rank, for ``info_nce_views(columns=...)``.

    Parameters
    ----------
    views : float tensor of shape (k, b, d)
        This rank's share; the same b on every rank.
    stack : callable
        Stacks the ranks' tensors, (world, k, b, d), and lets their gradients back *summed*.
    """
    return stack(views).transpose(0, 1).flatten(1, 2)  # (world, k, b, d) -> (k, world * b, d)


def _mean_positive(rows: Float[Tensor, "k b d"], similarity: LogSimilarity) -> Float[Tensor, ""]:
    """Mean log-similarity of the pairs of views of one image, always from coordinate differences."""
    k = len(rows)
    total = 0.0
    for shift in range(1, k // 2 + 1):
        # rolling by k - shift gives the same pairs again; only k / 2 meets itself
        x, y = rows, rows.roll(-shift, 0)
        u = (x * y).sum(-1) if similarity.from_products else (x - y).square().sum(-1)
        total = total + (1 if 2 * shift == k else 2) * similarity.log(u).mean()
    return total / (k - 1)


def _excluded(
    k: int, b: int, n: int, offset: int, decoupled: bool, device: torch.device
) -> Int[Tensor, "m e"]:
    """Columns that each row leaves out of its sum: itself, or all views of its image."""
    image = torch.arange(offset, offset + b, device=device)
    own = image + n * torch.arange(k, device=device)[:, None]  # (k, b): where view v of image i stands
    if not decoupled:
        return own.flatten()[:, None]
    return own.T.repeat(k, 1)


def _differences(rows: Float[Tensor, "m d"], similarity: LogSimilarity) -> bool:
    return not similarity.from_products and rows.shape[1] <= DIFFERENCES_UP_TO


def _block_rows(device: str, n: int) -> int:
    return max(1, BLOCK_ELEMENTS.get(device, BLOCK_ELEMENTS["cuda"]) // n)


class _MeanLogSumExp(torch.autograd.Function):
    """Mean over rows of the logsumexp of log-similarities to all columns but the excluded ones."""

    @staticmethod
    def forward(ctx, rows, columns, similarity, excluded, block, want_gradient):
        m = len(rows)
        total = rows.new_zeros(())
        d_rows = torch.zeros_like(rows) if want_gradient else None
        d_columns = torch.zeros_like(columns) if want_gradient else None
        if _differences(rows, similarity):
            pairs = Differences(columns)
        else:
            pairs = Products(columns, squared_distances=not similarity.from_products)
        for start in range(0, m, block):
            own = slice(start, start + block)
            x, out = rows[own], excluded[own]
            u = pairs.between(x)  # (block, n)
            s = similarity.log(u).scatter_(1, out, -torch.inf)
            log_sum = s.logsumexp(1, keepdim=True)
            total += log_sum.sum()
            if want_gradient:
                # d(mean log_sum) / du: the softmax, times the slope, over m rows
                w = s.sub_(log_sum).exp_().mul_(similarity.slope(u)).div_(m)
                pairs.add_gradient(w, x, d_rows[own], d_columns)
        ctx.save_for_backward(d_rows, d_columns)
        return total / m

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        d_rows, d_columns = ctx.saved_tensors
        return upstream * d_rows, upstream * d_columns, None, None, None, None
