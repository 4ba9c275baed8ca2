"""Names: every path has one, one way and back; splits and labels from folders."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augmap.images.names import escape, label_of, member_name, numbered, split_of, unescape


@given(st.binary(max_size=30))
def test_there_and_back(path):
    name = escape(path)
    assert unescape(name) == path
    assert name == escape(os.fsdecode(path))
    assert len(name.splitlines()) <= 1
    name.encode("utf-8")  # valid text


@given(st.text(max_size=20))
def test_text_there_and_back(path):
    if not any(0xD800 <= ord(c) <= 0xDFFF for c in path):
        assert unescape(escape(path)).decode() == path


def test_counted():
    assert escape("a/b c.png") == "a/b c.png"
    assert escape("ü 日本.png") == "ü 日本.png"
    assert escape("a\nb") == r"a\x0ab"
    assert escape(b"\xff.png") == r"\xff.png"
    assert escape(r"\xff.png") == r"\\xff.png"
    assert escape("a\u2028b") == r"a\xe2\x80\xa8b"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("./a/./b.png", "a/b.png"),
        ("/etc/x.png", "etc/x.png"),
        ("../../x.png", r"\x2e\x2e/\x2e\x2e/x.png"),
        ("a//b..png", "a/b..png"),
    ],
)
def test_members_stay_inside(path, name):
    assert member_name(path) == name
    inside = os.path.normpath(os.path.join("root", *name.split("/")))
    assert inside.startswith("root")


@pytest.mark.parametrize(
    ("name", "split", "label"),
    [
        ("x.png", "", ""),
        ("train/x.png", "train", ""),
        ("train/cat/x.png", "train", "cat"),
        ("cat/Test/x.png", "test", "cat"),
        ("a/b/c/x.png", "", "c"),
        ("valid/dog/x.png", "val", "dog"),
        ("set/validation/x.png", "val", "set"),
        ("train.png", "", ""),
        ("training/test/x.png", "train", ""),
        ("trainer/x.png", "", "trainer"),
    ],
)
def test_splits_and_labels(name, split, label):
    assert (split_of(name), label_of(name)) == (split, label)


def test_numbers():
    assert numbered(2) == ["000000", "000001"]
    assert numbered(1_000_001)[-1] == "1000000"
    assert numbered(1_000_001)[0] == "0000000"
