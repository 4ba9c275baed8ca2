"""BatchNorm's statistics: over all processes, anew from plain images, or frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from augmap.errors import InputError
from augmap.method.encoder import Encoder
from augmap.method.processes import all_sum, world_size


def synchronise(module: nn.Module) -> nn.Module:
    """Make every BatchNorm in ``module`` see the batches of all processes.

    On a GPU with PyTorch's ``SyncBatchNorm``, which refuses CPU tensors; on a CPU with ``AllRanksBatchNorm``.
    Weights and buffers stay the same objects under the same names. Move the module to its device first.

    Returns
    -------
    ``module`` itself, or what replaces it when it is a BatchNorm.

    Raises
    ------
    InputError
        A BatchNorm of the user's own kind, which may do more than that.
    """
    for name, norm in module.named_modules():
        if isinstance(norm, _BatchNorm) and type(norm) not in _KNOWN:
            raise InputError(
                f"{name} is a BatchNorm of its own kind ({type(norm).__name__}), which several processes "
                "cannot share; train on one device, or use PyTorch's"
            )
    return _convert(module, _synchronised)


def unsynchronise(module: nn.Module) -> nn.Module:
    """Undo ``synchronise``; weights and buffers stay the same objects."""
    return _convert(module, _plain)


@torch.no_grad()
def recompute_statistics(encoder: Encoder, batches: Iterable[Float[Tensor, "b c h w"]]) -> None:
    """Take BatchNorm's running statistics anew: their mean over ``batches`` of plain images in [0, 1].

    In training they follow augmented views, whose statistics differ from those of the images that the map
    shows. Everything but BatchNorm runs in eval mode; modes and momenta are put back. Batches count equally,
    so they should be of one size. Without batches nothing changes.
    """
    norms = [m for m in encoder.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    modes = {m: m.training for m in encoder.modules()}
    momenta = [m.momentum for m in norms]
    encoder.eval()
    try:
        for number, images in enumerate(batches):
            for norm in norms:
                if number == 0:
                    norm.reset_running_stats()
                norm.train()
                norm.momentum = None  # the mean over all batches, not an exponential one
            encoder(images)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes.items():
            module.training = mode


def freeze_statistics(module: nn.Module) -> None:
    """Keep the running statistics of ``module`` as they are until ``train()`` is called on it.

    Switching gradients off is not enough: a BatchNorm in train mode keeps moving its statistics. The whole
    module goes to eval mode, so that its dropout, if any, rests too. Call it after ``encoder.train()``.
    """
    module.eval()


class AllRanksBatchNorm(_BatchNorm):
    """BatchNorm over the batches of all processes, on any device, differentiable; one sum for each moment.

    Gradients of the statistics are summed over processes, as ``SyncBatchNorm`` and the gathering of negatives
    do: the mean over processes of the weights' gradients is then the gradient of the mean loss.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"BatchNorm needs (b, c, ...), got {tuple(x.shape)}")

    def forward(self, x: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        if not self.training or world_size() == 1:
            return super().forward(x)
        self._check_input_dim(x)
        axes = [0, *range(2, x.ndim)]
        across = (1, -1) + (1,) * (x.ndim - 2)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # moments of bfloat16 are not enough
        count = wide.new_full((1,), x.numel() / x.shape[1])
        total = all_sum(torch.cat([wide.sum(axes), count]))
        mean, count = total[:-1] / total[-1], total[-1].detach()
        centred = wide - mean.reshape(across)
        # deviations from the common mean: the mean of squares minus the squared mean loses digits
        variance = all_sum(centred.square().sum(axes)) / count
        if self.track_running_stats:
            self._move(mean.detach(), variance.detach() * count / (count - 1).clamp_min(1))
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            y = centred * (scale * self.weight).reshape(across) + self.bias.reshape(across)
        else:
            y = centred * scale.reshape(across)
        return y.to(x.dtype)

    @torch.no_grad()
    def _move(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


_KNOWN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, AllRanksBatchNorm)


def _convert(module: nn.Module, choose: Callable[[_BatchNorm], type[_BatchNorm]]) -> nn.Module:
    converted = _rebuilt(module, choose(module)) if isinstance(module, _BatchNorm) else module
    for name, child in module.named_children():
        converted.add_module(name, _convert(child, choose))
    return converted


def _synchronised(norm: _BatchNorm) -> type[_BatchNorm]:
    tensors = [t for t in (norm.weight, norm.running_mean) if t is not None]
    return nn.SyncBatchNorm if tensors and tensors[0].is_cuda else AllRanksBatchNorm


def _plain(norm: _BatchNorm) -> type[_BatchNorm]:
    return getattr(norm, "before", type(norm))


def _rebuilt(norm: _BatchNorm, kind: type[_BatchNorm]) -> _BatchNorm:
    """``norm`` as another kind, with the very same weights and buffers."""
    if type(norm) is kind:
        return norm
    new = kind(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    for name, tensor in (*norm._parameters.items(), *norm._buffers.items()):
        setattr(new, name, tensor)
    new.training = norm.training
    new.before = _plain(norm)
    return new
