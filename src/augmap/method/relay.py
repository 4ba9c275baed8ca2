"""Processes of a run on this machine: started here, heard here, ended with this one.

Listeners, sentences and bars stay in the process that called: the first of the training processes sends
what they are told through a pipe, so that any callable will do. Outcomes and errors come the same way.
"""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import os
import pickle
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from augmap.errors import InputError, Interrupted, TrainingError
from augmap.method.run import Outcome, Task, run_task, silent
from augmap.method.source import PixelFile
from augmap.method.watch import Report, Stop

_POLL = 0.2
"""Seconds between looks at the wish to stop while the processes are silent."""
_ENVIRONMENT = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "NODE_RANK", "LOCAL_RANK")


class Line:
    """The processes' end of the pipe; nobody listening is no error, as the run will be asked to end."""

    def __init__(self, sender: Any, lock: Any) -> None:
        self._sender, self._lock = sender, lock

    def send(self, kind: str, *content: Any) -> None:
        """Send one message."""
        data = pickle.dumps((kind, *content))
        with self._lock, suppress(BrokenPipeError):
            self._sender.send_bytes(data)

    def say(self, line: str) -> None:
        """Pass a sentence on."""
        self.send("say", line)

    def report(self, report: Report) -> None:
        """Pass a report on to the listeners."""
        self.send("report", report)

    def bar(self, title: str) -> Callable[[int, int], None]:
        """Pass a bar's counts on."""
        return lambda done, total: self.send("bar", title, done, total)


def run_in_processes(fabric: Fabric, task: Task) -> Outcome:
    """Run a task in processes of its own, ``fabric.world_size`` of them, and be its ears meanwhile.

    Raises
    ------
    Whatever a process raised; :class:`InputError` for a task that cannot be sent to another process;
    :class:`TrainingError` where a process was killed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    wish, line = context.Event(), Line(sender, context.Lock())
    before = set(multiprocessing.active_children())
    failure: list[BaseException] = []

    with tempfile.TemporaryDirectory(prefix="augmap-") as scratch, Stop().on_signals() as stop:
        sent = pickle.dumps(_portable(task, Path(scratch)))  # Fabric would look into anything but bytes

        def start() -> None:
            try:
                with _environment(), quiet():
                    fabric.launch(_work, sent, line, wish)
            except BaseException as error:
                failure.append(error)
            finally:
                sender.close()

        starter = threading.Thread(target=start, name="augmap-processes")
        starter.start()
        try:
            outcome, errors = _listen(receiver, task, stop, wish)
        except BaseException:  # a second Ctrl-C
            for child in set(multiprocessing.active_children()) - before:
                child.kill()
            raise
        finally:
            starter.join()
            receiver.close()
    if errors:
        raise errors[0]
    if outcome is None:
        reason = str(failure[0]).strip().splitlines()[-1] if failure else "no result came back"
        raise TrainingError(f"a process of the run ended by itself ({reason})") from (failure or [None])[0]
    return outcome


def _listen(receiver: Any, task: Task, stop: Stop, wish: Any) -> tuple[Outcome | None, list[BaseException]]:
    """Do what the processes say until the last of them has gone."""
    bars: dict[str, Callable[[int, int], None]] = {}
    outcome: Outcome | None = None
    errors: list[BaseException] = []
    while True:
        if stop.wanted:
            wish.set()
        if not receiver.poll(_POLL):
            continue
        try:
            kind, *content = receiver.recv()
        except EOFError:
            return outcome, errors
        if kind == "outcome":
            outcome = content[0]
        elif kind == "error":
            errors.append(content[0])
        elif not errors:
            try:
                _tell(kind, content, task, bars)
            except Exception as error:  # a listener's: the run ends, as it would in one process
                errors.append(error)
                wish.set()


def _tell(kind: str, content: list[Any], task: Task, bars: dict[str, Callable[[int, int], None]]) -> None:
    if kind == "say":
        task.say(*content)
    elif kind == "report":
        for listener in task.listeners:
            listener(*content)
    elif kind == "bar" and task.progress is not None:
        title, done, total = content
        if title not in bars:
            bars[title] = task.progress(title)
        bars[title](done, total)


def _work(fabric: Fabric, sent: bytes, line: Line, wish: Any) -> None:
    """One of the processes."""
    task = pickle.loads(sent)
    task = dataclasses.replace(
        task,
        pixels=task.pixels.open(),
        listeners=[line.report] if task.listeners else [],
        say=line.say,
        progress=line.bar,
    )
    if task.runtime.threads:
        torch.set_num_threads(task.runtime.threads)
    try:
        with Stop(wish).on_signals() as stop:
            outcome = run_task(fabric, task, stop)
    except (Interrupted, TrainingError) as error:  # all processes agreed on it
        if fabric.is_global_zero:
            line.send("error", error)
    except Exception as error:
        line.send("error", _sendable(error))
        raise  # a process that fails alone must end, or the others would wait for it
    else:
        if fabric.is_global_zero:
            line.send("outcome", outcome)


def _portable(task: Task, scratch: Path) -> Task:
    """Return the task as it is sent: pixels as a file to map, without what stays in this process."""
    for name, value in (("augmentation", task.augmentation), ("backbone", task.backbone)):
        try:
            pickle.dumps(value)
        except Exception as error:
            raise InputError(
                f"the {name} cannot be sent to other processes ({error}); "
                "define it at the top level of a module, or use devices=1"
            ) from error
    pixels = PixelFile.of(task.pixels) or PixelFile.write(task.pixels, str(scratch / "pixels"))
    listeners = [None] if task.listeners else []
    return dataclasses.replace(task, pixels=pixels, listeners=listeners, say=silent, progress=None)


def _sendable(error: Exception) -> Exception:
    error.add_note("".join(traceback.format_exception(error)).rstrip())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@contextmanager
def _environment() -> Iterator[None]:
    """Put back the variables by which processes find each other: the next run has other ones."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def quiet() -> Iterator[None]:
    """Leave it to us to say what happens: Fabric announces every process, torch every one that it ends."""
    logs = [logging.getLogger(name) for name in ("lightning_fabric", "torch.multiprocessing.spawn")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)


if getattr(multiprocessing.current_process(), "_inheriting", False):
    # being spawned: Fabric will speak before any call of ours
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
