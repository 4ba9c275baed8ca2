"""Acting on a reviewed list: files move, nothing is lost, and no list leads anywhere else."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.images.names import escape
from augmap.review import apply
from augmap.review.apply import LOG, check, files, move, path_of, plan
from looked_at import map_of

STRANGE = [b"a/1.png", b"a/\xff\xfe.png", b"b/new\nline.png", b"b/back\\slash.png", 'b/ünï, "q".png'.encode()]


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder whose files hold their own names."""
    for raw in STRANGE:
        path = tmp_path / "photos" / os.fsdecode(raw)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return tmp_path / "photos"


def listed(path: Path, names: list[str], decision: str = "drop") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["queue", "name", "decision"])
        writer.writerows(["outliers", name, decision] for name in names)
    return path


def reviewed(photos: Path, names: list[str], known: list[str] | None = None) -> Path:
    """A review beside a map of the folder."""
    home = photos.parent
    every = known or [escape(raw) for raw in STRANGE]
    m = map_of(np.zeros((len(every), 2)), names=every, source=str(photos))
    m.save(home / "m.map", overwrite=True)
    (home / "review").mkdir(exist_ok=True)
    record = {"map": str(home / "m.map"), "source": str(photos), "root": str(photos)}
    (home / "review" / "review.json").write_text(json.dumps(record))
    return listed(home / "review" / "review.csv", names)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        os.fspath(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*") if p.is_file() and p.name != LOG
    }  # fmt: skip


def run(table: Path, target: Path, **options):
    return move(check(plan(table, **options), target), target)


def test_every_name_there_can_be_moves_and_is_logged(photos, tmp_path):
    before = contents(photos)
    table = reviewed(photos, [escape(raw) for raw in STRANGE])
    done = run(table, tmp_path / "trash")
    assert len(done.now) == len(STRANGE)
    assert contents(photos) == {}
    assert contents(tmp_path / "trash") == before
    rows = list(csv.reader((tmp_path / "trash" / LOG).read_text(errors="surrogateescape").splitlines()[:2]))
    assert rows[0] == ["name", "from", "to"]
    assert rows[1] == ["a/1.png", str(photos / "a/1.png"), str(tmp_path / "trash/a/1.png")]


def test_the_log_takes_it_back(photos, tmp_path):
    before = contents(photos)
    run(reviewed(photos, [escape(raw) for raw in STRANGE]), tmp_path / "trash")
    text = (tmp_path / "trash" / LOG).read_bytes().decode("utf-8", "surrogateescape")
    for row in csv.DictReader(io.StringIO(text, newline="")):
        os.rename(row["to"], row["from"])
    assert contents(photos) == before


def test_a_second_run_finds_nothing_to_do(photos, tmp_path):
    table = reviewed(photos, ["a/1.png"])
    run(table, tmp_path / "trash")
    log = (tmp_path / "trash" / LOG).read_bytes()
    again = run(table, tmp_path / "trash")
    assert (again.now, again.before, again.missing) == ([], ["a/1.png"], [])
    assert (tmp_path / "trash" / LOG).read_bytes() == log


