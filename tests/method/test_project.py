"""From images to coordinates: alone or in any batch, and the statistics that the map's images need."""

import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from runs import Small, run, small_config, stripes, three_stages
from torch import nn

from augmap.method import project as projecting
from augmap.method.augment import plain
from augmap.method.place import Placer
from augmap.method.project import project, settle_statistics
from augmap.method.sets import AUGMENTATIONS
from augmap.method.source import Source
from augmap.method.weights import build_encoder, from_weights
from augmap.stage import Stage
from pictures import ROOT

PIXELS = stripes(70, channels=3)[0]


def encoder():
    return build_encoder(small_config(), PIXELS, Small(3))


def test_what_the_network_says_in_eval_mode():
    e = encoder()
    with torch.no_grad():
        h = e.eval().features(plain(torch.from_numpy(PIXELS)))
        z = e.head(h)
    e.train()
    positions, features = project(e, PIXELS)
    np.testing.assert_allclose(positions, z.numpy(), atol=1e-6)
    np.testing.assert_allclose(features, h.numpy(), atol=1e-6)
    assert positions.dtype == features.dtype == np.float32


@pytest.mark.parametrize("backbone", ["slim", "custom"])
def test_alone_or_in_any_batch(backbone, monkeypatch):
    """To 1e-5 of the map's span, whatever lies beside an image."""
    outcome = run(three_stages(backbone=backbone), PIXELS)
    e = from_weights(outcome.weights, Small(3) if backbone == "custom" else None)
    span = np.ptp(outcome.positions, axis=0).max()
    alone = np.concatenate([project(e, PIXELS[i : i + 1])[0] for i in range(10)])
    assert np.abs(alone - outcome.positions[:10]).max() < 1e-5 * span
    for batch in (7, 64):
        monkeypatch.setattr(projecting, "BATCH", batch)
        order = np.random.default_rng(batch).permutation(70)
        assert np.abs(project(e, PIXELS[order])[0] - outcome.positions[order]).max() < 1e-5 * span


@pytest.mark.parametrize(("edge", "batch"), [(8, 512), (64, 512), (128, 128), (224, 41), (2000, 16)])
def test_as_many_images_as_have_so_many_pixels(edge, batch):
    """A batch of large images would not fit where a step of few of them does."""
    images = Source(np.broadcast_to(np.uint8(0), (600, edge, edge, 3)), torch.device("cpu"))
    assert projecting._batch(images) == batch
    assert projecting._batch(Source(torch.zeros(600, 9), torch.device("cpu"))) == 512


def test_features_that_are_known_are_not_computed_again(monkeypatch):
    e = encoder()
    monkeypatch.setattr(projecting, "BATCH", 32)
    positions, features = project(e, PIXELS)
    monkeypatch.setattr(type(e), "features", lambda *a: pytest.fail("the backbone was asked"))
    again, same = project(e, PIXELS, features=features)
    assert same is features
    assert np.array_equal(again, positions)


def test_a_frozen_backbone_is_asked_once(monkeypatch):
    """``quick`` computes the features for its layout; at the end the head alone has something to say."""
    asked = []
    plainly = projecting.project
    config = small_config(
        Stage(name="pretrain", steps=4),
        Stage(name="map", steps=4, edges="layout", train="head", new_layer="head", layout_passes=2),
    )
    monkeypatch.setattr(
        "augmap.method.graphs.project", lambda *a, **k: asked.append("graph") or plainly(*a, **k)
    )
    monkeypatch.setattr(
        "augmap.method.run.project",
        lambda *a, **k: asked.append(k["features"] is not None) or plainly(*a, **k),
    )
    outcome = run(config, PIXELS)
    assert asked == ["graph", True]
    positions, features = project(from_weights(outcome.weights, Small(3)), PIXELS)
    assert np.array_equal(outcome.features, features)
    assert np.array_equal(outcome.positions, positions)


@pytest.mark.parametrize("edges", ["augmentation", "neighbors"])
def test_features_that_training_changed_are_computed_anew(edges):
    """Also where a stage before had the backbone frozen, or the last one began with a graph of them."""
    frozen = Stage(name="map", steps=2, edges="layout", train="head", new_layer="head", layout_passes=2)
    whole = Stage(name="whole", steps=2, edges=edges, lr=0.1)
    outcome = run(small_config(Stage(name="pretrain", steps=2), frozen, whole), PIXELS)
    positions, features = project(from_weights(outcome.weights, Small(3)), PIXELS)
    assert np.array_equal(outcome.features, features)
    assert np.array_equal(outcome.positions, positions)


