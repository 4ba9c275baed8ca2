"""What comes out: :class:`ImageMap`, a map of images, and its folder on disk. Numpy only, never torch."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import augmap
from augmap import decided
from augmap import folder as disk
from augmap.config import Config, Preprocessing
from augmap.errors import DamagedMapError, InputError
from augmap.items import Items, read_table, row_numbers, write_table
from augmap.thumbs import Thumbs, page_name

Embedder = Callable[[Any], "ImageMap"]
Display = Callable[["ImageMap"], str]


@dataclass(frozen=True, eq=False)
class Weights:
    """An encoder at rest: how to build it, and its arrays by name."""

    spec: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


@dataclass(eq=False, kw_only=True)
class ImageMap:
    """Positions of ``n`` images, with everything that is known of each.

    Parameters
    ----------
    positions : (n, d) float32 array
        Row ``i`` is image ``i``. The coordinates have no unit; for t-SimCNE a map spans up to hundreds.
    items : Items
        Names, splits, labels, scores.
    features : (n, f) float array, optional
        Backbone output h.
    thumbs : Thumbs, optional
        Thumbnails as sprite pages.
    preprocessing : Preprocessing, optional
        How a picture is brought to the encoder's size.
    config : Config, optional
        The resolved configuration; None for a map that augmap did not train.
    weights : Weights, optional
        The encoder. Without it the map takes no new images.
    info : dict
        How the map was made, in plain JSON types: method, source, fingerprint, history, quality, versions.
    log : list of dict
        One entry an epoch: stage, loss, rate, views/s, seconds.
    skipped : list of (name, reason)
        Files that could not be read.
    embedder : callable, optional
        Places new images; attached by :func:`augmap.fit` and :func:`augmap.load`.
    display : callable, optional
        Shows the map in a notebook, as HTML; attached likewise.
    """

    positions: np.ndarray
    items: Items
    features: np.ndarray | None = None
    thumbs: Thumbs | None = None
    preprocessing: Preprocessing | None = None
    config: Config | None = None
    weights: Weights | None = None
    info: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    embedder: Embedder | None = field(default=None, repr=False)
    display: Display | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions)
        if positions.ndim != 2 or positions.dtype.kind not in "iuf":
            raise InputError(
                f"positions must be numbers of shape (n, d), got {positions.dtype} {positions.shape}"
            )
        self.positions = np.ascontiguousarray(positions, dtype=np.float32)
        if not np.isfinite(self.positions).all():
            bad = int((~np.isfinite(self.positions)).any(1).sum())
            raise InputError(f"positions of {bad} of {self.n} images are not finite")
        sizes = {"items": len(self.items)}
        if self.features is not None:
            self.features = np.asarray(self.features)
            if self.features.ndim != 2 or not np.issubdtype(self.features.dtype, np.floating):
                raise InputError(
                    "features must be floats of shape (n, f), "
                    f"got {self.features.dtype} {self.features.shape}"
                )
            sizes["features"] = len(self.features)
        if self.thumbs is not None:
            sizes["thumbs"] = len(self.thumbs.slots)
        for name, size in sizes.items():
            if size != self.n:
                raise InputError(f"{name} has {size} rows, positions has {self.n}")

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.positions)

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        features = "no features" if self.features is None else f"{self.features.shape[1]} features"
        return f"<ImageMap: {self.n:,} images in {self.dim}-D, {features}, by {self.info.get('method', '?')}>"

    def _repr_html_(self) -> str | None:
        """What a notebook shows; None, where nothing was attached, leaves it at :func:`repr`."""
        return None if self.display is None else self.display(self)

    @property
    def dim(self) -> int:
        """Dimension of the map."""
        return self.positions.shape[1]

    @property
    def names(self) -> list[str]:
        """Name of each image: its path relative to the root, or what the data set calls it."""
        return list(self.items.names)

    @property
    def splits(self) -> list[str]:
        """``"train"``, ``"test"``, ``"val"`` or ``""`` for each image."""
        return list(self.items.splits)

    @property
    def labels(self) -> np.ndarray | None:
        """(n,) array of str with ``""`` where not known; None without a ``label`` column."""
        return self.items.labels.get("label")

    def embed(self, images: Any) -> ImageMap:
        """Place new images on this map, in its coordinates.

        Parameters
        ----------
        images
            Whatever :func:`augmap.fit` accepts: a folder, an archive, an array, a data set, ...

        Returns
        -------
        ImageMap
            One row per readable image. An image lands at the same place alone or in any batch, to 1e-5
            of the map's span, and a training image lands where it lies.

        Raises
        ------
        InputError
            The map has no encoder (a t-SNE, say), or was made with a module of your own that was not
            handed to ``augmap.load(path, backbone=module)``; or no image can be read.
        """
        if self.embedder is None:
            if self.weights is None:
                how = self.info.get("method", "this method")
                raise InputError(
                    f"this map has no encoder ({how} cannot place new images); use one made by augmap fit"
                )
            raise InputError("this map was read without its encoder: read it with augmap.load(path)")
        return self.embedder(images)

    def take(self, rows: Sequence[int] | np.ndarray) -> ImageMap:
        """Return a map of the given rows, in the given order; the encoder is shared.

        Parameters
        ----------
        rows : sequence of int, or (n,) array of bool
            ``m.take(m.labels == "cat")`` keeps the cats.

        Raises
        ------
        InputError
            Neither of these, or a row that there is not.
        """
        rows = row_numbers(rows, self.n)
        return ImageMap(
            positions=self.positions[rows],
            items=self.items.take(rows),
            features=None if self.features is None else self.features[rows],
            thumbs=None if self.thumbs is None else self.thumbs.take(rows),
            preprocessing=self.preprocessing,
            config=self.config,
            weights=self.weights,
            info=self.info,
            log=self.log,
            skipped=self.skipped,
            embedder=self.embedder,
            display=self.display,
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the map's folder; ``map.json`` comes last, so an interrupted write is never taken for a map.

        Raises
        ------
        InputError
            ``path`` exists and ``overwrite`` is False, or cannot be written. What was there is untouched.
        """
        path = Path(path)
        if not overwrite and disk.is_map(path):
            raise InputError(
                f"{path}: there is a map already; choose another name or pass overwrite=True (--overwrite)"
            )
        if disk.is_foreign(path):
            raise InputError(f"{path}: exists and is not a map; choose another name")
        self.write(path)
        return path

    def write(self, path: Path) -> None:
        """Save the map in a place that was looked at before, whatever came into it since.

        What a person decided on the map that is replaced is kept: see :mod:`augmap.decided`.
        """
        files, record = self._files(), self._record()
        disk.commit(path, files, record, keep=lambda: decided.carried_over(path, files, record))

    @classmethod
    def load(cls, path: str | Path) -> ImageMap:
        """Read a map's folder, each file held against its SHA-256. No code in it is run.

        This reads everything but leaves the encoder at rest; :func:`augmap.load` also attaches it, so
        that :meth:`embed` works.

        Raises
        ------
        InputError
            ``path`` is no map, or a newer augmap wrote it.
        DamagedMapError
            A file is missing, cut short or changed.
        """
        path = Path(path)
        record = disk.read_record(path)
        files = record["files"]

        def read(name: str) -> bytes:
            return disk.read_file(path, name, record)

        def optional(name: str) -> bytes | None:
            return read(name) if name in files else None

        config, encoder = record.get("config"), record.get("encoder")
        at, info = record.get("preprocessing"), record.get("info", {})
        try:
            features, weights = optional("features.npy"), optional("encoder.safetensors")
            log, skipped = optional("log.jsonl"), optional("skipped.csv")
            made = cls(
                positions=_array(read("positions.npy"), path / "positions.npy"),
                items=Items.from_csv(
                    read("items.csv"), scores=record.get("scores", ()), where=str(path / "items.csv")
                ),
                features=None if features is None else _array(features, path / "features.npy"),
                thumbs=_read_thumbs(read) if "thumbs.json" in files else None,
                preprocessing=None
                if at is None
                else Preprocessing.from_dict(at, where=f"{path}: preprocessing"),
                config=None if config is None else Config.from_dict(config, where=str(path / disk.RECORD)),
                weights=None if weights is None else Weights(encoder, load_tensors(weights)),
                info=info,
                log=[json.loads(line) for line in (log or b"").splitlines()],
                skipped=_read_skipped(skipped, path / "skipped.csv") if skipped else [],
            )
        except InputError as error:  # the hashes fit, so map.json itself was edited
            raise error if isinstance(error, DamagedMapError) else DamagedMapError(str(error)) from error
        except (ArithmeticError, KeyError, SafetensorError, TypeError, ValueError) as error:
            raise DamagedMapError(f"{path}: cannot be understood ({error!r}); copy the map again") from error
        whole = isinstance(info, dict) and all(isinstance(line, dict) for line in made.log)
        if not whole or (weights is not None and not (isinstance(encoder, dict) and at)):
            raise DamagedMapError(f"{path / disk.RECORD}: does not describe the map; copy the map again")
        return made

    def _record(self) -> dict[str, Any]:
        return {
            "augmap": augmap.__version__,
            "n": self.n,
            "dim": self.dim,
            "labels": list(self.items.labels),
            "scores": list(self.items.scores),
            "preprocessing": self.preprocessing.to_dict() if self.preprocessing else None,
            "config": self.config.to_dict() if self.config else None,
            "encoder": dict(self.weights.spec) if self.weights else None,
            "info": self.info,
        }

    def _files(self) -> dict[str, bytes]:
        files = {"positions.npy": _npy(self.positions), "items.csv": self.items.to_csv()}
        if self.features is not None:
            files["features.npy"] = _npy(self.features)
        if self.weights is not None:
            # not ascontiguousarray, which gives a lone number an axis
            arrays = {k: np.asarray(v, order="C") for k, v in self.weights.arrays.items()}
            files["encoder.safetensors"] = save_tensors(arrays)
        if self.thumbs is not None:
            layout = {
                "size": self.thumbs.size,
                "columns": self.thumbs.columns,
                "pages": len(self.thumbs.pages),
            }
            files |= self.thumbs.to_files()
            files["thumbs.json"] = disk.json_bytes({**layout, "slots": self.thumbs.slots.tolist()})
        if self.log:
            files["log.jsonl"] = b"".join(disk.json_bytes(line, indent=None) for line in self.log)
        if self.skipped:
            files["skipped.csv"] = write_table([("name", "reason"), *self.skipped])
        return files


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _array(data: bytes, where: Path) -> np.ndarray:
    try:
        return np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DamagedMapError(f"{where}: not a numpy array ({error}); copy the map again") from error


def _read_thumbs(read: Callable[[str], bytes]) -> Thumbs:
    layout = json.loads(read("thumbs.json"))
    slots = np.array(layout["slots"], dtype=np.uint32)
    pages = [read(page_name(i)) for i in range(layout["pages"])]
    return Thumbs(pages, layout["size"], layout["columns"], slots)


def _read_skipped(data: bytes, where: Path) -> list[tuple[str, str]]:
    return [(name, reason) for name, reason in read_table(data, where=str(where))[1:]]