@pytest.mark.parametrize("moment", ["log", "place", "unlink"])
def test_interrupted_anywhere_it_goes_on(photos, tmp_path, monkeypatch, moment):
    before = contents(photos)
    table = reviewed(photos, [escape(raw) for raw in STRANGE])
    calls = []

    def stop(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    owner, name = {"log": (apply, "_log"), "place": (apply, "_place"), "unlink": (Path, "unlink")}[moment]
    real = getattr(owner, name)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stop)
        with pytest.raises(KeyboardInterrupt):
            run(table, tmp_path / "trash")
    both = {**contents(photos), **contents(tmp_path / "trash")}
    assert both == before  # nothing is nowhere
    run(table, tmp_path / "trash")
    assert contents(photos) == {}
    assert contents(tmp_path / "trash") == before
    text = (tmp_path / "trash" / LOG).read_bytes().decode("utf-8", "surrogateescape")
    logged = [row["name"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert logged == [escape(raw) for raw in STRANGE]


def test_another_disk_gets_a_copy_first(photos, tmp_path, monkeypatch):
    def no_links(*args, **kwargs):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    before = contents(photos)
    run(reviewed(photos, [escape(raw) for raw in STRANGE]), tmp_path / "trash")
    assert contents(tmp_path / "trash") == before
    assert contents(photos) == {}


def test_nothing_is_overwritten(photos, tmp_path):
    target = tmp_path / "trash" / "b"
    target.mkdir(parents=True)
    (target / 'ünï, "q".png').write_bytes(b"mine")
    table = reviewed(photos, ["a/1.png", 'b/ünï, "q".png'])
    with pytest.raises(InputError, match="exists already and is another file"):
        run(table, tmp_path / "trash")
    assert (photos / "a/1.png").exists()  # all are looked at before any is touched
    assert (target / 'ünï, "q".png').read_bytes() == b"mine"


def test_where_a_disk_does_not_tell_names_apart_nothing_is_lost(photos, tmp_path, monkeypatch):
    """Of exFAT, NTFS and macOS: what arrives as A.png is there as a.png too."""
    (photos / "a/1.PNG").write_bytes(b"another picture")
    real = os.path.lexists
    trash = tmp_path / "trash"
    monkeypatch.setattr(
        os.path, "lexists", lambda p: real(p) or (trash in Path(p).parents and real(str(p).lower()))
    )
    table = reviewed(photos, ["a/1.png", "a/1.PNG"], known=["a/1.png", "a/1.PNG"])
    with pytest.raises(InputError, match=r"a/1\.PNG: exists already and is another file"):
        run(table, trash)
    assert (photos / "a/1.PNG").read_bytes() == b"another picture"
    assert (trash / "a/1.png").read_bytes() == b"a/1.png"


def test_an_equal_file_of_another_folder_is_not_taken_for_the_moved_one(photos, tmp_path):
    run(reviewed(photos, ["a/1.png"]), tmp_path / "trash")
    other = tmp_path / "other" / "photos"
    (other / "a").mkdir(parents=True)
    (other / "a/1.png").write_bytes(b"a/1.png")
    table = listed(tmp_path / "loose" / "review.csv", ["a/1.png"])
    with pytest.raises(InputError, match="exists already and is another file"):
        run(table, tmp_path / "trash", images=other)
    assert (other / "a/1.png").exists()


def test_one_file_reached_by_two_ways_is_not_removed(photos, tmp_path, monkeypatch):
    """As where the target is the images' folder under another mount: no link of it is to spare."""
    target = tmp_path / "trash" / "a"
    target.mkdir(parents=True)
    (target / "1.png").write_bytes(b"a/1.png")
    monkeypatch.setattr(os.path, "samefile", lambda a, b: True)
    with pytest.raises(InputError, match="exists already and is another file"):
        run(reviewed(photos, ["a/1.png"]), tmp_path / "trash")
    assert (photos / "a/1.png").exists()


def test_only_the_maps_own_folder_is_moved_from(photos, tmp_path, monkeypatch):
    """Not one of the same name where the command happens to run."""
    m = map_of(np.zeros((1, 2)), names=["a/1.png"], source="photos")
    table = listed(m.save(tmp_path / "old.map") / "review.csv", ["a/1.png"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="photos: not a folder of files"):
        run(table, tmp_path / "trash")
    m.info["root"] = str(tmp_path / "gone")
    table = listed(m.save(tmp_path / "gone.map") / "review.csv", ["a/1.png"])
    with pytest.raises(InputError, match="gone: this folder is not there; say with --images"):
        run(table, tmp_path / "trash")
    m.info["root"] = str(photos)
    table = listed(m.save(tmp_path / "new.map") / "review.csv", ["a/1.png"])
    assert run(table, tmp_path / "trash").now == ["a/1.png"]


HOSTILE = [
    "../outside.png", "a/../../outside.png", "/etc/passwd", "//etc/passwd", "a//1.png", "./a/1.png", "..", "",
    "a/./1.png", r"\x2e\x2e/outside.png", r"a/\x2e\x2e/\x2e\x2e/outside.png", r"\x2fetc/passwd",
    r"a/\x00.png",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_out_are_refused(photos, tmp_path, name):
    (tmp_path / "outside.png").write_bytes(b"not yours")
    table = listed(tmp_path / "loose" / "review.csv", ["a/1.png", name])
    with pytest.raises(InputError, match="leads out of the images' folder; nothing was done"):
        run(table, tmp_path / "trash", images=photos)
    with pytest.raises(InputError, match="are not images of the map"):
        run(reviewed(photos, ["a/1.png", name]), tmp_path / "trash")
    # even where the map itself was edited to name it
    with pytest.raises(InputError, match="leads out of the images' folder"):
        run(reviewed(photos, ["a/1.png", name], known=["a/1.png", name]), tmp_path / "trash")
    assert (tmp_path / "outside.png").exists()
    assert (photos / "a/1.png").exists()
    assert not (tmp_path / "trash").exists()


def test_links_are_refused(photos, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.png").write_bytes(b"not yours")
    (photos / "way_out").symlink_to(tmp_path / "outside")
    (photos / "link.png").symlink_to(photos / "a/1.png")
    known = ["a/1.png", "way_out/x.png", "link.png"]
    with pytest.raises(InputError, match="a link leads out of the images' folder"):
        run(reviewed(photos, ["a/1.png", "way_out/x.png"], known), tmp_path / "trash")
    with pytest.raises(InputError, match="is a link; move it by hand"):
        run(reviewed(photos, ["link.png"], known), tmp_path / "trash")
    (tmp_path / "trash").mkdir()
    (tmp_path / "trash" / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="a link leads out of the target folder"):
        run(reviewed(photos, ["a/1.png"], known), tmp_path / "trash")
    assert (tmp_path / "outside" / "x.png").exists()


def test_a_target_among_the_images_is_refused(photos, tmp_path):
    table = reviewed(photos, ["a/1.png"])
    for target in (photos, photos / "trash"):
        with pytest.raises(InputError, match="lies in the images' folder"):
            run(table, target)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file; give a folder"):
        run(table, tmp_path / "file")


def test_only_drop_is_acted_on(photos, tmp_path):
    table = reviewed(photos, [])
    with table.open("a") as file:
        file.write(
            "outliers,a/1.png,keep\noutliers,a/1.png,\noutliers,a/1.png,dropped?\nislands,a/1.png, DROP \n"
        )
        file.write("duplicates,a/1.png,drop\n")
    assert plan(table).names == ["a/1.png"]
    table.write_text("name,label\na/1.png,x\n")
    with pytest.raises(InputError, match="has no column 'decision'"):
        plan(table)


def test_an_archive_is_only_listed(photos, tmp_path):
    table = reviewed(photos, ["a/1.png"])
    archive = tmp_path / "photos.zip"
    archive.write_bytes(b"PK")
    planned = plan(table, images=archive)
    assert planned.root is None
    assert planned.names == ["a/1.png"]
    with pytest.raises(
        InputError, match=re.escape(f"{archive}: not a folder of files, so nothing can be moved")
    ):
        check(planned, tmp_path / "trash")


def test_a_list_in_the_map_itself(photos, tmp_path):
    reviewed(photos, [])
    table = listed(tmp_path / "m.map" / "review.csv", ["a/1.png", os.fsdecode(STRANGE[1])])
    planned = plan(table)
    assert planned.names == ["a/1.png", r"a/\xff\xfe.png"]  # one was typed as the file system shows it
    assert files(planned) == [photos / "a/1.png", photos / os.fsdecode(STRANGE[1])]


def test_a_list_on_its_own_needs_the_folder(photos, tmp_path):
    table = listed(tmp_path / "loose" / "review.csv", ["a/1.png", "a/gone.png"])
    assert plan(table).notes
    with pytest.raises(InputError, match="does not say where its images are; say it with --images DIR"):
        check(plan(table), tmp_path / "trash")
    done = run(table, tmp_path / "trash", images=photos)
    assert (done.now, done.missing) == (["a/1.png"], ["a/gone.png"])
    with pytest.raises(InputError, match="no such folder"):
        plan(table, images=tmp_path / "nowhere")


def test_damaged_and_absent_lists(photos, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        plan(tmp_path / "none.csv")
    table = reviewed(photos, ["a/1.png"])
    (table.parent / "review.json").write_text("[")
    with pytest.raises(InputError, match="damaged"):
        plan(table)
    (table.parent / "review.json").write_text("[]")
    with pytest.raises(InputError, match="damaged"):
        plan(table)


def test_paths():
    assert path_of(r"a/\xff.png") == Path(os.fsdecode(b"a/\xff.png"))
    assert path_of("a/b\\\\c.png") == Path("a/b\\c.png")
