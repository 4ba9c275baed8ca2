"""Where a run takes place: device, threads, one process or several. What :mod:`augmap.api` calls."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy

from augmap.config import Runtime
from augmap.errors import InputError
from augmap.method.relay import quiet, run_in_processes
from augmap.method.run import Outcome, Task, run_task
from augmap.method.watch import Stop

__all__ = ["Outcome", "Task", "launch", "leads", "pick_device"]

_PATIENCE = timedelta(hours=6)
"""Processes wait so long for each other: the first one alone searches neighbours."""


def launch(task: Task) -> Outcome:
    """Run a task on the devices it asks for.

    In one process; in several that are started here (``runtime.devices``); or, under ``torchrun``, as one
    of its processes, each of which returns the same outcome.

    Raises
    ------
    Interrupted
        Asked to stop; the message says how to go on.
    TrainingError, InputError
        See :func:`augmap.method.run.run_task`.
    """
    runtime, kind = task.runtime, pick_device(task.runtime.device)
    if task.audience is not None and (runtime.devices > 1 or runtime.nodes > 1 or _under_torchrun()):
        raise InputError("a run in several processes cannot be watched; leave out --watch, or train on one")
    with _threads(runtime.threads):
        if _under_torchrun():
            return _join(task, kind)
        _check_devices(runtime, kind)
        if runtime.devices > 1:
            _check_spawnable(runtime.devices)
            return run_in_processes(_fabric(kind, runtime.devices, strategy=_together("spawn")), task)
        with Stop().on_signals() as stop:
            return run_task(_fabric(kind, 1), task, stop)


def pick_device(name: str) -> str:
    """Return cpu, cuda or mps; ``auto`` is the fastest there is.

    Raises
    ------
    InputError
        The device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if not there.get(name):
        raise InputError(
            f"device {name!r} is not there; PyTorch sees {', '.join(k for k in there if there[k])}"
        )
    return name


def leads() -> bool:
    """Whether this process is the one that speaks and saves: always, but under ``torchrun``."""
    return not _under_torchrun() or os.environ.get("RANK", "0") == "0"


def _under_torchrun() -> bool:
    return dist.is_torchelastic_launched()


def _join(task: Task, kind: str) -> Outcome:
    """Be one of the processes that torchrun has started."""
    local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    with quiet():
        where = {"devices": local, "num_nodes": world // local}
        fabric = Fabric(accelerator=kind, strategy=_together("popen"), **where)
        fabric.launch()
    try:
        with Stop().on_signals() as stop:
            return run_task(fabric, task, stop)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _together(start: str) -> DDPStrategy:
    return DDPStrategy(start_method=start, timeout=_PATIENCE)


def _fabric(kind: str, devices: int, **options: Any) -> Fabric:
    """Return a Fabric that starts its own processes, also where a job of SLURM or MPI is found around it."""
    return Fabric(accelerator=kind, devices=devices, plugins=[LightningEnvironment()], **options)


def _check_devices(runtime: Runtime, kind: str) -> None:
    if runtime.nodes > 1:
        raise InputError(
            f"nodes={runtime.nodes}: start the command on each of them with torchrun "
            "(torchrun --nnodes 2 --nproc-per-node 8 ... -m augmap fit ...)"
        )
    most = {"cuda": torch.cuda.device_count(), "mps": 1}.get(kind)
    if most is not None and runtime.devices > most:
        raise InputError(f"devices={runtime.devices}: PyTorch sees {most} of kind {kind}")


def _check_spawnable(devices: int) -> None:
    """Processes that are started here begin by importing the program that asked for them."""
    if hasattr(sys, "ps1"):
        raise InputError(
            f"devices={devices} cannot start from a notebook or a prompt: put the call into a script, "
            "or use the command augmap fit"
        )
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise InputError(
            f"devices={devices} starts processes that import this script again: put the call under "
            'if __name__ == "__main__":'
        )


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    # also where nothing is wanted: another library may have told OpenMP a number that MKL does not know
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
