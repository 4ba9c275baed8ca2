"""Training at rest: safetensors for the numbers, JSON for the rest, never pickle.

A checkpoint is two files: ``state-<k>.safetensors``, and ``checkpoint.json``, which names it with its
SHA-256 and is renamed into place last. Killed at any moment, the folder holds the new one or the one before.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

import augmap
from augmap.config import Config
from augmap.errors import InputError
from augmap.folder import json_bytes, make_folder, write_atomic

_RECORD = "checkpoint.json"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where training stands.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Weights and buffers as ``encoder.*``, the kernel as ``similarity.*``, optimiser state by the name
        of the weight it belongs to as ``optimizer.<name>.<slot>``.
    info : mapping
        Plain JSON types: stage, step, configuration (as asked for and as resolved), encoder spec, log, plans,
        seconds, machine.
    """

    tensors: Mapping[str, Tensor]
    info: Mapping[str, Any]

    @property
    def stage(self) -> int:
        """Number of the stage, from 0."""
        return self.info["stage"]

    @property
    def step(self) -> int:
        """Steps of that stage which are done."""
        return self.info["step"]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in ``folder``, atomically."""
    folder = make_folder(Path(folder))
    old = {p for p in folder.glob("state-*.safetensors") if p.stem[6:].isdigit()}
    k = 1 + max((int(p.stem[6:]) for p in old), default=0)
    data = save_tensors({name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()})
    name = f"state-{k}.safetensors"
    write_atomic(folder / name, data)
    record = {**checkpoint.info, "state": name, "sha256": hashlib.sha256(data).hexdigest()}
    write_atomic(folder / _RECORD, json_bytes(record))
    for path in (*old, *folder.glob(".*.tmp")):  # what a killed run left half-written
        path.unlink(missing_ok=True)


def load(folder: Path) -> Checkpoint | None:
    """Return the checkpoint in ``folder``; None where none was reached.

    Raises
    ------
    InputError
        It is damaged.
    """
    folder = Path(folder)
    if not (folder / _RECORD).is_file():
        return None
    try:
        info = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        name, digest = info.pop("state"), info.pop("sha256")
        data = (folder / Path(name).name).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"{name} differs from what was written")
        return Checkpoint(load_tensors(data), info)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder}: the checkpoint is damaged ({error}); start again with --overwrite"
        ) from error


def machine(processes: int, device: torch.device) -> dict[str, Any]:
    """Return what the bits of a result depend on beside the configuration."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "augmap": augmap.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "processes": processes,
        "processor": gpu or platform.processor() or platform.machine(),
    }


def compare(
    found: Checkpoint,
    config: Config,
    identity: Mapping[str, Any],
    here: Mapping[str, Any],
    *,
    where: Path,
    say: Callable[[str], None],
) -> None:
    """Refuse a checkpoint of another run; warn where its bits cannot be met again.

    Parameters
    ----------
    config : Config
        As it was asked for, before anything was resolved.
    identity : mapping
        What else must be equal, in plain JSON types; the fingerprint of the images above all.
    here : mapping
        :func:`machine`, now.

    Raises
    ------
    InputError
        Naming the first thing that differs.
    """
    asked = Config.from_dict(found.info["asked"])  # fields that are newer than the checkpoint: as they were
    was, now = (
        {**dict(_flat(json.loads(json_bytes(c.to_dict())))), **i}
        for c, i in ((asked, found.info["identity"]), (config, identity))
    )
    for name, after in now.items():
        if name in identity and name not in found.info["identity"]:
            continue  # newer than the checkpoint
        if (before := was.get(name)) != after:
            what = f"{name} {before!r}, now it is {after!r}"
            if name == "images":
                what = "other images: their names or what they show is not what it was"
            raise InputError(
                f"{where}: the checkpoint was made with {what}; "
                "use the same as before, or --overwrite to start over"
            )
    for name in ("threads", "processes", "torch", "augmap", "processor"):
        if (before := found.info["machine"].get(name)) != here[name]:
            say(
                f"warning: the checkpoint was made with {name} {before}, now {here[name]}: "
                "the result will be as good, but not the same to the last bit"
            )


def _flat(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Every entry of a configuration under a name that a person can find in it."""
    entries = [(name, value) for name, value in config.items() if name != "stages"]
    entries.append(("stages", [stage["name"] for stage in config["stages"]]))
    for number, stage in enumerate(config["stages"], 1):
        entries += [(f"{name} of stage {number}", value) for name, value in stage.items()]
    return entries


def capture(encoder: nn.Module, similarity: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Collect every tensor that the next step depends on."""
    tensors = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    tensors |= {f"similarity.{k}": v for k, v in similarity.state_dict().items()}
    for name, parameter in _named(encoder, similarity):
        for slot, value in optimizer.state.get(parameter, {}).items():
            if value is not None:
                tensors[f"optimizer.{name}.{slot}"] = torch.as_tensor(value)
    return {k: v.detach().clone() for k, v in tensors.items()}


def restore(
    tensors: Mapping[str, Tensor],
    encoder: nn.Module,
    similarity: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Put back what :func:`capture` collected; raises :class:`InputError` where it does not fit."""
    try:
        encoder.load_state_dict(under("encoder.", tensors))
        similarity.load_state_dict(under("similarity.", tensors))
    except RuntimeError as error:
        raise InputError(f"the checkpoint does not fit this encoder: {error}") from error
    if optimizer is None:
        return
    trained = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in _named(encoder, similarity):
        slots = under(f"optimizer.{name}.", tensors)
        if (group := trained.get(id(parameter))) and slots:
            optimizer.state[parameter] = {k: _placed(k, v, parameter, group) for k, v in slots.items()}


def _named(encoder: nn.Module, similarity: nn.Module) -> list[tuple[str, nn.Parameter]]:
    named = [(f"encoder.{k}", p) for k, p in encoder.named_parameters()]
    return named + [(f"similarity.{k}", p) for k, p in similarity.named_parameters()]


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _placed(slot: str, value: Tensor, parameter: nn.Parameter, group: Mapping[str, Any]) -> Tensor:
    """A momentum buffer lies where and how its weight lies; so does the step counter of a fused optimiser.

    That of any other stays on the CPU (``torch.optim.Optimizer.load_state_dict`` has the same rule).
    """
    if slot == "step":
        on_device = group.get("fused") or group.get("capturable")
        return value.to(parameter.device) if on_device else value.clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
