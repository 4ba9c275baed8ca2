"""What can go wrong, by whose hand."""


class AugmapError(Exception):
    """Base of every error that augmap raises on purpose."""


class InputError(AugmapError, ValueError):
    """The user's mistake: the message names the thing, shows the value and says what to do.

    The command line prints it as one line on stderr and exits with code 2.
    """


class DamagedMapError(InputError):
    """A file of a map folder is missing, cut short or not what ``map.json`` recorded."""


class TrainingError(AugmapError, RuntimeError):
    """Training cannot go on, for example because the loss is no longer finite."""


class Interrupted(AugmapError):  # noqa: N818 - it is not an error of anybody
    """Training was asked to stop and saved a checkpoint; the message says how to resume."""
