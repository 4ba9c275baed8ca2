"""What the search changes and augmap itself cannot do: patches of its code in the process of a variant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from augmap.images.imageset import ImageSet
from augmap.method import backbones, edges, encoder, muon, train, winograd

seen: dict[str, ImageSet] = {}
"""The images of this process, for the patches of code that need them."""


def net(widths: tuple[int, ...], blocks: tuple[int, ...]) -> Callable[[], None]:
    """Another network in the place of ``slim``."""

    def make(image_size: int, channels: int) -> backbones.ResNet:
        stem = backbones._stem(channels, widths[0], 3, 2)
        return backbones.ResNet(stem, backbones.BasicBlock, widths, blocks)

    def patch() -> None:
        backbones.BACKBONES["slim"] = make

    return patch


def progressive(size: int, share: float) -> Callable[[], None]:
    """Views of ``size`` pixels for the first ``share`` of the steps."""
    of = {"total": 0}
    plain = train._train_stage

    def pairs(self, batches, part=edges.ALL):
        _, height, _, channels = self.source.shape
        for k, (batch, random) in enumerate(batches):
            images = self.source.take(batch)
            b = len(batch)
            drawn = edges.draw(self.augmentation, 2 * b, random, image_size=height, channels=channels)
            edge = size if k < share * of["total"] else self.view_size
            halves = (drawn[:b], drawn[b:])
            yield torch.cat([edges.apply(images, half, edge) for half in halves]), None

    def stage(run, config, graph, fabric, watch, span):
        of["total"] = span.steps
        return plain(run, config, graph, fabric, watch, span)

    def patch() -> None:
        edges.AugmentationGraph.pairs = pairs
        train._train_stage = stage

    return patch


def rounds(*coefficients: tuple[float, float, float]) -> Callable[[], None]:
    """Other Newton-Schulz rounds of Muon."""

    def patch() -> None:
        muon._ROUNDS = coefficients

    return patch


def convolutions(
    channels: dict[int, int], coefficients: tuple[tuple[float, float, float], ...] | None = None
) -> Callable[[], None]:
    """Winograd's convolutions from so many channels on, by the edge; other rounds of Muon."""

    def patch() -> None:
        winograd.CHANNELS_FROM = channels
        muon._ROUNDS = coefficients or JORDAN

    return patch


def patches(scale: float) -> Callable[[], None]:
    """Begin with a stem of the principal components of patches, each and its opposite (Jordan, airbench).

    ``scale`` is the norm of its weights beside that of the random ones: the larger, the slower they turn.
    """
    plain = encoder.make_backbone

    def make(name: str, image_size: int, channels: int) -> torch.nn.Module:
        made = plain(name, image_size, channels)
        weight = made.stem[0].weight  # (32, c, 3, 3)
        some = torch.from_numpy(np.array(seen["images"].pixels[:5000])).permute(0, 3, 1, 2).float()
        some = (some - some.mean((0, 2, 3), keepdim=True)) / some.std((0, 2, 3), keepdim=True)
        flat = torch.nn.functional.unfold(some, 3).transpose(0, 1).flatten(1)  # (9 c, patches)
        axes = torch.linalg.eigh((flat @ flat.T).double()).eigenvectors.flip(1)[:, : len(weight) // 2]
        both = torch.cat([axes.T, -axes.T]).float().view_as(weight)
        with torch.no_grad():
            weight.copy_(both * (scale * weight.norm() / both.norm()))
        return made

    def patch() -> None:
        encoder.make_backbone = make

    return patch


def falling(curve: Callable[[float], float]) -> Callable[[], None]:
    """Another fall of the rate after its warm-up: ``curve`` of the share of the steps that are over."""
    plain = train.learning_rate

    def rate(stage, step, steps, per_epoch, batch):
        warmup = stage.warmup_epochs * per_epoch
        if step < warmup:
            return plain(stage, step, steps, per_epoch, batch)
        return stage.lr * curve((step - warmup) / (steps - warmup + 1))

    def patch() -> None:
        train.learning_rate = rate

    return patch


POLAR = tuple(
    (a / 1.01, b / 1.01**3, c / 1.01**5)
    for a, b, c in (
        (8.28721201814563, -23.595886519098837, 17.300387312530933),
        (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
        (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
        (3.3184196573706015, -2.488488024314874, 0.51004894012372),
        (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    )
)
"""Amsel et al., "The Polar Express", arXiv 2505.16932, 2025: another polynomial for each round."""
JORDAN = 5 * ((3.4445, -4.7750, 2.0315),)
"""Muon's rounds as they were when this was chosen."""
TIGHT = (
    (8.3006669, -24.0375442, 17.4661335),
    (4.0033866, -2.9228400, 0.5418713),
    (3.4708620, -2.5494043, 0.5002040),
    (2.4654613, -1.7803293, 0.4156332),
)
"""Four rounds that leave no room for what bfloat16 rounds: of matrices of few rows some steps explode."""
