"""``TSimCNE``: the method with scikit-learn's conventions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from augmap.api import fit
from augmap.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


class TSimCNE(TransformerMixin, BaseEstimator):
    """A map of images as a scikit-learn transformer.

    Parameters
    ----------
    budget, epochs, preset, config, dim, image_size, augment, backbone, batch_size, precision, device, devices
        See :func:`augmap.fit`. Without any, the preset ``quick`` and its default budget.
    random_state : int, RandomState or None
        Seed of everything random. A generator gives one with each fit, None a new one;
        ``map_.config.seed`` says which.

    Attributes
    ----------
    map_ : ImageMap
        The whole result: thumbnails, names, history, ``map_.save(path)``.
    embedding_ : (n, dim) float32 array
        Positions of the training images.
    n_features_in_ : int
        Columns of an image laid flat, h * w * c: as it was given in an array, else as it was trained on.

    Examples
    --------
    >>> import numpy as np
    >>> from augmap import TSimCNE
    >>> X = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
    >>> TSimCNE(preset="direct", epochs=(1,), backbone="slim", batch_size=32).fit_transform(X).shape
    (64, 2)
    """

    def __init__(
        self,
        *,
        budget: str | float | None = None,
        epochs: Sequence[float] | None = None,
        preset: str | None = None,
        config: Any = None,
        dim: int | None = None,
        image_size: int | None = None,
        augment: Any = None,
        backbone: Any = None,
        batch_size: int | None = None,
        precision: str | None = None,
        device: str = "auto",
        devices: int = 1,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.budget = budget
        self.epochs = epochs
        self.preset = preset
        self.config = config
        self.dim = dim
        self.image_size = image_size
        self.augment = augment
        self.backbone = backbone
        self.batch_size = batch_size
        self.precision = precision
        self.device = device
        self.devices = devices
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> TSimCNE:
        """Train on images; ``y`` is ignored, as the method needs no labels.

        Parameters
        ----------
        X : array of shape (n, h, w[, c]), folder, paths, torch or Hugging Face data set
            Whatever :func:`augmap.fit` takes.
        """
        return self._fit(X)

    def _fit(self, X: Any, **options: Any) -> TSimCNE:
        settings = self.get_params(deep=False)
        seed = settings.pop("random_state")
        if seed is None or isinstance(seed, np.random.RandomState):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        self.map_ = fit(X, seed=seed, **settings, **options)
        self.embedding_ = self.map_.positions
        p, shape = self.map_.preprocessing, getattr(X, "shape", ())
        self.n_features_in_ = math.prod(shape[1:]) if len(shape) > 2 else p.image_size**2 * p.channels
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Train on images and return their positions, (n, dim) float32.

        Raises
        ------
        InputError
            An image cannot be read: a row would be missing. ``fit`` skips such images.
        """
        return self._fit(X, strict=True).embedding_

    def transform(self, X: Any) -> np.ndarray:
        """Return the positions of images on the map that was fitted, (n, dim) float32.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        InputError
            An image cannot be read: a row would be missing. ``map_.embed`` skips such images and says so.
        """
        check_is_fitted(self, "map_")
        placed = self.map_.embed(X)
        if placed.skipped:
            name, reason = placed.skipped[0]
            raise InputError(
                f"{len(placed.skipped)} images cannot be read, first {name!r} ({reason}); "
                "remove them, or use map_.embed, which leaves them out"
            )
        return placed.positions

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the output's columns."""
        check_is_fitted(self, "map_")
        return np.array([f"tsimcne{i}" for i in range(self.embedding_.shape[1])], dtype=object)

    def save(self, path: str | Path) -> Path:
        """Save the map; see :meth:`augmap.ImageMap.save`."""
        check_is_fitted(self, "map_")
        return self.map_.save(path)
