"""Training at rest: safetensors for the numbers, JSON for the rest, never pickle.

A checkpoint is two files: ``state-<k>.safetensors``, and ``checkpoint.json``, which names it with its
SHA-256 and is renamed into place last. Killed at any moment, the folder holds the new one or the one before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

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
        Plain JSON types: stage, step, configuration, encoder spec, log, plans, seconds, versions, threads.
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
    old = {p for p in folder.iterdir() if p.suffix == ".safetensors"}
    k = 1 + max((int(p.stem.removeprefix("state-")) for p in old if p.stem[6:].isdigit()), default=0)
    data = save_tensors({name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()})
    name = f"state-{k}.safetensors"
    write_atomic(folder / name, data)
    record = {**checkpoint.info, "state": name, "sha256": hashlib.sha256(data).hexdigest()}
    write_atomic(folder / _RECORD, json_bytes(record))
    for path in old:
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
        encoder.load_state_dict(_under("encoder.", tensors))
        similarity.load_state_dict(_under("similarity.", tensors))
    except RuntimeError as error:
        raise InputError(f"the checkpoint does not fit this encoder: {error}") from error
    if optimizer is None:
        return
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in _named(encoder, similarity):
        slots = _under(f"optimizer.{name}.", tensors)
        if id(parameter) in trained and slots:
            optimizer.state[parameter] = {k: _placed(v, parameter) for k, v in slots.items()}


def _named(encoder: nn.Module, similarity: nn.Module) -> list[tuple[str, nn.Parameter]]:
    named = [(f"encoder.{k}", p) for k, p in encoder.named_parameters()]
    return named + [(f"similarity.{k}", p) for k, p in similarity.named_parameters()]


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _placed(value: Tensor, parameter: nn.Parameter) -> Tensor:
    """A momentum buffer lies where and how its weight lies; a step counter stays on the CPU."""
    if value.shape != parameter.shape or value.ndim == 0:
        return value.clone()
    placed = torch.empty_like(parameter, dtype=value.dtype)
    return placed.copy_(value)
