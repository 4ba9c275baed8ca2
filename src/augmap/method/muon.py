"""Muon: momentum whose directions are made equally strong. What is no matrix gets AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

_ROUNDS = (
    (7.5967791, -18.5262661, 11.3452368),
    (3.6625069, -2.2612080, 0.3550631),
    (3.2031755, -2.0037412, 0.3348144),
    (2.3668326, -1.4943760, 0.2986017),
)
"""a, b, c of x -> a x + b x³ + c x⁵, which carry [0.004, 1] to [0.77, 1.23] in four rounds.

Each is the best one for where those before it end (Amsel et al., arXiv 2505.16932, algorithm 1), up to a
tenth more: behind the end of its range such a polynomial rises steeply, and bfloat16 rounds values there.
Five rounds of one polynomial (Jordan's) carry [0.003, 1] to [0.68, 1.2].
"""
_WIDE = 2
"""Columns a row from which two rounds are made together: fewer multiplications from 1.5 on."""
_BETA2, _EPSILON = 0.999, 1e-8
State = dict[str, Tensor]


class Muon(torch.optim.Optimizer):
    r"""Orthogonalised momentum for matrices and convolutions, AdamW for biases and norms.

    A weight of shape (rows, ...) is read as a matrix :math:`W` of ``rows``. With the gradient :math:`G`, the
    momentum :math:`M \leftarrow \beta M + (1 - \beta) G`, and Nesterov's :math:`\beta M + (1 - \beta) G`,

    .. math:: W \leftarrow (1 - r\lambda) W
              - r \sqrt{\max(1, \tfrac{\text{rows}}{\text{columns}})}\, \mathrm{orth}(\beta M + (1-\beta) G)

    where orth replaces all singular values by about 1 (four Newton-Schulz rounds). Gradients of a
    contrastive loss are of low rank: a few directions are learned, the others hardly. What that is worth
    in the same time is in ``docs/method.md``.

    Parameters
    ----------
    weights : iterable of Parameter
    others : iterable of Parameter
        More of them, which get AdamW whatever their shape: of a layer as wide as there are classes, whose
        rounds would take longer than all else.
    lr : float
        :math:`r`, of the matrices; set each step through the groups.
    vector_lr : float
        Rate of AdamW, of ``others`` and of what has fewer than two axes; there is no decay for these.
    momentum : float
        :math:`\beta`, and AdamW's first beta.
    weight_decay : float
        :math:`\lambda`, of the matrices.
    dtype : torch.dtype
        In which the rounds are computed; bfloat16 is exact enough.

    References
    ----------
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon/
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter] = (),
        *,
        lr: float,
        vector_lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        weights = list(weights)
        groups: list[dict[str, Any]] = [
            {"params": [p for p in weights if p.ndim >= 2], "matrices": True, "weight_decay": weight_decay},
            {
                "params": [*(p for p in weights if p.ndim < 2), *others],
                "lr": vector_lr,
                "lr_scale": vector_lr / lr,
            },
        ]
        shared = {"lr": lr, "lr_scale": 1.0, "momentum": momentum, "weight_decay": 0.0, "matrices": False}
        super().__init__([g for g in groups if g["params"]], shared)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Move every weight that has a gradient."""
        assert closure is None, "the loss is computed once"
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                move = self._turn if group["matrices"] else _adam
                move(weights, [weight.grad for weight in weights], [self.state[w] for w in weights], group)

    def _turn(
        self, weights: list[Tensor], gradients: list[Tensor], states: list[State], group: dict[str, Any]
    ) -> None:
        momenta = _kept(states, "momentum", weights)
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
        ahead = [_as_it_lies(a, w).flatten(1).to(self.dtype) for a, w in zip(ahead, weights, strict=True)]
        turned = _stacked(ahead) if weights[0].is_cuda else [orthogonalised(matrix) for matrix in ahead]
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        for weight, direction in zip(weights, turned, strict=True):
            rows, columns = direction.shape
            step = group["lr"] * max(1.0, rows / columns) ** 0.5
            lying = _as_it_lies(weight, weight)
            lying.add_(direction.view_as(lying), alpha=-step)


def _as_it_lies(tensor: Tensor, weight: Tensor) -> Tensor:
    """Return a view with the axes in the order in which the weight's lie in memory: a matrix without a copy.

    The order of a matrix's columns is nothing to Muon.
    """
    last = weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    return tensor.permute(0, 2, 3, 1) if last else tensor


def orthogonalised(matrix: Float[Tensor, "*s m n"]) -> Float[Tensor, "*s m n"]:
    r"""Return the matrix with its singular vectors kept and its singular values brought to 0.77 ... 1.23.

    Those below 0.004 of the root of the sum of their squares come out smaller: at 0.001, 0.2.

    A round multiplies :math:`X` by :math:`F = aI + bS + cS^2` with :math:`S = XX^\top`. Since all of these
    commute, the next round's :math:`S` is :math:`FSF`: two rounds of a wide matrix are made of small squares
    alone and put onto it in one product. Not more than two, or what rounding leaves of the weak directions
    in :math:`S` would grow from round to round.
    """
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    together = 2 if x.shape[-1] >= _WIDE * x.shape[-2] else 1
    for i in range(0, len(_ROUNDS), together):
        square = x @ x.mT
        factor = _factor(square, *_ROUNDS[i])
        for later in _ROUNDS[i + 1 : i + together]:
            square = factor @ square @ factor
            factor = _factor(square, *later) @ factor
        x = factor @ x
    return x.mT if tall else x


def _factor(square: Float[Tensor, "*s m m"], a: float, b: float, c: float) -> Float[Tensor, "*s m m"]:
    plus = torch.addmm if square.ndim == 2 else torch.baddbmm
    made = plus(square, square, square, beta=b, alpha=c)
    made.diagonal(dim1=-2, dim2=-1).add_(a)
    return made


def _stacked(matrices: list[Float[Tensor, "_ _"]]) -> list[Float[Tensor, "_ _"]]:
    """Orthogonalise those of one shape together: a GPU waits more for calls than for such products."""
    turned: dict[int, Tensor] = {}
    for shape in {matrix.shape for matrix in matrices}:
        alike = [i for i, matrix in enumerate(matrices) if matrix.shape == shape]
        turned |= zip(alike, orthogonalised(torch.stack([matrices[i] for i in alike])), strict=True)
    return [turned[i] for i in range(len(matrices))]


def _adam(weights: list[Tensor], gradients: list[Tensor], states: list[State], group: dict[str, Any]) -> None:
    means, squares = _kept(states, "mean", weights), _kept(states, "square", weights)
    for state in states:
        state["step"] = state.get("step", torch.zeros(())) + 1
    steps = [state["step"].item() for state in states]
    torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
    torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - _BETA2)
    unbiased = torch._foreach_div(means, [1 - group["momentum"] ** step for step in steps])
    deviations = torch._foreach_div(squares, [1 - _BETA2**step for step in steps])
    torch._foreach_sqrt_(deviations)
    torch._foreach_add_(deviations, _EPSILON)
    torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
    torch._foreach_addcdiv_(weights, unbiased, deviations, value=-group["lr"])


def _kept(states: list[State], name: str, weights: list[Tensor]) -> list[Tensor]:
    """Return this entry of each state, zeros where there is none yet."""
    for state, weight in zip(states, weights, strict=True):
        if name not in state:
            state[name] = torch.zeros_like(weight)
    return [state[name] for state in states]
