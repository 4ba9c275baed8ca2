"""What only a GPU can show: the same views, losses, steps and places as on a CPU, and a recorded network."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from runs import run, small_config, stripes

import augmap
from augmap.config import Runtime
from augmap.evaluate.knn import knn_accuracy
from augmap.method import source as sources
from augmap.method.augment import AUGMENTATIONS, apply, draw
from augmap.method.encoder import make_encoder
from augmap.method.loss import info_nce_views
from augmap.method.muon import Muon
from augmap.method.pairs import exact_product
from augmap.method.project import project
from augmap.method.similarity import Cauchy, Cosine
from augmap.stage import Stage
from pictures import ROOT

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = torch.device("cuda")


@pytest.fixture
def tf32_allowed():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def encoder(backbone="slim", **settings):
    pixels = {"image_size": 32, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3}
    return make_encoder(backbone, dim=16, hidden=(32,), norm="batch", **pixels, **settings)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [32, 24])
def test_views_are_those_of_the_cpu(name, size):
    images = torch.randint(256, (64, 32, 32, 3), dtype=torch.uint8, generator=seeded())
    drawn = draw(AUGMENTATIONS[name], 64, seeded(1), image_size=32, channels=3)
    here, there = apply(images, drawn, size), apply(images.to(GPU), drawn, size)
    torch.testing.assert_close(there.cpu(), here, atol=2e-5, rtol=0)
    assert there.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kernel", [Cauchy(), Cosine(0.15)])
@pytest.mark.parametrize("dim", [2, 128])
def test_the_loss_is_exact_also_where_tf32_is_allowed(kernel, dim, tf32_allowed):
    z = 3 * torch.randn(4, 96, dim, generator=seeded())
    wide, low = z.double().requires_grad_(), z.to(GPU).requires_grad_()
    exact, loss = info_nce_views(wide, kernel), info_nce_views(low, kernel)
    exact.backward()
    loss.backward()
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)
    assert (low.grad.cpu() - wide.grad).norm() < 1e-4 * wide.grad.norm()


def test_products_are_exact_also_where_tf32_is_allowed(tf32_allowed):
    x, y = torch.randn(256, 512, generator=seeded()), torch.randn(512, 128, generator=seeded(1))
    exact = x.double() @ y.double()
    coarse = ((x.to(GPU) @ y.to(GPU)).cpu() - exact).norm() / exact.norm()
    fine = (exact_product(x.to(GPU), y.to(GPU)).cpu() - exact).norm() / exact.norm()
    assert fine < 1e-6 < 1e-4 < coarse


def test_a_step_of_muon_is_that_of_the_cpu():
    gradients = [torch.randn(p.shape, generator=seeded(i)) for i, p in enumerate(encoder().parameters())]
    ends = []
    for device in ("cpu", GPU):
        network = encoder().to(device)
        muon = Muon(network.parameters(), lr=0.05, vector_lr=3e-3, weight_decay=0.01)
        for _ in range(3):
            for p, gradient in zip(network.parameters(), gradients, strict=True):
                p.grad = gradient.to(device)
            muon.step()
        ends.append([p.detach().cpu() for p in network.parameters()])
    for here, there in zip(*ends, strict=True):
        torch.testing.assert_close(there, here, atol=2e-4, rtol=2e-3)


@pytest.mark.parametrize("backbone", ["slim", "resnet18"])
def test_images_land_where_they_land_on_a_cpu(backbone):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), np.uint8)
    network = encoder(backbone).eval()
    here, there = project(network, pixels), project(network, pixels, device=GPU)
    for a, b in zip(here, there, strict=True):
        assert np.abs(a - b).max() < 1e-4 * np.ptp(a)
    assert next(network.parameters()).device.type == "cpu"


def test_images_that_do_not_fit_are_fetched_and_are_the_same(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), np.uint8)
    rows = [torch.arange(7), torch.tensor([3, 49, 0])]
    inside = [x.cpu() for x in sources.Source(pixels, GPU).stream(rows)]
    monkeypatch.setattr(sources, "_RESIDENT_SHARE", 0.0)
    outside = sources.Source(pixels, GPU)
    assert outside._resident is None
    for a, b in zip(inside, outside.stream(rows), strict=True):
        assert torch.equal(a, b.cpu())


@pytest.mark.parametrize("low", [False, True])
def test_a_recording_gives_what_the_network_gives(low, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from recording import record

    plain = encoder("resnet18").to(GPU, memory_format=torch.channels_last).train()
    network = copy.deepcopy(plain)
    found = []
    for module in (plain, network):
        optimizer = torch.optim.SGD(module.parameters(), 0.05)
        losses = []
        for step in range(6):
            x = torch.rand(64, 3, 24, 24, generator=seeded(step)).to(GPU)
            with torch.autocast("cuda", torch.bfloat16, enabled=low):
                if module is network and step == 0:
                    record(module, x)
                z = module(x)
            loss = (z - x.mean((1, 2, 3))[:, None]).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        found.append((losses, [b.float().clone() for b in module.buffers()]))
    (here, before), (there, after) = found
    assert "forward" in vars(network)
    assert here[-1] < 0.5 * here[0]
    assert there == pytest.approx(here, rel=5e-2 if low else 1e-3)
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, rtol=5e-2, atol=5e-3)


def test_training_learns_and_images_land_where_they_were():
    pixels, kinds = stripes(600, size=16, channels=3)
    made = augmap.fit(pixels, epochs=[40, 100], batch_size=128, backbone="slim", device="cuda")
    one_step = {"epochs": None, "steps": 1, "warmup_epochs": 0.0}
    stages = tuple(dataclasses.replace(stage, **one_step) for stage in made.config.stages)
    untrained = augmap.fit(pixels, config=made.config.replace(stages=stages), device="cuda")
    accuracy = knn_accuracy(made.positions, kinds).accuracy
    assert accuracy > 0.9
    assert accuracy > knn_accuracy(untrained.positions, kinds).accuracy + 0.08
    placed = made.embed(pixels[:20])
    np.testing.assert_allclose(placed.positions, made.positions[:20], atol=1e-3 * np.ptp(made.positions))


def test_the_users_own_network_trains():
    config = small_config(Stage(name="map", epochs=2))
    outcome = run(config, runtime=Runtime(device="cuda"))
    assert np.isfinite(outcome.positions).all()
