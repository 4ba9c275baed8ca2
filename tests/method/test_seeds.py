"""Generators depend on seed and key, and on nothing else."""

import pytest
import torch

from augmap.method.seeds import chance, generator


def draw(*key):
    return torch.rand(4, generator=generator(*key)).tolist()


def test_same_key_same_numbers_whatever_was_drawn_before():
    first = draw(7, "views", 0, 12)
    torch.rand(3)
    assert draw(7, "views", 0, 12) == first


def test_every_part_of_the_key_matters():
    keys = [
        (0, "views", 0, 1),
        (1, "views", 0, 1),
        (0, "order", 0, 1),
        (0, "views", 1, 0),
        (0, "views", 0, 11),
    ]
    keys += [(0, "views", 0, 1, 1), (0, "views", 1), (2**62, "views", 0, 1)]
    assert len({tuple(draw(*key)) for key in keys}) == len(keys)


def test_chance_is_lent_and_no_other_device_is_touched(monkeypatch):
    for name in ("manual_seed", "manual_seed_all"):
        monkeypatch.setattr(torch.cuda, name, lambda seed: pytest.fail("another device was seeded"))
    before = torch.random.get_rng_state()
    drawn = []
    for key in (1, 1, 2):
        with chance(torch.device("cpu"), 0, key):
            drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.random.get_rng_state(), before)
