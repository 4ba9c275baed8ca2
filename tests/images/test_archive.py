"""Archives: the same images as the folder that was packed, read in place."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.images import archive
from augmap.images.open import open_images

KINDS = {"zip": "zip", "tar": "tar", "tar.gz": "gztar", "tar.bz2": "bztar", "tar.xz": "xztar"}


@pytest.fixture
def tree(write, tmp_path):
    # more than one block of decoding, and an order of packing that is not the order of names
    for i in range(40):
        write(f"train/{'cat' if i % 2 else 'dog'}/{39 - i:02d}.png", 8 + i % 3, 8)
    write("test/cat/t.png")
    for name in (".hidden.png", "train/notes.txt", "train/bad.png", "train/zero.png"):
        (tmp_path / "in" / name).write_bytes(b"" if "zero" in name else b"no image")
    return tmp_path / "in"


def packed(path, members: dict[str, bytes]):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, data in members.items():
                out.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as out:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_the_folder(kind, tree, tmp_path):
    path = shutil.make_archive(str(tmp_path / "packed"), KINDS[kind], tree)
    a, b = open_images(tree), open_images(path)
    assert a.names == b.names
    assert (a.splits, a.labels, a.preprocessing, a.notes) == (b.splits, b.labels, b.preprocessing, b.notes)
    assert a.fingerprint == b.fingerprint
    assert a.skipped == b.skipped
    np.testing.assert_array_equal(a.pixels, b.pixels)
    only = open_images(path, only_split="test", store=False)
    assert only.names == ["test/cat/t.png"]
    np.testing.assert_array_equal(only.pixels, open_images(tree, image_size=8).pixels[:1])


def test_a_stream_is_decoded_in_one_pass(tree, tmp_path, monkeypatch):
    path = shutil.make_archive(str(tmp_path / "packed"), "gztar", tree)
    passes, run = [], archive._Stream._run
    monkeypatch.setattr(archive._Stream, "_run", lambda self: passes.append(1) or run(self))
    assert len(open_images(path)) == 41
    assert passes == [1]


def test_nothing_is_extracted(tree, tmp_path):
    path = shutil.make_archive(str(tmp_path / "packed"), "gztar", tree)
    before = {p for p in tmp_path.rglob("*") if tmp_path / "cache" not in p.parents}
    open_images(path, cache=tmp_path / "cache")
    after = {p for p in tmp_path.rglob("*") if tmp_path / "cache" not in p.parents}
    assert after - before == {tmp_path / "cache"}


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_members_that_point_outside(suffix, write, tmp_path):
    data = write("x.png").read_bytes()
    path = packed(
        tmp_path / f"evil{suffix}", dict.fromkeys(["../../up.png", "/etc/abs.png", "./a/./b.png"], data)
    )
    opened = open_images(path)
    assert opened.names == [r"\x2e\x2e/\x2e\x2e/up.png", "a/b.png", "etc/abs.png"]


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_bombs(suffix, write, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 1 << 20)
    good = write("x.png").read_bytes()
    path = packed(tmp_path / f"bomb{suffix}", {"a.png": good, "bomb.png": bytes(3 << 20), "c.png": good})
    opened = open_images(path)
    assert opened.names == ["a.png", "c.png"]
    assert [(s.name, s.reason) for s in opened.skipped] == [
        ("bomb.png", "unpacks to more than 1048576 bytes")
    ]


def test_a_size_that_lies(write, tmp_path, monkeypatch):
    """The limit holds while reading, not only for what the directory of the zip says."""
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 1 << 20)
    path = packed(tmp_path / "a.zip", {"a.png": write("x.png").read_bytes(), "bomb.png": bytes(3 << 20)})
    data = path.read_bytes()
    path.write_bytes(data.replace((3 << 20).to_bytes(4, "little"), (4000).to_bytes(4, "little")))
    (skipped,) = open_images(path).skipped
    assert skipped.name == "bomb.png"


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_cut_in_half(suffix, tmp_path, write):
    random = np.random.default_rng(0)
    good = write("x.png").read_bytes()
    members = {f"{i}.png": good + random.bytes(2000) for i in range(9)}  # what follows a PNG is not looked at
    path = packed(tmp_path / f"cut{suffix}", members)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 - 700])  # within a member
    opened = open_images(path)
    assert 2 <= len(opened) <= 5
    assert any("ends early" in s.reason or "damaged here" in s.reason for s in opened.skipped)
    with pytest.raises(InputError, match="files cannot be read"):
        open_images(path, strict=True)


def test_not_an_archive(tmp_path):
    for name in ("a.zip", "a.tar", "a.tar.gz"):
        (tmp_path / name).write_bytes(b"nothing of the kind" * 100)
        with pytest.raises(InputError, match=f"{name}: not a readable archive"):
            open_images(tmp_path / name)


def test_damaged_and_encrypted_members(tmp_path, write):
    good = write("x.png").read_bytes()
    path = packed(tmp_path / "a.zip", {"a.png": good, "b.png": good * 2})
    data = bytearray(path.read_bytes())
    at = data.index(b"b.png") + 20
    data[at : at + 10] = bytes(10)
    path.write_bytes(data)
    opened = open_images(path)
    assert opened.names == ["a.png"]
    assert "damaged in the archive" in opened.skipped[0].reason
    data = bytearray(packed(path, {"a.png": good, "b.png": good}).read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    assert [str(s) for s in open_images(path).skipped] == ["'b.png' (encrypted)"]


def test_links_and_twice_the_same_name(tmp_path, write):
    first, second = write("a.png").read_bytes(), write("b.png", 9, 9).read_bytes()
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as out:
        for data in (first, second):
            info = tarfile.TarInfo("x.png")
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        out.addfile(link)
    opened = open_images(path)
    assert opened.names == ["x.png"]
    assert opened.pixels.shape[1] == 9  # the later one, as tar itself would have it
    assert "1 names stand twice" in opened.notes[0]
    assert [s.name for s in opened.skipped] == ["link.png"]


def test_changed_archive_is_read_again(tmp_path, write):
    good, other = write("x.png").read_bytes(), write("y.png", 9, 9).read_bytes()
    path = packed(tmp_path / "a.tar", {"a.png": good})
    assert open_images(path).pixels.shape[1] == 8
    packed(path, {"a.png": other})
    assert open_images(path).pixels.shape[1] == 9
