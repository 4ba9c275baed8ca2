"""Numbers as a person reads them."""

from __future__ import annotations

import pytest

from augmap.cli.words import count, duration, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (2_340_000, "2.3 MB"),
        (5e9, "5.0 GB"),
        (5e12, "5000.0 GB"),
    ],
)
def test_size(number, text):
    assert size(number) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 images"), (1, "1 image"), (1234, "1,234 images")])
def test_count(number, text):
    assert count(number, "image") == text
