"""Features by a Hugging Face vision model, from a folder or from the hub, by transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from augmap.baselines.features import HUB
from augmap.baselines.layout import library
from augmap.errors import InputError


def huggingface_features(
    source: str,
    pixels: np.ndarray,
    *,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the pooled output of a vision model, its own processor before it.

    Where a model pools nothing, its first token is taken. Weights are read from safetensors only, and no code
    that comes with a model is run.

    Parameters
    ----------
    source : str
        A folder with ``config.json``, or ``hf:NAME``, which asks the hub.

    Raises
    ------
    InputError
        transformers is not installed, the model is not there or is none for images.
    """
    transformers, version = library("transformers", "transformers", "hf")
    import torch

    from augmap.baselines.prepare import collect
    from augmap.method.launch import pick_device

    name = source.removeprefix(HUB)
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": not source.startswith(HUB)}
    if not name or (not source.startswith(HUB) and not Path(name).is_dir()):
        raise InputError(f"{source!r}: give the folder of a model, or {HUB} and its name on the hub")
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, **options)
        model = transformers.AutoModel.from_pretrained(name, use_safetensors=True, **options)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{source}: transformers cannot load this model ({error})") from error
    place = torch.device(pick_device(device))
    model.eval().to(place)

    @torch.no_grad()
    def compute(block: np.ndarray) -> np.ndarray:
        pictures = [Image.fromarray(_rgb(picture)) for picture in block]
        inputs = processor(images=pictures, return_tensors="pt")
        found = model(**{key: value.to(place) for key, value in inputs.items()})
        pooled = getattr(found, "pooler_output", None)
        if pooled is None:
            hidden = getattr(found, "last_hidden_state", None)
            if hidden is None:
                raise InputError(f"{source}: this model has neither a pooled output nor hidden states")
            pooled = hidden[:, 0] if hidden.ndim == 3 else hidden
        return pooled.float().cpu().numpy()

    h = collect(pixels, compute, progress=progress)
    return h, {"source": source, "transformers": version}


def _rgb(picture: np.ndarray) -> np.ndarray:
    picture = picture[..., :3] if picture.shape[-1] >= 3 else np.repeat(picture[..., :1], 3, axis=-1)
    return np.ascontiguousarray(picture)
