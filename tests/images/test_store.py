"""The pixel store: when it is used again, when not, what a full disk or a crash leaves behind; the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.images import cache, fill
from augmap.images.open import open_images


class Count:
    """A progress callable that counts decoded images."""

    def __init__(self):
        self.calls = []

    def __call__(self, done, total):
        self.calls.append((done, total))

    @property
    def decoded(self):
        return self.calls[-1][0] if self.calls else 0


@pytest.fixture
def tree(write, tmp_path):
    for i in range(100):
        write(f"{i:02d}.png", 10 + i % 3, 10)
    for i in (5, 40, 41, 99):
        (tmp_path / "in" / f"{i:02d}.png").write_bytes(b"bad")
    return tmp_path / "in"


def opened(tree, place, **options):
    count = Count()
    return open_images(tree, cache=place, progress=count, **options), count


def test_store_equals_memory(tree, tmp_path):
    a, _ = opened(tree, tmp_path / "c")
    b, _ = opened(tree, tmp_path / "unused", store=False)
    assert not (tmp_path / "unused").exists()
    assert isinstance(a.pixels, np.memmap)
    assert not isinstance(b.pixels, np.memmap)
    np.testing.assert_array_equal(a.pixels, b.pixels)
    assert (a.names, a.fingerprint, a.skipped) == (b.names, b.fingerprint, b.skipped)
    assert len(a) == 96
    assert not a.pixels.flags.writeable
    single = open_images(tree / "77.png", preprocessing=a.preprocessing, store=False)
    np.testing.assert_array_equal(a.pixels[a.names.index("77.png")], single.pixels[0])
    indices = np.array([3, 90, 3])
    assert a.pixels[indices].shape == (3, 10, 10, 3)


def test_progress(tree, tmp_path):
    _, count = opened(tree, tmp_path / "c")
    done = [d for d, _ in count.calls]
    assert done == sorted(done)
    assert done[-1] == 100
    assert {t for _, t in count.calls} == {100}
    assert len(done) == -(-100 // fill.BLOCK)


def test_reuse_and_its_limits(tree, tmp_path):
    place = tmp_path / "c"
    first, count = opened(tree, place)
    assert count.decoded == 100
    again, count = opened(tree, place)
    assert count.decoded == 0
    assert again.fingerprint == first.fingerprint
    assert again.skipped == first.skipped
    for change in (
        lambda: None or opened(tree, place, image_size=9),
        lambda: None or opened(tree, place, channels=1),
        lambda: None or opened(tree, place, max_pixels=1000),
        lambda: (
            None or opened(tree, place, preprocessing=Preprocessing(image_size=10, channels=3, resize="box"))
        ),
    ):
        assert change()[1].decoded == 100
    os.utime(tree / "07.png", ns=(0, 1))
    assert opened(tree, place)[1].decoded == 100
    (tree / "07.png").rename(tree / "zz.png")
    renamed, count = opened(tree, place)
    assert count.decoded == 100
    assert renamed.names[-1] == "zz.png"
    assert renamed.fingerprint != first.fingerprint
    (tree / "zz.png").unlink()
    assert opened(tree, place)[1].decoded == 99


def test_two_folders_of_equal_names_sizes_and_times(tmp_path):
    for k, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "x.bmp"
        Image.new("RGB", (4, 4), (k, k, k)).save(path)
        os.utime(path, ns=(0, 0))
    found = [opened(tmp_path / name, tmp_path / "c")[0].pixels.max() for name in "ab"]
    assert found == [0, 1]


def test_labels_do_not_decode_again(tree, tmp_path):
    opened(tree, tmp_path / "c")
    assert opened(tree, tmp_path / "c", labels="none")[1].decoded == 0
    with pytest.raises(InputError, match="4 of 100 files cannot be read"):
        opened(tree, tmp_path / "c", strict=True)


@pytest.mark.parametrize("file", ["pixels.npy", "digests.npy", "store.json"])
@pytest.mark.parametrize("how", ["cut", "empty", "gone"])
def test_damaged_store_is_built_again(tree, tmp_path, file, how):
    first, _ = opened(tree, tmp_path / "c")
    (folder,) = (tmp_path / "c").iterdir()
    data = (folder / file).read_bytes()
    (folder / file).unlink()
    if how != "gone":
        (folder / file).write_bytes(data[: len(data) // 2] if how == "cut" else b"")
    again, count = opened(tree, tmp_path / "c")
    assert count.decoded == 100
    assert again.fingerprint == first.fingerprint
    assert opened(tree, tmp_path / "c")[1].decoded == 0


def test_an_older_version_is_built_again(tree, tmp_path):
    opened(tree, tmp_path / "c")
    (record,) = (tmp_path / "c").glob("*/store.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "version": 0}))
    assert opened(tree, tmp_path / "c")[1].decoded == 100


LIMITED = """
import resource, sys
from augmap.errors import InputError
from augmap.images.open import open_images
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    open_images(sys.argv[1], cache=sys.argv[2])
except InputError as error:
    print(error)
