"""Two classifiers trained by one rule: the GCN on the density graph, and a linear one on the features."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from augmap.evaluate.adjacency import Adjacency
from augmap.neighbors import Progress

Protocol = Literal["honest", "paper"]

WIDTH = 16
MASKED = (0.05, 0.5)
"""Share of the training labels that is hidden in a step, and learned from: drawn anew from this range."""
RATE = 0.1
"""Of AdamW, whose decay is PyTorch's 0.01."""
PATIENCE = 50
"""Steps without an improvement before training ends."""
PAPER_LINEAR_PATIENCE = 30
MOST_STEPS = 500


class Gcn(nn.Module):
    """The paper's network of two layers; 33 C + 322 weights for C labels.

    Each layer computes :math:`\\hat A H \\Theta + \\lambda H \\Theta + b` with a learned number λ that starts
    at 0. The first has BatchNorm, SELU and a residual; the second none, for any C.
    """

    def __init__(self, labels: int, draw: torch.Generator, *, width: int = WIDTH) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(labels + 1, width, generator=draw))
        self.theta1 = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, width), generator=draw))
        self.theta2 = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, labels), generator=draw))
        self.loop1, self.loop2 = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.bias1, self.bias2 = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(labels))
        self.norm = nn.BatchNorm1d(width)

    def forward(
        self, given: Int[Tensor, " n"], gathered: Float[Tensor, "n c1"], edges: Adjacency
    ) -> Float[Tensor, "n c"]:
        """Return logits.

        Parameters
        ----------
        given : (n,) int tensor
            Label of each node, or C for "masked".
        gathered : (n, C + 1) float tensor
            The graph's product with ``given`` one-hot: H_0 has only C + 1 different rows.
        """
        rows = self.table @ self.theta1  # (C + 1, w)
        h = gathered @ rows + self.loop1 * rows[given] + self.bias1
        h = F.selu(self.norm(h)) + self.table[given]
        out = h @ self.theta2
        return edges(out) + self.loop2 * out + self.bias2


@dataclass(frozen=True, eq=False)
class Task:
    """Labels, and who may see which."""

    targets: Int[Tensor, " n"]
    learned: Int[Tensor, " l"]
    """Rows that are learned from."""
    chooses: Int[Tensor, " v"]
    """Rows that choose the step; none for ``protocol="paper"``."""
    test: Int[Tensor, " t"]
    labels: int
    protocol: Protocol


class GcnProbe:
    """A GCN in training."""

    patience = PATIENCE

    def __init__(self, task: Task, edges: Adjacency, draw: torch.Generator) -> None:
        self.task, self._edges, self._draw = task, edges, draw
        self.model = Gcn(task.labels, draw)
        self._visible = self._given(task.learned)
        self._visible_gathered = self._gather(self._visible)

    def step(self) -> tuple[Tensor, Float[Tensor, "h c"], Int[Tensor, " h"]]:
        """Hide some labels; return the loss on them, their logits and their rows."""
        task = self.task
        share = MASKED[0] + (MASKED[1] - MASKED[0]) * torch.rand((), generator=self._draw)
        hide = torch.rand(len(task.learned), generator=self._draw) < share
        hide[torch.randint(len(hide), (), generator=self._draw)] = True  # a few images: never none
        given = self._given(task.learned[~hide])
        rows = task.learned[hide]
        logits = self.model(given, self._gather(given), self._edges)[rows]
        return F.cross_entropy(logits, task.targets[rows]), logits, rows

    def logits(self, rows: Int[Tensor, " r"]) -> Float[Tensor, "r c"]:
        """Return logits of images that are masked, all labels to learn from being visible."""
        return self.model(self._visible, self._visible_gathered, self._edges)[rows]

    def _given(self, rows: Tensor) -> Tensor:
        given = torch.full_like(self.task.targets, self.task.labels)
        given[rows] = self.task.targets[rows]
        return given

    def _gather(self, given: Tensor) -> Tensor:
        return self._edges.product(F.one_hot(given, self.task.labels + 1).to(self._edges.factors.dtype))


class LinearProbe:
    """A linear classifier in training, all images at once."""

    def __init__(self, task: Task, features: Float[Tensor, "n d"], draw: torch.Generator) -> None:
        self.task, self._features = task, features
        self.patience = PATIENCE if task.protocol == "honest" else PAPER_LINEAR_PATIENCE
        self.model = nn.utils.skip_init(nn.Linear, features.shape[1], task.labels)
        nn.init.xavier_uniform_(self.model.weight, generator=draw)
        nn.init.zeros_(self.model.bias)

    def step(self) -> tuple[Tensor, Float[Tensor, "l c"], Int[Tensor, " l"]]:
        """Return the loss on all images to learn from, their logits and their rows."""
        rows = self.task.learned
        logits = self.logits(rows)
        return F.cross_entropy(logits, self.task.targets[rows]), logits, rows

    def logits(self, rows: Int[Tensor, " r"]) -> Float[Tensor, "r c"]:
        """Return logits."""
        return self.model(self._features[rows])


def run(probe: GcnProbe | LinearProbe, progress: Progress | None = None) -> tuple[float, int]:
    """Train by the protocol of the probe's task; return the test accuracy and the step it belongs to."""
    task, model = probe.task, probe.model
    paper = task.protocol == "paper"
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    best, chosen, at = (-1.0, 0.0), None, 0
    best_test, best_test_at = -1.0, 0
    for step in range(1, MOST_STEPS + 1):
        model.train()
        loss, logits, rows = probe.step()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if paper:
            reached = _accuracy(logits.detach(), task.targets[rows]), 0.0
            with torch.no_grad():  # in train mode still, as the authors do
                test = _accuracy(probe.logits(task.test), task.targets[task.test])
            if test > best_test:
                best_test, best_test_at = test, step
        else:
            model.eval()
            with torch.no_grad():
                logits = probe.logits(task.chooses)
            targets = task.targets[task.chooses]
            reached = _accuracy(logits, targets), -float(F.cross_entropy(logits, targets))
        if reached > best:
            best, chosen, at = reached, None if paper else copy.deepcopy(model.state_dict()), step
        if progress:
            progress(step, MOST_STEPS)
        if step - at >= probe.patience:
            break
    if progress:
        progress(MOST_STEPS, MOST_STEPS)
    if paper:
        return best_test, best_test_at
    model.load_state_dict(chosen)
    model.eval()
    with torch.no_grad():
        return _accuracy(probe.logits(task.test), task.targets[task.test]), at


def weights_in(module: nn.Module) -> int:
    """Return how many numbers a module learns."""
    return sum(p.numel() for p in module.parameters())


def _accuracy(logits: Tensor, targets: Tensor) -> float:
    return float((logits.argmax(1) == targets).double().mean())
