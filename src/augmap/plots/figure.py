"""From a map to a figure, with what must be said beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from augmap.errors import InputError
from augmap.plots import density
from augmap.plots.colours import DARK, LIGHT, Colouring, Theme, colour_images
from augmap.plots.density import SHARES, draw_density
from augmap.plots.layout import draw_caption, draw_colour_bar, draw_legend, draw_title, new_axes, prepare
from augmap.plots.names import Names, name_boxes, place_names, shorten
from augmap.plots.scatter import draw_scatter
from augmap.plots.thumbnails import (
    Pictures,
    choose_medoids,
    choose_thumbnails,
    draw_thumbnails,
    thumbnail_edge,
)
from augmap.plots.view import MARGIN, View, flatten, view_of

Kind = Literal["scatter", "thumbnails", "density"]
KINDS: tuple[str, ...] = get_args(Kind)

FEW = 200  # images; below, a name would hide the pictures that it names, so thumbnails get a legend


class Table(Protocol):
    """The part of :class:`augmap.items.Items` that is drawn."""

    @property
    def columns(self) -> Mapping[str, np.ndarray]: ...


class Map(Protocol):
    """The part of :class:`augmap.imagemap.ImageMap` that is drawn."""

    positions: np.ndarray
    items: Table
    thumbs: Pictures | None


def plot(
    imagemap: Map,
    kind: Kind = "scatter",
    *,
    color_by: str | None = "label",
    names: bool = True,
    title: str | None = None,
    size: float | tuple[float, float] | None = None,
    dark: bool = False,
    colours: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a map.

    Parameters
    ----------
    imagemap : ImageMap
    kind : str
        ``"scatter"``: one point an image. ``"thumbnails"``: as many pictures as fit without overlap, each
        at its own place, the most typical of its surroundings first. ``"density"``: where images pile up,
        with contours around given shares of them and the picture at each peak.
    color_by : str or None
        A column of the map: labels or scores. None: one colour, as for ``"label"`` where there are none.
    names : bool
        Write the labels into their clusters; a legend beside the map where they do not all fit.
    title : str, optional
    size : float or (width, height), optional
        Inches; one number is the longer side of the map, without what stands around it.
    colours : mapping of label to colour, optional
        For several maps alike: :func:`augmap.plots.colours.label_colours` of all their labels.
    ax : matplotlib Axes, optional
        Draw there, with no layout of the figure; legend and colour bar stand beside the axes. On a dark
        page the face colour of the figure is the caller's.

    Returns
    -------
    Figure
        Its canvas is Agg; no backend is chosen and pyplot is not imported. The line below the map says
        how many images there are, what colours them, and what is not seen.

    Raises
    ------
    InputError
        Unknown kind or column, no images, one dimension, pictures asked of a map that has none.

    Notes
    -----
    A few far images do not squeeze the others (:func:`augmap.plots.view.view_of`): they are drawn as
    triangles at the border and counted. More than two dimensions are shown along the first two principal
    axes, and the line says so.
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "thumbnails" and imagemap.thumbs is None:
        raise InputError("this map has no thumbnails to draw; use kind 'scatter' or 'density'")
    xy, note = flatten(imagemap.positions)
    view = view_of(xy, density.MARGIN if kind == "density" else MARGIN)
    if kind == "thumbnails":  # no picture at the border is cut
        view = view_of(xy, max(MARGIN, 0.6 * thumbnail_edge(len(xy), view) / view.side))
    theme = DARK if dark else LIGHT
    colouring = colour_images(imagemap.items.columns, len(xy), color_by, theme, colours)
    if kind == "density" and colouring.norm is not None:
        raise InputError(
            f"kind 'density' shows how many images there are, not {color_by!r}; use kind 'scatter'"
        )
    if ax is None:
        ax = new_axes(view, size, theme, titled=title is not None, beside=colouring.norm is not None)
    prepare(ax, view, theme)
    draw = {"scatter": _scatter, "thumbnails": _thumbnails, "density": _density}[kind]
    written, said = draw(ax, imagemap, xy, colouring, view, theme, names and colouring.labels is not None)
    legend = bool(
        kind != "density"
        and colouring.labels is not None
        and (written.left_out or not written.texts)
        and draw_legend(ax, colouring, theme)
    )
    if colouring.norm is not None:
        draw_colour_bar(ax, colouring, theme)
    if title is not None:
        draw_title(ax, title, theme)
    draw_caption(
        ax,
        [_count(len(xy), "image"), *_colour_note(colouring, color_by, written, kind, legend), *said, note],
        theme,
    )
    return ax.get_figure(root=True)


def _scatter(
    ax: Axes, imagemap: Map, xy: np.ndarray, colouring: Colouring, view: View, theme: Theme, names: bool
) -> tuple[Names, list[str]]:
    outside = draw_scatter(ax, xy, colouring.rgba, view, known=colouring.known)
    written = place_names(ax, xy, colouring.labels, colouring.by_label, theme, view) if names else Names()
    return written, _outside_note(outside)


def _thumbnails(
    ax: Axes, imagemap: Map, xy: np.ndarray, colouring: Colouring, view: View, theme: Theme, names: bool
) -> tuple[Names, list[str]]:
    plain = colouring.column is None
    rgba = _flat(theme.faint, len(xy)) if plain else colouring.rgba
    outside = draw_scatter(ax, xy, rgba, view, known=colouring.known, alpha=None if plain else 0.4)
    written = Names()
    if names and len(xy) >= FEW:  # first the names, then pictures around them
        written = place_names(ax, xy, colouring.labels, colouring.by_label, theme, view, boxed=True)
    edge = thumbnail_edge(len(xy), view)
    chosen = choose_thumbnails(xy, view, edge, avoid=name_boxes(ax, written))
    frames = _flat(theme.ink, len(chosen)) if plain else colouring.rgba[chosen]
    draw_thumbnails(
        ax, xy[chosen], imagemap.thumbs.images(chosen), edge, frames, frame_width=0.4 if plain else 1.4
    )
    return written, [f"{len(chosen):,} of them as pictures", *_outside_note(outside)]


def _density(
    ax: Axes, imagemap: Map, xy: np.ndarray, colouring: Colouring, view: View, theme: Theme, names: bool
) -> tuple[Names, list[str]]:
    draw_density(ax, xy, view, theme)
    far = ~view.holds(xy)
    draw_scatter(ax, xy[far], _flat(theme.single, int(far.sum())), view)
    said = [f"lines enclose {', '.join(f'{100 * s:.0f}' for s in SHARES)} % of them"]
    boxes: list[tuple[float, float, float, float]] = []
    if imagemap.thumbs is not None:
        edge = max(view.side / 16, thumbnail_edge(len(xy), view))
        chosen = choose_medoids(xy, view, edge)
        frames = _flat(theme.background, len(chosen))
        boxes = draw_thumbnails(ax, xy[chosen], imagemap.thumbs.images(chosen), edge, frames, frame_width=1.6)
        said.append("pictures at the peaks")
    written = Names()
    if names:
        written = place_names(
            ax, xy, colouring.labels, colouring.by_label, theme, view, plain=True, avoid=boxes
        )
    return written, [*said, *_outside_note(int(far.sum()))]


def _colour_note(
    colouring: Colouring, color_by: str | None, written: Names, kind: str, legend: bool
) -> list[str]:
    if colouring.column is None:
        return ["no labels"] if color_by == "label" else []
    if kind == "density" and not (written.texts or written.left_out):
        return []
    notes = [f"{'names' if kind == 'density' else 'colour'}: {shorten(colouring.column)}"]
    missing = int((~colouring.known).sum())
    if colouring.labels is not None:
        kinds = len(set(colouring.labels[colouring.known].tolist()))
        notes[0] += f" ({kinds:,})"
        if written.left_out and not legend:
            notes.append(f"no room for the names of {len(written.left_out):,}")
    if missing and kind != "density":
        notes.append(f"grey: not known ({missing:,})")
    return notes


def _outside_note(outside: int) -> list[str]:
    return [f"{outside:,} far outside, marked at the border"] if outside else []


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _flat(colour: str, n: int) -> np.ndarray:
    return np.tile(to_rgba(colour), (n, 1))
