"""Muon: momentum whose directions are made equally strong. What is no matrix gets AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

_ROUNDS = 5 * ((3.4445, -4.7750, 2.0315),)
"""a, b, c of x -> a x + b x³ + c x⁵, which carries all of (0, 1] to about 1 in few rounds (Jordan, 2024)."""
_BETA2, _EPSILON = 0.999, 1e-8


class Muon(torch.optim.Optimizer):
    r"""Orthogonalised momentum for matrices and convolutions, AdamW for biases and norms.

    A weight of shape (rows, ...) is read as a matrix :math:`W` of ``rows``. With the gradient :math:`G`, the
    momentum :math:`M \leftarrow \beta M + (1 - \beta) G`, and Nesterov's :math:`\beta M + (1 - \beta) G`,

    .. math:: W \leftarrow (1 - r\lambda) W
              - r \sqrt{\max(1, \tfrac{\text{rows}}{\text{columns}})}\, \mathrm{orth}(\beta M + (1-\beta) G)

    where orth replaces all singular values by about 1 (five Newton-Schulz rounds). Gradients of a
    contrastive loss are of low rank: a few directions are learned, the others hardly. What that is worth
    in the same time is in ``docs/method.md``.

    Parameters
    ----------
    weights : iterable of Parameter
    lr : float
        :math:`r`, of the matrices; set each step through the groups.
    vector_lr : float
        Rate of AdamW for what has fewer than two axes; there is no decay for these.
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
            {"params": [p for p in weights if p.ndim < 2], "lr": vector_lr, "lr_scale": vector_lr / lr},
        ]
        shared = {"lr": lr, "lr_scale": 1.0, "momentum": momentum, "weight_decay": 0.0, "matrices": False}
        super().__init__([g for g in groups if g["params"]], shared)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Move every weight that has a gradient."""
        assert closure is None, "the loss is computed once"
        for group in self.param_groups:
            move = self._turn if group["matrices"] else _adam
            for weight in group["params"]:
                if weight.grad is not None:
                    move(weight, weight.grad, self.state[weight], group)

    def _turn(
        self, weight: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> None:
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(state["momentum"], group["momentum"]).flatten(1)
        rows, columns = ahead.shape
        turned = orthogonalised(ahead.to(self.dtype)).to(weight.dtype).view_as(weight)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(turned, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def orthogonalised(matrix: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    """Return the matrix with its singular vectors kept and its singular values brought to 0.7 ... 1.2."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp_min(1e-7)
    for a, b, c in _ROUNDS:
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def _adam(weight: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    if not state:
        state["step"] = torch.zeros(())
        state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
    state["step"] += 1
    state["mean"].lerp_(gradient, 1 - group["momentum"])
    state["square"].lerp_(gradient.square(), 1 - _BETA2)
    step = state["step"].item()
    mean = state["mean"] / (1 - group["momentum"] ** step)
    deviation = (state["square"] / (1 - _BETA2**step)).sqrt_().add_(_EPSILON)
    weight.mul_(1 - group["lr"] * group["weight_decay"])
    weight.addcdiv_(mean, deviation, value=-group["lr"])
