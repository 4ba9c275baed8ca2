"""``open_images``: whatever the user hands in becomes an :class:`~augmap.images.imageset.ImageSet`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from augmap.config import Preprocessing
from augmap.errors import InputError
from augmap.images import (
    labels,
    names,
    size,
    store,
)
from augmap.images.decode import MAX_PIXELS, pillow_limits
from augmap.images.imageset import ImageSet, Skipped, fingerprint
from augmap.images.listing import Listing, select
from augmap.images.sources import ACCEPTED, list_source

Progress = Callable[[int, int], None]


def open_images(
    source: Any,
    *,
    preprocessing: Preprocessing | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    labels: str | os.PathLike[str] = "folder",
    only_split: str | None = None,
    exclude: str | os.PathLike[str] | None = None,
    strict: bool = False,
    max_pixels: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    store: bool = True,
    progress: Progress | None = None,
    download_progress: Progress | None = None,
) -> ImageSet:
    """Open images from anywhere and decode them once.

    Parameters
    ----------
    source : path or object
        Folder, glob, image file, archive, .npz, .npy, CIFAR or idx files, or a known name; in Python also
        an array (n, h, w[, c]), a tensor (n, c, h, w), a list of paths, PIL images or arrays, a torch,
        torchvision or Hugging Face data set, a dict of these by split, or an ImageSet, which is returned as
        it is.
    preprocessing : Preprocessing, optional
        Exactly this, as an existing map asks for it; else ``image_size`` and ``channels``, chosen from the
        data where they are not given.
    labels : str or path
        ``"folder"``: those that folders or the source itself tell; ``"none"``; or a CSV file with ``name``
        and ``label``.
    only_split : str, optional
        ``"train"``, ``"test"`` or ``"val"``: only the images of this split.
    exclude : path, optional
        CSV file of names to leave out (rows with ``decision`` ``drop``, or all when there is no such column).
    strict : bool
        Raise when any file cannot be read, instead of skipping it.
    max_pixels : int, optional
        Images with more are skipped without decoding them; by default ``images.decode.MAX_PIXELS``.
    cache : path, optional
        Folder of pixel stores and downloads.
    store : bool
        False keeps all pixels in memory and writes nothing.
    progress, download_progress : callables, optional
        ``progress(done, total)`` in images while they are decoded; in bytes while a known data set is
        downloaded.

    Raises
    ------
    InputError
        When there is nothing to read, or something is not as it is asked for.
    """
    if isinstance(source, ImageSet):
        wanted = [(preprocessing, source.preprocessing), (image_size, source.preprocessing.image_size)]
        wanted += [(channels, source.preprocessing.channels)]
        wanted += [(labels, "folder"), (max_pixels, None)]
        if any(w not in (None, have) for w, have in wanted) or only_split or exclude:
            raise InputError(f"{source.source} is open already; give these options where it is opened")
        if strict and source.skipped:
            raise _strict_error(source.source, source.skipped, len(source) + len(source.skipped))
        return source
    max_pixels = MAX_PIXELS if max_pixels is None else max_pixels
    if max_pixels < 1:
        raise InputError(f"max_pixels must be at least 1, got {max_pixels}")
    listing = list_source(source, cache=cache, download_progress=download_progress)
    if not len(listing):
        raise _nothing(listing)
    listing, notes = _filtered(listing, labels, only_split, exclude)
    if strict and listing.skipped:
        raise _strict_error(listing.source, listing.skipped, len(listing) + len(listing.skipped))
    with pillow_limits(max_pixels):
        preprocessing, chosen = _preprocessing(listing, preprocessing, image_size, channels)
    result = store_pixels(
        listing, preprocessing, max_pixels=max_pixels, cache=cache, keep=store, progress=progress
    )
    if result.failures and strict:
        failed = [Skipped(listing.names[i], r) for i, r in sorted(result.failures.items())]
        raise _strict_error(listing.source, failed, len(listing))
    if os.fspath(labels) != "folder":
        result = dataclasses.replace(result, labels={})  # those that the items of a data set told
    return _image_set(listing, preprocessing, result, notes + chosen)


def _filtered(
    listing: Listing,
    labels_from: str | os.PathLike[str],
    only_split: str | None,
    exclude: str | os.PathLike[str] | None,
) -> tuple[Listing, list[str]]:
    """Apply labels, then the split, then the list of names to leave out."""
    notes = list(listing.notes)
    if os.fspath(labels_from) == "none":
        listing = dataclasses.replace(listing, labels={})
    elif os.fspath(labels_from) != "folder":
        columns = labels.read_labels(labels_from, listing.names, {s.name for s in listing.skipped})
        listing = dataclasses.replace(listing, labels=columns)
    if only_split is not None:
        wanted = names.SPLITS.get(only_split.lower())
        rows = [i for i, s in enumerate(listing.splits) if s == wanted]
        if wanted is None or not rows:
            there = ", ".join(sorted(set(listing.splits) - {""})) or "none"
            raise InputError(f"{listing.source}: no images of split {only_split!r}; splits found: {there}")
        kept = [s for s in listing.skipped if names.split_of(s.name) in ("", wanted)]
        listing = dataclasses.replace(select(listing, rows), skipped=kept)
    if exclude is not None:
        drop, strange = labels.known_excluded(exclude, listing.names, [s.name for s in listing.skipped])
        rows = [i for i, name in enumerate(listing.names) if name not in drop]
        if not rows:
            raise InputError(f"{exclude}: leaves out all {len(listing)} images; keep some")
        note = f"{len(listing) - len(rows)} images left out by {os.fspath(exclude)}"
        if strange:
            note += f"; {len(strange)} of its {len(drop) + len(strange)} names are not among the images"
        notes.append(note)
        listing = select(listing, rows)
    if listing.others:
        notes.append(f"{listing.others} other files ignored")
    return listing, notes


def _preprocessing(
    listing: Listing, given: Preprocessing | None, image_size: int | None, channels: int | None
) -> tuple[Preprocessing, list[str]]:
    if given is not None:
        if image_size not in (None, given.image_size) or channels not in (None, given.channels):
            raise InputError(
                f"preprocessing asks for size {given.image_size} and {given.channels} channels, "
                f"image_size and channels for {image_size} and {channels}; give one of them"
            )
        chosen, notes = given, []
    else:
        chosen, notes = size.choose(listing, image_size, channels)
    if (why := why_no_files(chosen)) and listing.array is None and _is_file(listing):
        raise InputError(why)
    return chosen, notes


def why_no_files(preprocessing: Preprocessing) -> str:
    """Return why no image file becomes what is asked for, or an empty string."""
    if preprocessing.channels in (1, 3):
        return ""
    return f"image files have 1 or 3 channels, not {preprocessing.channels}: pass an array that has so many"


def _is_file(listing: Listing) -> bool:
    return not isinstance(listing.read(0), np.ndarray) if listing.positions is None else True


def store_pixels(
    listing: Listing,
    preprocessing: Preprocessing,
    *,
    max_pixels: int,
    cache: str | os.PathLike[str] | None,
    keep: bool,
    progress: Progress | None,
) -> store.Stored:
    """Return the pixels of a listing; raise when none of its images can be read."""
    result = store.stored(
        listing, preprocessing, max_pixels=max_pixels, cache=cache, store=keep, progress=progress
    )
    if not len(result.pixels):
        failed = [Skipped(listing.names[i], r) for i, r in sorted(result.failures.items())]
        raise InputError(
            f"{listing.source}: none of its {len(listing)} files can be read as an image, first {failed[0]}"
        )
    return result


def _image_set(
    listing: Listing, preprocessing: Preprocessing, result: store.Stored, notes: list[str]
) -> ImageSet:
    good = [i for i in range(len(listing)) if i not in result.failures]
    columns = {k: [v[i] for i in good] for k, v in listing.labels.items()}
    if result.labels and "label" not in columns:
        columns = {"label": [result.labels.get(i, "") for i in good], **columns}
    texts = [listing.names[i] for i in good]
    failed = [Skipped(listing.names[i], r) for i, r in result.failures.items()]
    return ImageSet(
        pixels=result.pixels,
        names=texts,
        splits=[listing.splits[i] for i in good],
        labels=columns,
        preprocessing=preprocessing,
        digests=result.digests,
        fingerprint=fingerprint(result.pixels.shape[1:], texts, result.digests),
        source=listing.source,
        root=listing.root,
        skipped=sorted([*listing.skipped, *failed], key=lambda s: s.name),
        notes=notes,
    )


def _nothing(listing: Listing) -> InputError:
    if listing.skipped:
        return InputError(f"{listing.source}: no image can be read, first {listing.skipped[0]}")
    there = [f"{listing.others} files of other kinds"] if listing.others else []
    why = f" ({'; '.join([*there, *listing.notes])})" if there or listing.notes else ""
    return InputError(f"{listing.source}: no images in it{why}; give {ACCEPTED}")


def _strict_error(source: str, failed: list[Skipped], n: int) -> InputError:
    first = ", ".join(map(str, failed[:3]))
    return InputError(
        f"{source}: {len(failed)} of {n} files cannot be read, first {first}; "
        "remove them or leave out --strict"
    )
