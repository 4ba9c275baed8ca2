r"""Log-similarities of two outputs: Cauchy, Student t, Gaussian, cosine, UMAP's.

A similarity sees outputs in two steps. ``prepare`` brings rows into the space where it is simple (rows
divided by the square root of the temperature; unit rows for the cosine). There it is a function of one
number :math:`u` a pair: the squared distance, or the dot product where ``from_products`` is true. ``log``
is that function, ``slope`` its derivative. The temperature always divides (:math:`d^2/T`, :math:`\cos/T`).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmap.errors import InputError

_LEAST = 1e-12
"""Squared distance below which the slope of UMAP's kernel, infinite at 0 where b < 1, grows no more."""


class LogSimilarity(nn.Module):
    r"""What the similarities share: a temperature that divides and can be learned.

    Parameters
    ----------
    temperature : float
        :math:`T > 0`, no unit. 1 is the paper's Cauchy kernel, 0.5 its cosine baseline.
    learnable : bool
        Make ``log_temperature`` a parameter (else it is a number), started at ``log(temperature)``.
        ``similarity.parameters()`` then yields that one scalar, so that an optimiser can give it a rate of
        its own and no weight decay.
    """

    from_products = False
    """Whether ``log`` takes dot products of prepared rows (else their squared distances)."""

    def __init__(self, temperature: float = 1.0, *, learnable: bool = False) -> None:
        super().__init__()
        if not (math.isfinite(temperature) and temperature > 0):
            raise InputError(f"temperature must be a finite number above 0, got {temperature!r}")
        start = math.log(temperature)
        self.log_temperature = nn.Parameter(torch.tensor(start)) if learnable else start

    @property
    def temperature(self) -> float:
        """The present temperature (one that is learned on a GPU waits for it)."""
        log = self.log_temperature
        return math.exp(log.item() if isinstance(log, nn.Parameter) else log)

    def prepare(self, z: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
        """Rows in the space where squared distances (or products) are already divided by the temperature."""
        if isinstance(self.log_temperature, nn.Parameter):
            return z * torch.exp(-0.5 * self.log_temperature).to(z.dtype)
        return z if self.log_temperature == 0 else z * math.exp(-0.5 * self.log_temperature)

    def log(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        """Log-similarity of pairs whose prepared squared distance (or product) is ``u``."""
        raise NotImplementedError

    def slope(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        """Derivative of ``log`` at ``u``."""
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "*rows d"], y: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows"]:
        """Log-similarity of row ``i`` of ``x`` and row ``i`` of ``y``, from coordinate differences."""
        x, y = self.prepare(x), self.prepare(y)
        return self.log((x * y).sum(-1) if self.from_products else (x - y).square().sum(-1))


class Cauchy(LogSimilarity):
    r"""The heavy-tailed kernel of t-SNE: :math:`\log s = -\log(1 + d^2/T)`."""

    def log(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return -torch.log1p(u)

    def slope(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return -1 / (1 + u)


class StudentT(LogSimilarity):
    r"""Student's t: :math:`\log s = -\frac{\nu + 1}{2} \log\left(1 + \frac{d^2}{\nu T}\right)`.

    Parameters
    ----------
    dof : float
        Degrees of freedom :math:`\nu > 0`. 1 is the Cauchy kernel; below 1 the tail is heavier still, and
        towards infinity it nears a Gaussian, :math:`\exp(-d^2 / 2T)`.
    temperature, learnable
        As in ``LogSimilarity``.
    """

    def __init__(self, dof: float = 1.0, temperature: float = 1.0, *, learnable: bool = False) -> None:
        super().__init__(temperature, learnable=learnable)
        if not (math.isfinite(dof) and dof > 0):
            raise InputError(f"dof must be a finite number above 0, got {dof!r}")
        self.dof = float(dof)

    def log(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return -0.5 * (self.dof + 1) * torch.log1p(u / self.dof)

    def slope(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return -0.5 * (self.dof + 1) / (self.dof + u)


class Umap(LogSimilarity):
    r"""UMAP's kernel: :math:`\log s = -\log(1 + a\,(d^2/T)^b)`.

    Parameters
    ----------
    min_dist : float
        What :math:`a` and :math:`b` are fitted to, see :func:`umap_curve`. At 0.1 they are 1.58 and 0.90.
    temperature, learnable
        As in ``LogSimilarity``.
    """

    def __init__(self, min_dist: float = 0.1, temperature: float = 1.0, *, learnable: bool = False) -> None:
        super().__init__(temperature, learnable=learnable)
        self.a, self.b = umap_curve(min_dist)

    def log(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return -torch.log1p(self.a * u.clamp_min(_LEAST) ** self.b)

    def slope(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        u = u.clamp_min(_LEAST)
        power = self.a * u**self.b
        return -self.b * power / (u * (1 + power))


def umap_curve(min_dist: float, spread: float = 1.0) -> tuple[float, float]:
    r"""Return ``a`` and ``b`` for which :math:`1 / (1 + a d^{2b})` is nearest to UMAP's target.

    The target is 1 up to ``min_dist`` and :math:`\exp(-(d - \mathrm{min\_dist}) / \mathrm{spread})` beyond,
    on 300 distances up to three times the spread; the fit is least squares.

    References
    ----------
    McInnes, Healy & Melville (2018), https://arxiv.org/abs/1802.03426, section 3.2
    """
    from scipy.optimize import curve_fit

    if not 0 <= min_dist < 3 * spread:
        raise InputError(f"min_dist must lie in [0, {3 * spread:g}), got {min_dist:g}")
    d = np.linspace(0, 3 * spread, 300)
    target = np.where(d < min_dist, 1.0, np.exp(-(d - min_dist) / spread))
    (a, b), _ = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), d, target)
    return float(a), float(b)


class Gaussian(LogSimilarity):
    r"""The kernel of SNE: :math:`\log s = -d^2/T`."""

    def log(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return -u

    def slope(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return torch.full_like(u, -1)


class Cosine(LogSimilarity):
    r"""SimCLR's: :math:`\log s = \cos(x, y) / T`. A row of zeros has no direction; its cosine counts as 0."""

    from_products = True

    def __init__(self, temperature: float = 0.5, *, learnable: bool = False) -> None:
        super().__init__(temperature, learnable=learnable)

    def prepare(self, z: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
        # the cosine does not see a row's length, so dividing by its largest entry first changes nothing but
        # keeps squares of 1e20 in range; the entry itself needs no gradient for the same reason
        largest = z.detach().abs().amax(-1, keepdim=True)
        z = z / torch.where(largest > 0, largest, 1)
        # now the length of a row is at least 1, or 0
        return super().prepare(z / torch.linalg.vector_norm(z, dim=-1, keepdim=True).clamp_min(1))

    def log(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return u.clone()

    def slope(self, u: Float[Tensor, "*u"]) -> Float[Tensor, "*u"]:
        return torch.ones_like(u)


SIMILARITIES = {
    "cauchy": Cauchy,
    "cosine": Cosine,
    "gaussian": Gaussian,
    "student": StudentT,
    "umap": Umap,
}
"""Similarities by the name that a configuration uses."""


def make_similarity(
    name: str,
    *,
    temperature: float = 1.0,
    dof: float = 1.0,
    min_dist: float = 0.1,
    learnable: bool = False,
) -> LogSimilarity:
    """Similarity by name.

    Parameters
    ----------
    name : str
        A key of ``SIMILARITIES``.
    temperature : float
        Always divides.
    dof : float
        Degrees of freedom; other than 1 for ``student`` alone.
    min_dist : float
        Of ``umap``; no other kernel has one.
    learnable : bool
        Learn the temperature.

    Raises
    ------
    InputError
        On an unknown name, a value out of range, or a ``dof`` that the kernel would ignore.
    """
    if name not in SIMILARITIES:
        raise InputError(f"unknown kernel {name!r}; choose one of {', '.join(SIMILARITIES)}")
    if name == "student":
        return StudentT(dof, temperature, learnable=learnable)
    if dof != 1:
        raise InputError(f"dof={dof!r} belongs to the kernel 'student', not to {name!r}")
    if name == "umap":
        return Umap(min_dist, temperature, learnable=learnable)
    return SIMILARITIES[name](temperature, learnable=learnable)
