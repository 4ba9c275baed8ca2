r"""UMAP's loss: a binary cross-entropy that tells the edges of a graph from sampled non-edges."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from augmap.method.loss import DIFFERENCES_UP_TO
from augmap.method.similarity import LogSimilarity

EPSILON = 1e-3
"""Added to squared distances where images repel each other, as in umap-learn: log(1 - s) has a pole at 0."""


def negative_sampling(
    views: Float[Tensor, "2 b d"],
    similarity: LogSimilarity,
    negatives: float = 5.0,
    *,
    columns: Float[Tensor, "2 n d"] | None = None,
    offset: int = 0,
) -> Float[Tensor, ""]:
    r"""Mean binary cross-entropy of ``b`` edges against ``negatives`` non-edges each, in nats.

    Over the :math:`m = 2b` rows, :math:`i'` being the other end of the edge of :math:`i` and :math:`N(i)` all
    rows of the batch but these two:

    .. math:: L = -\frac{1}{m} \sum_i \Big[ \log s(z_i, z_{i'})
        + \frac{\nu}{|N(i)|} \sum_{k \in N(i)} \log\bigl(1 - s(z_i, z_k)\bigr) \Big]

    UMAP draws :math:`\nu` negatives for each edge; the mean over the batch is the expectation of that.

    Parameters
    ----------
    views : float tensor of shape (2, b, d)
        ``views[:, i]`` are the outputs for the two ends of edge ``i``.
    similarity : LogSimilarity
        :math:`\log s` of distances; :math:`s \le 1`. UMAP's is :class:`augmap.method.similarity.Umap`.
    negatives : float
        :math:`\nu`.
    columns, offset
        In several processes, as in :func:`augmap.method.loss.info_nce_views`.

    Returns
    -------
    Scalar tensor; without negatives, in a batch of one edge, the attraction alone.

    References
    ----------
    McInnes, Healy & Melville (2018), https://arxiv.org/abs/1802.03426; Damrich, Böhm, Hamprecht & Kobak,
    ICLR 2023, https://openreview.net/forum?id=B8a1FcY0vi
    """
    with torch.autocast(views.device.type, enabled=False):
        wide = torch.promote_types(views.dtype, torch.float32)
        rows = similarity.prepare(views.to(wide))
        others = rows if columns is None else similarity.prepare(columns.to(wide))
        b, n = rows.shape[1], others.shape[1]
        attraction = similarity.log((rows[0] - rows[1]).square().sum(-1)).mean()
        if n < 2:
            return -attraction
        u = _squared_distances(rows.flatten(0, 1), others.flatten(0, 1))  # (2b, 2n)
        repulsion = torch.log(-torch.expm1(similarity.log(u + EPSILON)))
        edge = torch.arange(offset, offset + b, device=u.device)
        own = torch.stack([edge, edge + n], 1).repeat(2, 1)  # (2b, 2): where the two ends of its edge stand
        repulsion = repulsion.scatter(1, own, 0.0)
        return -attraction - negatives * repulsion.sum() / (2 * b * (2 * n - 2))


def _squared_distances(x: Float[Tensor, "m d"], y: Float[Tensor, "n d"]) -> Float[Tensor, "m n"]:
    if x.shape[1] > DIFFERENCES_UP_TO:
        squares = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
        return squares.clamp_min(0)
    total = (x[:, None, 0] - y[:, 0]).square()
    for a, b in zip(x.T[1:], y.T[1:], strict=True):
        total = total + (a[:, None] - b).square()
    return total
