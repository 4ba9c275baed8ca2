"""``summary.md``: every queue has its paragraph, absent ones too, and other people's words stay words."""

from __future__ import annotations

import numpy as np

from augmap.review.duplicates import Duplicates
from augmap.review.find import Found
from augmap.review.queues import Entry, Queue
from augmap.review.sheets import Sheets
from augmap.review.summary import summary
from looked_at import map_of

M = map_of(np.zeros((3, 2)))


def found(queues: list[Queue], absent: dict[str, str]) -> Found:
    return Found(
        queues=queues, scores={}, regions={}, absent=absent, facts={}, duplicates=Duplicates([], {}, 0)
    )


def test_each_queue_has_its_place():
    entries = [Entry(row=i, rank=i + 1, score=1.0) for i in range(3)]
    queue = Queue(name="outliers", entries=entries, found="Three images.", beyond=4)
    sheets = {"outliers": Sheets({"outliers.png": b"", "outliers-2.png": b""}, shown=2)}
    text = summary(
        M, found([queue], {"disagreement": "the map has no labels"}), sheets, title="x.map", seen="pixels"
    )
    assert text.startswith("# What is worth looking at in x.map\n\n3 images; pixels. By augmap ")
    assert "## Outliers\n\nThree images.\n\n4 more are left out of the queue" in text
    assert (
        "Sheets (the first 2 entries): [outliers.png](outliers.png), [outliers-2.png](outliers-2.png)" in text
    )
    assert "**Label disagreements**: not looked for; the map has no labels." in text
    assert "## Islands" not in text


def test_labels_are_no_markup():
    titles = {1: "island 1: 5 images, 80% <b>[x](http://y)</b> `*_|#\\"}
    entries = [Entry(row=0, rank=1, group=1, score=1.0)]
    text = summary(
        M,
        found([Queue(name="islands", entries=entries, titles=titles, found="")], {}),
        {},
        title="x",
        seen="",
    )
    line = next(li for li in text.splitlines() if li.startswith("- island"))
    assert line == r"- island 1: 5 images, 80% \<b\>\[x\](http://y)\</b\> \`\*\_\|\#" + r"\\"


def test_long_lists_are_counted():
    titles = {i: f"group {i}" for i in range(1, 31)}
    text = summary(
        M, found([Queue(name="duplicates", entries=[], titles=titles, found="")], {}), {}, title="x", seen=""
    )
    assert "- group 10\n- and 20 more\n" in text
    assert "group 11" not in text
