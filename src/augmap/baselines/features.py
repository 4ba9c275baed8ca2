"""t-SNE or UMAP of features that the user brings: the pretrained-network route that t-SimCNE does without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from augmap.baselines.layout import to_map
from augmap.baselines.options import given
from augmap.baselines.tsne import reduced, tsne_layout
from augmap.baselines.umap import umap_layout
from augmap.errors import InputError
from augmap.imagemap import ImageMap
from augmap.images.imageset import ImageSet

if TYPE_CHECKING:
    from torch import nn

Bars = Callable[[str], Callable[[int, int], None]]
Say = Callable[[str], None]

ACCEPTED = (
    "a .npy or .npz file of shape (n, f), an .onnx model, the folder of a Hugging Face vision model, "
    "hf:NAME for one from the hub, and in Python an array or a torch module"
)
HUB = "hf:"
"""Before the name of a model on the hub, so that a mistyped path asks no network."""


def features_tsne(
    images: ImageSet,
    source: Any,
    *,
    read: dict[str, Any] | None = None,
    pca: int | None = None,
    whitening: float | None = None,
    say: Say = lambda line: None,
    progress: Bars | None = None,
    **settings: Any,
) -> ImageMap:
    """Return the t-SNE of features.

    Parameters
    ----------
    source
        See :func:`read_features`, as for ``read``, its options.
    pca : int, optional
        Lay out this many principal components of the features.
    whitening : float, optional
        In [0, 1]: divide the principal directions of the features by this power of their deviation before.
    **settings
        See :func:`augmap.baselines.tsne.tsne_layout`.
    """
    h, what = read_features(source, images, say=say, progress=progress, **(read or {}))
    x, _ = reduced(h, pca, settings.get("seed", 0), progress, whitening=whitening)
    read = {**what, **given({"pca": pca, "whitening": whitening})}
    layout = tsne_layout(x, progress=progress, **settings)
    return to_map(images, layout, "t-SNE of features", h, read=read)


def features_umap(
    images: ImageSet,
    source: Any,
    *,
    read: dict[str, Any] | None = None,
    pca: int | None = None,
    whitening: float | None = None,
    say: Say = lambda line: None,
    progress: Bars | None = None,
    **settings: Any,
) -> ImageMap:
    """Return the UMAP of features; parameters as in :func:`features_tsne`."""
    h, what = read_features(source, images, say=say, progress=progress, **(read or {}))
    x, _ = reduced(h, pca, settings.get("seed", 0), progress, whitening=whitening)
    read = {**what, **given({"pca": pca, "whitening": whitening})}
    layout = umap_layout(x, say=say, progress=progress, **settings)
    return to_map(images, layout, "UMAP of features", h, read=read)


def read_features(
    source: str | Path | np.ndarray | nn.Module,
    images: ImageSet,
    *,
    size: int | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    device: str | None = None,
    say: Say = lambda line: None,
    progress: Bars | None = None,
) -> tuple[Float[np.ndarray, "n f"], dict[str, Any]]:
    """Return one row of features an image, and where they are from. Nothing that is read is run as pickle.

    Parameters
    ----------
    source
        Features row by row as the images (an array, .npy, or .npz with ``features`` and perhaps ``names``,
        which are then held against those of the images), or a model that computes them: an ONNX file, a
        Hugging Face vision model in a folder or, as ``hf:NAME``, on the hub, or a torch module.
    size : int, optional
        Edge that images are brought to for an ONNX model that does not say it itself, or for a module, which
        by default sees them as they are.
    mean, std : floats, one or one a channel, optional
        What is subtracted from pixels in [0, 1], and divided by, for an ONNX model or a module.
    device : str, optional
        Where a module or a Hugging Face model computes: auto, cpu, cuda or mps.

    Raises
    ------
    InputError
        The source is none of these, does not fit the images, a library is missing, or an option means
        nothing for this source.
    """
    options = {"size": size, "mean": mean, "std": std, "device": device}
    bar = progress("features") if progress else None
    kind = _kind(source)
    if kind == "array":
        _refuse(options, ("size", "mean", "std", "device"), "features that are computed already")
        h, what = _read_array(source, images)
    elif kind == "onnx":
        from augmap.baselines.onnx import onnx_features

        _refuse(options, ("device",), "an ONNX model, which runs on the CPU")
        h, what = onnx_features(
            Path(source), images.pixels, size=size, mean=mean, std=std, say=say, progress=bar
        )
    elif kind == "huggingface":
        from augmap.baselines.huggingface import huggingface_features

        _refuse(options, ("size", "mean", "std"), "a Hugging Face model, which brings its own")
        h, what = huggingface_features(str(source), images.pixels, device=device or "auto", progress=bar)
    else:
        from augmap.baselines.module import module_features

        h, what = module_features(
            source, images.pixels, size=size, mean=mean, std=std, device=device or "auto", progress=bar
        )
    return _checked(h, images, what["source"]), what


def _kind(source: Any) -> str:
    if isinstance(source, np.ndarray):
        return "array"
    if isinstance(source, str | Path):
        path, suffix = Path(source), Path(source).suffix.lower()
        if str(source).startswith(HUB) or (path / "config.json").is_file():
            return "huggingface"
        if suffix in (".npy", ".npz", ".onnx"):
            if not path.is_file():
                raise InputError(f"{source}: no such file; features are {ACCEPTED}")
            return "onnx" if suffix == ".onnx" else "array"
        raise InputError(f"{source}: features are {ACCEPTED}")
    from torch import nn

    if isinstance(source, nn.Module):
        return "module"
    raise InputError(f"features are {ACCEPTED}; got {type(source).__name__}")


def _refuse(options: dict[str, Any], names: tuple[str, ...], what: str) -> None:
    given = [name for name in names if options[name] is not None]
    if given:
        raise InputError(f"leave out {', '.join(given)}: it means nothing for {what}")


def _read_array(source: Any, images: ImageSet) -> tuple[np.ndarray, dict[str, Any]]:
    if isinstance(source, np.ndarray):
        return source, {"source": "array"}
    try:
        with open(source, "rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found, {"source": str(source)}
            names = [name for name in found.files if name != "names"]
            name = "features" if "features" in names else names[0] if len(names) == 1 else None
            if name is None:
                raise InputError(
                    f"{source}: holds {', '.join(found.files) or 'nothing'}; call the array 'features'"
                )
            h, known = found[name], found["names"].tolist() if "names" in found.files else None
    except InputError:
        raise
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"{source}: cannot be read as an array of numbers ({error})") from error
    except Exception as error:  # zipfile.BadZipFile and zlib.error have no common base below it
        raise InputError(f"{source}: damaged ({error})") from error
    if known is not None and known != images.names:
        first = next((i for i, (a, b) in enumerate(zip(known, images.names, strict=False)) if a != b), None)
        where = f"row {first} is {known[first]!r}, image {images.names[first]!r}" if first is not None else ""
        raise InputError(
            f"{source}: its names are not those of the {len(images)} images"
            f"{': ' + where if where else f', there are {len(known)}'}; bring the rows into their order"
        )
    return h, {"source": str(source)}


def _checked(h: np.ndarray, images: ImageSet, where: str) -> Float[np.ndarray, "n f"]:
    if h.ndim != 2 or not (np.issubdtype(h.dtype, np.floating) or np.issubdtype(h.dtype, np.integer)):
        raise InputError(f"{where}: features must be numbers of shape (n, f), got {h.dtype} {h.shape}")
    if len(h) != len(images) or not h.shape[1]:
        skipped = f" ({len(images.skipped)} more were skipped)" if images.skipped else ""
        raise InputError(
            f"{where}: {len(h)} rows of {h.shape[1]} features for {len(images)} images{skipped}; "
            "one row an image, in their order"
        )
    h = np.ascontiguousarray(h, dtype=np.float32)
    if not np.isfinite(h).all():
        bad = int((~np.isfinite(h)).any(1).sum())
        raise InputError(f"{where}: features of {bad} of {len(h)} images are not finite")
    return h
