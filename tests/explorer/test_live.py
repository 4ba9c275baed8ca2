"""Watching a training: frames, losses, events, and what the page may ask."""

from __future__ import annotations

import base64
import dataclasses
import json

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from asking import Asking, reason
from augmap.explorer import film, live, probe
from augmap.explorer.live import Live
from augmap.explorer.originals import Originals
from augmap.explorer.replay import from_u16, read_replay, replay_bytes, thinned, to_u16
from augmap.explorer.serve import Site
from augmap.method.control import Control
from augmap.method.watch import Report
from madeup import full_map

REPORT = Report(
    stage="pretrain", stage_number=0, stages=2, step=10, steps=100, epoch=1.25, loss=4.5, learning_rate=0.1,
    views_per_second=1000.0, seconds=20.0, seconds_left=180.0,
)  # fmt: skip


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watched(clock):
    found = Live(Control(clock), 2.0, clock)
    found.begin(1000, np.random.default_rng(0).uniform(-1, 1, (50, 2)))
    return found


def report(**changes):
    return dataclasses.replace(REPORT, **changes)


def data(events, kind):
    return [json.loads(text) for _, name, text in events if name == kind]


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_16_bits_are_enough():
    uv = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    assert np.abs(from_u16(to_u16(uv)) - uv).max() <= 1 / 65535 + 1e-12
    assert to_u16(np.array([[-1.0, 1.0]])).tolist() == [[0, 65535]]
    assert to_u16(np.array([[-7.0, 7.0]])).tolist() == [[0, 65535]]


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_frame_is_turned_onto_the_one_before(mirrored):
    before = np.random.default_rng(1).normal(size=(40, 2)) * [3, 1]
    flip = np.diag([1, -1]) if mirrored else np.eye(2)
    frame = film.make_frame(100 * before @ turn(2.0) @ flip + 7, before)
    offset = frame.uv - frame.uv.mean(0)
    wanted = before - before.mean(0)
    factor = np.linalg.norm(offset) / np.linalg.norm(wanted)
    np.testing.assert_allclose(offset, wanted * factor, atol=1e-9)
    assert np.abs(frame.uv).max() == pytest.approx(1, abs=1e-5)
    assert (frame.dim, frame.pca) == (2, False)


def test_many_columns_show_their_two_widest_directions():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(300, 128)) * 0.01
    z[:, 17], z[:, 40] = rng.normal(size=300) * 9, rng.normal(size=300) * 3
    frame = film.make_frame(z, None)
    assert (frame.dim, frame.pca) == (128, True)
    assert abs(np.corrcoef(frame.uv[:, 0], z[:, 17])[0, 1]) > 0.99
    assert abs(np.corrcoef(frame.uv[:, 1], z[:, 40])[0, 1]) > 0.99


@pytest.mark.parametrize("z", [np.full((50, 2), np.nan), np.zeros((50, 2)), np.full((50, 3), 2.0)])
def test_what_cannot_be_shown_is_no_frame(watched, z):
    assert film.make_frame(z, None) is None
    watched.show(z, REPORT)
    assert watched.replay.frames == []


def test_one_dimension_lies_on_an_axis():
    frame = film.make_frame(np.arange(6.0)[:, None], None)
    np.testing.assert_allclose(frame.uv[:, 0], np.linspace(-1, 1, 6), atol=1e-5)
    assert not frame.uv[:, 1].any()


def test_the_page_begins_with_how_the_images_look():
    rng = np.random.default_rng(0)
    dark, light = rng.integers(0, 60, (20, 16, 16, 3)), rng.integers(190, 256, (20, 16, 16, 3))
    uv = film.start(np.concatenate([dark, light]).astype(np.uint8))
    assert np.abs(uv[:20, 0].mean() - uv[20:, 0].mean()) > 1.5
    same = film.start(np.zeros((5, 1, 1, 1), np.uint8))
    assert len(np.unique(same.round(6), axis=0)) == 5


