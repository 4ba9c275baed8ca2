"""The encoder: what goes through it, what can be replaced, what is written down."""

import json

import pytest
import torch
from torch import nn

from augmap.errors import InputError
from augmap.method.encoder import Encoder, Head, UserBackbone, make_encoder

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def make(backbone="slim", **options):
    defaults = {
        "image_size": 8,
        "channels": 3,
        "dim": 2,
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "hidden": (16,),
    }
    return make_encoder(backbone, **{**defaults, **options})


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def own_module(**options):
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 7, 3))


def test_forward_is_head_of_features_of_normalised_images():
    encoder = make(mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 2.0]).eval()
    x = (IMAGES - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / torch.tensor([0.5, 0.25, 2.0])[
        :, None, None
    ]
    h = encoder.features(IMAGES)
    torch.testing.assert_close(h, encoder.backbone(x))
    z = encoder.head.last(torch.relu(encoder.head.hidden[0](h)))
    torch.testing.assert_close(encoder(IMAGES), z)
    assert (h.shape, z.shape, encoder.dim) == ((4, 256), (4, 2), 2)


def test_default_head_is_the_papers():
    with torch.device("meta"):
        head = Head(512, 128)
    shapes = [tuple(p.shape) for p in head.parameters()]
    assert shapes == [(1024, 512), (1024,), (128, 1024), (128,)]
    assert [type(m) for m in head.hidden] == [nn.Linear, nn.ReLU]


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)])
def test_deeper_head(norm, kind):
    head = Head(5, 3, hidden=(8, 9), norm=norm)
    assert [type(m) for m in head.hidden] == [nn.Linear, kind, nn.ReLU] * 2
    assert head(torch.rand(4, 5)).shape == (4, 3)
    assert Head(5, 3, hidden=()).last.in_features == 5


def test_last_layer_is_float32_under_autocast():
    encoder = make(hidden=(1024,)).eval()
    encoder.replace_last(2, std=1.0, generator=generator())
    seen = []
    encoder.last.register_forward_hook(lambda m, i, o: seen.append((i[0], o)))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        z, h = encoder(IMAGES), encoder.features(IMAGES)
    (wide, out), *_ = seen
    assert z.dtype == h.dtype == wide.dtype == out.dtype == torch.float32
    # not bfloat16 in disguise: the exact product of what came in
    exact = wide.double() @ encoder.last.weight.double().T + encoder.last.bias.double()
    assert (z - exact).abs().max() < 1e-5 * exact.abs().max()
    assert not torch.equal(z, z.bfloat16().float())


def test_weights_are_a_function_of_the_seed_alone():
    before = torch.get_rng_state()
    first, again, other = make(seed=1), make(seed=1), make(seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert not torch.equal(first.last.weight, other.last.weight)
    assert not torch.equal(first.backbone.stem[0].weight, other.backbone.stem[0].weight)


def test_new_last_layer_as_in_the_papers_second_stage():
    encoder = make(hidden=(1024,), dim=128)
    kept = encoder.head.hidden[0].weight
    before = torch.get_rng_state()
    encoder.replace_last(2, std=1.0, generator=generator(5))
    assert torch.equal(torch.get_rng_state(), before)
    assert (encoder.dim, encoder.last.weight.shape, encoder.last.weight.device.type) == (2, (2, 1024), "cpu")
    assert encoder.head.hidden[0].weight is kept
    assert encoder.last.weight.std().item() == pytest.approx(1, abs=0.06)  # 2048 numbers: sd 0.016
    assert encoder.last.bias.abs().max() <= 1 / 32  # PyTorch's default, 1 / sqrt(1024)
    again, third = make(hidden=(1024,)), make(hidden=(1024,))
    again.replace_last(2, std=1.0, generator=generator(5))
    third.replace_last(2, std=3.0, generator=generator(5))
    assert torch.equal(again.last.weight, encoder.last.weight)
    torch.testing.assert_close(third.last.weight, 3 * encoder.last.weight)
    third.replace_last(3, generator=generator(5))
    assert third.last.weight.abs().max() <= 1 / 32
    assert third.last.weight.abs().max() > 0.03


def test_new_head_and_cut_output():
    encoder = make().eval()
    encoder.replace_head(5, hidden=(9, 4), norm="layer", std=0.5, generator=generator())
    assert encoder.spec()["hidden"] == [9, 4]
    assert (encoder.spec()["norm"], encoder.dim) == ("layer", 5)
    z = encoder(IMAGES)
    encoder.keep_columns(2)
    torch.testing.assert_close(encoder(IMAGES), z[:, :2])
    assert encoder.spec()["dim"] == 2
    with pytest.raises(InputError, match=r"columns to keep must lie in \[1, 2\], got 3"):
        encoder.keep_columns(3)


@pytest.mark.parametrize("backbone", ["slim", own_module()])
def test_described_in_json_and_built_again(backbone):
    encoder = make(backbone, hidden=(16, 8), norm="batch", mean=[0.1, 0.2, 0.3])
    spec = json.loads(json.dumps(encoder.spec()))
    own = None if isinstance(backbone, str) else own_module()
    assert spec["backbone"] == ("slim" if own is None else "custom")
    again = Encoder.from_spec(spec, own)
    assert again.spec() == encoder.spec()
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(again.eval()(IMAGES), encoder.eval()(IMAGES), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "own", "match"),
    [
        ({"backbone": "custom"}, None, "a backbone of your own: give it as backbone=module"),
        ({}, own_module(), "this encoder has the backbone 'slim': leave"),
        ({"backbone": "custom"}, own_module(), "returns 7 features, the encoder was made with 256"),
        ({"backbone": "vgg"}, None, "unknown backbone 'vgg'"),
        ({"norm": "group"}, None, "unknown norm 'group'; choose one of None, 'batch', 'layer'"),
        ({"hidden": [0]}, None, r"at least one column, got \(0, 2\)"),
        ({"anchors": -3}, None, r"at least one column, got \(.*-3, 2\)"),
        ({"std": [1.0, 0.0, 1.0]}, None, r"std above 0, got .* and \[1.0, 0.0, 1.0\]"),
    ],
)
def test_descriptions_that_do_not_fit(change, own, match):
    with pytest.raises(InputError, match=match):
        Encoder.from_spec({**make().spec(), **change}, own)


