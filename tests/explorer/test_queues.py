"""The review queues and the decisions about them."""

from __future__ import annotations

import pytest

from asking import Asking, reason
from augmap import folder as disk
from augmap.explorer.queues import ConflictError, Queues
from augmap.explorer.site import open_map
from augmap.imagemap import ImageMap
from augmap.items import read_table, write_table

HEADER = ("queue", "group", "rank", "row", "name", "split", "label", "score", "tag", "reason", "decision")
LINES = [
    ("duplicates", "1", "1", "0", "a/0.png", "train", "ant", "0.99", "exact", "same pixels", ""),
    ("duplicates", "1", "1", "2", "a/2.png", "", "ant", "0.99", "exact", "same pixels", "drop"),
    ("duplicates", "2", "2", "4", "a/4.png", "test", "ant", "0.9", "near", "", ""),
    ("outliers", "", "1", "99", "gone.png", "", "", "", "", 'far, "alone"', ""),
    ("outliers", "", "2", "1", "b/1.png", "test", "bee", "inf", "", "", "keep"),
]


@pytest.fixture
def reviewed(map_folder):
    (map_folder / "review.csv").write_bytes(write_table([HEADER, *LINES]))
    return map_folder


@pytest.fixture
def queues(reviewed):
    names = ImageMap.load(reviewed).names
    return Queues(reviewed, {name: row for row, name in enumerate(names)})


def decisions(folder):
    return [line[-1] for line in read_table((folder / "review.csv").read_bytes(), where="")[1:]]


def test_queues_hold_groups_of_items(queues):
    first, second = queues.read()["queues"]
    assert (first["queue"], [g["group"] for g in first["groups"]]) == ("duplicates", ["1", "2"])
    assert [item["name"] for item in first["groups"][0]["items"]] == ["a/0.png", "a/2.png"]
    assert first["groups"][0]["items"][1] == {
        "line": 1, "row": 2, "rank": "1", "name": "a/2.png", "split": "", "label": "ant", "tag": "exact",
        "reason": "same pixels", "decision": "drop", "score": 0.99,
    }  # fmt: skip
    assert [g["group"] for g in second["groups"]] == ["", ""]
    gone, bee = (group["items"][0] for group in second["groups"])
    assert (gone["rank"], bee["rank"]) == ("1", "2")
    assert (gone["row"], gone["score"], gone["reason"]) == (None, None, 'far, "alone"')
    assert (bee["row"], bee["score"]) == (1, None)


def test_a_row_is_found_by_its_name_not_its_number(queues, reviewed):
    lines = [(*LINES[0][:3], "7", *LINES[0][4:])]
    (reviewed / "review.csv").write_bytes(write_table([HEADER, *lines]))
    assert queues.read()["queues"][0]["groups"][0]["items"][0]["row"] == 0


def test_decisions_are_written_into_their_column_alone(queues, reviewed):
    answer = queues.decide(
        [
            {"line": 0, "name": "a/0.png", "decision": "keep"},
            {"line": 3, "name": "gone.png", "decision": "relabel:bee, wild"},
            {"line": 1, "name": "a/2.png", "decision": ""},
        ]
    )
    assert answer == {"saved": 3, "decided": 3, "total": 5}
    assert decisions(reviewed) == ["keep", "", "", "relabel:bee, wild", "keep"]
    before = [line[:-1] for line in LINES]
    after = [tuple(line[:-1]) for line in read_table((reviewed / "review.csv").read_bytes(), where="")[1:]]
    assert after == before


@pytest.mark.parametrize(
    ("entry", "error", "why"),
    [
        ({"line": 0, "name": "a/2.png", "decision": "keep"}, ConflictError, "written anew"),
        ({"line": 5, "name": "a/0.png", "decision": "keep"}, ConflictError, "written anew"),
        ({"line": -1, "name": "b/1.png", "decision": "keep"}, ConflictError, "written anew"),
        ({"line": 0, "name": "a/0.png", "decision": "burn"}, ValueError, "a decision is keep"),
        ({"line": 0, "name": "a/0.png", "decision": "relabel:"}, ValueError, "a decision is keep"),
        ({"line": 0, "name": "a/0.png", "decision": "relabel:a\nb"}, ValueError, "a decision is keep"),
        (
            {"line": 0, "name": "a/0.png", "decision": "relabel:" + "x" * 201},
            ValueError,
            "a decision is keep",
        ),
        ({"line": True, "name": "a/0.png", "decision": "keep"}, ValueError, "needs a line"),
        ({"line": 0, "decision": "keep"}, ValueError, "needs a line"),
        ("keep", ValueError, "needs a line"),
    ],
)
def test_all_or_none(queues, reviewed, entry, error, why):
    before = (reviewed / "review.csv").read_bytes()
    with pytest.raises(error, match=why):
        queues.decide([{"line": 4, "name": "b/1.png", "decision": "drop"}, entry])
    assert (reviewed / "review.csv").read_bytes() == before


