"""The film of a map: every recorded frame in its time, in the labels' colours, of one size."""

from __future__ import annotations

import io
import stat

import numpy as np
import pytest
from PIL import Image

from augmap import folder as disk
from augmap.errors import InputError
from augmap.explorer.replay import FILE, Replay, replay_bytes, to_u16
from augmap.imagemap import ImageMap
from augmap.images.mark import is_marked
from augmap.plots.colours import DARK
from augmap.report import film
from augmap.report.film import Timing, pictures_of, to_gif, to_mp4
from madeup import full_map

N = 40


@pytest.fixture
def watched(tmp_path):
    """A map whose probe moves in three frames from the left edge to the right one."""
    path = full_map(N).save(tmp_path / "some.map")
    frames = [to_u16(np.column_stack([np.full(20, u), np.linspace(-0.9, 0.9, 20)])) for u in (-0.9, 0.0, 0.9)]
    entries = [
        {"stage": "direct", "stage_number": 1, "step": i, "epoch": float(i), "seconds": 1.0 * i}
        | {"pca": i == 0, "loss": 1.0}
        for i in range(3)
    ]
    replay = Replay(
        frames=frames, entries=entries, losses=[], stages=["direct"], rows=np.arange(20, dtype=np.uint32)
    )
    disk.update(path, {FILE: replay_bytes(replay)})
    return path


def lit(picture: np.ndarray) -> np.ndarray:
    """Columns of the square that show points."""
    paper = np.array([int(DARK.background[i : i + 2], 16) for i in (1, 3, 5)])
    return np.flatnonzero((np.abs(picture[: film.EDGE, : film.EDGE].astype(int) - paper) > 60).any((0, 2)))


def test_points_move_from_first_to_last_frame(watched):
    pictures = list(pictures_of(watched, Timing(rate=3, seconds=3)))  # 9 moments: 0, 0.25, ..., 2
    middles = [lit(p).mean() for p in pictures]
    assert np.all(np.diff(middles) > 0)
    place = lambda u: 14 + (u + 1) / 2 * (film.EDGE - 1 - 28)  # noqa: E731
    np.testing.assert_allclose(
        [middles[0], middles[4], middles[8]], [place(-0.9), place(0), place(0.9)], atol=1.5
    )
    # half way between two frames is half way, a quarter is less: it starts slowly
    np.testing.assert_allclose(middles[2], place(-0.45), atol=1.5)
    assert middles[1] < place(-0.9 + 0.9 / 4) - 5


def test_gif(watched):
    with Image.open(io.BytesIO(to_gif(watched))) as gif:
        assert gif.size == (film.EDGE + film.LEGEND, film.EDGE + film.CAPTION)
        assert gif.info["loop"] == 0
        assert is_marked(gif)
        first = np.asarray(gif.convert("RGB"))
        assert gif.n_frames > 60
        gif.seek(gif.n_frames - 1)
        assert gif.info["duration"] == 2000
        last = np.asarray(gif.convert("RGB"))
    assert lit(first).mean() < lit(last).mean()


def test_colours_are_the_labels(watched, monkeypatch):
    seen = []
    real = film._points
    monkeypatch.setattr(film, "_points", lambda uv, rgb: seen.append(rgb) or real(uv, rgb))
    next(pictures_of(watched, Timing(rate=2, seconds=1)))
    assert len(np.unique(seen[0], axis=0)) == 2
    np.testing.assert_array_equal(seen[0][0], seen[0][2])  # ant, bee, ant, bee, ...


def test_words(watched):
    from augmap.explorer.replay import read_replay

    replay = read_replay(watched, disk.read_record(watched), N)
    assert film._words(replay, 0.0) == "direct, epoch 0 (two principal components)"
    assert film._words(replay, 1.9) == "direct, epoch 2"
    replay.entries[2]["epoch"] = 9.088
    assert film._words(replay, 1.9) == "direct, epoch 9"


def test_many_labels_are_counted():
    assert film._legend({f"{i}": "#ff0000" for i in range(30)})[-1][0] == "and 17 more"
    assert len(film._legend({f"{i}": "#ff0000" for i in range(30)})) == film.MOST_NAMES
    assert film._legend(None) == []


def test_a_map_that_was_not_watched(tmp_path):
    path = full_map(N).save(tmp_path / "some.map")
    with pytest.raises(InputError, match=r"not watched while it formed.*augmap fit --watch"):
        to_gif(path)


def test_mp4_without_ffmpeg(watched, monkeypatch):
    monkeypatch.setattr(film.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"ffmpeg, which makes MP4, is not on this machine.*--to gif"):
        to_mp4(watched)


def test_mp4_by_ffmpeg(watched, monkeypatch, tmp_path):
    """A stand-in that keeps what it was given: as many bytes as pictures of the size that it was told."""
    monkeypatch.setattr(film, "MP4", Timing(rate=3, seconds=2, hold=1))
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\nfor last; do :; done\n{ echo "$@"; cat | wc -c; } > "$last"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(film.shutil, "which", lambda name: str(program))
    told, size = to_mp4(watched).decode().splitlines()
    width, height = film.EDGE + film.LEGEND, film.EDGE + film.CAPTION
    assert f"-s {width}x{height} -r 3" in told
    assert int(size) == (6 + 3) * width * height * 3
    assert width % 2 == height % 2 == 0  # H.264 wants it
    program.write_text("#!/bin/sh\necho no such codec >&2; exit 3\n")
    with pytest.raises(InputError, match=r"ffmpeg could not make the film \(no such codec\)"):
        to_mp4(watched)


def test_the_legend_keeps_its_colours_in_a_gif(watched):
    (_, ant), (_, bee) = film._legend_of(ImageMap.load(watched))
    with Image.open(io.BytesIO(to_gif(watched))) as gif:
        picture = gif.convert("RGB")
    assert [picture.getpixel((film.EDGE + 13, y)) for y in (24, 48)] == [ant, bee]
