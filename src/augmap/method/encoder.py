"""The encoder: image -> features h (backbone) -> output z (head), and how it is described on disk."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from augmap.errors import InputError
from augmap.method.backbones import make_backbone
from augmap.method.head import Head
from augmap.method.seeds import lent

CUSTOM = "custom"
"""Name of a backbone that is the user's own module."""


def make_encoder(
    backbone: str | nn.Module,
    *,
    image_size: int,
    channels: int,
    dim: int,
    mean: Sequence[float],
    std: Sequence[float],
    hidden: Sequence[int] = (1024,),
    norm: str | None = None,
    on_sphere: bool = False,
    anchors: int | None = None,
    seed: int = 0,
) -> Encoder:
    """Encoder with freshly drawn weights; the global generators stay as they are.

    Parameters
    ----------
    backbone : str or Module
        A name in ``BACKBONES``, or a module of the user's, which is deep-copied, weights included. Its output
        for (b, channels, s, s) must be (b, f), or (b, f, h, w), which is averaged over h and w.
    image_size, channels : int
        Of the images, in pixels.
    dim : int
        Columns of the output, d.
    mean, std : sequences of float, one a channel
        Of the pixels in [0, 1].
    hidden, norm, on_sphere, anchors
        Of the head, see ``Head``.
    seed : int
        The weights are a function of it.

    Raises
    ------
    InputError
        On a name that does not exist, or a module that does not fit the images.
    """
    with _seeded(seed):
        if isinstance(backbone, str):
            module = make_backbone(backbone, image_size, channels)
        else:
            module = UserBackbone(backbone, image_size, channels)
        head = Head(module.features, dim, hidden=hidden, norm=norm, on_sphere=on_sphere, anchors=anchors)
    name = backbone if isinstance(backbone, str) else CUSTOM
    return Encoder(module, head, mean, std, name=name, image_size=image_size)


class Encoder(nn.Module):
    """Backbone and projection head behind the normalisation of pixels.

    Parameters
    ----------
    backbone : Module
        (b, c, h, w) to (b, f), with an attribute ``features`` that is f.
    head : Head
        (b, f) to (b, d).
    mean, std : sequences of float, one a channel
        Of the pixels in [0, 1].
    name : str
        What ``spec`` calls the backbone.
    image_size : int
        Edge of the images that it was made for, in pixels.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: Head,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        name: str = CUSTOM,
        image_size: int,
    ) -> None:
        super().__init__()
        mean, std = [float(v) for v in mean], [float(v) for v in std]
        if len(mean) != len(std) or not all(v > 0 for v in std):
            raise InputError(f"mean and std need one number a channel, std above 0, got {mean} and {std}")
        self.backbone, self.head = backbone, head
        self.name, self.image_size = name, image_size
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Outputs z of images in [0, 1]; float32, whatever autocast does to the layers before the last."""
        return self.head(self.features(x))

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        """Features h of images in [0, 1], float32."""
        return self.backbone((x - self.mean) / self.std).float()

    def move(self, device: torch.device) -> None:
        """Go to a device, where the channels of a pixel lie beside each other in memory."""
        self.to(device)
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.ndim == 4:
                tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)

    def takes(self, image_size: int) -> bool:
        """Whether images of this edge can be given: ours take any, the user's module perhaps only its own."""
        return not isinstance(self.backbone, UserBackbone) or self.backbone.takes(image_size)

    @property
    def last(self) -> nn.Linear:
        """The last layer of the head."""
        return self.head.last

    @property
    def dim(self) -> int:
        """Columns of the output, d."""
        return self.last.out_features

    def replace_last(self, dim: int, *, generator: torch.Generator, std: float | None = None) -> None:
        """Put a new last layer in place (the paper's second stage: ``dim=2, std=1``).

        Parameters
        ----------
        dim : int
            Columns of the new output.
        generator : torch.Generator
            On the CPU; the new weights are a function of it on every device.
        std : float, optional
            Weights are normal with this standard deviation; without it they are PyTorch's default. The bias
            is PyTorch's default either way, as in the paper.
        """
        old = self.last
        with _seeded(generator):
            new = nn.Linear(old.in_features, dim)
        if std is not None:
            nn.init.normal_(new.weight, std=std, generator=generator)
        self.head.last = new.to(old.weight.device)

    def replace_head(
        self,
        dim: int,
        *,
        generator: torch.Generator,
        hidden: Sequence[int],
        norm: str | None = None,
        on_sphere: bool = False,
        anchors: int | None = None,
        std: float | None = None,
    ) -> None:
        """Put a whole new head in place; ``std`` as in ``replace_last``, the rest as in ``Head``."""
        device = self.last.weight.device
        with _seeded(generator):
            head = Head(
                self.backbone.features, dim, hidden=hidden, norm=norm, on_sphere=on_sphere, anchors=anchors
            )
        self.head = head.to(device)
        if std is not None:
            self.replace_last(dim, generator=generator, std=std)

    def keep_columns(self, dim: int) -> None:
        """Cut the output down to its first ``dim`` columns; what they give stays the same."""
        old = self.last
        if not 0 < dim <= old.out_features:
            raise InputError(f"columns to keep must lie in [1, {old.out_features}], got {dim}")
        new = nn.utils.skip_init(nn.Linear, old.in_features, dim, device=old.weight.device)
        with torch.no_grad():
            new.weight.copy_(old.weight[:dim])
            new.bias.copy_(old.bias[:dim])
        self.head.last = new

    def scale_last(self, factor: float) -> None:
        """Multiply the output by ``factor``."""
        with torch.no_grad():
            self.last.weight.mul_(factor)
            self.last.bias.mul_(factor)

    def spec(self) -> dict[str, Any]:
        """What ``from_spec`` needs to build the same architecture, in plain JSON types; no weights."""
        return {
            "backbone": self.name,
            "image_size": self.image_size,
            "channels": self.mean.numel(),
            "mean": self.mean.flatten().tolist(),
            "std": self.std.flatten().tolist(),
            "features": self.backbone.features,
            "hidden": list(self.head.widths),
            "norm": self.head.norm,
            "on_sphere": self.head.on_sphere,
            "anchors": None if self.head.anchors is None else len(self.head.anchors.places),
            "dim": self.dim,
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any], backbone: nn.Module | None = None) -> Encoder:
        """Encoder of the architecture that ``spec`` describes; its weights are still to be loaded.

        Parameters
        ----------
        spec : dict
            As ``Encoder.spec`` returns it.
        backbone : Module, optional
            The user's own module, where the spec names the backbone "custom".

        Raises
        ------
        InputError
            Where the description is incomplete, or the module is missing, superfluous or another one.
        """
        try:
            name, width = spec["backbone"], spec["features"]
            fields = ("image_size", "channels", "mean", "std", "hidden", "norm", "on_sphere", "dim")
            options = {field: spec[field] for field in fields} | {"anchors": spec.get("anchors")}
        except KeyError as error:
            raise InputError(f"the description of the encoder lacks {error}; it is damaged") from error
        if name == CUSTOM and backbone is None:
            raise InputError("this encoder has a backbone of your own: give it as backbone=module")
        if name != CUSTOM and backbone is not None:
            raise InputError(f"this encoder has the backbone {name!r}: leave backbone=... out")
        encoder = make_encoder(name if backbone is None else backbone, **options)
        if encoder.backbone.features != width:
            raise InputError(
                f"the backbone returns {encoder.backbone.features} features, "
                f"the encoder was made with {width}"
            )
        return encoder


