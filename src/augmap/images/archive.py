""".zip, .tar and compressed .tar, read in place: nothing is extracted, a member's name is only a name.

A zip and a plain tar can be read anywhere at any time. A compressed tar is a stream: it is read through
twice, once to list it and once to decode, forwards.
"""

from __future__ import annotations

import dataclasses
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from augmap.errors import InputError
from augmap.images.folder import is_hidden, looks_like_image
from augmap.images.imageset import Skipped
from augmap.images.listing import Listing, Payload, UnreadableError, from_paths
from augmap.images.names import member_name

MAX_MEMBER_BYTES = 1 << 30
"""A member that unpacks to more is skipped; a photo of 100 million pixels has a tenth of it."""
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_PEEKED, _PEEKED_BYTES = 256, 64 << 20  # images of a stream that are kept to choose a size from
BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError)


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    place: int  # where it lies: the order of reading
    raw: object  # ZipInfo or TarInfo
    stamp: str


def list_archive(path: str | os.PathLike[str]) -> Listing:
    """List the images of an archive, in the order of their names."""
    path = os.fspath(path)
    try:
        if zipfile.is_zipfile(path):
            return _list_zip(path)
        if _is_plain_tar(path):
            return _list_tar(path)
        return _list_stream(path)
    except (*BROKEN, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable archive ({error}); pack it again as .zip or .tar") from None


def members(path: str | os.PathLike[str], wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the content of the members of a tar whose base name is ``wanted``, by base name."""
    out = {}
    with tarfile.open(path, "r|*") as tar:
        for info in tar:
            base = info.name.rsplit("/", 1)[-1]
            if info.isreg() and wanted(base) and info.size <= MAX_MEMBER_BYTES:
                out[base] = tar.extractfile(info).read()  # type: ignore[union-attr]
    return out


def tar_names(path: str | os.PathLike[str], limit: int = 20) -> list[str]:
    """Return the names of the first members of a tar, or nothing when it is none."""
    names: list[str] = []
    try:
        with tarfile.open(path, "r|*") as tar:
            for info in tar:
                names.append(info.name)
                if len(names) == limit:
                    break
    except BROKEN:
        pass
    return names


def _list_zip(path: str) -> Listing:
    archive = zipfile.ZipFile(path)  # its reads share one file under a lock of its own

    def read(member: _Member) -> bytes:
        info = member.raw
        assert isinstance(info, zipfile.ZipInfo)
        if info.flag_bits & 1:
            raise UnreadableError("encrypted")
        try:
            with archive.open(info) as file:
                return _limited(file)
        except UnreadableError:
            raise
        except Exception as error:  # a damaged member: BadZipFile, zlib.error, NotImplementedError, EOFError
            raise UnreadableError(f"damaged in the archive ({error})") from None

    found, skipped, others = _Sorter(), [], 0
    for k, info in enumerate(archive.infolist()):
        if info.is_dir():
            continue
        raw_name = info.filename
        others += found.add(
            raw_name, lambda name, i=info, k=k: _Member(name, i.file_size, k, i, f"{i.file_size} {i.CRC}")
        )
    return _listing(path, found, skipped, others, read)


def _list_tar(path: str) -> Listing:
    def read(member: _Member) -> bytes:
        info = member.raw
        assert isinstance(info, tarfile.TarInfo)
        if info.size > MAX_MEMBER_BYTES:
            raise UnreadableError(_too_large(info.size))
        with open(path, "rb") as file:  # 10 microseconds, and any thread may read
            file.seek(info.offset_data)
            data = file.read(info.size)
        if len(data) < info.size:
            raise UnreadableError("truncated: the archive ends early")
        return data

    found, skipped, others = _Sorter(), [], 0
    with open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
        others += _take_members(tar, found, skipped, path)
    return _listing(path, found, skipped, others, read)


def _list_stream(path: str) -> Listing:
    found, skipped, others = _Sorter(), [], 0
    samples: list[bytes] = []
    with tarfile.open(path, "r|*") as tar:
        others += _take_members(tar, found, skipped, path, samples)
    stream = _Stream(path)
    listing = _listing(path, found, skipped, others, lambda m: stream.read(m.place), sequential=True)
    return dataclasses.replace(listing, peek=lambda k: samples[:k])


class _Stream:
    """Members of a compressed tar by their place, in one pass; a step backwards starts a new pass."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.passes: Iterator[tuple[int, tarfile.TarFile, tarfile.TarInfo]] | None = None
        self.at = -1

    def read(self, place: int) -> bytes:
        if self.passes is None or place <= self.at:
            self.passes = self._run()
        try:
            for k, tar, info in self.passes:
                self.at = k
                if k == place:
                    file = tar.extractfile(info)
                    assert file is not None
                    return _limited(file)
        except BROKEN as error:
            self.passes = iter(())
            self.at = place - 1
            raise UnreadableError(f"the archive is damaged here ({error})") from None
        self.passes = iter(())
        raise UnreadableError("the archive ends early")

    def _run(self) -> Iterator[tuple[int, tarfile.TarFile, tarfile.TarInfo]]:
        with tarfile.open(self.path, "r|*") as tar:
            for k, info in enumerate(tar):
                yield k, tar, info


class _Sorter:
    """Members by name; of two with one name the later counts, as it does when a tar is unpacked."""

    def __init__(self) -> None:
        self.members: dict[str, _Member] = {}
        self.twice: list[str] = []

    def add(self, raw_name: str, make: Callable[[str], _Member]) -> int:
        """Take a member, or leave it out quietly; return 1 when it is another kind of file."""
        name = member_name(raw_name)
        if not name or any(is_hidden(p) for p in name.split("/")):
            return 0
        if not looks_like_image(name):
            return 1
        if name in self.members:
            self.twice.append(name)
        self.members[name] = make(name)
        return 0


def _take_members(
    tar: tarfile.TarFile,
    found: _Sorter,
    skipped: list[Skipped],
    path: str,
    samples: list[bytes] | None = None,
) -> int:
    others = 0
    try:
        for k, info in enumerate(tar):
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                name = member_name(info.name)
                if looks_like_image(name) and not is_hidden(name.rsplit("/", 1)[-1]):
                    skipped.append(Skipped(name, "a link or special file inside an archive"))
                continue
            stamp = f"{info.size} {info.mtime}"
            before = len(found.members)
            others += found.add(info.name, lambda name, i=info, k=k, s=stamp: _Member(name, i.size, k, i, s))
            new = len(found.members) > before
            if samples is None or not new or not info.size or len(samples) == _PEEKED:
                continue
            if sum(map(len, samples)) + info.size < _PEEKED_BYTES:
                samples.append(tar.extractfile(info).read())  # type: ignore[union-attr]
    except BROKEN as error:
        if not found.members:
            raise
        skipped.append(
            Skipped(os.path.basename(path), f"the archive ends early ({error}); the rest of it is lost")
        )
    return others


def _listing(
    path: str,
    found: _Sorter,
    skipped: list[Skipped],
    others: int,
    read: Callable[[_Member], bytes],
    sequential: bool = False,
) -> Listing:
    names = sorted(found.members)
    rows = [found.members[name] for name in names]
    status = os.stat(path)

    def payload(i: int) -> Payload:
        data = read(rows[i])
        if not data:
            raise UnreadableError("empty file (0 bytes)")
        return data

    notes = []
    if found.twice:
        notes.append(
            f"{len(found.twice)} names stand twice in {path}, first {found.twice[0]!r}; the later one counts"
        )
    return Listing(
        source=path,
        **from_paths(names),
        read=payload,
        stamps=[f"{m.stamp} {status.st_size} {status.st_mtime_ns}" for m in rows],
        positions=[m.place for m in rows] if sequential else None,
        skipped=sorted(skipped, key=lambda s: s.name),
        others=others,
        notes=notes,
    )


def _is_plain_tar(path: str) -> bool:
    try:
        with tarfile.open(path, "r:"):
            return True
    except tarfile.ReadError:
        return False


def _limited(file: IO[bytes]) -> bytes:
    """Read a member to its end, but never more than the limit, whatever its header says."""
    data = io.BytesIO()
    while block := file.read(1 << 20):
        if data.tell() + len(block) > MAX_MEMBER_BYTES:
            raise UnreadableError(_too_large(None))
        data.write(block)
    return data.getvalue()


def _too_large(size: int | None) -> str:
    return f"unpacks to {f'{size} bytes, ' if size else ''}more than {MAX_MEMBER_BYTES} bytes"
