"""Folders, globs and lists of files: which files are images, what they are called, which cannot be reached.

Rules:

* Hidden files and folders (a leading dot, ``Thumbs.db``, ``desktop.ini``, ``__MACOSX``, ``@eaDir``) are
  left out.
* A file whose extension says that it is no image is left out and counted. A file without extension is tried.
* A folder below the root that augmap itself made, a map or a review, is left out and named in a note: its
  thumbnails and contact sheets are no new images, and the names of an earlier map still fit.
* Links are followed. A folder is read once, under its own name if it has one inside the root, so that a link
  that leads in a circle ends there.
"""

from __future__ import annotations

import errno
import functools
import glob
import itertools
import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from augmap.errors import InputError
from augmap.images.imageset import Skipped
from augmap.images.listing import Listing, from_paths
from augmap.images.names import escape
from augmap.record import INCOMING, RECORD, is_record

EXTENSIONS = frozenset({
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif", ".heic", ".heif"),
})  # fmt: skip
_REVIEW, _REVIEW_SAYS = "review.json", {"augmap", "queues"}
"""The record of a review, and some of what it says."""
_HIDDEN = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}


def list_folder(root: str | os.PathLike[str]) -> Listing:
    """List the images of a folder and of all folders in it, in the order of their names."""
    root = os.fspath(root)
    found = _Found(root)
    _walk(found, root)
    return found.listing(root)


def list_glob(pattern: str) -> Listing:
    """List the files that match ``pattern`` (``**`` for any depth) and all images of folders that match.

    Names are relative to the part of the pattern before the first wildcard.
    """
    root = pattern
    while glob.has_magic(root):
        root = os.path.dirname(root)
    root = root or "."
    matches = sorted(glob.glob(pattern, recursive=True))
    if not matches:
        raise InputError(f"{pattern}: no file matches; quote the pattern so that the shell leaves it alone")
    found = _Found(root)
    _add_all(found, matches)
    return found.listing(pattern)


def list_files(paths: Iterable[str | os.PathLike[str]]) -> Listing:
    """List files one by one, in the order given, named relative to the folder they have in common."""
    paths = [os.path.abspath(os.fspath(p)) for p in paths]
    root = os.path.commonpath([os.path.dirname(p) for p in paths])
    found, entries = _Found(root), {}
    for i, path in enumerate(paths):
        first = entries.setdefault(path, i)
        if first != i:  # one row for both, and rows would no longer be the list's
            raise InputError(
                f"{path}: stands twice in the list of paths, as entries {first} and {i}; name each file once"
            )
        if os.path.isdir(path):
            raise InputError(f"{path}: a list of paths must name files, this is a folder; pass it by itself")
        if not os.path.lexists(path):
            raise InputError(f"{path}: no such file")
        _add_file(found, path, asked_for=True)
    return found.listing(root if len(paths) > 1 else paths[0], ordered=True)


def is_hidden(part: str) -> bool:
    """Return whether a file or folder of this name is left out quietly."""
    return part.startswith(".") or part.lower() in _HIDDEN


def looks_like_image(name: str) -> bool:
    """Return whether a file of this name is tried: it has an image extension, or none."""
    extension = os.path.splitext(name)[1].lower()
    # "IMG.2024-05-01" has no extension that could mean anything
    return extension in EXTENSIONS or not extension or not extension[1:].isalnum() or extension[1:].isdigit()


@dataclass
class _Found:
    root: str
    files: dict[str, tuple[str, str]] = field(default_factory=dict)  # name -> path, stamp
    skipped: dict[str, Skipped] = field(default_factory=dict)
    folders: set[tuple[int, int]] = field(default_factory=set)  # device and inode of those read
    links: list[str] = field(default_factory=list)  # links to folders, to be followed at the end
    made: set[str] = field(default_factory=set)  # folders that augmap made
    others: int = 0

    def name(self, path: str) -> str:
        prefix = os.path.join(self.root, "")
        relative = path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, self.root)
        return "/".join(escape(part) for part in relative.split(os.sep))

    def skip(self, path: str, reason: str) -> None:
        name = self.name(path)
        self.skipped[name] = Skipped(name, reason)

    def notes(self) -> list[str]:
        made = sorted(map(self.name, self.made))
        if not made:
            return []
        first = ", ".join(map(repr, made[:3])) + (", ..." if len(made) > 3 else "")
        some = (
            "1 folder that augmap made is" if len(made) == 1 else f"{len(made)} folders that augmap made are"
        )
        return [f"{some} left out: {first}"]

    def listing(self, source: str, ordered: bool = False) -> Listing:
        names = list(self.files) if ordered else sorted(self.files)
        paths = [self.files[name][0] for name in names]
        return Listing(
            source=source,
            **from_paths(names),
            read=paths.__getitem__,
            stamps=[self.files[name][1] for name in names],
            root=os.path.abspath(self.root),
            skipped=[self.skipped[name] for name in sorted(self.skipped)],
            others=self.others,
            notes=self.notes(),
        )


