"""Backbones: counted parameters, shapes at all sizes, names that saved maps rely on."""

import pytest
import torch
from torch import nn

from augmap.errors import InputError
from augmap.method.backbones import BACKBONES, make_backbone


def made(name, image_size=32, channels=3):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make_backbone(name, image_size, channels)


@pytest.mark.parametrize(
    ("name", "image_size", "count", "features"),
    [
        ("resnet18", 32, 11_168_832, 512),
        # the numbers of torchvision's networks, less 1000 (f + 1) of the classifier
        ("resnet18", 224, 11_689_512 - 513_000, 512),
        ("resnet34", 224, 21_797_672 - 513_000, 512),
        ("resnet50", 224, 25_557_032 - 2_049_000, 2048),
        # a stem of 3x3 in place of 7x7: 64 * 3 * (49 - 9) fewer
        ("resnet34", 64, 21_797_672 - 513_000 - 7_680, 512),
        ("resnet50", 64, 25_557_032 - 2_049_000 - 7_680, 2048),
        ("slim", 32, 1_127_712, 256),
    ],
)
def test_parameters_are_counted(name, image_size, count, features):
    with torch.device("meta"):
        backbone = BACKBONES[name](image_size, 3)
    assert sum(p.numel() for p in backbone.parameters()) == count
    assert backbone.features == features


@pytest.mark.parametrize("image_size", [8, 24, 32, 33, 64, 128])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_slim_takes_any_size(image_size, channels):
    backbone = made("slim", image_size, channels)
    x = torch.randn(2, channels, image_size, image_size)
    h = backbone(x)
    assert h.shape == (2, backbone.features)
    # at most 16 pixels reach the first stage, and never fewer than 8
    assert 8 <= backbone.stem(x).shape[-1] <= 17


@pytest.mark.parametrize(
    ("name", "image_size", "last", "side"),
    [("resnet18", 32, 512, 4), ("resnet18", 96, 512, 3), ("resnet50", 16, 2048, 2), ("resnet34", 8, 512, 1)],
)
def test_resolution_of_the_last_stage(name, image_size, last, side):
    backbone = made(name, image_size, 1)
    x = torch.zeros(1, 1, image_size, image_size)
    with torch.no_grad():
        assert backbone.eval().stages(backbone.stem(x)).shape == (1, last, side, side)
        assert backbone(x).shape == (1, last)


def test_start_of_the_weights():
    backbone = made("resnet18")
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            # Kaiming, fan out: variance 2 / (c_out k²); a layer of n weights shows it to about sqrt(2 / n)
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            ratio = module.weight.var().item() * fan_out / 2
            assert abs(ratio - 1) < 6 * (2 / module.weight.numel()) ** 0.5
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert torch.equal(module.bias, torch.zeros_like(module.bias))


def test_names_of_the_weights_are_those_of_saved_maps():
    with torch.device("meta"):
        names = {
            name: [k for k in make(32, 3).state_dict() if "num_b" not in k]
            for name, make in BACKBONES.items()
        }
    block = ["conv1.weight", "norm1.weight", "norm1.bias", "norm1.running_mean", "norm1.running_var"]
    stem = ["0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    assert names["resnet18"][:5] == [f"stem.{k}" for k in stem]
    assert names["resnet18"][5:10] == [f"stages.0.0.{k}" for k in block]
    assert "stages.3.1.conv2.weight" in names["resnet34"]
    assert "stages.1.0.shortcut.0.weight" in names["slim"]
    assert "stages.3.2.conv3.weight" in names["resnet50"]


def test_blocks_add_their_input():
    # with the last BatchNorm of each branch at 0 a block is ReLU of its shortcut
    for name in ("resnet18", "resnet50"):
        backbone = made(name).eval()
        block = backbone.stages[0][-1]
        last = block.norm3 if name == "resnet50" else block.norm2
        nn.init.zeros_(last.weight)
        x = torch.rand(1, block.c_out, 4, 4)
        assert torch.equal(block(x), x)


def test_unknown_name():
    with pytest.raises(InputError, match="unknown backbone 'resnet19'; choose one of slim, resnet18"):
        make_backbone("resnet19", 32, 3)


def test_the_gradient_of_the_mean_is_written_out():
    """The last ReLU gets a gradient in the layout of its output; expanded it takes ten times as long."""
    backbone, seen = made("slim"), []
    backbone.stages[-1][-1].register_full_backward_hook(lambda module, inner, outer: seen.extend(outer))
    backbone(torch.rand(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)).sum().backward()
    assert len(seen) == 1
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["slim", "resnet50"])
def test_the_shortcut_is_added_in_place(name, monkeypatch):
    """One buffer fewer a block: nothing but the layers themselves makes tensors of that size."""
    backbone = made(name)
    monkeypatch.setattr(torch.Tensor, "__add__", lambda *a: pytest.fail("the sum took a buffer of its own"))
    backbone(torch.rand(2, 3, 32, 32))
