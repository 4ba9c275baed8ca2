"""Which image has which colour: themes, a palette that colour-blind readers can tell apart, score columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize, to_hex, to_rgba

from augmap.errors import InputError

# Searched so that the smallest OKLab distance is large both in normal sight and as protanopes and
# deuteranopes see it (Machado et al. 2009, severity 1). Smallest distances (normal, protan, deutan):
# first 10: 0.18 0.096 0.099, all 20: 0.097 0.063 0.055. For comparison, tab10: 0.113 0.007 0.023.
PALETTE = (
    *(
        "#1e4fb7",
        "#fab01f",
        "#26e1a1",
        "#852883",
        "#52bafd",
        "#a2520a",
        "#ee6ea1",
        "#839f0d",
        "#8d70d4",
        "#1d7660",
    ),
    *(
        "#bd458b",
        "#39a28c",
        "#9c1b38",
        "#ba96cf",
        "#2878ac",
        "#c37765",
        "#a6b577",
        "#8d7b2f",
        "#6ecdc9",
        "#7692fe",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Theme:
    """Colours of everything that is not data."""

    background: str
    ink: str  # text, contours
    faint: str  # points under pictures, thin lines
    missing: str  # images whose label or score is not known
    single: str  # points when nothing colours them
    ramp: tuple[str, ...]  # density, from none to most


LIGHT = Theme(
    background="#ffffff",
    ink="#22262c",
    faint="#d3d7dd",
    missing="#b9bec6",
    single="#2f6690",
    ramp=("#ffffff", "#dbe8f0", "#9cc3d9", "#4f93b8", "#1f5f8b", "#0d3257"),
)
DARK = Theme(
    background="#14161b",
    ink="#e9ebef",
    faint="#3a3f49",
    missing="#5b616c",
    single="#7fb7dc",
    ramp=("#14161b", "#182e40", "#1c5473", "#3287ab", "#7fc3d9", "#e2f6fa"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Colouring:
    """One colour an image, and what is needed to explain it.

    ``labels`` is set for a column of labels, ``norm`` and ``cmap`` for a column of numbers, neither when
    nothing colours the images.
    """

    rgba: Float[np.ndarray, "n 4"]
    known: np.ndarray  # (n,) bool: has a label or a number
    column: str | None = None
    labels: np.ndarray | None = None  # (n,) str
    by_label: Mapping[str, str] | None = None
    norm: Normalize | None = None
    cmap: ListedColormap | None = None
    extend: str = "neither"


def colour_images(
    columns: Mapping[str, np.ndarray],
    n: int,
    color_by: str | None,
    theme: Theme,
    colours: Mapping[str, str] | None = None,
) -> Colouring:
    """Decide the colour of each of ``n`` images.

    Parameters
    ----------
    columns : mapping of name to (n,) arrays
        Text is a label (``""``: not known), numbers are a score (NaN: not known).
    color_by : name of a column, or None
        ``"label"`` where there is no such column colours nothing.
    colours : mapping of label to colour, optional
        Fixes the colours, for several maps with different labels; see :func:`label_colours`.

    Raises
    ------
    InputError
        No such column, or ``colours`` lacks a label.
    """
    if color_by is None or (color_by == "label" and "label" not in columns):
        return Colouring(rgba=np.tile(to_rgba(theme.single), (n, 1)), known=np.ones(n, bool))
    if color_by not in columns:
        there = ", ".join(columns) or "none"
        raise InputError(f"this map has no column {color_by!r} to colour by; it has: {there}")
    values = np.asarray(columns[color_by])
    if np.issubdtype(values.dtype, np.number):
        return _by_score(color_by, values.astype(np.float64), theme)
    labels = values.astype(str)
    colours = label_colours(labels) if colours is None else colours
    kinds, which = np.unique(labels, return_inverse=True)
    missing = [str(k) for k in kinds if k and k not in colours]
    if missing:
        raise InputError(
            f"no colour given for {len(missing)} labels, first {missing[0]!r}; make them with label_colours"
        )
    table = np.array([to_rgba(colours[k] if k else theme.missing) for k in kinds])
    return Colouring(rgba=table[which], known=labels != "", column=color_by, labels=labels, by_label=colours)


def label_colours(*labels: np.ndarray) -> dict[str, str]:
    """Return a colour for each label that occurs, in natural order ("2" before "10").

    Depends on the set of labels alone, so that two maps of the same labels agree; hand in the labels of
    several maps to colour them alike. Up to 20 labels get :data:`PALETTE`. More get evenly spaced hues in
    three lightnesses: neighbours in the order differ clearly, but colour alone no longer tells which label.
    """
    kinds = sorted(
        {str(k) for column in labels for k in np.unique(np.asarray(column, dtype=str))} - {""}, key=natural
    )
    if len(kinds) <= len(PALETTE):
        return dict(zip(kinds, PALETTE, strict=False))
    turn = (
        np.arange(len(kinds)) * 0.61803398875 % 1
    )  # golden ratio: any run of labels spreads over the circle
    light = np.resize([0.62, 0.74, 0.52], len(kinds))
    return dict(zip(kinds, (_oklch(lum, 0.13, t) for lum, t in zip(light, turn, strict=True)), strict=True))


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key: digits inside a text count as numbers, all else goes by code point.

    ``names.ts`` of the explorer's page orders labels by the same rule, so that they have the same colours.
    """
    parts = re.findall(r"([0-9]+)|([^0-9]+)", text)
    return [(1, 0, word) if word else (0, len(n := number.lstrip("0")), n) for number, word in parts], text


