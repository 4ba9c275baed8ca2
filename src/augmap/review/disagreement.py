"""Label disagreements: images whose neighbours carry another label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata


@dataclass(frozen=True, eq=False)
class Disagreement:
    """How the neighbours of n images vote about their labels.

    Parameters
    ----------
    score : (n,) float array in [-1, 1]
        Share of the votes for the most frequent other label minus the share for its own; the mean over the
        spaces that vote. Above 0 the neighbours prefer another label; 1 is unanimous. NaN without a label.
    suggested : (n,) array of str
        The other label with most votes over all spaces; ``""`` where there is none.
    agreed : (n,) bool array
        Whether in every space the winner is the suggested label.
    wrong_on_map : (n,) float array
        1 where the majority on the map names another label (leave-one-out kNN error), else 0; NaN without
        a label, and where no neighbour has one.
    """

    score: Float[np.ndarray, " n"]
    suggested: np.ndarray
    agreed: np.ndarray
    wrong_on_map: Float[np.ndarray, " n"]


def disagreement(
    labels: np.ndarray,
    map_neighbours: Int[np.ndarray, "n k"],
    feature_neighbours: Int[np.ndarray, "n k"] | None = None,
) -> Disagreement | None:
    """Let the nearest neighbours of each image vote about its label; an image has no vote on itself.

    Parameters
    ----------
    labels : (n,) array of str
        ``""`` is not known: such images neither vote nor are judged.
    map_neighbours, feature_neighbours : (n, k) int arrays
        Each image left out of its own.

    Returns
    -------
    Disagreement, or None where fewer than two labels are known, or none has two images.
    """
    names, codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    codes = codes.reshape(-1)
    known = names[codes] != ""
    counts = np.bincount(codes[known], minlength=len(names))
    if (counts > 0).sum() < 2 or counts.max() < 2:
        return None
    rows = np.arange(len(codes))
    spaces = [map_neighbours] + ([] if feature_neighbours is None else [feature_neighbours])
    shares = [_shares(codes[near], known[near], len(names)) for near in spaces]
    total = np.mean(shares, axis=0)
    own = total[rows, codes]
    others = total.copy()
    others[rows, codes] = -1
    best = others.argmax(1)
    there = others[rows, best] > 0
    score = np.where(known, np.maximum(others[rows, best], 0) - own, np.nan)
    return Disagreement(
        score=score,
        suggested=np.where(known & there, names[best], ""),
        agreed=known & there & np.all([share.argmax(1) == best for share in shares], axis=0),
        wrong_on_map=np.where(
            known & (shares[0].max(1) > 0), (shares[0].argmax(1) != codes).astype(np.float64), np.nan
        ),
    )


def auroc(scores: Float[np.ndarray, " n"], positive: np.ndarray) -> float | None:
    """Return the probability that a positive scores above a negative (a tie is a half); None without both."""
    positive = np.asarray(positive, dtype=bool)
    some, others = int(positive.sum()), int((~positive).sum())
    if not some or not others:
        return None
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - some * (some + 1) / 2) / (some * others))


def _shares(votes: np.ndarray, known: np.ndarray, labels: int) -> Float[np.ndarray, "n labels"]:
    """Share of the votes for each label; all 0 where no neighbour's label is known."""
    n, k = votes.shape
    out = np.zeros((n, labels))
    np.add.at(out, (np.repeat(np.arange(n), k), votes.reshape(-1)), known.reshape(-1))
    return out / np.maximum(known.sum(1, keepdims=True), 1)