def test_a_file_that_the_map_vouches_for_stays_vouched_for(queues, reviewed):
    disk.update(reviewed, {"review.csv": write_table([HEADER, *LINES])})
    queues.decide([{"line": 0, "name": "a/0.png", "decision": "drop"}])
    record = disk.read_record(reviewed)
    assert b"drop" in disk.read_file(reviewed, "review.csv", record).splitlines()[1]


def test_an_edited_file_counts_as_it_is(queues, reviewed):
    """A spreadsheet may have written it: with a mark at its beginning, and no decision column."""
    disk.update(reviewed, {"review.csv": b"x"})
    lines = [("name", "queue"), ("a/0.png", "mine"), ("b/1.png", "mine")]
    (reviewed / "review.csv").write_bytes(b"\xef\xbb\xbf" + write_table(lines))
    assert [g["items"][0]["row"] for g in queues.read()["queues"][0]["groups"]] == [0, 1]
    queues.decide([{"line": 1, "name": "b/1.png", "decision": "drop"}])
    rows = read_table((reviewed / "review.csv").read_bytes(), where="")
    assert rows == [["name", "queue", "decision"], ["a/0.png", "mine", ""], ["b/1.png", "mine", "drop"]]


def test_two_decisions_about_one_line_where_nothing_was_decided_before(queues, reviewed):
    (reviewed / "review.csv").write_bytes(write_table([("name", "queue"), ("a/0.png", "mine")]))
    twice = [{"line": 0, "name": "a/0.png", "decision": decision} for decision in ("drop", "keep")]
    assert queues.decide(twice) == {"saved": 2, "decided": 1, "total": 1}
    assert queues.read()["queues"][0]["groups"][0]["items"][0]["decision"] == "keep"


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "augmap review MAP -o DIR writes"), (b"", "no columns queue and name"),
     (b'a,"b\n', "not a table"), (b"queue,name\nx\n", "line 2 has 1 entries")],
)  # fmt: skip
def test_files_that_are_no_review(map_folder, page, content, why):
    if content is not None:
        (map_folder / "review.csv").write_bytes(content)
    asking = Asking(open_map(map_folder), page)
    assert asking.get("/meta.json").json()["capabilities"]["review"] is False
    answer = asking.get("/review.json")
    assert answer.status_code == 404
    assert why in reason(answer)


def test_a_link_is_not_followed(map_folder, tmp_path, page):
    (tmp_path / "elsewhere.csv").write_bytes(write_table([HEADER, *LINES]))
    (map_folder / "review.csv").symlink_to(tmp_path / "elsewhere.csv")
    answer = Asking(open_map(map_folder), page).get("/review.json")
    assert "link" in reason(answer)


def test_a_review_that_comes_while_the_map_is_served(map_folder, page):
    asking = Asking(open_map(map_folder), page)
    meta = asking.get("/meta.json").json()
    assert "augmap review MAP -o DIR" in meta["reasons"]["review"]
    (map_folder / "review.csv").write_bytes(write_table([HEADER, *LINES]))
    meta = asking.get("/meta.json").json()
    assert (meta["capabilities"]["review"], "review" in meta["reasons"]) == (True, False)
    (map_folder / "review.csv").unlink()
    assert asking.get("/meta.json").json()["capabilities"]["review"] is False


def test_over_the_wire(reviewed, page):
    asking = Asking(open_map(reviewed), page)
    assert asking.get("/meta.json").json()["capabilities"]["review"] is True
    body = {"decisions": [{"line": 0, "name": "a/0.png", "decision": "drop"}]}
    assert asking.post("/review", json=body).json() == {"saved": 1, "decided": 3, "total": 5}
    assert asking.get("/review.json").json()["queues"][0]["groups"][0]["items"][0]["decision"] == "drop"
    body["decisions"][0]["name"] = "other"
    assert asking.post("/review", json=body).status_code == 409
    body["decisions"][0]["decision"] = "burn"
    assert asking.post("/review", json=body).status_code == 400
