"""A layout of a neighbour graph: t-SNE, with free coordinates in the place of an encoder.

It is what the head is then taught, see ``edges = "layout"``: with few minutes a network that follows the
loss itself stays far behind free points (36 % against 47 % on the same features), and points find a layout
of 60,000 images in seconds.

References
----------
van der Maaten & Hinton, "Visualizing data using t-SNE", JMLR 2008; Belkina et al., "Automated optimized
parameters for t-distributed stochastic neighbor embedding", Nature Communications 2019 (the step length);
Damrich, Böhm, Hamprecht & Kobak, "From t-SNE to UMAP with contrastive learning", ICLR 2023,
https://openreview.net/forum?id=B8a1FcY0vi (what it is to the contrastive loss: all pairs are negatives);
Jarvis & Patrick, "Clustering using a similarity measure based on shared near neighbors", IEEE Transactions
on Computers 1973; Levine et al., "Data-driven phenotypic dissection of AML", Cell 2015 (weights by Jaccard)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from augmap.method.repulsion import Grid, repulsion

EXAGGERATION = 12.0
"""Attraction is this much stronger in the first ``EARLY`` of the steps, and steps so much shorter."""
EARLY = 0.3
MOMENTUM = 0.8
LONGEST = 5.0
"""No point moves further in one step, in widths of the kernel."""
START = 1e-4
"""Standard deviation of the start, the principal components of the features."""
CELLS = 2**25
"""Pairs of points that are looked at together while neighbourhoods are compared, a byte each."""


@torch.no_grad()
def layout(
    features: Float[Tensor, "n f"],
    neighbors: Int[Tensor, "n m"],
    random: torch.Generator,
    *,
    pulling: int | None = None,
    dim: int = 2,
    passes: float = 350.0,
    progress: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "n d"]:
    r"""Return coordinates in which neighbours lie together and other points do not.

    Gradient descent, with momentum and a gain for each coordinate, of the loss of t-SNE with the Cauchy
    kernel :math:`s = 1 / (1 + d^2)`, in which one of the k nearest neighbours :math:`j \in N(i)` weighs
    more the more neighbours it shares with the point (:func:`shared`):

    .. math:: L = -\frac{\lambda}{nk} \sum_i \sum_{j \in N(i)} w_{ij} \log s_{ij}
              + \log \sum_{i \neq j} s_{ij}

    with the exaggeration :math:`\lambda`. ``experiments/ways.py`` holds it against openTSNE, and the weights
    against none.

    Parameters
    ----------
    features : (n, f) float32 tensor
        For the start: their first principal components.
    neighbors : (n, m) int64 tensor
        Nearest first.
    random : torch.Generator
    pulling : int, optional
        So many of them attract, k, by default all m; all of them say what two points share.
    dim : int
        Coordinates, d.
    passes : float
        How often each point is moved.

    Returns
    -------
    (n, d) float32 tensor on the CPU, centred.
    """
    y = START * _principal(features, dim, random)
    weights = shared(neighbors, pulling or neighbors.shape[1])
    neighbors = neighbors[:, :pulling].contiguous()
    move, gain, grid = torch.zeros_like(y), torch.ones_like(y), Grid()
    steps = max(1, round(passes))
    for step in range(steps):
        pull = EXAGGERATION if step < EARLY * steps else 1.0
        slope = gradient(y, neighbors, weights, pull, grid, random)
        against = move.sign() != slope.sign()  # goes on in the direction it came from
        gain = torch.where(against, gain + 0.2, 0.8 * gain + 0.01)
        move.mul_(MOMENTUM).sub_(gain * slope, alpha=1 / pull)
        move *= (LONGEST / move.norm(dim=1, keepdim=True)).clamp_max(1.0)
        y += move
        y -= y.mean(0)
        if progress and (step % 10 == 9 or step == steps - 1):
            progress(step + 1, steps)
    return y


def shared(neighbors: Int[Tensor, "n m"], k: int) -> Float[Tensor, "n k"]:
    """Return how much a point and each of its first k neighbours share, beside its other neighbours.

    The Jaccard index of their two sets of m neighbours, each point being one of its own, divided by its mean
    over the k neighbours of the point. Where a contrastive encoder has learned for minutes, many nearest
    neighbours are of another kind, and these share few.
    """
    n, m = neighbors.shape
    closed = torch.cat([torch.arange(n)[:, None], neighbors], 1)  # (n, m + 1)
    weights = torch.empty(n, k)
    held = torch.zeros(min(n, max(1, CELLS // n)), n, dtype=torch.bool)  # which points a point's own set has
    for i in range(0, n, len(held)):
        own, theirs = closed[i : i + len(held)], closed[neighbors[i : i + len(held), :k]]
        mine = held[: len(own)].scatter_(1, own, True)
        common = mine.gather(1, theirs.flatten(1)).view(theirs.shape).sum(2)  # (b, k, m + 1) -> (b, k)
        mine.scatter_(1, own, False)
        weights[i : i + len(held)] = common / (2 * (m + 1) - common)
    return weights / weights.mean(1, keepdim=True)


def gradient(
    y: Float[Tensor, "n d"],
    neighbors: Int[Tensor, "n k"],
    weights: Float[Tensor, "n k"],
    pull: float,
    grid: Grid,
    random: torch.Generator,
) -> Float[Tensor, "n d"]:
    """Return n / 4 times the gradient of the loss with the exaggeration ``pull``."""
    slope = attraction(y, neighbors, weights, pull)
    z, f = repulsion(y, grid, random)
    return slope.sub_(f, alpha=len(y) / float(z.sum() - len(y)))


def attraction(
    y: Float[Tensor, "n d"], neighbors: Int[Tensor, "n k"], weights: Float[Tensor, "n k"], pull: float
) -> Float[Tensor, "n d"]:
    """Return the attracting half of :func:`gradient`: each edge draws at both of its ends.

    Column by column: PyTorch gathers rows of two numbers, and adds them up, so slowly that it took most of a
    layout (``benchmarks/layout.py``).
    """
    n, k = neighbors.shape
    ends = neighbors.flatten()
    columns = [column.contiguous() for column in y.unbind(1)]
    toward = [column[:, None] - column.index_select(0, ends).view(n, k) for column in columns]
    pulls = pull / (2 * k) * weights / (1 + sum(t.square() for t in toward))  # half at either end
    slopes = []
    for t in toward:
        t *= pulls
        slopes.append(t.sum(1).index_add_(0, ends, t.flatten(), alpha=-1))
    return torch.stack(slopes, 1)


def _principal(x: Float[Tensor, "n f"], dim: int, random: torch.Generator) -> Float[Tensor, "n d"]:
    """First principal components, each scaled to its share of a mean deviation of 1; signs are fixed."""
    x = torch.nn.functional.normalize(x.float().cpu(), dim=1)
    x = x - x.mean(0)
    covariance = (x.T @ x).double()
    axes = torch.linalg.eigh(covariance).eigenvectors[:, -dim:].flip(1)  # (f, d), largest first
    axes = axes * axes.sum(0).sign().where(axes.sum(0) != 0, torch.ones(())).to(axes)
    if axes.shape[1] < dim:  # fewer features than coordinates
        axes = torch.nn.functional.pad(axes, (0, dim - axes.shape[1]))
    y = x @ axes.float()
    noise = torch.randn(y.shape, generator=random)  # points that coincide must be able to part
    return y / y.std(0).mean().clamp_min(1e-12) + 1e-3 * noise