def test_everything_is_left_as_it_was():
    e = encoder().train()
    before = {k: v.clone() for k, v in e.state_dict().items()}
    e.backbone.eval()
    project(e, PIXELS)
    assert e.training
    assert all(torch.equal(v, before[k]) for k, v in e.state_dict().items())


def test_features_alone_and_progress():
    seen = []
    positions, features = project(
        encoder(), PIXELS, positions=False, progress=lambda done, total: seen.append((done, total))
    )
    assert positions.shape == (70, 0)
    np.testing.assert_array_equal(features, project(encoder(), PIXELS)[1])
    assert seen == [(70, 70)]


def test_settled_statistics_are_those_of_the_plain_images():
    e = encoder()
    settle_statistics(e, Source(PIXELS, torch.device("cpu")), seed=0)
    first = next(m for m in e.modules() if isinstance(m, nn.BatchNorm2d))
    images = (plain(torch.from_numpy(PIXELS)) - e.mean) / e.std
    x = e.backbone.module.layers[0](images)
    torch.testing.assert_close(first.running_mean, x.mean((0, 2, 3)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first.running_var, x.var((0, 2, 3)), atol=1e-5, rtol=1e-3)


def test_settled_statistics_are_a_function_of_the_seed(monkeypatch):
    monkeypatch.setattr(projecting, "BATCH", 16)
    monkeypatch.setattr(projecting, "_STATISTICS", 32)

    def settled(seed):
        e = encoder()
        settle_statistics(e, Source(PIXELS, torch.device("cpu")), seed)
        return project(e, PIXELS)[0]

    np.testing.assert_array_equal(settled(0), settled(0))
    assert not np.array_equal(settled(0), settled(1))


class Observed(Small):
    """Notes what the libraries of a GPU are allowed while it computes."""

    seen: ClassVar[set] = set()

    def forward(self, x):
        cudnn, products = torch.backends.cudnn, torch.get_float32_matmul_precision()
        self.seen.add((cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic, products))
        return super().forward(x)


def test_in_float32_by_the_libraries_that_are_there(monkeypatch):
    """``cudnn.flags`` switches cuDNN off unless it is told not to."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    e = build_encoder(small_config(), PIXELS, Observed(3))
    try:
        for compute in (
            lambda: project(e, PIXELS),
            lambda: settle_statistics(e, Source(PIXELS, torch.device("cpu")), 0),
            lambda: Placer(e, AUGMENTATIONS["natural"], device=torch.device("cpu"))(PIXELS[0]),
        ):
            Observed.seen.clear()
            compute()
            assert Observed.seen == {(True, False, True, "highest")}
        assert torch.backends.cudnn.enabled
        assert torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


NEWER = """
import sys
sys.path[:0] = {paths!r}
import numpy as np, torch
b = torch.backends
places = [b.cuda.matmul, b.mkldnn.matmul, b.mkldnn.conv, b.cudnn.conv, b.cudnn.rnn]
{allowed}
before = [p.fp32_precision for p in places]
import augmap
pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
seen = set()
class Observed(torch.nn.Flatten):
    def forward(self, x):
        if len(x) > 1 and not torch.is_grad_enabled():
            seen.add(tuple(p.fp32_precision for p in places))
        return super().forward(x)
made = augmap.fit(pixels, preset="direct", epochs=[1], backbone=Observed(), batch_size=20, device="cpu")
assert seen == {{("ieee",) * 5}}, seen
assert [p.fp32_precision for p in places] == before
"""


@pytest.mark.parametrize(
    "allowed",
    [
        "b.cuda.matmul.fp32_precision = 'tf32'",
        "b.fp32_precision = 'tf32'",
        "b.cudnn.conv.fp32_precision = 'ieee'",
        "b.mkldnn.matmul.fp32_precision = b.mkldnn.conv.fp32_precision = 'bf16'",
    ],
)
def test_in_float32_also_where_a_program_uses_the_newer_names(allowed):
    """PyTorch raises where an older name is read after a newer one was set; in a process of its own."""
    code = NEWER.format(paths=[str(ROOT / "src")], allowed=allowed)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
