"""What can go wrong, by whose hand."""

from __future__ import annotations

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system answers where a disk, a quota or a file's size is at its end."""


class AugmapError(Exception):
    """Base of every error that augmap raises on purpose."""


class InputError(AugmapError, ValueError):
    """The user's mistake: the message names the thing, shows the value and says what to do.

    The command line prints it as one line on stderr and exits with code 2.
    """


class DamagedMapError(InputError):
    """A file of a map folder is missing, cut short or not what ``map.json`` recorded."""


class NoRoomError(AugmapError):
    """The disk is full, or a quota: no mistake in what was asked for. Exit code 1."""


class TrainingError(AugmapError, RuntimeError):
    """Training cannot go on, for example because the loss is no longer finite."""


class Interrupted(AugmapError):  # noqa: N818 - it is not an error of anybody
    """Training was asked to stop and saved a checkpoint; the message says how to resume."""


def cannot(error: OSError, message: str) -> AugmapError:
    """Return the error for a file that cannot be written: nobody's mistake where there is no room."""
    return (NoRoomError if error.errno in NO_ROOM else InputError)(message)
