"""``review.csv``: readable by ``fit --exclude``, and nothing that a person typed is lost."""

from __future__ import annotations

import csv
import io
import os
import re

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.images.labels import read_excluded
from augmap.review.apply import plan
from augmap.review.queues import Entry, Queue
from augmap.review.table import COLUMNS, Decided, earlier_decisions, number, read_decisions, review_csv
from looked_at import map_of

NAMES = ["a/plain.png", 'a/comma,quote".png', r"b/\xff.png", "b/new\\x0aline.png", "b/ünï.png"]
M = map_of(
    np.zeros((5, 2)), names=NAMES, splits=["train", "test", "", "", ""], labels=np.array(list("xyzxy"))
)


def queue(name: str, rows: list[int], group: int | None = None) -> Queue:
    entries = [
        Entry(row=r, rank=i, group=group, score=0.5 * i, reason="why, so") for i, r in enumerate(rows, 1)
    ]
    return Queue(name=name, entries=entries, found="")


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")))


def decide(data: bytes, **decisions: str) -> bytes:
    """Fill the column as a person would, by row number."""
    lines = rows_of(data)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for i, line in enumerate(lines):
        writer.writerow({**line, "decision": decisions.get(f"row{i}", line["decision"])})
    return out.getvalue().encode()


def test_one_row_an_entry_and_an_empty_decision():
    rows = rows_of(review_csv(M, [queue("duplicates", [0, 1], group=3), queue("outliers", [4])]))
    assert tuple(rows[0]) == COLUMNS
    assert rows[1] == {
        "queue": "duplicates", "group": "3", "rank": "2", "row": "1", "name": NAMES[1], "split": "test",
        "label": "y", "score": "1", "tag": "", "reason": "why, so", "decision": "",
    }  # fmt: skip
    assert rows[2]["group"] == ""


def test_fit_leaves_out_what_is_dropped(tmp_path):
    data = decide(review_csv(M, [queue("outliers", [0, 1, 2, 3])]), row1="drop", row2=" Drop ", row3="keep")
    (tmp_path / "review.csv").write_bytes(data)
    assert read_excluded(tmp_path / "review.csv") == [NAMES[1], NAMES[2]]


def test_decisions_are_carried_over_by_name_and_queue():
    before = [queue("duplicates", [0, 1]), queue("outliers", [1, 2])]
    data = decide(review_csv(M, before), row1="drop", row2="keep", row3="relabel: z")
    now = [queue("duplicates", [1, 3]), queue("outliers", [2, 1])]
    rows = rows_of(review_csv(M, now, read_decisions(data, "review.csv")))
    assert [(r["queue"], r["name"], r["decision"]) for r in rows] == [
        ("duplicates", NAMES[1], "drop"),
        ("duplicates", NAMES[3], ""),
        ("outliers", NAMES[2], "relabel: z"),
        ("outliers", NAMES[1], "keep"),
    ]


def test_a_decision_about_what_is_no_longer_found_stays():
    data = decide(review_csv(M, [queue("outliers", [0, 4])]), row1="drop")
    rows = rows_of(review_csv(M, [queue("duplicates", [4])], read_decisions(data, "review.csv")))
    assert [(r["queue"], r["name"], r["decision"]) for r in rows] == [
        ("duplicates", NAMES[4], ""),
        ("outliers", NAMES[4], "drop"),
    ]
    again = rows_of(review_csv(M, [], read_decisions(review_csv(M, [], Decided(rows[1:])), "x")))
    assert [r["decision"] for r in again] == ["drop"]


@pytest.mark.parametrize(("later", "first"), [("a", "drop"), ("b", "keep"), ("neither", "drop")])
def test_the_later_of_two_files_counts(tmp_path, later, first):
    base = review_csv(M, [queue("outliers", [0, 1])])
    (tmp_path / "a.csv").write_bytes(decide(base, row0="drop"))
    (tmp_path / "b.csv").write_bytes(decide(base, row0="keep", row1="keep"))
    for name in "ab":
        os.utime(tmp_path / f"{name}.csv", (1e9, 2e9 if name == later else 1e9))
    decided = earlier_decisions(tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "none.csv")
    rows = rows_of(review_csv(M, [queue("outliers", [0, 1])], decided))
    assert [r["decision"] for r in rows] == [first, "keep"]


def test_a_spreadsheets_mark_and_spaces_do_no_harm():
    data = b"\xef\xbb\xbfqueue,name, decision \r\noutliers,a/plain.png, drop \r\n"
    (row,) = read_decisions(data, "x").rows
    assert row["decision"].strip() == "drop"
    rows = rows_of(review_csv(M, [queue("outliers", [0])], read_decisions(data, "x")))
    assert rows[0]["decision"] == " drop "


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16")])
def test_decisions_come_back_from_a_spreadsheet(tmp_path, delimiter, encoding):
    data = decide(review_csv(M, [queue("outliers", [1, 3, 4])]), row0="drop", row2="keep")
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(csv.reader(io.StringIO(data.decode(), newline="")))
    (tmp_path / "review.csv").write_bytes(text.getvalue().encode(encoding))
    assert earlier_decisions(tmp_path / "review.csv") == read_decisions(data, "review.csv")
    assert read_excluded(tmp_path / "review.csv") == [NAMES[1]]
    assert plan(tmp_path / "review.csv").names == [NAMES[1]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"name,label\na,b\n", "x.csv: has no columns name and decision"),
        (b'name,decision\n"a,drop\n', "x.csv: not a table"),
    ],
)
def test_a_table_that_is_not_understood_is_not_written_over(data, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_decisions(data, "x.csv")
    assert read_decisions(b"", "x.csv").rows == ()


def test_numbers_are_short():
    assert [number(x) for x in (0.123456, 12345.6, float("nan"), 1.0, -0.5)] == [
        "0.1235",
        "12350",
        "",
        "1",
        "-0.5",
    ]
