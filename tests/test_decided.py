"""A map is written over: what a person decided is never lost, what was measured only where it still holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from augmap import folder as disk
from augmap.imagemap import ImageMap
from augmap.items import Items
from madeup import full_map

ASKED = b"queue,name,decision\noutliers,a/0.png,\n"
DECIDED = b"queue,name,decision\noutliers,a/0.png,drop\noutliers,b/1.png,\n"
MEASURED = {"metrics.json": b"{}", "regions.json": b"[]", "neighbors.npz": b"x", "replay.npz": b"y"}


def put(path: Path, review: bytes = DECIDED) -> Path:
    full_map().save(path)
    disk.update(path, {"review.csv": review, **MEASURED})
    return path


def beside(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.glob("review*.csv")}


def with_fingerprint(m: ImageMap, fingerprint: str) -> ImageMap:
    return dataclasses.replace(m, info={**m.info, "fingerprint": fingerprint})


def test_another_map_of_the_same_images_keeps_the_decisions(tmp_path):
    path = put(tmp_path / "m")
    full_map(seed=1).save(path, overwrite=True)
    record = disk.read_record(path)
    assert disk.read_file(path, "review.csv", record) == DECIDED
    assert not record["files"].keys() & MEASURED.keys()  # of other positions
    assert not any((path / name).exists() for name in MEASURED)
    full_map(seed=2).save(path, overwrite=True)  # and the next one
    assert beside(path) == {"review.csv": DECIDED}


def test_the_same_map_keeps_everything(tmp_path):
    path = put(tmp_path / "m")
    ImageMap.load(path).save(path, overwrite=True)
    record = disk.read_record(path)
    for name, data in {**MEASURED, "review.csv": DECIDED}.items():
        assert disk.read_file(path, name, record) == data
    (path / "metrics.json").write_bytes(b"damaged")
    ImageMap.load(path).save(path, overwrite=True)
    assert disk.read_record(path)["files"].keys() & MEASURED.keys() == MEASURED.keys() - {"metrics.json"}


@pytest.mark.parametrize("change", ["fewer", "names", "fingerprint"])
def test_other_images_leave_the_decisions_beside(tmp_path, change):
    path = put(tmp_path / "m")
    other = {
        "fewer": full_map(5),
        "names": dataclasses.replace(full_map(), items=Items([f"{i}.png" for i in range(6)])),
        "fingerprint": with_fingerprint(full_map(), "other"),
    }[change]
    other.save(path, overwrite=True)
    assert beside(path) == {"review-1.csv": DECIDED}
    assert not disk.read_record(path)["files"].keys() & {"review.csv", "review-1.csv"}
    disk.update(path, {"review.csv": DECIDED + b"x,y,keep\n"})
    full_map(4).save(path, overwrite=True)
    disk.update(path, {"review.csv": DECIDED})  # which is there already
    full_map(3).save(path, overwrite=True)
    assert beside(path) == {"review-1.csv": DECIDED, "review-2.csv": DECIDED + b"x,y,keep\n"}


def test_a_table_without_decisions_goes(tmp_path):
    full_map(5).save(put(tmp_path / "m", ASKED), overwrite=True)
    assert beside(tmp_path / "m") == {}


@pytest.mark.parametrize(
    "review", [b"\xef\xbb\xbf" + DECIDED, b"my notes", b'a,"b', DECIDED.replace(b"decision", b" decision ")]
)
def test_what_a_person_made_of_it_is_kept(tmp_path, review):
    path = put(tmp_path / "m", ASKED)
    (path / "review.csv").write_bytes(review)  # by hand: the record does not know
    full_map(5).save(path, overwrite=True)
    assert beside(path) == {"review-1.csv": review}
    path = put(tmp_path / "same", ASKED)
    (path / "review.csv").write_bytes(review)
    full_map(seed=1).save(path, overwrite=True)
    assert disk.read_file(path, "review.csv", disk.read_record(path)) == review


def test_one_that_the_map_does_not_name_is_left_alone(tmp_path):
    full_map().save(tmp_path / "m")
    (tmp_path / "m" / "review.csv").write_bytes(DECIDED)
    full_map(3).save(tmp_path / "m", overwrite=True)
    assert beside(tmp_path / "m") == {"review.csv": DECIDED}


@pytest.mark.parametrize("harm", ["map.json", "items.csv"])
def test_a_damaged_map_costs_no_decision(tmp_path, harm):
    path = put(tmp_path / "m")
    (path / harm).write_bytes(b"")
    full_map(seed=1).save(path, overwrite=True)
    assert DECIDED in beside(path).values()
