"""The hostile folder and what is said about it; names, links, globs, lists; permissions as another user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.folder import commit
from augmap.images.folder import list_folder
from augmap.images.open import open_images
from hostile import BAD, BOMB_PIXELS, GOOD, OTHERS, save_gradient


def test_hostile_folder(hostile):
    opened = open_images(hostile, image_size=16, max_pixels=BOMB_PIXELS)
    assert set(opened.names) == GOOD
    assert opened.names == sorted(opened.names)
    assert opened.pixels.shape == (len(GOOD), 16, 16, 3)
    reasons = {s.name: s.reason for s in opened.skipped}
    assert set(reasons) == set(BAD)
    for name, part in BAD.items():
        assert part in reasons[name], (name, reasons[name])
    assert f"{OTHERS} other files ignored" in opened.notes


def test_strict_names_the_first(hostile):
    with pytest.raises(
        InputError, match=r"of \d+ files cannot be read, first 'bad/circle'.*leave out --strict"
    ):
        open_images(hostile, image_size=16, max_pixels=BOMB_PIXELS, strict=True)
    for name in ("circle", "dangling.png", "pipe.png", "self.png"):
        (hostile / "bad" / name).unlink()
    with pytest.raises(
        InputError, match=r"first 'bad/apple.heic' \(HEIC: pip install augmap\[heic\]\), 'bad/bomb"
    ):
        open_images(hostile, image_size=16, max_pixels=BOMB_PIXELS, strict=True)


def test_hostile_folder_twice_is_the_same(hostile, tmp_path):
    calls = []
    first, second = (
        open_images(
            hostile,
            image_size=16,
            max_pixels=BOMB_PIXELS,
            progress=lambda *a: calls.append(a),
            cache=tmp_path / "c",
        )
        for _ in range(2)
    )
    assert calls[-1][0] == calls[-1][1] == len(calls) or calls[-1][0] == calls[-1][1]
    assert len([c for c in calls if c[0] == c[1]]) == 1  # decoded once
    assert first.fingerprint == second.fingerprint
    assert first.names == second.names
    assert first.skipped == second.skipped
    np.testing.assert_array_equal(first.pixels, second.pixels)


def test_no_warnings_leak(hostile):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_images(hostile, max_pixels=BOMB_PIXELS, store=False)


def test_none_readable(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(
        InputError, match=r"none of its 1 files can be read as an image, first 'a.png' \(empty"
    ):
        open_images(tmp_path)
    with pytest.raises(InputError, match="none of its 1 files can be read"):
        open_images(tmp_path, image_size=8, channels=3)


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="no images in it; give a folder, a glob"):
        open_images(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"no images in it \(1 files of other kinds\)"):
        open_images(tmp_path)
    with pytest.raises(InputError, match="missing: no such file or folder; give"):
        open_images(tmp_path / "missing")
    with pytest.raises(InputError, match=r"a.txt: not a kind of file that is known; give .*cifar10"):
        open_images(tmp_path / "a.txt")
    (tmp_path / "l").symlink_to("nowhere")
    with pytest.raises(InputError, match="dangling link"):
        open_images(tmp_path / "l")


def test_links(tmp_path, write):
    write("real/a.png")
    write("b.png", root=tmp_path / "outside")
    root = tmp_path / "in"
    (root / "0_link").symlink_to("real")  # sorts first, but the folder's own name counts
    (root / "to_outside").symlink_to(tmp_path / "outside")
    (root / "again").symlink_to(tmp_path / "outside")
    listing = list_folder(root)
    assert listing.names == ["again/b.png", "real/a.png"]
    assert [s.name for s in listing.skipped] == ["0_link", "to_outside"]


def test_many_links_do_not_explode(tmp_path, write):
    # each folder links twice to the next: 2^20 paths to one picture
    write("d20/x.png")
    for i in range(20):
        folder = tmp_path / "in" / f"d{i}"
        folder.mkdir()
        for k in "ab":
            (folder / k).symlink_to(f"../d{i + 1}")
    assert list_folder(tmp_path / "in").names == ["d20/x.png"]


def test_deep_tree(tmp_path, write):
    write("ok.png")
    here, deep = os.getcwd(), "d" * 200
    try:
        os.chdir(tmp_path / "in")
        for _ in range(25):  # 5,000 characters: longer than any path may be
            os.mkdir(deep)
            os.chdir(deep)
    finally:
        os.chdir(here)
    listing = list_folder(tmp_path / "in")
    assert listing.names == ["ok.png"]
    assert [s.reason for s in listing.skipped] == ["folder cannot be read: path too long"]
    subprocess.run(["rm", "-rf", str(tmp_path / "in")], check=True)  # pytest cannot


def test_order_is_of_names_not_of_the_disk(tmp_path, write):
    names = ["z.png", "a/b.png", "B.png", "a.png", "a-b.png"]
    for name in names:
        write(name)
    assert list_folder(tmp_path / "in").names == sorted(names)


def test_glob(tmp_path, write):
    for name in ("x/a.png", "x/b.jpg", "y/c.png", "y/.d.png"):
        write(name)
    root = str(tmp_path / "in")
    assert open_images(f"{root}/*/*.png").names == ["x/a.png", "y/c.png"]
    assert open_images(f"{root}/**/*.png").names == ["x/a.png", "y/c.png"]
    assert open_images(f"{root}/[x]").names == ["x/a.png", "x/b.jpg"]
    with pytest.raises(InputError, match=r"\*.tiff: no file matches; quote the pattern"):
        open_images(f"{root}/*.tiff")


def as_map(folder: Path) -> None:
    """What a map is known by, and a page of thumbnails."""
    save_gradient(folder / "thumbs" / "page-000.webp")
    (folder / "map.json").write_text(json.dumps({"format_version": 1, "files": {}}))


def test_maps_and_reviews_inside_are_left_out(tmp_path, write):
    write("cat/a.png")
    before = open_images(tmp_path / "in")
    root = tmp_path / "in"
    as_map(root / "photos.map")
    as_map(root / "cat" / "arriving" / ".incoming")
    save_gradient(root / "cat" / "arriving" / "old.png")
    save_gradient(root / "review" / "outliers.png")
    (root / "review" / "review.json").write_text(json.dumps({"augmap": "0.2", "queues": {}}))
    after = open_images(root)
    assert after.names == ["cat/a.png"]
    assert after.fingerprint == before.fingerprint
    assert after.labels == before.labels
    note = "3 folders that augmap made are left out: 'cat/arriving', 'photos.map', 'review'"
    assert note in after.notes
    for pattern in ("*", "**/*.*"):
        matched = open_images(f"{root}/{pattern}")
        assert matched.names == ["cat/a.png"]
        assert note in matched.notes
    (root / "linked").symlink_to(root / "photos.map")
    assert open_images(root).names == ["cat/a.png"]
    (root / "cat" / "a.png").unlink()
    with pytest.raises(InputError, match=r"no images in it .*3 folders that augmap made are left out"):
        open_images(root)


def test_what_is_left_out_is_what_augmap_writes(tmp_path, write):
    write("a.png")
    commit(tmp_path / "in" / "m.map", {"thumbs/page-000.webp": b"RIFF"}, {})
    assert "1 folder that augmap made is left out: 'm.map'" in open_images(tmp_path / "in").notes


def test_a_map_that_is_asked_for_is_opened(tmp_path):
    as_map(tmp_path / "photos.map")
    assert open_images(tmp_path / "photos.map" / "thumbs").names == ["page-000.webp"]
    assert open_images(f"{tmp_path}/photos.map/thumbs/*").names == ["page-000.webp"]
    assert open_images([tmp_path / "photos.map" / "thumbs" / "page-000.webp"]).names == ["page-000.webp"]


@pytest.mark.parametrize("content", ["{}", "[1]", "{", '{"format_version": 1, "layers": []}', "[" * 100_000])
def test_a_file_that_is_only_called_so_hides_nothing(tmp_path, write, content):
    for name in ("game/a.png", "film/b.png"):
        write(name)
    (tmp_path / "in" / "game" / "map.json").write_text(content)
    (tmp_path / "in" / "film" / "review.json").write_text(content)
    assert open_images(tmp_path / "in").names == ["film/b.png", "game/a.png"]


def test_folder_name_with_magic_characters(write, tmp_path):
    write("a.png", root=tmp_path / "set[1]")
    assert open_images(tmp_path / "set[1]").names == ["a.png"]


def test_list_of_paths_and_one_file(write):
    a, b = write("x/a.png"), write("y/b.png")
    assert open_images([b, a]).names == ["y/b.png", "x/a.png"]
    assert open_images([str(a)]).names == ["a.png"]
    assert open_images(a).names == ["a.png"]
    with pytest.raises(InputError, match=r"nope.png: no such file"):
        open_images([a, a.with_name("nope.png")])
    with pytest.raises(InputError, match="must name files, this is a folder"):
        open_images([a, a.parent])
    again = os.path.join(a.parent, ".", a.name)
    with pytest.raises(
        InputError, match=r"a.png: stands twice in the list of paths, as entries 0 and 2; name"
    ):
        open_images([a, b, again, b])
    with pytest.raises(InputError, match="an empty list"):
        open_images([])


def test_relative_root(write, monkeypatch, tmp_path):
    write("x/a.png")
    monkeypatch.chdir(tmp_path)
    for source in ("in", "in/", "./in", "in/."):
        opened = open_images(source)
        assert opened.names == ["x/a.png"]
        assert os.path.samefile(opened.root, tmp_path / "in")
    monkeypatch.chdir(tmp_path / "in")
    assert open_images(".").names == ["x/a.png"]


AS_OTHER = """
import json, os, sys
from augmap.images.open import open_images
if os.getuid() == 0:
    open_images(sys.argv[3], store=False)  # imports what it needs, from where another user may not reach
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
s = open_images(sys.argv[1], cache=sys.argv[2])
print(json.dumps([s.names, [[x.name, x.reason] for x in s.skipped]]))
"""


@pytest.fixture
def open_place():
    """A folder that any user can reach; pytest's own are for their owner only."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        yield Path(place)


def test_permissions_as_another_user(open_place, write):
    if not hasattr(os, "setuid"):
        pytest.skip("no other user to be on this system")
    names = ("ok/good.png", "ok/closed.png", "shut/x.png")
    good, closed, shut = (write(name, root=open_place / "in") for name in names)
    folder, cache = shut.parent, open_place / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    closed.chmod(0o200)
    folder.chmod(0o000)

    def run() -> tuple[list, list]:
        source = os.pathsep.join(p for p in sys.path if p)
        command = [sys.executable, "-c", AS_OTHER, str(open_place / "in"), str(cache), str(good)]
        env = {**os.environ, "PYTHONPATH": source}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        return tuple(json.loads(done.stdout))

    names, skipped = run()
    assert names == ["ok/good.png"]
    assert skipped == [
        ["ok/closed.png", "permission denied"],
        ["shut", "folder cannot be read: permission denied"],
    ]
    closed.chmod(0o644)  # changes neither size nor time of modification, but the image is there now
    names, _ = run()
    assert names == ["ok/closed.png", "ok/good.png"]
    folder.chmod(0o755)
