"""CSV files with labels, and with names to leave out; splits."""

from __future__ import annotations

import codecs
import csv
import io
import os

import pytest

from augmap.errors import InputError
from augmap.images.open import open_images


@pytest.fixture
def tree(write, tmp_path):
    for name in ("train/cat/a.png", "train/dog/b.png", "test/cat/c.png", "d.png", "new\nline.png"):
        write(name)
    (tmp_path / "in" / "bad.png").touch()
    return tmp_path / "in"


NAMES = ["d.png", r"new\x0aline.png", "test/cat/c.png", "train/cat/a.png", "train/dog/b.png"]


def test_folder_and_none(tree):
    opened = open_images(tree)
    assert opened.names == NAMES
    assert opened.labels == {"label": ["", "", "cat", "cat", "dog"]}
    assert opened.splits == ["", "", "test", "train", "train"]
    assert open_images(tree, labels="none").labels == {}


def test_no_folders_no_labels(write, tmp_path):
    write("a.png")
    assert open_images(tmp_path / "in").labels == {}


def test_csv(tree, tmp_path):
    path = tmp_path / "labels.csv"
    rows = [
        "\ufeffname,label,coarse_label,note",
        'd.png,"a, b",x,n',
        "./test/cat/c.png,c,y,n",
        '"new\nline.png",l,z,n',
        "bad.png,q,q,n",
    ]
    path.write_text("\r\n".join(rows), "utf-8")
    opened = open_images(tree, labels=path)
    assert opened.labels == {"label": ["a, b", "l", "c", "", ""], "coarse_label": ["x", "z", "y", "", ""]}
    assert open_images(tree, labels=str(path), only_split="test").labels["label"] == ["c"]


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16"), ("\t", "utf-8"), (",", "utf-16-be")]
)
def test_csv_as_a_spreadsheet_saves_it(tree, tmp_path, delimiter, encoding):
    rows = [("name", "label", "note"), ("d.png", "ü, a; b", ""), ("test/cat/c.png", "c", "1,5; 2,5"), ()]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    (tmp_path / "l.csv").write_bytes(mark + text.getvalue().encode(encoding))
    opened = open_images(tree, labels=tmp_path / "l.csv")
    assert opened.labels == {"label": ["ü, a; b", "", "c", "", ""]}


def test_half_a_letter_is_no_table(tree, tmp_path):
    (tmp_path / "l.csv").write_bytes("name,label".encode("utf-16")[:-1])
    with pytest.raises(
        InputError, match=r"l\.csv: not a table \(.*truncated data\); save it as CSV in UTF-8"
    ):
        open_images(tree, labels=tmp_path / "l.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,label\nx.png,a\nd.png,b\n",
            r"1 of 2 names are not among the images, first 'x.png'; .*as 'bad.png'",
        ),
        ("file,label\nx.png,a\n", r"needs the columns 'name' and 'label', has \['file', 'label'\]"),
        ("", r"needs the columns 'name' and 'label', has \[\]"),
        ("name,label\nd.png,a\nd.png,b\n", "'d.png' has two labels, 'a' and 'b'"),
    ],
)
def test_csv_that_is_wrong(tree, tmp_path, text, message):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        open_images(tree, labels=tmp_path / "l.csv")


def test_csv_that_is_not_there(tree):
    with pytest.raises(InputError, match=r"nope.csv: cannot be read \(No such file"):
        open_images(tree, labels="nope.csv")


def test_only_split(tree):
    assert open_images(tree, only_split="train").names == NAMES[3:]
    with pytest.raises(InputError, match="no images of split 'val'; splits found: test, train"):
        open_images(tree, only_split="val")
    with pytest.raises(InputError, match="no images of split 'x'; splits found: test, train"):
        open_images(tree, only_split="x")


@pytest.mark.parametrize(
    ("text", "left", "note"),
    [
        (
            "name,decision\nd.png,drop\ntrain/cat/a.png,keep\ntest/cat/c.png,\n",
            [1, 2, 3, 4],
            "1 images left out",
        ),
        ("name\nd.png\ngone.png\n", [1, 2, 3, 4], "1 of its 2 names are not among the images"),
        ('name\n"new\nline.png"\n', [0, 2, 3, 4], "1 images left out"),
    ],
)
def test_exclude(tree, tmp_path, text, left, note):
    (tmp_path / "review.csv").write_text(text)
    opened = open_images(tree, exclude=tmp_path / "review.csv")
    assert opened.names == [NAMES[i] for i in left]
    assert any(note in n for n in opened.notes)


def test_a_name_that_stands_twice_is_left_out_once(tree, tmp_path):
    path = tmp_path / "review.csv"
    path.write_text(
        "queue,name,decision\nduplicates,d.png,drop\noutliers,./d.png,drop\nerrors,bad.png,drop\n"
    )
    opened = open_images(tree, exclude=path)
    assert opened.names == NAMES[1:]
    assert f"2 images left out by {path}" in opened.notes  # bad.png too, before it was found unreadable
    path.write_text("name\nd.png\nd.png\ngone.png\ngone.png\n")
    note = f"1 images left out by {path}; 1 of its 2 names are not among the images"
    assert note in open_images(tree, exclude=path).notes


def test_exclude_that_is_wrong(tree, tmp_path):
    path = tmp_path / "review.csv"
    path.write_text("file\nd.png\n")
    with pytest.raises(InputError, match="needs a column 'name'"):
        open_images(tree, exclude=path)
    path.write_text("name\n" + "\n".join(f'"{n}"' for n in NAMES) + "\nbad.png\n")
    with pytest.raises(InputError, match="leaves out all 6 images"):
        open_images(tree, exclude=os.fspath(path))
