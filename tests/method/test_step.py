"""What a step consists of: the loss of a stage, what it trains, its optimiser."""

import copy
import math

import pytest
import torch
from runs import Small
from torch import nn

from augmap.errors import InputError
from augmap.method.edges import LayoutGraph, NeighborGraph
from augmap.method.encoder import make_encoder
from augmap.method.similarity import Cauchy
from augmap.method.source import Source
from augmap.method.step import contrast, make_kernel, make_optimizer, set_rate, set_trained, stage_loss
from augmap.stage import Stage


def stage(**options):
    return Stage(**{"name": "s", "steps": 1, **options})


def encoder():
    pixels = {"image_size": 8, "channels": 1, "mean": [0.5], "std": [0.2]}
    return make_encoder(Small(), dim=2, hidden=(6,), norm="batch", **pixels)


def graph(rows):
    return NeighborGraph(Source(rows, torch.device("cpu")), torch.zeros(len(rows), 1, dtype=torch.long))


IMAGES = graph(torch.zeros(4, 8, 8, 1, dtype=torch.uint8))
FEATURES = graph(torch.zeros(4, 16))


def test_contrast_counted():
    views = torch.tensor([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])
    # squared distance 0 to the other view, 1 to both views of the other image: s = 1, 1/2, 1/2
    assert contrast(views, Cauchy(), stage()).item() == pytest.approx(math.log(2))
    assert contrast(views, Cauchy(), stage(decoupled=True)).item() == pytest.approx(math.log(1))
    # norms 0 and 1, radius 3: (9 + 4) / 2
    found = contrast(views, Cauchy(), stage(norm_penalty=2.0, norm_radius=3.0)).item()
    assert found == pytest.approx(math.log(2) + 2 * 6.5)


def test_all_views_of_an_image_attract():
    z = torch.tensor([[0.0], [1.0], [0.0], [1.0], [0.0], [3.0]])  # three views of two images
    found = stage_loss(z, None, Cauchy(), stage(views=3)).item()
    s = 1 / (1 + (z - z.T).square())
    # of six pairs of views two lie 2 apart: those of the second image's last view
    attraction = 2 / 6 * -math.log(1 + 4)
    assert found == pytest.approx((s.sum(1) - 1).log().mean().item() - attraction)
    assert found != pytest.approx(stage_loss(z[:4], None, Cauchy(), stage()).item())


def test_loss_of_places_counted():
    z, places = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 2.0]])
    found = stage_loss(z, places, Cauchy(), stage()).item()
    assert found == pytest.approx((math.log(2) + math.log(5)) / 2)


@pytest.mark.parametrize(
    ("options", "kind", "temperature"),
    [({}, "Cauchy", 1), ({"similarity": "cosine", "temperature": 0.2}, "Cosine", 0.2),
     ({"similarity": "gaussian", "temperature": 3.0}, "Gaussian", 3),
     ({"similarity": "student", "dof": 2.5}, "StudentT", 1)],
)  # fmt: skip
def test_kernel(options, kind, temperature):
    kernel = make_kernel(stage(**options))
    assert type(kernel).__name__ == kind
    assert kernel.temperature == pytest.approx(temperature)
    assert not list(kernel.parameters())
    if kind == "StudentT":
        assert kernel.dof == 2.5


def test_a_learned_temperature_cannot_move_by_itself():
    with pytest.raises(InputError, match="exclude each other"):
        make_kernel(stage(learn_temperature=True, end_temperature=0.1))


@pytest.mark.parametrize(
    ("train", "learns"), [("all", "backbone head"), ("head", "head"), ("last", "head.last")]
)
def test_what_learns_is_in_train_mode_and_the_rest_is_not(train, learns):
    e = encoder()
    assert set_trained(e, stage(train=train), IMAGES) is e
    for name, parameter in e.named_parameters():
        assert parameter.requires_grad == name.startswith(tuple(learns.split())), name
    for name, module in e.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.training == name.startswith(tuple(learns.split())), name
    set_trained(e, stage(train="all"), IMAGES)  # and back
    assert all(p.requires_grad for p in e.parameters())
    assert all(m.training for m in e.modules())


@pytest.mark.parametrize("rows", [FEATURES, LayoutGraph(FEATURES.source, torch.zeros(4, 2))])
def test_features_go_past_the_backbone(rows):
    e = encoder()
    assert set_trained(e, stage(train="head"), rows) is e.head


def with_anchors():
    e, s = encoder(), stage(edges="layout", train="head", new_layer="head", anchors=4, optimizer="muon")
    e.replace_head(2, hidden=(6,), norm="batch", anchors=4, generator=torch.Generator())
    e.head.anchors.put(torch.randn(4, 2))
    return e, s, LayoutGraph(FEATURES.source, torch.randn(4, 2))


