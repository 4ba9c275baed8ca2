"""The page over what is real: a running ``augmap fit --watch``, two trained maps, photographs that are dropped."""  # noqa: E501

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from augmap import api
from augmap.explorer.replay import FILE, read_replay
from augmap.folder import read_record
from augmap.imagemap import ImageMap
from browsing import Running, drive, need_browser

N = 300
SMALL = ("--image-size", 8, "--batch-size", 50, "--augment", "glyph", "--threads", 1, "--device", "cpu")
WATCHED = "a_training_is_watched"
OF_SPAN = 1e-4
"""How far from Python's place an image may land, in parts of the map's span; 1e-5 is what was seen."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 real scans of handwritten digits, in a folder each."""
    folder = tmp_path_factory.mktemp("real") / "digits"
    found = load_digits()
    for i in range(N):
        path = folder / str(found.target[i]) / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((found.images[i] * 15.9).astype(np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def watched(digits: Path) -> tuple[Path, dict]:
    """A map whose training was watched, held, resumed and stopped in the browser; what came of that."""
    need_browser()
    path = digits.parent / "watched.map"
    fit = Running("fit", digits, "-o", path, "--watch", "--budget", "1h", *SMALL)
    with fit as url:
        found = drive(digits.parent / "shots", scenarios="real.mjs", url=url, n=N, only=[WATCHED])[WATCHED]
    assert found["ok"], found["error"] + fit.said
    assert fit.process.returncode == 0, fit.said
    return path, found["found"]


def test_a_training_is_watched_held_resumed_and_kept(watched: tuple[Path, dict]) -> None:
    path, _ = watched
    m = ImageMap.load(path)
    assert m.positions.shape == (N, 2)
    assert np.isfinite(m.positions).all()
    replay = read_replay(path, read_record(path), N)
    assert replay is not None, FILE
    steps = [(e["stage_number"], e["step"]) for e in replay.entries]
    assert steps == sorted(steps)
    assert {e["pca"] for e in replay.entries} == {True, False}, "128 dimensions, then two"


def test_replay_comparison_and_placing(watched: tuple[Path, dict], digits: Path) -> None:
    path, _ = watched
    other = digits.parent / "other.map"
    api.fit(
        digits, output=other, epochs=(2, 3), seed=1, image_size=8, batch_size=50, augment="glyph",
        threads=1, device="cpu",
    )  # fmt: skip
    images = dropped(digits)
    with Running("explore", path, "--port", 0) as url, Running("explore", path, other, "--port", 0) as pair:
        found = drive(
            digits.parent / "shots", scenarios="real.mjs", url=url, pair=pair, images=images, n=N,
            only=["the_training_is_replayed", "two_trainings_are_compared", "photographs_are_placed"],
        )  # fmt: skip
    assert [result["error"] for result in found.values()] == [None] * 3
    m = ImageMap.load(path)
    there = api.load(path).embed([str(p) for p in images]).positions
    away = np.hypot(*(np.array(found["photographs_are_placed"]["found"]) - there).T)
    span = float(np.ptp(m.positions, axis=0).max())
    assert away.max() <= OF_SPAN * span
    apart = np.hypot(*(there[1:] - there[:-1]).T)  # the control: other images land elsewhere
    assert apart.max() > 100 * OF_SPAN * span


def dropped(digits: Path) -> list[Path]:
    """Three scans as they are, and one of them large, turned by EXIF, as JPEG."""
    made = sorted(digits.rglob("*.png"))[5::90][:3]
    turned = Image.Exif()
    turned[0x0112] = 6
    photo = digits.parent / "turned.jpg"
    Image.open(made[0]).resize((200, 160)).convert("RGB").save(photo, exif=turned, quality=95)
    return [*made, photo]
