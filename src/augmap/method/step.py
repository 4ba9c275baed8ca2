"""What a training step consists of: the loss, the trained weights, the optimiser."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from augmap.errors import InputError
from augmap.method.anchors import Anchors
from augmap.method.edges import Edges
from augmap.method.encoder import Encoder
from augmap.method.head import Reading
from augmap.method.loss import gather_views, info_nce_views, norm_penalty
from augmap.method.muon import Muon
from augmap.method.processes import all_sum, rank, world_size
from augmap.method.sampling import negative_sampling
from augmap.method.similarity import LogSimilarity, make_similarity
from augmap.stage import Stage


def contrast(views: Float[Tensor, "k b d"], similarity: LogSimilarity, stage: Stage) -> Float[Tensor, ""]:
    """Return the loss of a stage: pairs against the rows of all processes, and the norm penalty."""
    columns = gather_views(views) if world_size() > 1 else None
    offset = rank() * views.shape[1]
    if stage.loss == "negative_sampling":
        loss = negative_sampling(views, similarity, stage.negatives, columns=columns, offset=offset)
    else:
        loss = info_nce_views(views, similarity, columns=columns, offset=offset, decoupled=stage.decoupled)
    if stage.norm_penalty:
        loss = loss + stage.norm_penalty * norm_penalty(views, stage.norm_radius)
    return loss


def stage_loss(
    z: Float[Tensor, "m c"],
    places: Float[Tensor, "m d"] | Int[Tensor, " m"] | None,
    similarity: LogSimilarity,
    stage: Stage,
    anchors: Anchors | None = None,
) -> Float[Tensor, ""]:
    """Return the loss of a stage: the contrast of pairs, the cross-entropy of classes, or, of outputs with
    known places, how unlike they are, by the anchors of a stage that has them.

    The last is the attracting half of InfoNCE, with the place as the other end of the edge. Its heavy
    tail lets an image that cannot follow its neighbours go, where a squared distance would draw it, and
    with it the cluster's edge, into the empty middle (37 % against 42 % on the same layout).
    """
    if places is None:
        return contrast(z.unflatten(0, (stage.views, -1)), similarity, stage)
    if stage.anchors is not None:
        assert anchors is not None
        return anchors.loss(z, places)
    if stage.loss == "cross_entropy":
        return nn.functional.cross_entropy(z.float(), places, label_smoothing=stage.label_smoothing)
    return -similarity(z.float(), places).mean()


def make_kernel(stage: Stage) -> LogSimilarity:
    """Return the log-similarity of a stage."""
    if stage.learn_temperature and stage.end_temperature is not None:
        raise InputError(f"stage {stage.name!r}: learn_temperature and end_temperature exclude each other")
    return make_similarity(
        stage.similarity,
        temperature=stage.temperature,
        dof=stage.dof,
        min_dist=stage.min_dist,
        learnable=stage.learn_temperature,
    )


def set_trained(encoder: Encoder, stage: Stage, graph: Edges) -> nn.Module:
    """Freeze what the stage does not train, and return the module that takes the graph's inputs.

    What is frozen is frozen whole: in train mode BatchNorm would keep moving its statistics.
    """
    learns = {"all": encoder, "head": encoder.head, "last": encoder.last}[stage.train]
    encoder.requires_grad_(False).eval()
    learns.requires_grad_(True).train()
    if stage.anchors is not None:
        encoder.last.requires_grad_(False)  # it holds the unit of the map, and was not read
        return Reading(encoder.head)
    return encoder.head if len(graph.source.shape) == 2 else encoder  # features skip the backbone


def make_optimizer(
    network: nn.Module, similarity: LogSimilarity, stage: Stage, *, low: bool = False
) -> torch.optim.Optimizer:
    """Return a new optimiser; nothing is carried over from the stage before.

    ``low`` says that the network computes in bfloat16, and so may Muon.
    """
    weights = [p for p in network.parameters() if p.requires_grad]
    temperature = list(similarity.parameters())
    learned = {"params": temperature, "lr": stage.lr, "lr_scale": 0.01, "weight_decay": 0.0}
    if stage.optimizer == "muon":
        shown = {p for m in network.modules() if isinstance(m, Anchors) for p in m.parameters()}
        muon = Muon(
            [p for p in weights if p not in shown],
            [p for p in weights if p in shown],
            lr=stage.lr,
            vector_lr=stage.vector_lr,
            momentum=stage.momentum,
            weight_decay=stage.weight_decay,
            dtype=torch.bfloat16 if low else torch.float32,
        )
        if temperature:
            muon.add_param_group(learned)
        return muon
    groups: list[dict[str, Any]] = [{"params": weights, "lr": stage.lr, "lr_scale": 1.0}]
    if temperature:
        groups.append(learned)
    fused = all(p.is_cuda for p in weights)
    # on a CPU: the bits of one weight after the other, in three fifths of the time
    foreach = True if all(p.device.type == "cpu" for p in weights) else None
    if stage.optimizer == "adamw":
        betas = (stage.momentum, 0.999)
        return torch.optim.AdamW(
            groups, betas=betas, weight_decay=stage.weight_decay, foreach=foreach, fused=fused
        )
    momentum = {"momentum": stage.momentum, "nesterov": stage.nesterov}
    return torch.optim.SGD(groups, weight_decay=stage.weight_decay, foreach=foreach, fused=fused, **momentum)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every group, at its scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]


def share_temperature(similarity: LogSimilarity) -> None:
    """Average the gradient of a learned temperature over processes: no data-parallel wrapper holds it."""
    for parameter in similarity.parameters():
        if parameter.grad is not None:
            parameter.grad = all_sum(parameter.grad) / world_size()