def test_anchors_learn_what_they_read_and_by_adamw():
    e, s, layout = with_anchors()
    network = set_trained(e, s, layout)
    h, places = torch.randn(4, 16), torch.randn(4, 2)
    found = network(h)
    assert found.shape == (4, 4 + 4 * 2)
    assert torch.equal(stage_loss(found, places, None, s, e.head.anchors), e.head.anchors.loss(found, places))
    assert not any(p.requires_grad for p in [*e.last.parameters(), *e.backbone.parameters()])
    matrices, others = make_optimizer(network, Cauchy(), s).param_groups
    assert [id(p) for p in matrices["params"]] == [id(e.head.hidden[0].weight)]
    assert {id(p) for p in e.head.anchors.parameters()} < {id(p) for p in others["params"]}
    stage_loss(found, places, None, s, e.head.anchors).backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_only_what_learns_is_in_the_optimiser_all_of_it_with_weight_decay():
    e, options = encoder(), {"momentum": 0.7, "weight_decay": 0.01, "nesterov": True}
    network = set_trained(e, stage(train="head"), IMAGES)
    (group,) = make_optimizer(network, Cauchy(), stage(train="head", **options)).param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in e.head.parameters()}  # biases and norms too
    assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.7, 0.01, True)
    adam = make_optimizer(network, Cauchy(), stage(optimizer="adamw", weight_decay=0.02, momentum=0.8))
    assert type(adam).__name__ == "AdamW"
    assert (adam.defaults["betas"], adam.defaults["weight_decay"]) == ((0.8, 0.999), 0.02)


@pytest.mark.parametrize("low", [False, True])
def test_muon_learns_all_weights_and_the_temperature(low):
    e = encoder()
    s = stage(
        optimizer="muon", lr=0.02, vector_lr=0.004, momentum=0.8, weight_decay=0.1, learn_temperature=True
    )
    kernel = make_kernel(s)
    optimizer = make_optimizer(set_trained(e, s, IMAGES), kernel, s, low=low)
    matrices, vectors, temperature = optimizer.param_groups
    assert all(p.ndim >= 2 for p in matrices["params"])
    found = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert found == {id(p) for p in [*e.parameters(), *kernel.parameters()]}
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.1, 0, 0]
    assert [g["momentum"] for g in optimizer.param_groups] == [0.8] * 3
    set_rate(optimizer, 0.01)
    assert [g["lr"] for g in (matrices, vectors, temperature)] == pytest.approx([0.01, 0.002, 0.0001])
    assert optimizer.dtype == (torch.bfloat16 if low else torch.float32)


def test_a_learned_temperature_has_a_hundredth_of_the_rate_and_no_decay():
    e = encoder()
    kernel = make_kernel(stage(learn_temperature=True, temperature=0.5))
    optimizer = make_optimizer(set_trained(e, stage(), IMAGES), kernel, stage())
    set_rate(optimizer, 0.3)
    weights, temperature = optimizer.param_groups
    assert temperature["params"] == list(kernel.parameters())
    assert (weights["lr"], temperature["lr"]) == pytest.approx((0.3, 0.003))
    assert temperature["weight_decay"] == 0


def test_one_step_by_hand():
    """SGD with decay: w - r (g + d w), on every weight."""
    e = encoder()
    before = copy.deepcopy(dict(e.named_parameters()))
    optimizer = make_optimizer(set_trained(e, stage(), IMAGES), Cauchy(), stage(weight_decay=0.1))
    set_rate(optimizer, 0.5)
    x = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    contrast(e(x).unflatten(0, (2, -1)), Cauchy(), stage()).backward()
    gradients = {name: p.grad.clone() for name, p in e.named_parameters()}
    optimizer.step()
    for name, p in e.named_parameters():
        torch.testing.assert_close(p, before[name] - 0.5 * (gradients[name] + 0.1 * before[name]), msg=name)


def test_cross_entropy_counted():
    z, classes = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]), torch.tensor([1, 0])
    found = stage_loss(z, classes, Cauchy(), stage(loss="cross_entropy")).item()
    assert found == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    smooth = stage_loss(z, classes, Cauchy(), stage(loss="cross_entropy", label_smoothing=0.2)).item()
    # of row 1: 0.9 -log(3/4) + 0.1 -log(1/4)
    assert smooth == pytest.approx((math.log(2) + 0.9 * math.log(4 / 3) + 0.1 * math.log(4)) / 2)


def test_negative_sampling_is_what_a_stage_asks_for():
    views = torch.tensor([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])
    # s = 1 along the edges, and 1/2 against the other edge
    options = {"loss": "negative_sampling", "negatives": 3.0}
    found = contrast(views, Cauchy(), stage(**options)).item()
    assert found == pytest.approx(3 * math.log(2), rel=2e-3)  # but for EPSILON
    found = contrast(views, Cauchy(), stage(**options, norm_penalty=2.0, norm_radius=3.0)).item()
    assert found == pytest.approx(3 * math.log(2) + 2 * 6.5, rel=2e-3)


def test_min_dist_reaches_the_kernel():
    one, other = (make_kernel(stage(similarity="umap", min_dist=m)).b for m in (0.1, 0.5))
    assert (one, other) == pytest.approx((0.895, 1.334), abs=1e-3)


@pytest.mark.parametrize("options", [{"optimizer": "adamw"}, {"nesterov": True}])
def test_weights_that_step_together_keep_the_bits(options):
    """On a CPU all weights take each operation in one call; one after the other gives the same bits."""
    found = []
    for together in (True, False):
        e = encoder()
        s = stage(lr=1e-2, weight_decay=0.05, **options)
        optimizer = make_optimizer(set_trained(e, s, IMAGES), Cauchy(), s)
        assert all(group["foreach"] for group in optimizer.param_groups)
        for group in optimizer.param_groups:
            group["foreach"] = together
        generator = torch.Generator().manual_seed(0)
        for step in range(10):
            for p in e.parameters():
                p.grad = torch.randn(p.shape, generator=generator)
            set_rate(optimizer, 1e-2 / (step + 1))
            optimizer.step()
        found.append([p.detach() for p in e.parameters()])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
