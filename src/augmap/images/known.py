"""Data sets known by name: downloaded once, checked against a checksum, kept in the cache.

The checksums are those that the official pages, torchvision and Keras give. A download that stops leaves
nothing behind that could be taken for the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from augmap.errors import InputError
from augmap.images import cifar, idx
from augmap.images.listing import Listing, join

MIRROR = "AUGMAP_MIRROR"
"""Environment variable: a URL that is asked instead, for NAME/FILE, when the official servers cannot be
reached."""
_TIMEOUT = 30.0  # seconds without an answer
_BLOCK = 1 << 20


@dataclass(frozen=True)
class KnownFile:
    """One file of a known data set; ``checksum`` is ``algorithm:hex``."""

    name: str
    checksum: str


@dataclass(frozen=True)
class Known:
    """A data set known by name: where its files lie."""

    url: str
    files: tuple[KnownFile, ...]
    classes: tuple[str, ...] | None = None


_DIGITS = tuple("0123456789")
_FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def _idx_files(*md5: str) -> tuple[KnownFile, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(KnownFile(f"{n}-ubyte.gz", f"md5:{m}") for n, m in zip(names, md5, strict=True))


KNOWN = {
    "cifar10": Known(
        "https://www.cs.toronto.edu/~kriz/",
        (
            KnownFile(
                "cifar-10-python.tar.gz",
                "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            ),
        ),
    ),
    "cifar100": Known(
        "https://www.cs.toronto.edu/~kriz/",
        (
            KnownFile(
                "cifar-100-python.tar.gz",
                "sha256:85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            ),
        ),
    ),
    "fashion-mnist": Known(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        _idx_files(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        _FASHION,
    ),
    "mnist": Known(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        _idx_files(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        _DIGITS,
    ),
}


def known_name(source: str) -> str | None:
    """Return the known name that ``source`` spells (case and - or _ do not matter), or None."""
    plain = source.lower().replace("_", "").replace("-", "")
    return next((name for name in KNOWN if name.replace("-", "") == plain), None)


def list_known(name: str, directory: Path, progress: Callable[[int, int], None] | None = None) -> Listing:
    """List a known data set; its files are downloaded to ``directory`` when they are not there yet.

    Parameters
    ----------
    progress : callable, optional
        ``progress(done, total)`` in bytes, for each file that is downloaded.
    """
    known = KNOWN[name]
    paths = [fetch(name, file, directory, progress) for file in known.files]
    if name.startswith("cifar"):
        return cifar.list_batches_tar(paths[0])
    classes = None if known.classes is None else list(known.classes)
    return join(
        name, {s: idx.list_idx(p, classes) for s, p in zip(("train", "test"), paths[::2], strict=True)}
    )


def fetch(
    name: str, file: KnownFile, directory: Path, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Return the path of a file of a known data set, downloaded if need be and checked.

    Raises
    ------
    InputError
        Naming the URL and where to put the file, when it cannot be had from there or is not the right one.
    """
    target = directory / file.name
    mirror = os.environ.get(MIRROR)
    url = f"{mirror.rstrip('/')}/{name}/{file.name}" if mirror else KNOWN[name].url + file.name
    if target.exists():
        # checked each time: a file put there by hand may be the wrong one or half of it
        if _checksum(target, file.checksum) != file.checksum:
            raise InputError(f"{target}: not the file from {url} (wrong checksum); delete it and try again")
        return target
    if not url.startswith(("https://", "http://")):
        raise InputError(f"{MIRROR} must be an http:// or https:// URL, got {mirror!r}")
    by_hand = f"download {url} and put it at {target}"
    part = None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f".{file.name}-", dir=directory)
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            total, done = int(answer.headers.get("Content-Length") or 0), 0
            while block := answer.read(_BLOCK):
                out.write(block)
                done += len(block)
                if progress is not None:
                    progress(done, max(total, done))
        found = _checksum(Path(part), file.checksum)
        if found != file.checksum:
            raise InputError(f"{url} gave a wrong or cut file ({found}, expected {file.checksum}); {by_hand}")
        os.replace(part, target)
        part = None
    except (OSError, HTTPException) as error:  # URLError is an OSError
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise InputError(f"{name} is not in the cache and cannot be downloaded ({why}): {by_hand}") from None
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                os.unlink(part)
    return target


def _checksum(path: Path, like: str) -> str:
    algorithm = like.split(":")[0]
    h = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            h.update(block)
    return f"{algorithm}:{h.hexdigest()}"