def test_incomplete_description():
    spec = make().spec()
    del spec["hidden"]
    with pytest.raises(InputError, match="lacks 'hidden'"):
        Encoder.from_spec(spec)


def test_users_module_is_copied_and_pooled():
    module = own_module()
    module[1].eval()
    state = {k: v.clone() for k, v in module.state_dict().items()}
    encoder = make(module)
    assert encoder.backbone.features == 7
    x = (IMAGES - 0.5) / 0.25
    torch.testing.assert_close(encoder.eval().features(IMAGES), module.eval()(x).mean((2, 3)))
    encoder.train()(IMAGES)
    nn.init.zeros_(encoder.backbone.module[0].weight)
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name])


def test_looking_at_a_module_leaves_its_modes():
    module = own_module()
    module[1].eval()
    backbone = UserBackbone(module, 8, 3)
    assert [m.training for m in backbone.module] == [True, False, True, True]
    assert torch.equal(backbone.module[1].running_mean, torch.zeros(6))


class Returning(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value(x)


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (nn.Conv2d(1, 4, 3), r"does not take images of shape \(1, 3, 8, 8\) .*for 3 channels and 8 px"),
        (Returning(lambda x: (x.flatten(1), 0)), r"must return a tensor \(b, f\), got tuple"),
        (Returning(lambda x: x.flatten(2)), r"\(b, f\) or \(b, f, h, w\), got \(1, 3, 64\) of torch.float32"),
        (Returning(lambda x: x.flatten()[None][0]), r"got \(192,\)"),
        (
            Returning(lambda x: x.flatten(1).argmax(1, keepdim=True)),
            "of torch.int64 for one image; pool or flatten",
        ),
    ],
)
def test_users_module_that_does_not_fit(module, match):
    with pytest.raises(InputError, match=match):
        make(module)


def test_a_head_on_the_sphere_sees_directions_only():
    torch.manual_seed(0)
    h = torch.randn(5, 8)
    head = Head(8, 2, hidden=(16,), on_sphere=True).eval()
    assert torch.allclose(head(h), head(3 * h), atol=1e-6)
    plain = Head(8, 2, hidden=(16,)).eval()
    assert not torch.allclose(plain(h), plain(3 * h), atol=1e-3)


def test_scaling_the_output():
    encoder = make_encoder("slim", image_size=8, channels=1, dim=2, mean=[0.5], std=[0.2]).eval()
    x = torch.rand(3, 1, 8, 8)
    before = encoder(x)
    encoder.scale_last(20.0)
    assert torch.allclose(encoder(x), 20 * before, rtol=1e-5)