class UserBackbone(nn.Module):
    """A copy of the user's own module that returns (b, f), whatever shape it had for its features.

    ``features`` is found by one image of zeros, in eval mode.
    """

    def __init__(self, module: nn.Module, image_size: int, channels: int) -> None:
        super().__init__()
        self.module, self.channels = copy.deepcopy(module), channels
        self.features = self._probe(image_size)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        h = self.module(x)
        return h.mean((2, 3)) if h.ndim == 4 else h

    def takes(self, image_size: int) -> bool:
        """Whether the module does not fail on images of this edge."""
        try:
            return self._probe(image_size) == self.features
        except InputError:
            return False

    @torch.no_grad()
    def _probe(self, image_size: int) -> int:
        given = (1, self.channels, image_size, image_size)
        like = next(self.module.parameters(), torch.zeros(()))
        modes = {module: module.training for module in self.module.modules()}
        self.module.eval()
        try:
            h = self.module(torch.zeros(given, device=like.device))
        except Exception as error:  # the user's code: anything can come
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"the backbone does not take images of shape {given} ({reason}); "
                f"give a module for {self.channels} channels and {image_size} px, or other images"
            ) from error
        finally:
            for module, mode in modes.items():
                module.training = mode
        if not isinstance(h, Tensor):
            raise InputError(f"the backbone must return a tensor (b, f), got {type(h).__name__}; wrap it")
        if h.ndim not in (2, 4) or len(h) != 1 or not h.is_floating_point():
            raise InputError(
                f"the backbone must return floats of shape (b, f) or (b, f, h, w), "
                f"got {tuple(h.shape)} of {h.dtype} for one image; pool or flatten in it"
            )
        return h.shape[1]


@contextmanager
def _seeded(source: int | torch.Generator) -> Iterator[None]:
    """PyTorch's constructors draw from the global generator: lend it a seed and put it back."""
    if isinstance(source, torch.Generator):
        source = torch.randint(2**62, (), generator=source).item()
    with lent(torch.device("cpu"), source):
        yield
