"""Augmentation agreement: the area under the ROC curve of "same image" against distance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from augmap.evaluate import agreement
from augmap.evaluate.agreement import augmentation_agreement
from augmap.method.transform import UserTransform


class Mean(nn.Module):
    """Each image lands where its mean colour is."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * x.mean((2, 3))


def pixels(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)


def same(images):
    return images.permute(0, 3, 1, 2).float() / 255


def noisy(images):
    return (same(images) + torch.randn(len(images), 1, 1, 1) / 10).clamp(0, 1)


def by_sklearn(n, transform):
    seen = []

    class Watch(Mean):
        def forward(self, x):
            seen.append(super().forward(x).detach())
            return seen[-1]

    found = augmentation_agreement(Watch(), pixels(n), transform)
    z = torch.cat(seen).double()
    first, second = z[:n], z[n:]
    want = []
    for i in range(n):
        d = (first[i] - second).norm(dim=1).numpy()
        want.append(roc_auc_score(np.arange(n) == i, -d))
    return found, np.array(want)


@pytest.mark.parametrize("batch", [256, 7])
def test_it_is_the_area_under_the_curve(monkeypatch, batch):
    monkeypatch.setattr(agreement, "_BATCH", batch)
    found, want = by_sklearn(40, UserTransform(function=noisy, each="batch"))
    np.testing.assert_allclose(found, want, atol=1e-12)
    assert 0.55 < found.mean() < 0.95


def test_views_that_coincide_and_maps_that_collapse():
    still = UserTransform(function=same, each="batch")
    assert (augmentation_agreement(Mean(), pixels(300), still) == 1).all()
    flat = Mean()
    flat.scale.data.zero_()
    np.testing.assert_allclose(augmentation_agreement(flat, pixels(300), still), 0.5)


def test_same_seed_same_answer_and_one_image():
    noise = UserTransform(function=noisy, each="batch")
    a, b, c = (augmentation_agreement(Mean(), pixels(30), noise, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert augmentation_agreement(Mean(), pixels(1), noise).tolist() == [1]
