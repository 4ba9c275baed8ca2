"""Generators depend on seed and key, and on nothing else."""

import torch

from augmap.method.seeds import generator


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
