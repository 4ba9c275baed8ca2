"""The entry point: collects the commands, and is the one place where errors become lines and exit codes.

A command lives in ``augmap.cli.<name>`` as a function of the same name. It imports what it calls inside
its body, so that ``--help`` of anything loads no torch.

===== ==========================================================================================
exit  meaning
===== ==========================================================================================
0     done
1     something outside the user's hands failed: a full disk, a loss that is no longer finite
2     the user's mistake (:class:`~augmap.errors.InputError`, wrong options, no permission)
130   stopped by Ctrl-C or SIGTERM, with a checkpoint where one could be saved
141   whoever read the output went away (``augmap info MAP | head -1``)
===== ==========================================================================================

Everything else is a defect of augmap and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, NoReturn

import typer

import augmap
from augmap.cli.allocator import keep_buffers
from augmap.errors import NO_ROOM, AugmapError, InputError, Interrupted

COMMANDS = (
    *("demo", "fit", "embed", "plot", "explore", "export"),
    *("evaluate", "baseline", "compare", "review", "apply"),
    *("info", "augmentations", "cache"),
)
"""In the order of ``augmap --help``: the way a newcomer goes."""

_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
# Typer shows its usage errors in a box of five lines; caught by their base class they become one line.
# It is public only as an ancestor (typer brings its own copy of click, or depends on it, by version).
_CommandLineError = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; ``arguments`` stand in for ``sys.argv[1:]``."""
    configure_process()
    try:
        os.getcwd()
    except FileNotFoundError:  # libraries die of it with words of their own
        sys.exit(_say("the current folder no longer exists; cd elsewhere", code=2))
    code = run(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _broken_pipe()
    sys.exit(code)


def configure_process() -> None:
    """Settings of the whole process, made here and never by ``import augmap``: nothing heavy is imported yet.

    Environment variables that torch or an allocator reads when it is loaded belong here.
    """
    # who closed them hears nothing; and no file that is opened later takes their number
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # a file name may hold bytes that are no UTF-8, or a letter that the terminal lacks
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # whoever asks for an end by SIGTERM gets what Ctrl-C gets: half-made things are put away
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored, as by nohup
        signal.signal(signal.SIGINT, _end)
    keep_buffers()


class _Ended(KeyboardInterrupt):
    """SIGTERM came.

    A class of its own, because ``python -m`` kills itself by SIGINT, whatever exit code is asked for, where a
    bare KeyboardInterrupt has passed through code made at run time, such as that of a dataclass.
    """


_asked = threading.Event()
"""Set where somebody asked for an end: a compiler's callback may swallow what is raised there."""


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    _asked.set()
    raise _Ended if number == signal.SIGTERM else KeyboardInterrupt


def run(arguments: Sequence[str]) -> int:
    """Run one command line; what it returns is the exit code."""
    command = typer.main.get_command(build_app())
    try:
        # not command(...): that would answer errors, Ctrl-C and a broken pipe by itself, in its own words
        with command.make_context("augmap", list(arguments) or ["--help"]) as context:
            command.invoke(context)
        return 0
    except typer.Exit as end:  # --help and --version
        return end.exit_code
    except _CommandLineError as error:
        return _say(_usage(error), code=2)
    except InputError as error:
        return _say(str(error), code=2)
    except Interrupted as error:
        return _say(str(error), code=130)
    except AugmapError as error:
        return _say(str(error), code=1)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", code=130)
    except BrokenPipeError:
        return _broken_pipe()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in _NO_PERMISSION:
            return _say(f"{where}{error.strerror}; choose another place, or ask for the permission", code=2)
        if error.errno in NO_ROOM:
            return _say(f"{where}{error.strerror}; free some space and run the same command again", code=1)
        raise
    except Exception:
        if _asked.is_set():  # what broke off half-way is of no interest
            return _say("interrupted", code=130)
        raise


def build_app() -> typer.Typer:
    """The typer application with every command of :data:`COMMANDS`."""
    app = typer.Typer(
        name="augmap",
        help="Turn a folder of images into a map, with no labels and no pretrained network.",
        epilog="Start with: augmap demo   or   augmap fit photos/ -o photos.map",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_augmap)
    for name in COMMANDS:
        app.command(name)(getattr(import_module(f"augmap.cli.{name}"), name))
    return app


def _print_version(asked: bool) -> bool:
    if asked:
        print(f"augmap {augmap.__version__}")
        raise typer.Exit
    return asked


def _augmap(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Options of ``augmap`` itself; they have done their work when this is called."""


def _usage(error: Exception) -> str:
    """What is wrong with the command line, the value that is wrong, and where to read on."""
    message = error.format_message().rstrip(".").replace("Value error, ", "")  # pydantic's
    details = getattr(error.__cause__, "errors", None)  # pydantic's, which leave the value out of the text
    value = repr(details()[0]["input"]) if callable(details) else ""
    if value not in message:
        message += f", got {value}"
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "augmap"
    return f"{message}{'' if message.endswith('?') else '.'} See {command} --help"


def _say(message: str, *, code: int) -> int:
    """One line on stderr, whatever the message holds."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK") == "0":  # torchrun: once is enough
        print("augmap:", " ".join(message.split()), file=sys.stderr)
    return code


def _broken_pipe() -> int:
    # the interpreter flushes stdout once more at its end and would complain
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
