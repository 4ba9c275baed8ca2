"""Work in another process: what holds the interpreter for half a minute would hold the server with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")


def aside(function: Callable[..., T], *arguments: Any) -> T:
    """Return ``function(*arguments)``, worked out in a process that ends with this one.

    Parameters
    ----------
    function : callable
        Found by its name: a function of a module.
    *arguments
        Sent to the other process and, like what comes back, pickled.

    Raises
    ------
    RuntimeError
        The other process ended without an answer; why stands in the terminal.
    """
    context = multiprocessing.get_context("spawn")  # a fork beside threads may find their locks taken
    here, there = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(there, function, arguments), daemon=True)
    worker.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise RuntimeError(f"the process for {function.__name__} ended without an answer") from None
    finally:
        worker.join()
        here.close()


def _work(answers: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this one
    found = function(*arguments)
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        answers.send(found)
