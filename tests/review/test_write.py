"""The review on disk: whole, repeatable, and never at the cost of what a person decided."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.review.find import find
from augmap.review.pictures import from_pixels
from augmap.review.write import check_output, write_review
from looked_at import blobs, map_of, textures


@pytest.fixture
def reviewed(tmp_path):
    """A map on disk of 60 images with one exact copy, and what was found on it."""
    pixels = textures(60)
    pixels[59] = pixels[0]
    labels = np.array(["ant", "bee"] * 30)
    positions = blobs([(0, 0), (30, 0)], [30, 30])[np.arange(60).reshape(2, 30).T.ravel()]
    m = map_of(positions, labels=labels, pixels=pixels, splits=["train", "test"] * 30, source="photos")
    m.save(tmp_path / "m.map")
    return m, find(m, from_pixels(pixels)), from_pixels(pixels), tmp_path


def write(reviewed, **options):
    m, found, pictures, home = reviewed
    return write_review(home / "review", m, found, pictures, map_folder=home / "m.map", **options)


def rows_of(path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(), newline="")))


def test_folder_and_map_get_their_files(reviewed):
    _, found, _, home = reviewed
    sheets = write(reviewed, seen="pixels of photos", root="photos")
    there = {p.name for p in (home / "review").iterdir()}
    drawn = {name for s in sheets.values() for name in s.files}
    assert there == {"review.csv", "review.json", "summary.md"} | drawn
    assert "duplicates.png" in drawn
    table = rows_of(home / "review" / "review.csv")
    assert len(table) == sum(len(q.entries) for q in found.queues)
    assert (home / "m.map" / "review.csv").read_bytes() == (home / "review" / "review.csv").read_bytes()
    again = ImageMap.load(home / "m.map")  # every file fits its hash
    assert set(again.items.scores) == set(found.scores)
    np.testing.assert_array_equal(again.items.scores["duplicate_group"], found.scores["duplicate_group"])
    assert json.loads((home / "m.map" / "regions.json").read_text())["n"] == 60
    record = json.loads((home / "review" / "review.json").read_text())
    assert (record["root"], record["source"], record["n"]) == ("photos", "photos", 60)
    assert record["absent"] == {"uncertain": "not asked for"}


def test_the_summary_links_what_is_there(reviewed):
    home = reviewed[3]
    write(reviewed, seen="pixels of photos")
    text = (home / "review" / "summary.md").read_text()
    links = re.findall(r"\]\((.+?)\)", text)
    assert links
    assert all((home / "review" / link).is_file() for link in links)
    assert "1 group of copies, 2 images; across splits 1 group, with 1 image outside train" in text
    assert "**Uncertain images**: not looked for; not asked for." in text
    assert "augmap apply review.csv --list" in text


def test_decisions_survive_another_review(reviewed):
    home = reviewed[3]
    write(reviewed)
    path = home / "review" / "review.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1] + "drop", *lines[2:]]) + "\n")
    with pytest.raises(
        InputError, match=re.escape("pass --overwrite (what was decided in its review.csv is")
    ):
        check_output(home / "review", overwrite=False)
    check_output(home / "review", overwrite=True)
    write(reviewed)
    assert [r["decision"] for r in rows_of(path)][:2] == ["drop", ""]
    assert [r["decision"] for r in rows_of(home / "m.map" / "review.csv")][:2] == ["drop", ""]
    # and where the folder is another one, those in the map are carried over
    m, found, pictures, _ = reviewed
    write_review(home / "second", m, found, pictures, map_folder=home / "m.map")
    assert rows_of(home / "second" / "review.csv")[0]["decision"] == "drop"


def test_a_table_that_is_not_understood_stops_it_before_anything_is_written(reviewed):
    home = reviewed[3]
    (home / "review").mkdir()
    (home / "review" / "review.csv").write_text("my own notes\n")
    before = {p: p.read_bytes() for p in (home / "m.map").iterdir() if p.is_file()}
    with pytest.raises(InputError, match="has no columns name and decision"):
        write(reviewed)
    assert [p.name for p in (home / "review").iterdir()] == ["review.csv"]
    assert {p: p.read_bytes() for p in before} == before


def test_pages_of_an_earlier_review_go_and_other_pictures_stay(reviewed):
    home = reviewed[3]
    (home / "review").mkdir()
    for name in ("duplicates-2.png", "outliers-7.png", "holiday.png"):
        (home / "review" / name).write_bytes(b"old")
    write(reviewed)
    there = {p.name for p in (home / "review").iterdir()}
    assert "duplicates-2.png" not in there
    assert "outliers-7.png" not in there
    assert "holiday.png" in there


def test_without_pictures_there_are_no_sheets(reviewed):
    m, found, _, home = reviewed
    assert write_review(home / "review", m, found) == {}
    assert {p.name for p in (home / "review").iterdir()} == {"review.csv", "review.json", "summary.md"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file", "is a file; a review is a folder"),
        ("other", "exists and is not a review"),
        (
            "photos.map/review.csv",
            "a review is a folder, and review.csv lies in it; give a folder, as -o review/",
        ),
    ],
)
def test_other_peoples_places_are_refused(tmp_path, name, message):
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.txt").write_text("x")
    with pytest.raises(InputError, match=message):
        check_output(tmp_path / name, overwrite=True)
    (tmp_path / "empty").mkdir()
    check_output(tmp_path / "empty", overwrite=False)
    check_output(tmp_path / "new", overwrite=False)
