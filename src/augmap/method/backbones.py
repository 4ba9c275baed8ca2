"""Backbones, image -> features: ResNet-18, -34, -50 and the slim one for CPUs.

Names of weights are saved with every map: a module here can be changed, not renamed. A network keeps its
name only as long as saved weights of that name still fit.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from augmap.errors import InputError
from augmap.method.convolution import Convolution

SMALL_IMAGE = 64
"""Largest image size, in pixels, whose ResNet begins with one 3x3 convolution at full resolution."""


def make_backbone(name: str, image_size: int, channels: int) -> nn.Module:
    """Backbone by name; its ``features`` attribute is f, the width of what it returns.

    Its weights are drawn from the global generator: call it inside ``fork_rng``, as ``make_encoder`` does.

    Parameters
    ----------
    name : str
        A key of ``BACKBONES``.
    image_size : int
        Edge of the images in pixels; decides the first layers. Other sizes pass through as well.
    channels : int
        Channels of the images.

    Returns
    -------
    Module that maps (b, channels, s, s) to (b, f).

    Raises
    ------
    InputError
        On an unknown name.
    """
    if name not in BACKBONES:
        raise InputError(f"unknown backbone {name!r}; choose one of {', '.join(BACKBONES)}")
    backbone = BACKBONES[name](image_size, channels)
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return backbone


class ResNet(nn.Module):
    """Residual network (He et al., arXiv 1512.03385) without its classifier.

    Parameters
    ----------
    stem : module
        From ``channels`` to ``widths[0]`` channels.
    block : callable
        ``block(c_in, width, stride)``, a residual block with an attribute ``c_out``.
    widths, blocks : sequences of int
        Width and number of blocks of each stage; each stage but the first halves the resolution. A stage of
        0 blocks is left out, its halving too.
    """

    def __init__(self, stem: nn.Module, block, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = stem
        c, stages = widths[0], []
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            layers = []
            for k in range(count):
                layers.append(block(c, width, 2 if number > 0 and k == 0 else 1))
                c = layers[-1].c_out
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.features = c

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        x = self.stages(self.stem(x))
        if self.training and x.requires_grad and x.device.type == "cpu":
            x.register_hook(_dense)
        return x.mean((2, 3))  # (b, f, h', w') -> (b, f)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.c_out = width
        self.conv1, self.norm1 = _conv(c_in, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = _conv(width, width, 3), nn.BatchNorm2d(width)
        self.shortcut = _shortcut(c_in, self.c_out, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        return F.relu(y.add_(self.shortcut(x)), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut; it puts out four times its width.

    The stride lies in the 3x3 convolution ("v1.5"), as in the networks that people mean today.
    """

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.c_out = 4 * width
        self.conv1, self.norm1 = _conv(c_in, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.norm3 = _conv(width, self.c_out, 1), nn.BatchNorm2d(self.c_out)
        self.shortcut = _shortcut(c_in, self.c_out, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = F.relu(self.norm2(self.conv2(y)), inplace=True)
        y = self.norm3(self.conv3(y))
        return F.relu(y.add_(self.shortcut(x)), inplace=True)


def _resnet(block, blocks: tuple[int, ...], image_size: int, channels: int) -> ResNet:
    # the paper's small-image stem would cost a 224 px image 49 times as much as a 32 px one
    if image_size <= SMALL_IMAGE:
        stem = _stem(channels, 64, 3, 1)
    else:
        stem = nn.Sequential(*_stem(channels, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
    return ResNet(stem, block, (64, 128, 256, 512), blocks)


def _slim(image_size: int, channels: int) -> ResNet:
    """Three stages of one block: of a step's time on two CPU cores, more goes into more images.

    The stem brings the image down at once, to 16x16 or less, so that the stages work on 16, 8 and 4 pixels:
    1x1 and 2x2 waste a CPU, and 32x32 costs four times as much. A narrow first stage costs a third less
    than one of 64 channels, and after the same time nothing is lost.
    """
    stride = next((s for s in (1, 2, 4) if image_size <= 16 * s), 8)
    if stride <= 2:
        stem = _stem(channels, 32, 3, stride)
    elif stride == 4:
        stem = nn.Sequential(*_stem(channels, 32, 7, 4))
    else:
        stem = nn.Sequential(*_stem(channels, 32, 7, 4), nn.MaxPool2d(3, 2, 1))
    return ResNet(stem, BasicBlock, (32, 128, 256), (1, 1, 1))


BACKBONES = {
    "slim": _slim,
    "resnet18": partial(_resnet, BasicBlock, (2, 2, 2, 2)),
    "resnet34": partial(_resnet, BasicBlock, (3, 4, 6, 3)),
    "resnet50": partial(_resnet, Bottleneck, (3, 4, 6, 3)),
}
"""Makers by name: ``BACKBONES[name](image_size, channels)``."""


def _dense(gradient: Tensor) -> Tensor:
    """Write the gradient of a mean out: expanded, it takes the ReLU before it ten times as long on a CPU."""
    return gradient.contiguous(memory_format=torch.channels_last)


def _conv(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return Convolution(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)


def _stem(c_in: int, c_out: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_conv(c_in, c_out, kernel, stride), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


def _shortcut(c_in: int, c_out: int, stride: int) -> nn.Sequential:
    if stride == 1 and c_in == c_out:
        return nn.Sequential()
    return nn.Sequential(_conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))
