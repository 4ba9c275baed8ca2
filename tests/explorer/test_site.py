"""What is found while a map is being looked at, and kept with it: neighbours and regions."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest

from asking import Asking
from augmap import folder as disk
from augmap.explorer.site import complete, open_map
from augmap.imagemap import ImageMap


def test_neighbours_before_and_after_they_are_ready(ask, shown):
    answer = ask.get("/col/nn_features.bin")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    before = ask.get("/near/3.json").json()
    complete(shown)
    table = ask.column("nn_features", "<u4").reshape(40, 15)
    assert before["features"] == table[3].tolist() == ask.get("/near/3.json").json()["features"]
    assert before["map"] == ask.column("nn_map", "<u4").reshape(40, 15)[3].tolist()
    assert 3 not in before["map"] + before["features"]


def test_neighbours_are_kept_with_the_map(shown, map_folder, monkeypatch):
    complete(shown)
    monkeypatch.setattr("augmap.explorer.nearby.find_features", lambda *a, **k: pytest.fail("found again"))
    monkeypatch.setattr("augmap.explorer.nearby.find_map", lambda *a, **k: pytest.fail("found again"))
    again = open_map(map_folder)
    complete(again)
    np.testing.assert_array_equal(again.near.features, shown.near.features)
    ImageMap.load(map_folder)  # every file is vouched for


def test_a_map_that_may_only_be_read(map_folder, page):
    for path in (map_folder, *map_folder.iterdir()):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        shown = open_map(map_folder)
        complete(shown)
        assert len(Asking(shown, page).column("nn_features", "<u4")) == 600
        if os.geteuid():  # root may write everywhere
            assert not (map_folder / "neighbors.npz").exists()
    finally:
        map_folder.chmod(0o755)


def test_regions_are_found_in_the_background_and_kept(map_folder, page):
    asked = []

    def find(m):
        asked.append(Asking(shown, page).get("/meta.json").json())
        assignment = [i % 3 - 1 for i in range(m.n)]
        return {
            "levels": [
                {"name": "coarse", "assignment": assignment, "regions": [{"medoid": 1}, {"medoid": 2}]}
            ]
        }

    shown = open_map(map_folder, find_regions=find)
    complete(shown)
    assert asked[0]["pending"] == ["regions"]
    assert "being found" in asked[0]["reasons"]["regions"]
    ask = Asking(shown, page)
    meta = ask.get("/meta.json").json()
    assert (meta["pending"], "regions" in meta["reasons"]) == ([], False)
    assert [r["size"] for r in meta["regions"]["levels"][0]["regions"]] == [13, 13]
    assert ask.column("r0", "u1").tolist() == [i % 3 for i in range(40)]
    again = open_map(map_folder, find_regions=lambda m: pytest.fail("found again"))
    complete(again)
    assert again.blobs.meta()["regions"] == meta["regions"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"levels": 3}',
     b'{"levels": [{"name": "a", "assignment": [0], "regions": [{"medoid": 0}]}]}',
     b'{"levels": [{"name": "a", "assignment": "x", "regions": []}]}'],
)  # fmt: skip
def test_regions_that_do_not_fit_are_left_out(map_folder, page, content):
    disk.update(map_folder, {"regions.json": content})
    assert Asking(open_map(map_folder), page).get("/meta.json").json()["regions"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"map": np.full((40, 15), 40, np.uint32)},
        {"features": np.full((40, 15), 40, np.uint32)},
        {"map": np.zeros((39, 15), np.uint32)},
        {"map": np.zeros((40, 15), np.float32)},
        {"map": np.zeros((40, 40), np.uint32)},
        {"distances": np.zeros((40, 14), np.float32)},
        {"map": np.zeros(40, np.uint32)},
        {"map": np.zeros((40, 0), np.uint32)},
    ],
)
def test_neighbours_that_do_not_fit_are_found_again(shown, map_folder, change):
    complete(shown)
    file = io.BytesIO()
    near = shown.near
    np.savez(file, **{"map": near.map, "features": near.features, "distances": near.distances, **change})
    disk.update(map_folder, {"neighbors.npz": file.getvalue()})
    again = open_map(map_folder)
    complete(again)
    np.testing.assert_array_equal(again.near.map, near.map)
    np.testing.assert_array_equal(again.near.features, near.features)