def text_colour(colour: str, theme: Theme) -> str:
    """Return the colour mixed with the theme's ink, so that letters stay legible on its background."""
    share = 0.45 if theme is LIGHT else 0.5
    mixed = (1 - share) * np.array(to_rgba(colour)) + share * np.array(to_rgba(theme.ink))
    return to_hex(mixed)


def density_map(theme: Theme) -> LinearSegmentedColormap:
    """Return the map from no images to most."""
    return LinearSegmentedColormap.from_list("augmap-density", theme.ramp)


def _by_score(column: str, values: np.ndarray, theme: Theme) -> Colouring:
    known = ~np.isnan(values)
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.01, 0.99]) if len(finite) else (0.0, 1.0)
    if low == high and len(finite):
        low, high = float(finite.min()), float(finite.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    below, above = bool((values[known] < low).any()), bool((values[known] > high).any())
    # viridis without the end that would vanish in the background
    span = (0.0, 0.94) if theme is LIGHT else (0.16, 1.0)
    cmap = ListedColormap(colormaps["viridis"](np.linspace(*span, 256)), name="augmap-score")
    norm = Normalize(low, high)
    rgba = cmap(np.where(known, norm(np.clip(np.nan_to_num(values, nan=low), low, high)), 0.0))
    rgba[~known] = to_rgba(theme.missing)
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[
        below, above
    ]
    return Colouring(rgba=rgba, known=known, column=column, norm=norm, cmap=cmap, extend=extend)


def _oklch(lightness: float, chroma: float, turn: float) -> str:
    """OKLCH to sRGB, clipped; the hue in turns. https://bottosson.github.io/posts/oklab/"""
    a, b = chroma * np.cos(2 * np.pi * turn), chroma * np.sin(2 * np.pi * turn)
    lms = (
        np.array(
            [
                lightness + 0.3963377774 * a + 0.2158037573 * b,
                lightness - 0.1055613458 * a - 0.0638541728 * b,
                lightness - 0.0894841775 * a - 1.2914855480 * b,
            ]
        )
        ** 3
    )
    to_rgb = [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
    linear = np.clip(np.array(to_rgb) @ lms, 0, 1)
    return to_hex(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
