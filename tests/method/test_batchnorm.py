"""BatchNorm over processes (two real ones, gloo), from plain images, and frozen."""

import copy
import warnings

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from augmap.errors import InputError
from augmap.method.batchnorm import (
    AllRanksBatchNorm,
    freeze_statistics,
    recompute_statistics,
    synchronise,
    unsynchronise,
)
from augmap.method.encoder import make_encoder
from augmap.method.loss import gather_views, info_nce_views
from augmap.method.similarity import Cauchy

B = 6


def small_encoder():
    pixels = {"image_size": 8, "channels": 3, "mean": [0.4] * 3, "std": [0.2] * 3}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3))
    return make_encoder(backbone, dim=2, hidden=(8,), norm="batch", **pixels)


def two_views():
    x = torch.rand(2, B, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return x + torch.linspace(0, 1, B)[:, None, None, None]  # the halves of the batch differ


def loss_of(encoder, x, rank=0):
    k, b = x.shape[:2]
    z = encoder(x.flatten(0, 1)).unflatten(0, (k, b))
    return z, info_nce_views(z, Cauchy(), columns=gather_views(z), offset=rank * b)


def one_rank(rank, folder, x):
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    encoder = synchronise(small_encoder())
    z, loss = loss_of(encoder, x[:, rank * B // 2 : (rank + 1) * B // 2], rank)
    loss.backward()
    gradients = {name: p.grad for name, p in encoder.named_parameters()}
    for gradient in (*gradients.values(), loss.detach()):
        dist.all_reduce(gradient)  # what data-parallel training does: the mean over processes
        gradient /= 2
    torch.save((z.detach(), loss.detach(), gradients, encoder.state_dict()), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_at_half_batch_are_one_at_the_whole(tmp_path):
    x = two_views()
    encoder = small_encoder()
    z, loss = loss_of(encoder, x)
    loss.backward()
    mp.spawn(one_rank, (str(tmp_path), x), nprocs=2)
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    close = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(torch.cat([half[0] for half in halves], 1), z.detach(), **close)
    for _, mean_loss, gradients, state in halves:
        torch.testing.assert_close(mean_loss, loss.detach(), **close)
        for name, parameter in encoder.named_parameters():
            torch.testing.assert_close(
                gradients[name], parameter.grad, **close, msg=lambda m, n=name: f"{n}: {m}"
            )
        assert list(state) == list(encoder.state_dict())
        for name, value in encoder.state_dict().items():
            torch.testing.assert_close(state[name], value, **close)
    # and the halves on their own do not give it
    alone = small_encoder()
    assert (loss_of(alone, x[:, : B // 2])[0] - z[:, : B // 2]).abs().max() > 0.05


def test_synchronise_keeps_names_and_weights_and_can_be_undone():
    encoder = small_encoder()
    before = dict(encoder.state_dict(keep_vars=True))
    kinds = [type(m) for m in encoder.modules()]
    assert synchronise(encoder) is encoder
    assert sum(isinstance(m, AllRanksBatchNorm) for m in encoder.modules()) == 2
    for _ in range(2):
        after = dict(encoder.state_dict(keep_vars=True))
        assert list(after) == list(before)
        assert all(after[name] is before[name] for name in before)
        synchronise(encoder)  # a second time changes nothing
    assert unsynchronise(encoder) is encoder
    assert [type(m) for m in encoder.modules()] == kinds
    norm = nn.BatchNorm1d(3, eps=0.1, momentum=0.3).eval()
    alone = synchronise(norm)
    assert (type(alone), alone.eps, alone.momentum, alone.training) == (AllRanksBatchNorm, 0.1, 0.3, False)


def test_a_batchnorm_of_another_kind_is_refused():
    """It may hold an activation, which a converted one would lose."""

    class Active(nn.BatchNorm2d):
        def forward(self, x):
            return torch.relu(super().forward(x))

    module = nn.Sequential(nn.Conv2d(1, 2, 1), Active(2))
    with pytest.raises(InputError, match=r"1 is a BatchNorm of its own kind \(Active\).*one device"):
        synchronise(module)
    assert type(module[1]) is Active


@pytest.mark.parametrize("training", [True, False])
def test_in_one_process_it_is_pytorchs(training):
    encoder = small_encoder().train(training)
    ours = synchronise(copy.deepcopy(encoder))
    x = two_views()[0]
    assert torch.equal(ours(x), encoder(x))
    for name, value in encoder.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 3), {}),
        ((4, 3, 5), {"momentum": None}),
        ((2, 3, 2, 2), {"affine": False}),
        ((4, 3), {"track_running_stats": False}),
    ],
)
def test_moments_agree_with_pytorch(shape, options, monkeypatch):
    """One process that believes it is two, the other of which has the same batch."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.mul_(2))
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)]
    plain = kind(3, **options)
    ours = synchronise(copy.deepcopy(plain))
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 3
    for step in range(2):
        mine, twice = x.clone().requires_grad_(), torch.cat([x, x]).requires_grad_()
        y, want = ours(mine), plain(twice)
        torch.testing.assert_close(y, want[: len(x)], rtol=1e-5, atol=1e-5)
        y.square().mul(torch.arange(y.numel()).view(y.shape)).sum().backward()
        want.square().mul(
            torch.arange(y.numel()).view(y.shape).repeat(2, *[1] * (x.ndim - 1))
        ).sum().backward()
        torch.testing.assert_close(mine.grad, twice.grad[: len(x)], rtol=1e-4, atol=1e-4)
        x = x * 2 + step
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-5, atol=1e-5)


def test_bfloat16_keeps_its_type_and_float32_its_moments(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.mul_(2))
    norm = synchronise(nn.BatchNorm1d(1, momentum=1.0))
    x = torch.arange(256.0)[:, None].bfloat16()
    assert norm(x).dtype == torch.bfloat16
    assert norm.running_mean.item() == 127.5


def test_statistics_anew_are_the_mean_over_batches():
    encoder = small_encoder()
    norm = encoder.backbone.module[1]
    encoder.train()(two_views()[0])  # statistics of something else
    encoder.head.eval()
    batches = [two_views()[0][:3], two_views()[1][3:]]
    x = [encoder.backbone.module[0]((b - 0.4) / 0.2).transpose(0, 1).flatten(1) for b in batches]
    weights = copy.deepcopy(list(encoder.parameters()))
    recompute_statistics(encoder, iter(batches))
    torch.testing.assert_close(norm.running_mean, (x[0].mean(1) + x[1].mean(1)) / 2)
    torch.testing.assert_close(norm.running_var, (x[0].var(1) + x[1].var(1)) / 2)
    assert norm.num_batches_tracked == 2
    # everything else is as it was
    assert (norm.momentum, norm.training, encoder.head.training, encoder.training) == (0.1, True, False, True)
    assert all(
        torch.equal(p, q) and p.grad is None for p, q in zip(encoder.parameters(), weights, strict=True)
    )
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    recompute_statistics(encoder, [])
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_frozen_statistics_stay():
    encoder = small_encoder()
    encoder.train()
    freeze_statistics(encoder.backbone)
    norm, before = encoder.backbone.module[1], encoder.head.hidden[1].running_mean.clone()
    encoder(two_views()[0])
    assert torch.equal(norm.running_mean, torch.zeros(4))
    assert not torch.equal(encoder.head.hidden[1].running_mean, before)
