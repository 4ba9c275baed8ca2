"""Anchors: a head that says which places an image is near, and how far it lies from each."""

import json
import math

import pytest
import torch
from torch import nn

from augmap.method.anchors import NEAR, WINDOW, Anchors
from augmap.method.encoder import Encoder, make_encoder
from augmap.method.head import Head, Reading


def anchors(places, columns=4, seed=0):
    torch.manual_seed(seed)
    made = Anchors(columns, len(places), places.shape[1])
    made.put(places)
    nn.init.normal_(made.linear.weight)
    return made


def test_the_distance_between_anchors_is_the_mean_to_the_nearest_other():
    made = anchors(torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]))
    assert made.apart.item() == pytest.approx((1 + 1 + 4) / 3)
    assert anchors(torch.zeros(5, 2)).apart.item() == pytest.approx(1e-6)
    assert anchors(torch.ones(1, 3)).apart.item() == 1


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_place_counted(dim):
    places = torch.randn(7, dim, generator=torch.Generator().manual_seed(1))
    made, h = anchors(places), torch.randn(5, 4)
    found, apart = made.read(h), made.apart.item()
    for row, place in zip(found, made(h), strict=True):
        scores, offsets = row[:7].tolist(), row[7:].view(7, dim)
        m = scores.index(max(scores))
        far = [(a - places[m]).square().sum().item() for a in places]
        weights = [math.exp(s - f / (2 * (WINDOW * apart) ** 2)) for s, f in zip(scores, far, strict=True)]
        parts = zip(weights, places, offsets, strict=True)
        asked = sum(w * (a + apart * o) for w, a, o in parts) / sum(weights)
        torch.testing.assert_close(place, asked)


def test_a_loss_counted():
    places = torch.randn(20, 2, generator=torch.Generator().manual_seed(1))
    made, h = anchors(places), torch.randn(3, 4)
    asked = torch.tensor([[0.1, 0.2], [3.0, 3.0], [-0.5, 0.0]])
    found, apart, losses = made.read(h), made.apart.item(), []
    for row, y in zip(found, asked, strict=True):
        far = [math.dist(a.tolist(), y.tolist()) / apart for a in places]
        likely = [math.exp(-0.5 * f**2) for f in far]
        likely = [p / sum(likely) for p in likely]
        normal = math.log(sum(math.exp(s) for s in row[:20].tolist()))
        loss = sum(p * (normal - s) for p, s in zip(likely, row[:20].tolist(), strict=True))
        near = sorted(range(20), key=lambda k: far[k])[:NEAR]
        for k in near:
            missed = row[20:].view(20, 2)[k] - (y - places[k]) / apart
            loss += likely[k] / sum(likely[j] for j in near) * math.log1p(missed.square().sum().item())
        losses.append(loss)
    assert made.loss(found, asked).item() == pytest.approx(sum(losses) / 3, rel=1e-4)


def test_an_untrained_layer_tells_images_apart_and_moves_none_from_the_anchors():
    torch.manual_seed(0)
    made, h = Anchors(8, 50, 2), torch.randn(20, 8)
    found = made.read(h)
    assert (found[:, 50:] == 0).all()
    assert found[:, :50].std() > 0.1
    assert made(h).std(0).min() > 0.1
    assert made.apart < 0.5


def test_an_image_that_may_lie_in_two_places_lies_in_one():
    here, there = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[40.0, 0.0], [41.0, 0.0]])
    made = anchors(torch.cat([here, there]), columns=1)
    nn.init.zeros_(made.linear.weight)
    nn.init.zeros_(made.linear.bias)
    with torch.no_grad():
        made.linear.bias[:4] = torch.tensor([1.0, 1.0, 1.01, 1.0])
    assert made(torch.zeros(1, 1))[0].tolist() == pytest.approx([40.5, 0.0], abs=0.05)  # the mean is 20.5


def test_places_are_as_exact_under_autocast_as_the_scores():
    made = anchors(300 + torch.randn(50, 2), columns=8)
    h = torch.randn(6, 8)
    with torch.autocast("cpu", torch.bfloat16):
        places, found = made(h), made.read(h)
    assert places.dtype == torch.float32
    scores = found[:, :50].float()
    assert not torch.equal(places, places.bfloat16().float())
    away = (places - made.places[scores.argmax(1)]).norm(dim=1)  # bfloat16 has steps of 2 at 300
    assert (away < 6 * made.apart + 10).all()


def test_a_head_with_anchors_described_and_built_again():
    pixels = {"image_size": 8, "channels": 1, "mean": [0.5], "std": [0.2]}
    encoder = make_encoder("slim", dim=2, hidden=(6,), norm="batch", anchors=5, **pixels).eval()
    encoder.head.anchors.put(torch.randn(5, 2))
    nn.init.normal_(encoder.head.anchors.linear.weight)
    images = torch.rand(4, 1, 8, 8)
    z = encoder(images)
    h = encoder.head.hidden(encoder.features(images))
    torch.testing.assert_close(z, encoder.head.anchors(h))  # the last layer begins as the identity
    again = Encoder.from_spec(json.loads(json.dumps(encoder.spec())))
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again.eval()(images), z)
    encoder.scale_last(30.0)
    torch.testing.assert_close(encoder(images), 30 * z)
    assert torch.equal(Reading(encoder.head)(encoder.features(images)), encoder.head.anchors.read(h))
    older = {k: v for k, v in encoder.spec().items() if k != "anchors"}  # of a map made before there were any
    assert Encoder.from_spec(older).head.anchors is None


def test_new_images_are_placed_better_than_by_a_head_that_learns_the_place():
    """Features tell the group of an image, and nothing of where in it the layout happens to have put it."""
    random = torch.Generator().manual_seed(0)
    groups, n = 6, 480
    centres = 10 * torch.randn(groups, 2, generator=random)
    of = torch.arange(2 * n) % groups
    places = centres[of] + torch.randn(2 * n, 2, generator=random)
    h = torch.randn(groups, 40, generator=random)[of] + 1.6 * torch.randn(2 * n, 40, generator=random)

    def missed(learn, steps=150):
        """Median distance of new images from the centre of their group."""
        torch.manual_seed(0)
        head = Head(40, 2, hidden=(64, 64), norm="batch", anchors=100 if learn == "anchors" else None)
        if head.anchors is not None:
            head.anchors.put(places[:100])
        optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
        for _ in range(steps):
            if head.anchors is not None:
                loss = head.anchors.loss(head.read(h[:n]), places[:n])
            else:
                loss = (head(h[:n]) - places[:n]).square().sum(1).log1p().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return (head.eval()(h[n:]) - centres[of[n:]]).norm(dim=1).median().item()

    assert missed("anchors") < 0.7 * missed("places")
    assert missed("anchors") < 0.2 * missed("anchors", steps=0)
