"""One stretch of a training: :class:`Stage`, every number of it and which of them go together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from augmap.errors import InputError
from augmap.fields import at_least, check_types, choice, not_negative, positive

Loss = Literal["info_nce", "negative_sampling", "cross_entropy"]
Similarity = Literal["cauchy", "cosine", "gaussian", "student", "umap"]
Edges = Literal["augmentation", "neighbors", "layout", "pixels"]
Affinity = Literal["even", "perplexity", "fuzzy"]
Trained = Literal["all", "head", "last"]
NewLayer = Literal["none", "last", "head"]
Optimizer = Literal["sgd", "adamw", "muon"]
Norm = Literal["batch", "layer"]
Rate = Literal["step", "epoch"]

_NOT_OF_ANCHORS = ("similarity", "temperature", "end_temperature", "learn_temperature", "decoupled")
_NOT_OF_ANCHORS += ("norm_penalty", "end_dim", "new_layer_std")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One stretch of training with one loss, one rate schedule and one set of trained weights."""

    name: str
    epochs: float | None = None
    """Length in passes over the images; exactly one of ``epochs``, ``steps`` and ``share`` is given."""
    steps: int | None = None
    """Length in optimiser steps."""
    share: float | None = None
    """Length as a share of the time for training; the planner writes the steps in its place."""
    max_epochs: float | None = None
    """The planner gives no more than this; the rest goes to the stages after it."""
    stop: int | None = None
    """End after this many steps although the rate was laid out for all; written by the planner when late."""

    loss: Loss = "info_nce"
    """Of the pairs: InfoNCE; UMAP's binary cross-entropy against sampled negatives; or the cross-entropy of
    the labels, the one loss that looks at them (``edges`` then only says that the inputs are views)."""
    negatives: float = 5.0
    """Of ``negative_sampling``: weight of the repulsion, in negatives per edge. All other rows of the batch
    are used, so that this is an expectation without the noise of drawing so few."""
    label_smoothing: float = 0.0
    """Of ``cross_entropy``: share of the target that is spread over all classes."""

    dim: int = 2
    """Columns of the output, d; with ``cross_entropy`` the number of classes, where 1 stands for as many as
    the labels have."""
    end_dim: int | None = None
    """Only the first columns count, falling from ``dim`` to ``end_dim`` along a cosine over the stage
    (the annealed dimension of tsimcne 0.4)."""
    similarity: Similarity = "cauchy"
    dof: float = 1.0
    """Degrees of freedom of ``student``; 1 is the Cauchy kernel."""
    min_dist: float = 0.1
    """Of ``umap``: distance up to which images count as the same, to which a and b of 1 / (1 + a d^2b) are
    fitted."""
    temperature: float = 1.0
    """Divides: d²/T, cos/T."""
    end_temperature: float | None = None
    """The temperature moves to this, log T in a straight line; None leaves it."""
    learn_temperature: bool = False
    """Train log T beside the weights, at a hundredth of the rate."""
    decoupled: bool = False
    """Leave the positive out of the denominator (DCL, Yeh et al., ECCV 2022, arXiv 2110.06848)."""
    norm_penalty: float = 0.0
    """Weight of the mean squared distance of |z| from ``norm_radius``."""
    norm_radius: float = 1.0

    edges: Edges = "augmentation"
    """What makes a pair: two views of one image; an image and one of its nearest neighbours in h; an image
    and its place in a layout of that neighbour graph, which the head learns; or an image and a neighbour by
    the distance of their pixels."""
    neighbors: int = 15
    """Neighbours of an image in ``neighbors``, ``layout`` and ``pixels``, in a layout at most a third of the
    other images, weighed by what they share among four times as many; with ``fuzzy`` the image itself is one
    of them, as in UMAP, with ``perplexity`` they are three times the perplexity."""
    affinity: Affinity = "even"
    """How often an edge of ``pixels`` is drawn: all the same; in proportion to t-SNE's p_ij; or to the
    memberships of UMAP's fuzzy simplicial set."""
    perplexity: float = 30.0
    """Of the affinity ``perplexity``: effective number of neighbours."""
    whitening: float | None = None
    """How far h is whitened before neighbours are looked for in ``neighbors`` and ``layout``: its centred
    principal components are divided by this power of their deviation. None takes h as it is, 0 centres it."""
    layout_passes: float = 350.0
    """How often each image is moved while ``layout`` lays the graph out."""
    anchors: int | None = None
    """Of ``layout``: the new head learns which of so many places in it an image is near, and how far it lies
    from these, see :mod:`augmap.method.anchors`; at most a quarter of the images, but all of 500. None: it
    learns the place itself, by the kernel."""
    views: int = 2
    """Views of an image in a step, with ``augmentation``: each pair of them is an edge."""
    view_scale: float | None = 1.0
    """Edge of a view as a share of the image's, but at least 16 pixels, or all that it has. None: that of the
    mean crop, so that things are as large in views as in the plain images of the map (Touvron et al., NeurIPS
    2019, arXiv 1906.06423); smaller views also cost less. A network of the user's that takes images of one
    size alone gets views of that."""

    train: Trained = "all"
    """Which weights learn; the rest is frozen whole, running statistics included."""
    new_layer: NewLayer = "none"
    """What is replaced at the start: the last linear layer, the whole head, or nothing."""
    new_layer_std: float | None = None
    """Standard deviation of the new last layer's weights; None keeps PyTorch's default."""
    hidden: tuple[int, ...] = (1024,)
    """Widths of the hidden layers of the head that ``new_layer = "head"`` builds."""
    norm: Norm | None = None
    """Normalisation in those hidden layers."""
    on_sphere: bool = False
    """That head sees h brought to unit length, as the cosine of the neighbour graph does."""

    optimizer: Optimizer = "sgd"
    lr: float = 0.03
    """Peak rate at ``lr_batch`` images; scales linearly with the batch."""
    lr_batch: int | None = 256
    """None: ``lr`` is used as it is."""
    vector_lr: float = 3e-3
    """Of ``muon``: peak rate of what is no matrix, biases and norms; scaled and scheduled as ``lr`` is."""
    rate: Rate = "step"
    """The rate changes every step, or only with the epoch (as in the paper)."""
    steady: float = 0.0
    """Share of the stage up to which the rate stays at its peak once it is warm, before it falls. A planner
    that has given the stage its length looks at it again shortly before this."""
    warmup_epochs: float = 0.0
    """Length of the linear warm-up, whose first step already learns; at most the stage."""
    momentum: float = 0.9
    """Momentum of SGD and of Muon, beta1 of AdamW."""
    nesterov: bool = False
    """Of SGD; Muon always has it."""
    weight_decay: float = 5e-4
    clip_norm: float | None = None
    """Clip the norm of the gradient; None does not."""
    batch_size: int | None = None
    """Images a step where it differs from the configuration's."""

    def __post_init__(self) -> None:
        where = f"stage {self.name!r}: "
        check_types(self, where)
        if [self.epochs, self.steps, self.share].count(None) != 2:
            raise InputError(
                f"stage {self.name!r}: give one of epochs, steps and share, "
                f"got epochs={self.epochs!r}, steps={self.steps!r}, share={self.share!r}"
            )
        positive(
            self,
            *("epochs", "steps", "share", "max_epochs", "stop", "dim", "end_dim", "dof", "temperature"),
            *("end_temperature", "negatives", "perplexity", "neighbors", "layout_passes", "view_scale"),
            *("anchors", "lr", "lr_batch", "vector_lr", "norm_radius", "clip_norm", "new_layer_std"),
            where=where,
        )
        at_least(self, 2, "views", "batch_size", where=where)
        not_negative(self, "norm_penalty", "warmup_epochs", "weight_decay", "min_dist", where=where)
        if self.view_scale is not None and self.view_scale > 1:
            raise InputError(f"{where}view_scale must lie in (0, 1], got {self.view_scale:g}")
        for name, kinds in (
            *(("loss", Loss), ("similarity", Similarity), ("edges", Edges), ("affinity", Affinity)),
            *(("train", Trained), ("new_layer", NewLayer)),
            *(("optimizer", Optimizer), ("rate", Rate), ("norm", Norm | None)),
        ):
            choice(self, name, kinds, where=where)
        if self.end_dim is not None and self.end_dim > self.dim:
            raise InputError(f"{where}end_dim must be at most dim={self.dim}, got {self.end_dim}")
        if not 0 <= self.steady < 1:
            raise InputError(f"{where}steady must lie in [0, 1), got {self.steady:g}")
        if not 0 <= self.momentum < 1:
            raise InputError(f"{where}momentum must lie in [0, 1), got {self.momentum}")
        if self.nesterov and self.momentum == 0:
            raise InputError(f"{where}nesterov needs a momentum above 0")
        if self.epochs is not None and self.warmup_epochs > self.epochs:
            raise InputError(
                f"{where}warmup_epochs must lie in [0, epochs={self.epochs:g}], got {self.warmup_epochs:g}"
            )
        if self.dof != 1.0 and self.similarity != "student":
            raise InputError(f"{where}dof={self.dof:g} needs similarity='student', got {self.similarity!r}")
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"{where}label_smoothing must lie in [0, 1), got {self.label_smoothing:g}")
        self._check_pairs(where)

    def _check_pairs(self, where: str) -> None:
        """Refuse settings of the loss and of the edges that nothing would read."""
        defaults = {f.name: f.default for f in dataclasses.fields(self)}
        for name, needs, value in (
            *(("negatives", "loss", "negative_sampling"), ("label_smoothing", "loss", "cross_entropy")),
            *(("decoupled", "loss", "info_nce"), ("min_dist", "similarity", "umap")),
            *(("perplexity", "affinity", "perplexity"), ("affinity", "edges", "pixels")),
            *(("layout_passes", "edges", "layout"), ("hidden", "new_layer", "head")),
            *(("norm", "new_layer", "head"), ("on_sphere", "new_layer", "head")),
            *(("vector_lr", "optimizer", "muon"), ("nesterov", "optimizer", "sgd")),
            *(("views", "edges", "augmentation"), ("views", "loss", "info_nce")),
            *(("anchors", "edges", "layout"), ("anchors", "train", "head"), ("anchors", "new_layer", "head")),
        ):
            mine, other = getattr(self, name), getattr(self, needs)
            if mine != defaults[name] and other != value:
                raise InputError(f"{where}{name}={mine!r} needs {needs}={value!r}, got {other!r}")
        for name, needs, unread in (
            *(("new_layer_std", "new_layer", "none"), ("neighbors", "edges", "augmentation")),
            ("norm_radius", "norm_penalty", 0.0),
        ):
            if (mine := getattr(self, name)) != defaults[name] and getattr(self, needs) == unread:
                raise InputError(f"{where}{name}={mine!r} is never read with {needs}={unread!r}")
        if self.loss == "negative_sampling" and self.similarity == "cosine":
            raise InputError(f"{where}negative_sampling needs a kernel of distances, got similarity='cosine'")
        if self.loss == "cross_entropy" and (self.edges != "augmentation" or self.end_dim is not None):
            raise InputError(
                f"{where}cross_entropy needs edges='augmentation' and no end_dim, "
                f"got edges={self.edges!r} and end_dim={self.end_dim!r}"
            )
        if self.loss == "negative_sampling" and self.edges == "layout":
            raise InputError(f"{where}edges='layout' has no negatives: use loss='info_nce'")
        if self.anchors is not None:
            for name in _NOT_OF_ANCHORS:
                if (mine := getattr(self, name)) != defaults[name]:
                    raise InputError(f"{where}anchors have a loss of their own: leave {name}={mine!r} out")
        if self.whitening is not None:
            if not 0 <= self.whitening <= 1:
                raise InputError(f"{where}whitening must lie in [0, 1], got {self.whitening:g}")
            if self.edges not in ("neighbors", "layout"):
                raise InputError(f"{where}whitening needs edges='neighbors' or 'layout', got {self.edges!r}")
        if self.affinity == "fuzzy" and self.neighbors < 2:
            raise InputError(f"{where}neighbors must be at least 2 with affinity='fuzzy', got 1")
        if self.affinity == "perplexity" and self.perplexity < 1:
            raise InputError(f"{where}perplexity must be at least 1, got {self.perplexity:g}")

    @property
    def out_dim(self) -> int:
        """Columns of the output when the stage has ended."""
        return self.end_dim or self.dim

    @property
    def from_features(self) -> bool:
        """Whether it learns from the features of a finished backbone: they are computed once, and stay."""
        return self.train != "all" and self.edges in ("neighbors", "layout")