def test_frames_are_told_and_kept(watched):
    z = np.random.default_rng(0).normal(size=(50, 2))
    watched.listen(REPORT)
    watched.show(z, REPORT)
    (frame,) = data(watched.since(0), "frame")
    assert {k: frame[k] for k in ("frame", "stage", "step", "epoch", "seconds", "pca", "dim", "n")} == {
        "frame": 0, "stage": "pretrain", "step": 10, "epoch": 1.25, "seconds": 20.0, "pca": False,
        "dim": 2, "n": 50,
    }  # fmt: skip
    q = np.frombuffer(base64.b64decode(frame["xy"]), "<u2").reshape(50, 2)
    np.testing.assert_array_equal(q, watched.replay.frames[0])
    np.testing.assert_allclose(
        pdist(from_u16(q)) / pdist(z), (pdist(from_u16(q)) / pdist(z)).mean(), rtol=0.05
    )
    assert watched.replay.data() == q.tobytes()


def test_status_once_a_second_and_losses_as_they_are_new(watched, clock):
    for step in range(40):
        clock.now = step / 10
        watched.listen(report(step=step, loss=5 - step // 10, seconds=clock.now))
    events = watched.since(0)
    assert [s["step"] for s in data(events, "status")] == [0, 10, 20, 30]
    assert [p["points"] for p in data(events, "loss")] == [[[0, 5]], [[1, 4]], [[2, 3]], [[3, 2]]]
    assert data(events, "stage") == [{"stage": "pretrain", "stage_number": 0, "stages": 2}]
    assert watched.describe() == {"stages": ["pretrain"], "state": "running", "every": 2.0, "images": 1000}


def test_what_is_not_known_is_null(watched):
    watched.listen(report(loss=float("nan"), seconds_left=float("inf")))
    (status,) = data(watched.since(0), "status")
    assert (status["loss"], status["seconds_left"]) == (None, None)
    assert watched.replay.losses == []


def test_who_comes_back_gets_what_was_missed(watched):
    watched.listen(REPORT)
    last = watched.since(None)[-1][0]
    assert watched.since(last) == []
    watched.listen(report(stage="map", stage_number=1, step=100))
    kinds = [kind for _, kind, _ in watched.since(last)]
    assert kinds == ["stage", "status"]
    numbers = [number for number, _, _ in watched.since(0)]
    assert numbers == sorted(set(numbers))


def test_a_newcomer_and_one_too_late_get_how_things_stand(watched, monkeypatch):
    monkeypatch.setattr(watched, "_events", type(watched._events)(maxlen=3))
    for step in range(20):
        watched.listen(report(step=100, loss=float(step), seconds=float(step)))
    watched.show(np.random.default_rng(0).normal(size=(50, 128)), REPORT)
    for last in (None, 2, 10**6):
        events = watched.since(last)
        assert [kind for _, kind, _ in events] == ["meta", "stage", "status", "frame", "loss"]
        assert len(data(events, "loss")[0]["points"]) == 20
    watched.end("failed", "the loss is no longer finite")
    assert data(watched.since(None), "end") == [
        {"state": "failed", "reason": "the loss is no longer finite", "map": False}
    ]


def test_what_the_page_asks(watched):
    with pytest.raises(ValueError, match="it is preparing"):
        watched.act("pause")
    watched.listen(REPORT)
    assert watched.act("pause") == "paused"
    assert watched.wishes.paused
    assert data(watched.since(0), "status")[-1]["state"] == "paused"
    assert watched.act("resume") == "running"
    assert not watched.wishes.paused
    watched.act("pause")
    assert watched.act("stop") == "stopping"
    assert (watched.wishes.paused, watched.wishes.finishing) == (False, True)
    with pytest.raises(ValueError, match="it is stopping"):
        watched.act("pause")


def test_a_long_film_is_thinned(watched, monkeypatch):
    monkeypatch.setattr(live, "MAX_FRAMES", 8)
    rng = np.random.default_rng(0)
    for step in range(30):
        watched.show(rng.normal(size=(50, 2)), report(step=step))
    steps = [entry["step"] for entry in watched.replay.entries]
    assert len(steps) == len(watched.replay.frames) <= 8
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 29)
    assert data(watched.since(None), "frame")[0]["frame"] == 29
    assert thinned([(1.0, 2.0, 0), (3.0, 4.0, 0), (5.0, 6.0, 1)], 1) == [(3.0, 4.0, 1)]


def test_the_film_ends_where_the_map_stands(watched, tmp_path):
    final = np.random.default_rng(3).normal(size=(50, 2)) * [2, 1]
    for angle in (0.3, 0.2, 0.1):
        watched.show(final @ turn(angle), report(loss=float("nan")))
    uv = film.fitted(final @ turn(2.5) @ np.diag([1, -1]))
    rows = np.arange(0, 100, 2)
    replay = watched.settle(uv, rows)
    assert len(replay.frames) == 4
    np.testing.assert_array_equal(replay.frames[-1], to_u16(uv))
    for frame in replay.frames[:-1]:  # the same shape at every step, so all must lie where the map lies
        np.testing.assert_allclose(from_u16(frame), uv, atol=2e-3)

    m = full_map(100)
    m.save(tmp_path / "m.map")
    from augmap import folder as disk

    disk.update(tmp_path / "m.map", {"replay.npz": replay_bytes(replay)})
    again = read_replay(tmp_path / "m.map", disk.read_record(tmp_path / "m.map"), 100)
    assert again.describe() == replay.describe()
    assert again.data() == replay.data()
    assert again.rows.tolist() == rows.tolist()
    assert read_replay(tmp_path / "m.map", disk.read_record(tmp_path / "m.map"), 98) is None  # of another map


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_replay_that_cannot_be_understood_is_left_out(map_folder, page, content):
    from augmap import folder as disk
    from augmap.explorer.site import open_map

    disk.update(map_folder, {"replay.npz": content})
    asking = Asking(open_map(map_folder), page)
    assert asking.get("/meta.json").json()["capabilities"]["replay"] is False
    assert asking.get("/replay.json").status_code == 404


def test_a_replay_with_pickles_is_never_unpickled(map_folder):
    import io

    from augmap import folder as disk

    file = io.BytesIO()
    np.savez(file, frames=np.array([{"a": 1}], dtype=object), losses=1, rows=1, about=1)
    disk.update(map_folder, {"replay.npz": file.getvalue()})
    assert read_replay(map_folder, disk.read_record(map_folder), 40) is None


@pytest.fixture
def watching(page, clock):
    """Somebody who watches a training of 40 images from before they are read."""
    found = Live(Control(clock), 2.0, clock)
    return Asking(Site(probe.show_nothing("new.map"), found), page)


def test_the_page_is_there_before_the_images(watching, clock):
    meta = watching.get("/meta.json").json()
    assert (meta["n"], meta["capabilities"]["live"], meta["live"]["state"]) == (0, True, "preparing")
    assert watching.column("x", "<f4").tolist() == []
    assert watching.post("/control", json={"action": "pause"}).status_code == 409
    assert watching.post("/embed", content=b"x").status_code == 409
    assert watching.get("/review.json").status_code == 404


def test_the_probe_is_a_map_of_its_own(watching):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    names = [f"{i}.png" for i in range(40)]
    shown = probe.show_probe(
        "new.map", pixels, names, [""] * 40, {"label": ["a", "b"] * 20}, Originals(None, "no")
    )
    watching.site.shown = shown
    watching.site.live.begin(100, shown.m.positions)
    meta = watching.get("/meta.json").json()
    assert (meta["n"], meta["live"]["images"], meta["color_by"]) == (40, 100, "c0")
    assert watching.get("/thumbs/0.webp").status_code == 200
    assert len(watching.column("y", "<f4")) == 40
    watching.site.live.listen(REPORT)
    assert watching.post("/control", json={"action": "pause"}).json() == {"state": "paused"}
    assert "pause, resume or stop" in reason(watching.post("/control", json={"action": "explode"}))
    assert watching.get("/replay.json").json()["frames"] == []


def test_a_probe_is_a_sample_in_order():
    assert probe.sample(100).tolist() == list(range(100))
    rows = probe.sample(20_000)
    assert len(rows) == 5000 == len(set(rows.tolist()))
    assert (np.diff(rows) > 0).all()
    assert abs(rows.mean() - 10_000) < 300


def test_server_sent_events(watching):
    """Lines of the stream, until the server goes."""
    import anyio

    found = watching.site.live
    found.begin(40, np.zeros((40, 2)))
    found.listen(REPORT)
    response = live.event_stream(found, "not a number")
    assert response.media_type == "text/event-stream"

    async def read():
        lines = []
        async for line in response.body_iterator:
            lines.append(line)
            found.closed = len(lines) >= 4
        return lines

    lines = anyio.run(read)
    assert lines[0] == "retry: 1000\n\n"
    assert lines[1].startswith("id: ")
    assert "\nevent: meta\ndata: {" in lines[1]
    assert all(line.endswith("\n\n") for line in lines)
