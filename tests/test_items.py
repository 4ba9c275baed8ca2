"""Items: the table of a map, and that any name survives its CSV."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augmap.errors import InputError
from augmap.items import Items, label_column, read_table, row_numbers, write_table

# every text that UTF-8 can hold, and single bytes that it cannot, as the file system hands them over
_TEXT = st.text(
    st.one_of(st.sampled_from(list("ab,\"'\n\r\t \x00;\\é𝄞\u2028")), st.characters(codec="utf-8")),
    max_size=12,
)
_NAMES = st.one_of(_TEXT, st.builds("a{}b".format, st.sampled_from(["\udc80", "\udcff", "x\udce9,\n"])))
_SCORES = st.one_of(st.just(np.nan), st.floats(allow_nan=True, allow_infinity=True, width=64))


@given(st.lists(st.tuples(_NAMES, _TEXT.filter(lambda t: not t.endswith("\0")), _SCORES), max_size=6))
def test_any_name_and_score_comes_back(rows):
    names, labels, scores = ([r[i] for r in rows] for i in range(3))
    items = Items(
        names, ["train"] * len(rows), {"label": np.array(labels, dtype=str)}, {"s": np.array(scores, float)}
    )
    again = Items.from_csv(items.to_csv(), scores=["s"])
    assert (again.names, again.splits) == (items.names, items.splits)
    assert again.labels["label"].tolist() == labels
    np.testing.assert_array_equal(again.scores["s"], items.scores["s"])  # to the last bit; NaN is NaN


@given(st.lists(_TEXT, min_size=1, max_size=5))
def test_other_programs_read_it(names):
    rows = list(csv.reader(io.StringIO(Items(names).to_csv().decode(), newline="")))
    assert rows == [["name", "split"], *([n, ""] for n in names)]


def test_counted():
    items = Items(["a.png", "b,c.png"], ["", "test"], {"label": np.array(["x", ""])}, {"s": [0.1, np.nan]})
    assert items.to_csv() == b'name,split,label,s\na.png,,x,0.1\n"b,c.png",test,,\n'


def test_half_a_surrogate_pair_does_not_stop_the_saving_of_a_map():
    assert Items(["a\ud83d", "b\udcff"]).to_csv() == "name,split\na\ufffd,\nb".encode() + b"\xff,\n"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Items(["a"], ["", ""]), "splits must have 1 entries, got 2"),
        (
            lambda: Items(["a"], labels={"label": np.array(["x", "y"])}),
            "'label' must have shape (1,), got (2,)",
        ),
        (lambda: Items(["a"], scores={"s": np.zeros((1, 1))}), "'s' must have shape (1,), got (1, 1)"),
        (lambda: Items(["a"], labels={"name": np.array(["x"])}), "column 'name' is taken"),
        (lambda: Items(["a"], labels={"s": ["x"]}, scores={"s": [1]}), "column 's' is taken"),
        (lambda: Items(["a", 7]), "names must be text, row 1 is int 7"),
        (lambda: Items(["a", b"b"]), "names must be text, row 1 is bytes b'b'"),
        (lambda: Items(["a", "b"], [None, "test"]), "splits must be text, row 0 is NoneType None"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must start with name,split"),
        (b"name,label\na,b\n", "must start with name,split and differ; got ['name', 'label']"),
        (b"name,split,x,x\n", "and differ"),
        (b"name,split\na\n", "row 1 has 1 entries, the header 2"),
        (b'name,split\n"a,b\n', "not a table (unexpected end of data)"),
        (b"name,split,s\na,,high\n", "a score is not a number"),
    ],
)
def test_from_csv_names_the_file_and_the_row(data, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        Items.from_csv(data, scores=["s"], where="m/items.csv")
    assert str(refused.value).startswith("m/items.csv: ")


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["a", None, "nan", "None"], ["a", "", "nan", "None"]),
        (["a", float("nan"), np.float32("nan")], ["a", "", ""]),
        (np.array(["a", None, np.nan], dtype=object), ["a", "", ""]),
        (np.array([1, np.nan, 0.5]), ["1.0", "", "0.5"]),
        (np.array([0.1, np.nan], np.float32), ["0.1", ""]),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), ["2020-01-01", ""]),
        ([3, -1], ["3", "-1"]),
        ([True, b"x"], ["True", "x"]),
        (np.array(["nan", ""]), ["nan", ""]),
        ([], []),
    ],
)
def test_labels_as_text(values, texts):
    column = label_column(values)
    assert (column.dtype.kind, column.tolist()) == ("U", texts)
    made = Items([str(i) for i in range(len(texts))], labels={"label": values})
    assert made.labels["label"].tolist() == texts


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [([2, 0], [2, 0]), ([-1, 1], [2, 1]), ([], []), ([True, False, True], [0, 2]), (range(2), [0, 1])],
)
def test_rows(rows, numbers):
    assert row_numbers(rows, 3).tolist() == numbers


def test_take_and_scores():
    items = Items(["a", "b", "c"], labels={"label": ["x", "y", "z"]}).with_scores(s=np.arange(3.0))
    some = items.take(np.array([2, 0]))
    assert (some.names, some.labels["label"].tolist(), some.scores["s"].tolist()) == (
        ["c", "a"],
        ["z", "x"],
        [2.0, 0.0],
    )
    assert list(items.columns) == ["label", "s"]
    assert items.with_scores(s=np.ones(3)).scores["s"].tolist() == [1, 1, 1]


def test_tables():
    assert read_table(write_table([("a", "b"), ("1\r", "")]), where="t") == [["a", "b"], ["1\r", ""]]
