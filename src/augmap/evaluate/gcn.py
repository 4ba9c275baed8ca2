"""The GCN classifier: labels spread over the density graph with learned weights, beside a linear probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float

from augmap.errors import InputError
from augmap.evaluate.adjacency import adjacency
from augmap.evaluate.density_graph import density_graph
from augmap.evaluate.inputs import labelled
from augmap.evaluate.probes import GcnProbe, LinearProbe, Protocol, Task, weights_in
from augmap.evaluate.probes import run as run_probe
from augmap.evaluate.splits import label_splits
from augmap.method.seeds import generator
from augmap.neighbors import Progress

WHAT = "the GCN classifier"
VALIDATION = 0.1
"""Share of the training images that chooses the step, ``protocol="honest"``."""


@dataclass(frozen=True, kw_only=True)
class GcnAccuracy:
    """Test accuracy of the GCN classifier and of a linear one, on the same images by the same rules."""

    accuracy: float
    """Of the GCN, in [0, 1]; the mean over repeats."""
    sd: float
    """Standard deviation over repeats; NaN for a single one."""
    linear: float
    """Accuracy of the linear classifier, likewise."""
    linear_sd: float
    parameters: int
    """33 C + 322 for C labels. It needs the training features or the graph beside them, as kNN does."""
    linear_parameters: int
    """C (d + 1)."""
    epochs: float
    """Steps, each over all images, up to the one that is scored; the mean over repeats."""
    linear_epochs: float
    protocol: Protocol
    temperature: float
    normalized: bool
    """Rows were scaled to length 1, for both."""
    graph: str
    """What was multiplied with: ``all pairs, float32`` or ``all pairs, float16``."""
    n_train: int
    """Images whose labels were learned from."""
    n_val: int
    """Images whose labels chose the step; 0 for ``protocol="paper"``."""
    n_test: int
    split: str
    """``official``, or ``stratified`` with the number of random splits, one for each repeat."""
    repeats: int


def gcn_accuracy(
    x: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    splits: Sequence[str] = (),
    *,
    temperature: float = 0.1,
    protocol: Protocol = "honest",
    normalize: bool = True,
    repeats: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> GcnAccuracy:
    r"""Train the GCN classifier and a linear one on the training images; return their test accuracies.

    The GCN's nodes are all images, its edges the graph of
    :func:`~augmap.evaluate.rld.relative_local_density`. What goes into a node is its label or "masked":

    .. math::

        H_0 &= E[\text{label or masked}], \quad E \in \mathbb{R}^{(C+1) \times 16} \\
        H_1 &= \mathrm{SELU}(\mathrm{BN}(\hat A H_0 \Theta_1 + \lambda_1 H_0 \Theta_1 + b_1)) + H_0 \\
        \text{logits} &= \hat A H_1 \Theta_2 + \lambda_2 H_1 \Theta_2 + b_2,
        \qquad \hat A = D^{-1/2} W D^{-1/2},\ D = \max(\text{degree}, 1)

    A step hides a random share of the training labels and learns from those by cross-entropy. Images that are
    tested or chosen by are always masked.

    Parameters
    ----------
    x : (n, d) float array
        Features.
    labels : (n,) array of str
        Images with ``""`` are left out.
    splits : sequence of n str, optional
        Where both ``train`` and ``test`` occur, that is the split, and other images are left out; otherwise a
        random one for each repeat, 5/6 to 1/6, stratified by label, as for kNN accuracy.
    temperature : float
        Of the graph; the paper uses 0.2 and 0.1.
    protocol : {"honest", "paper"}
        ``honest``: a tenth of the training images, of every label, chooses the step by its accuracy (then by
        its loss); it is scored once on the test images, with BatchNorm's running statistics. ``paper``, to
        show the difference: all training images are learned from, training ends when the accuracy on what a
        step has hidden no longer improves, and the best *test* accuracy of any step is reported, with
        BatchNorm's statistics of the moment. It flatters: never quote it as an accuracy.
    normalize : bool
        Scale rows to length 1 first, as the paper does.
    repeats : int
        Trainings from other starting weights, with other masks and validation images.

    Raises
    ------
    InputError
        Fewer than two labels, too few images of a label, or what :func:`relative_local_density` refuses.

    Notes
    -----
    By either protocol the GCN sees the *features* of the test images, through the graph; the linear
    classifier does not. The classifier is small only in its weights: it works on n² edges.

    Memory: 2 n² bytes in float32 up to 23,000 images, above that n² bytes in float16.

    References
    ----------
    Zhang, Lu & Xuan, "How does Contrastive Learning Organize Images?", WACV 2024 Workshops,
    https://arxiv.org/abs/2305.10229
    """
    if protocol not in get_args(Protocol):
        raise InputError(f"protocol must be one of {', '.join(get_args(Protocol))}; got {protocol!r}")
    _, x, _, _ = labelled(x, labels, WHAT)
    parted = label_splits(labels, splits, repeats=repeats, seed=seed, what=WHAT)
    nodes = np.sort(np.concatenate(parted.pairs[0]))  # an official split may leave images out
    pairs = [tuple(np.searchsorted(nodes, part) for part in pair) for pair in parted.pairs]
    x, names, codes = labelled(x[nodes], parted.names[parted.codes[nodes]], WHAT)[1:]
    if parted.how == "official":
        pairs = pairs * repeats
    graph = density_graph(x, [temperature], normalize=normalize, progress=_stretch(progress, 0, 0.1))
    edges = adjacency(graph, progress=_stretch(progress, 0.1, 0.2))
    features, targets = torch.from_numpy(graph.points.x).float(), torch.from_numpy(codes)
    del graph
    found = []
    for repeat, (train, test) in enumerate(pairs):
        learned, chooses = train, np.empty(0, np.int64)
        if protocol == "honest":
            learned, chooses = _hold_out(train, codes, np.random.default_rng([seed, repeat]))
        task = Task(targets, *map(torch.from_numpy, (learned, chooses, test)), len(names), protocol)
        part = _stretch(progress, 0.2 + 0.8 * repeat / repeats, 0.2 + 0.8 * (repeat + 1) / repeats)
        gcn = GcnProbe(task, edges, generator(seed, "gcn", repeat))
        linear = LinearProbe(task, features, generator(seed, "linear", repeat))
        found.append((*run_probe(gcn, part), *run_probe(linear)))
    scores = np.array(found)  # (repeats, 4)
    sd = scores.std(0, ddof=1) if repeats > 1 else np.full(4, np.nan)
    return GcnAccuracy(
        accuracy=float(scores[:, 0].mean()),
        sd=float(sd[0]),
        linear=float(scores[:, 2].mean()),
        linear_sd=float(sd[2]),
        parameters=weights_in(gcn.model),
        linear_parameters=weights_in(linear.model),
        epochs=float(scores[:, 1].mean()),
        linear_epochs=float(scores[:, 3].mean()),
        protocol=protocol,
        temperature=float(temperature),
        normalized=normalize,
        graph=f"all pairs, {edges.precision}",
        n_train=len(learned),
        n_val=len(chooses),
        n_test=len(test),
        split=parted.how,
        repeats=repeats,
    )


def _hold_out(
    train: np.ndarray, codes: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to learn from and rows that choose: a share of each label, one at least of two."""
    chooses = []
    for code in np.unique(codes[train]):
        rows = rng.permutation(train[codes[train] == code])
        chooses.append(rows[: max(1, round(VALIDATION * len(rows))) if len(rows) > 1 else 0])
    chosen = np.sort(np.concatenate(chooses))
    if not len(chosen):
        raise InputError(
            "each label has one training image, which leaves none to choose the step by; give one label two"
        )
    return np.setdiff1d(train, chosen), chosen


def _stretch(progress: Progress | None, start: float, stop: float) -> Progress | None:
    """Return progress of a part of the work, as part of 1000 steps."""
    if progress is None:
        return None
    return lambda done, total: progress(round(1000 * (start + (stop - start) * done / total)), 1000)
