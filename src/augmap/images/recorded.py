"""Where the images of a map lie, as its record says, wherever the command is started."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from augmap.errors import InputError
from augmap.images import cache as caches
from augmap.images import known
from augmap.images.sources import list_source


def recorded_source(
    info: Mapping[str, Any], names: Sequence[str], *, cache: str | os.PathLike[str] | None = None
) -> str:
    """Return what to open for the images of a map.

    The folder of the originals comes first, which is absolute; it may hold more images than the map. What
    was opened may be relative, and then something else may bear that name in the working folder: it is
    taken only when all the map's names are in it, which is seen before anything is decoded. Nothing is
    downloaded.

    Parameters
    ----------
    info : dict
        ``ImageMap.info``, of which ``root`` and ``source`` are read.
    names : sequence of str
        The images of the map.
    cache : path, optional
        Folder of downloads, for the names of known data sets.

    Raises
    ------
    InputError
        The images are not there any more, or others are.
    """
    source, root = info.get("source"), info.get("root")
    if isinstance(root, str) and os.path.isdir(root):
        return root
    if not isinstance(source, str):
        raise InputError("the map does not say where its images are")
    if not os.path.lexists(source):
        if _is_downloaded(source, cache):
            return source
        raise InputError(f"{source} is not here")
    if not os.path.isabs(source):
        listing = list_source(source, cache=cache)
        there = {*listing.names, *(s.name for s in listing.skipped)}
        if missing := [name for name in names if name not in there]:
            raise InputError(
                f"{source} holds other images in this folder: {len(missing)} of the map's {len(names)} are "
                f"not there, first {missing[0]!r}"
            )
    return source


def _is_downloaded(source: str, cache: str | os.PathLike[str] | None) -> bool:
    name = known.known_name(source)
    if name is None:
        return False
    folder = caches.downloads_directory(name, cache)
    return all((folder / file.name).is_file() for file in known.KNOWN[name].files)
