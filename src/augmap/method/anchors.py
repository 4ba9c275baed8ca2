"""Places on the map as anchors: a head that says which of them an image is near, and how far from each."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

NEAR = 8
"""Anchors around its place from which an image learns how far it lies."""
WINDOW = 3.0
"""Of the anchors around the likeliest one that the place is the mean of: a standard deviation, in units of
their distance."""


class Anchors(nn.Module):
    r"""The last layer of a head, as detectors have it: a score and an offset for each of k anchors.

    A head that learns the place of an image itself knows by heart where its own images lie, and of new ones
    little (docs/method.md). To say which anchors are near is a task of classification, which carries over.
    With the scores :math:`s`, the anchors :math:`a`, the offsets :math:`o` and the distance :math:`\delta`
    between neighbouring anchors, an image lies at

    .. math:: \sum_k p_k (a_k + \delta o_k), \qquad
              p = \mathrm{softmax}\Bigl(s_k - \frac{|a_k - a_m|^2}{2 (w \delta)^2}\Bigr), \quad
              m = \operatorname{argmax} s

    So it goes to where it most likely lies, and not between two places that are both likely.

    Parameters
    ----------
    columns : int
        Of the hidden layer before.
    count : int
        Anchors, k.
    dim : int
        Of the map, d.

    References
    ----------
    Ren et al., "Faster R-CNN", NeurIPS 2015, https://arxiv.org/abs/1506.01497
    """

    places: Float[Tensor, "k d"]
    apart: Float[Tensor, ""]

    def __init__(self, columns: int, count: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(columns, count * (1 + dim))
        with torch.no_grad():  # an image begins at the anchors themselves
            self.linear.weight[count:] = 0
            self.linear.bias[count:] = 0
        self.register_buffer("places", torch.empty(count, dim))
        self.register_buffer("apart", torch.ones(()))
        self.put(torch.randn(count, dim))

    @torch.no_grad()
    def put(self, places: Float[Tensor, "k d"]) -> None:
        """Put the anchors where they stay; before, they lie at random."""
        places = places.to(self.places)
        self.places.copy_(places)
        if len(places) > 1:
            blocks = places.split(1024)
            nearest = torch.cat([_squares(b, places).topk(2, largest=False).values[:, 1] for b in blocks])
            self.apart.copy_(nearest.sqrt().mean().clamp_min(1e-6))

    def read(self, h: Float[Tensor, "b c"]) -> Float[Tensor, "b r"]:
        """Scores and offsets side by side, as :meth:`loss` takes them."""
        return self.linear(h)

    def loss(self, found: Float[Tensor, "b r"], places: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        r"""Return how unlike what was read is to what places ask for.

        The scores by cross-entropy: anchors are as likely as :math:`\exp(-|a_k - y|^2 / 2\delta^2)`. The
        offsets by the Cauchy kernel, as likely as that, from the :data:`NEAR` nearest anchors.
        """
        scores, offsets = self._parts(found)
        likely = (-0.5 * _squares(places, self.places) / self.apart.square()).softmax(1)
        weights, near = likely.topk(min(NEAR, likely.shape[1]), dim=1)
        weights = weights / weights.sum(1, keepdim=True)
        asked = (places[:, None] - self.places[near]) / self.apart  # (b, NEAR, d)
        said = offsets.gather(1, near[..., None].expand_as(asked))
        missed = (said - asked).square().sum(2).log1p()
        return nn.functional.cross_entropy(scores, likely) + (weights * missed).sum(1).mean()

    def forward(self, h: Float[Tensor, "b c"]) -> Float[Tensor, "b d"]:
        """Places of images, float32."""
        found = self.read(h)
        with torch.autocast(h.device.type, enabled=False):
            scores, offsets = self._parts(found)
            likeliest = self.places[scores.argmax(1)]
            far = _squares(likeliest, self.places) / (WINDOW * self.apart).square()
            weights = (scores - 0.5 * far).softmax(1)
            return weights @ self.places + self.apart * (weights[:, None] @ offsets)[:, 0]

    def _parts(self, found: Float[Tensor, "b r"]) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k d"]]:
        count, dim = self.places.shape
        found = found.float()
        return found[:, :count], found[:, count:].unflatten(1, (count, dim))


def _squares(x: Float[Tensor, "b d"], y: Float[Tensor, "k d"]) -> Float[Tensor, "b k"]:
    """Squared distances, by differences: products would lose those of near places."""
    return (x[:, None] - y).square().sum(2)
