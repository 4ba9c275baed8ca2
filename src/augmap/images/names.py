"""Names: what an image is called, and what its folders say about it.

A name is the path relative to the root that was given, ``/``-separated, as printable text on one line
that any file system path maps to and back from.
"""

from __future__ import annotations

import os
import re

SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
}
"""Folder names, in lower case, that mean a split."""

# What breaks a line or hides in a terminal: C0, DEL, C1, and the two Unicode line ends.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2})")


def escape(path: str | bytes) -> str:
    r"""Return the name of a relative path: text that is valid UTF-8, printable, and tells every byte.

    A backslash becomes ``\\``; a byte that is no UTF-8, a control character or line end becomes ``\xNN``,
    one for each byte. :func:`unescape` is the way back.

    Parameters
    ----------
    path : str or bytes
        ``/``-separated. A str is as :mod:`os` gives it, undecodable bytes as lone surrogates.
    """
    text = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
    text = _CONTROL.sub(lambda m: _hex(m.group().encode()), text.replace("\\", "\\\\"))
    if not text.isascii():
        text = "".join(_hex(os.fsencode(c)) if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)
    return text


def unescape(name: str) -> bytes:
    """Return the path, as bytes, that :func:`escape` made ``name`` of; ``os.fsdecode`` makes it a str."""
    out, at = bytearray(), 0
    for m in _ESCAPED.finditer(name):
        out += name[at : m.start()].encode()
        out += b"\\" if m.group(1) == "\\" else bytes([int(m.group(1)[1:], 16)])
        at = m.end()
    return bytes(out + name[at:].encode())


def member_name(path: str) -> str:
    """Return the name of a member of an archive: only a name, never a way out of the folder.

    ``./`` and a leading ``/`` are dropped; a part ``..`` is written with escapes, so that joining the
    name to a folder stays inside it.
    """
    parts = [p for p in path.split("/") if p not in ("", ".")]
    return "/".join(r"\x2e\x2e" if p == ".." else escape(p) for p in parts)


def split_of(name: str) -> str:
    """Return ``train``, ``test`` or ``val`` for the first folder of ``name`` that means one, else ``""``."""
    for part in name.split("/")[:-1]:
        if part.lower() in SPLITS:
            return SPLITS[part.lower()]
    return ""


def label_of(name: str) -> str:
    """Return the last folder of ``name`` that is not a split, or ``""``."""
    for part in reversed(name.split("/")[:-1]):
        if part.lower() not in SPLITS:
            return part
    return ""


def numbered(n: int) -> list[str]:
    """Return names for ``n`` images that have none: ``000000``, ``000001``, ..."""
    width = max(6, len(str(n - 1)))
    return [f"{i:0{width}d}" for i in range(n)]


def _hex(data: bytes) -> str:
    return "".join(f"\\x{b:02x}" for b in data)