def _walk(found: _Found, top: str) -> None:
    """Read ``top`` and what is below; then the links to folders, which may show more links."""
    _read_tree(found, top)
    while found.links:
        links, found.links = sorted(found.links), []
        for link in links:
            _read_tree(found, link, through_link=True)


def _read_tree(found: _Found, top: str, through_link: bool = False) -> None:
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in found.folders:
                if through_link and folder == top and not _is_made(folder):
                    found.skip(folder, "link to a folder that is already read (a circle, or a second name)")
                continue
            found.folders.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda e: e.name)
        except OSError as error:
            if folder == found.root:
                raise InputError(f"{folder}: cannot be read ({_why(error)})") from None
            found.skip(folder, f"folder cannot be read: {_why(error)}")
            continue
        if folder != found.root and _is_made(folder, {e.name for e in listed}):
            found.made.add(folder)
            continue
        for entry in listed:
            if is_hidden(entry.name):
                continue
            try:
                is_folder = entry.is_dir()
                is_link = entry.is_symlink()
            except OSError as error:
                found.skip(entry.path, _why(error))
                continue
            if is_folder and is_link:
                found.links.append(entry.path)
            elif is_folder:
                stack.append(entry.path)
            else:
                _add_file(found, entry.path, entry)


def _add_all(found: _Found, paths: list[str]) -> None:
    is_made = functools.cache(_is_made)
    for path in paths:
        parts = os.path.relpath(path, found.root).split(os.sep)
        if any(is_hidden(part) for part in parts if part not in (".", "..")):
            continue
        folders = itertools.accumulate(parts[:-1], os.path.join, initial=found.root)
        if made := [folder for folder in itertools.islice(folders, 1, None) if is_made(folder)]:
            found.made.add(made[0])
        elif os.path.isdir(path):
            _walk(found, path)
        else:
            _add_file(found, path)


def _add_file(
    found: _Found, path: str, entry: os.DirEntry[str] | None = None, asked_for: bool = False
) -> None:
    if not asked_for and not looks_like_image(os.path.basename(path)):
        found.others += 1
        return
    try:
        status = entry.stat() if entry is not None else os.stat(path)
    except OSError as error:
        found.skip(
            path, "dangling link" if os.path.islink(path) and error.errno == errno.ENOENT else _why(error)
        )
        return
    if not stat.S_ISREG(status.st_mode):
        found.skip(path, "not a regular file (a pipe, socket or device)")
        return
    name = found.name(path)
    found.files.setdefault(name, (path, f"{status.st_size} {status.st_mtime_ns}"))


def _is_made(folder: str, there: Iterable[str] | None = None) -> bool:
    """Return whether augmap made a folder: a map, be it about to be replaced, or a review.

    Other programs too write files of these names; what stands in them tells.
    """
    if there is None:
        try:
            there = os.listdir(folder)
        except OSError:
            return False
    there = set(there)
    if RECORD in there and is_record(Path(folder, RECORD)):
        return True
    if INCOMING in there and is_record(Path(folder, INCOMING, RECORD)):
        return True
    if _REVIEW not in there:
        return False
    try:
        review = json.loads(Path(folder, _REVIEW).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(review, dict) and review.keys() >= _REVIEW_SAYS


def _why(error: OSError) -> str:
    return {
        errno.ELOOP: "link that leads in a circle",
        errno.ENAMETOOLONG: "path too long",
        errno.EACCES: "permission denied",
        errno.ENOENT: "has gone",
    }.get(error.errno or 0, error.strerror or type(error).__name__)


def folder_of(path: Path) -> set[str]:
    """Return the names of the files that lie directly in a folder, or nothing when it cannot be read."""
    try:
        return {e.name for e in os.scandir(path) if e.is_file()}
    except OSError:
        return set()
