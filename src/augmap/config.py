"""Every number that shapes a map: :class:`Config`, its :class:`Stage` list, and how both are written down.

A run is a function of ``(images, Config)``: no other input may change its result. Where and how fast
it runs (devices, checkpoints) stands in :class:`Runtime`. Named lists of stages are in
:mod:`augmap.presets`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from augmap.errors import InputError
from augmap.fields import (
    a_seed,
    at_least,
    build,
    check_types,
    choice,
    not_negative,
    positive,
    read_toml,
    toml,
    tuples,
)

Loss = Literal["info_nce", "negative_sampling", "cross_entropy"]
Similarity = Literal["cauchy", "cosine", "gaussian", "student", "umap"]
Edges = Literal["augmentation", "neighbors", "layout", "pixels"]
Affinity = Literal["even", "perplexity", "fuzzy"]
Trained = Literal["all", "head", "last"]
NewLayer = Literal["none", "last", "head"]
Optimizer = Literal["sgd", "adamw", "muon"]
Norm = Literal["batch", "layer"]
Precision = Literal["auto", "float32", "bfloat16"]
Rate = Literal["step", "epoch"]
Resize = Literal["bicubic", "bilinear", "lanczos", "box"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """How a picture of any size becomes a square of ``uint8``; the same for training and for new images."""

    image_size: int
    """Edge of the square, in pixels."""
    channels: int
    """1 (grey) or 3 (RGB) from files; any number from arrays."""
    resize: Resize = "bicubic"
    """Filter of the (antialiased) resizing."""
    fit: Literal["crop"] = "crop"
    """The shorter side is scaled to ``image_size``, then the centre is cut out; never stretched."""

    def __post_init__(self) -> None:
        check_types(self)
        positive(self, "image_size", "channels")
        choice(self, "resize", Resize)
        choice(self, "fit", Literal["crop"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; :meth:`from_dict` takes it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, where: str = "preprocessing") -> Preprocessing:
        """Build from plain types; unknown names and wrong types raise :class:`InputError`."""
        return build(cls, values, where)


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
    """Neighbours of an image in ``neighbors``, ``layout`` and ``pixels``; with ``fuzzy`` the image
    itself is one of them, as in UMAP, with ``perplexity`` they are three times the perplexity."""
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
    views: int = 2
    """Views of an image in a step, with ``augmentation``: each pair of them is an edge."""
    view_scale: float | None = 1.0
    """Edge of a view as a share of the image's. None: that of the mean crop, so that things are as large in
    views as in the plain images of the map (Touvron et al., NeurIPS 2019, arXiv 1906.06423); smaller views
    also cost less."""

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
            *("lr", "lr_batch", "vector_lr", "norm_radius", "clip_norm", "new_layer_std"),
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
            *(("vector_lr", "optimizer", "muon"), ("nesterov", "optimizer", "sgd")),
            *(("views", "edges", "augmentation"), ("views", "loss", "info_nce")),
        ):
            mine, other = getattr(self, name), getattr(self, needs)
            if mine != defaults[name] and other != value:
                raise InputError(f"{where}{name}={mine!r} needs {needs}={value!r}, got {other!r}")
        if self.loss == "negative_sampling" and self.similarity == "cosine":
            raise InputError(f"{where}negative_sampling needs a kernel of distances, got similarity='cosine'")
        if self.loss == "cross_entropy" and (self.edges != "augmentation" or self.end_dim is not None):
            raise InputError(
                f"{where}cross_entropy needs edges='augmentation' and no end_dim, "
                f"got edges={self.edges!r} and end_dim={self.end_dim!r}"
            )
        if self.loss == "negative_sampling" and self.edges == "layout":
            raise InputError(f"{where}edges='layout' has no negatives: use loss='info_nce'")
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Everything a map is a function of, beside the images."""

    stages: tuple[Stage, ...]
    preset: str = "custom"
    """Name of the list that the stages were made from."""
    seed: int = 0
    batch_size: int = 512
    """Images a step, over all processes."""
    keep_short_batch: bool = False
    """End each epoch with its short last batch (the paper); else permutations are carried across epochs."""
    augment: str = "natural"
    """Name of an augmentation set: natural, glyph, symmetric; or custom (a callable given in Python)."""
    augmentation: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of :class:`augmap.method.sets.Augmentation` that differ from that set."""
    backbone: str = "slim"
    hidden: tuple[int, ...] = (1024,)
    """Widths of the hidden layers of the projection head."""
    norm: Norm | None = None
    """Normalisation in those hidden layers; the paper has none."""
    precision: Precision = "auto"
    """auto: bfloat16 in the backbone where a probe shows that it is faster; written down as found."""
    recompute_statistics: bool = True
    """Take BatchNorm's statistics anew from plain images before the final projection."""
    budget: float | None = None
    """Seconds that the planner was given; None where the stages were given."""
    init: str | None = None
    """SHA-256 of the encoder that training started from."""

    def __post_init__(self) -> None:
        check_types(self)
        if strange := [v for v in self.stages if not isinstance(v, Stage)]:
            raise InputError(f"stages must be a list of Stage, got {strange[0]!r} in it")
        object.__setattr__(self, "augmentation", {k: tuples(v) for k, v in self.augmentation.items()})
        if not self.stages:
            raise InputError("a configuration needs at least one stage")
        positive(self, "budget")
        at_least(self, 2, "batch_size")
        choice(self, "precision", Precision)
        choice(self, "norm", Norm | None)
        a_seed(self.seed)
        dim = None
        for stage in self.stages:
            if dim is not None and stage.dim != dim and stage.new_layer == "none":
                raise InputError(
                    f"stage {stage.name!r} has dim={stage.dim} after {dim}: "
                    "it needs new_layer = 'last' or 'head'"
                )
            dim = stage.out_dim
            if stage.share is not None and self.budget is None:
                raise InputError(
                    f"stage {stage.name!r} has a share of the time, but there is no budget; "
                    "give a budget, or epochs or steps to the stage"
                )

    @property
    def dim(self) -> int:
        """Dimension of the map: that of the last stage."""
        return self.stages[-1].out_dim

    def replace(self, **changes: Any) -> Config:
        """Return a copy with some fields changed; each change is checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; :meth:`from_dict` takes it back to an equal configuration."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """Return the text of a file that :meth:`from_toml` reads back to an equal configuration."""
        tables = [f"[augmentation]\n{toml(self.augmentation)}"] if self.augmentation else []
        tables += [f"[[stages]]\n{toml(dataclasses.asdict(s), Stage)}" for s in self.stages]
        top = {k: v for k, v in self.to_dict().items() if k not in ("stages", "augmentation")}
        return "\n".join([toml(top, Config), *tables])

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, where: str = "configuration") -> Config:
        """Build from plain types; unknown names and wrong types raise :class:`InputError`."""
        if not isinstance(values, dict):
            raise InputError(f"{where}: expected a table, got {values!r}")
        stages = values.get("stages")
        if not isinstance(stages, list | tuple) or not stages:
            raise InputError(f"{where}: 'stages' must be a list of at least one stage, got {stages!r}")
        made = tuple(build(Stage, s, f"{where}: stage {i + 1}") for i, s in enumerate(stages))
        return build(cls, {**values, "stages": made}, where)

    @classmethod
    def from_toml(cls, path: Path) -> Config:
        """Read a file with the fields of :class:`Config` and one ``[[stages]]`` table per stage.

        TOML has no word for nothing: ``"none"`` stands for it (``lr_batch = "none"``).

        Raises
        ------
        InputError
            The file is missing, is no TOML, or names an unknown field.
        """
        return cls.from_dict(read_toml(path), where=str(path))


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """Where a configuration runs; none of it is meant to change the map."""

    device: DeviceName = "auto"
    devices: int = 1
    """Processes on one machine."""
    nodes: int = 1
    checkpoint_every: float | None = 300.0
    """Seconds between checkpoints; None writes one only when asked to stop."""
    threads: int | None = None
    """CPU threads; None takes as many as are fastest, where a precision or a length is measured as well (see
    :mod:`augmap.method.threads`), and else PyTorch's number."""

    def __post_init__(self) -> None:
        check_types(self)
        choice(self, "device", DeviceName)
        positive(self, "devices", "nodes", "threads", "checkpoint_every")


def parse_duration(text: str | float) -> float:
    """Return seconds of ``"90s"``, ``"10m"``, ``"1.5h"`` or a plain number of seconds.

    Raises
    ------
    InputError
        Anything else, or a duration that is not positive, or longer than a year.
    """
    words = str(text).strip().lower()
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(words[-1:])
    try:
        seconds = float(words[:-1]) * unit if unit else float(words)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 366 * 24 * 3600:  # a NaN neither
        raise InputError(
            f"a duration is a number above 0 with s, m or h (90s, 10m, 1.5h), at most a year, got {text!r}"
        )
    return seconds