"""


def test_disk_full(tree, tmp_path):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", LIMITED, str(tree), str(tmp_path / "c")]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        f"the pixel store (0.0 MB) cannot be written to {tmp_path / 'c'}: File too large; make room"
        in done.stdout
    )
    assert list((tmp_path / "c").iterdir()) == []


def test_disk_without_room(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: os.terminal_size((0, 0)) and type("U", (), {"free": 10})
    )
    with pytest.raises(InputError, match=r"cannot be written to .*: No space left on device; .*--cache DIR"):
        opened(tree, tmp_path / "c")


def test_cache_that_is_a_file(tree, tmp_path):
    (tmp_path / "c").touch()
    with pytest.raises(InputError, match=r"cannot be written to .*: File exists; .*--cache DIR"):
        opened(tree, tmp_path / "c")


def test_interruption_leaves_nothing(tree, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_images(tree, cache=tmp_path / "c", progress=stop)
    assert list((tmp_path / "c").iterdir()) == []


def test_two_at_once(tree, tmp_path):
    """Another process finishes the same store while this one builds it."""
    inner = []

    def meanwhile(done, total):
        if not inner:
            inner.append(opened(tree, tmp_path / "c")[0])

    outer = open_images(tree, cache=tmp_path / "c", progress=meanwhile)
    np.testing.assert_array_equal(outer.pixels, inner[0].pixels)
    assert len(list((tmp_path / "c").iterdir())) == 1


def test_list_and_clear(tree, tmp_path):
    place = tmp_path / "c"
    opened(tree, place)
    time.sleep(0.01)
    opened(tree, place, image_size=5)
    (place / ".building-left").mkdir()
    (place / ".building-left" / "pixels.npy").write_bytes(bytes(100))
    (place / "downloads").mkdir()
    (place / "mine.txt").write_text("the user's")
    (place / "mine").mkdir()
    stores = cache.list_stores(place)
    assert [s.image_size for s in stores] == [5, 10]
    assert stores[0].images == 96
    assert stores[0].channels == 3
    assert stores[0].source == str(tree)
    assert stores[0].bytes > 96 * 75
    assert cache.clear(place) == sum(s.bytes for s in stores) + 100
    assert sorted(p.name for p in place.iterdir()) == ["downloads", "mine", "mine.txt"]
    assert cache.clear(tmp_path / "nowhere") == 0


def test_eviction(tree, tmp_path, monkeypatch):
    place = tmp_path / "c"
    monkeypatch.setattr(cache, "_in_use", set())
    for k, size in enumerate((5, 6, 7)):
        opened(tree, place, image_size=size)
        newest = cache.list_stores(place)[0].path
        os.utime(newest / "store.json", (k, k))
    cache._in_use.clear()
    opened(tree, place, image_size=5)  # used again: no longer the oldest
    sizes = {s.image_size: s.bytes for s in cache.list_stores(place)}
    assert cache.evict(place, cap=sum(sizes.values())) == []
    assert len(cache.evict(place, cap=sum(sizes.values()) - 1)) == 1
    assert {s.image_size for s in cache.list_stores(place)} == {5, 7}
    cache.evict(place, cap=0)
    assert [s.image_size for s in cache.list_stores(place)] == [5]  # open here
    monkeypatch.setattr(cache, "CAP_BYTES", 0)
    opened(tree, place, image_size=8)
    cache._in_use.clear()
    opened(tree, place, image_size=9)
    assert [s.image_size for s in cache.list_stores(place)] == [9]


def test_where(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_directory() == tmp_path / "augmap"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_directory() == tmp_path / ".cache" / "augmap"
    assert cache.cache_directory("here") == Path("here")
