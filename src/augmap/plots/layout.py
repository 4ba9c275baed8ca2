"""The room around a map: axes of its shape, and title, legend, colour bar and line below beside it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from augmap.errors import InputError
from augmap.plots.colours import PALETTE, Colouring, Theme, natural
from augmap.plots.names import fonts, legible, shorten
from augmap.plots.scatter import axes_points
from augmap.plots.view import View

TITLE_SIZES = 9.0, 15.0  # points, the least and the usual one
SIDE = 8.0  # inches of the map's longer side
PAD, TITLE, CAPTION, BAR = 0.25, 0.5, 0.45, 1.0  # inches around it


class MapFigure(Figure):
    """A figure that a notebook shows, although pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100, facecolor=self.get_facecolor())
        return file.getvalue()


def new_axes(
    view: View, size: float | tuple[float, float] | None, theme: Theme, *, titled: bool, beside: bool
) -> Axes:
    """A figure whose only axes have the shape of the view."""
    top, right = (TITLE if titled else 0.0) + PAD, PAD + (BAR if beside else 0.0)
    around = np.array([PAD + right, CAPTION + PAD + top])
    if isinstance(size, tuple | list):
        whole = np.array(size, float)
    else:
        side = SIDE if size is None else float(size)
        whole = around + side * np.minimum([1.0, 1 / view.aspect], [view.aspect, 1.0])
    if not (np.isfinite(whole).all() and (whole > around + 0.5).all() and (whole <= 100).all()):
        raise InputError(f"size must leave room for the map and stay below 100 inches, got {size}")
    figure = MapFigure(figsize=tuple(whole), dpi=150, facecolor=theme.background)
    FigureCanvasAgg(figure)
    (w, h), (iw, ih) = whole, whole - around
    return figure.add_axes((PAD / w, (PAD + CAPTION) / h, iw / w, ih / h))


def prepare(ax: Axes, view: View, theme: Theme) -> None:
    ax.set(xlim=(view.x0, view.x1), ylim=(view.y0, view.y1), xticks=[], yticks=[], facecolor=theme.background)
    ax.set_autoscale_on(False)
    ax.set_aspect("equal", adjustable="box")
    ax.spines[:].set_visible(False)
    ax.apply_aspect()


def draw_legend(ax: Axes, colouring: Colouring, theme: Theme) -> bool:
    """Labels and colours beside the map, if the palette has a colour of its own for each."""
    kinds = sorted(set(colouring.labels[colouring.known].tolist()), key=natural)
    if not 0 < len(kinds) <= len(PALETTE):
        return False
    dot = {"ls": "", "marker": "o", "mew": 0, "ms": 7}
    rows = [(shorten(k), colouring.by_label[k]) for k in kinds]
    if not colouring.known.all():
        rows.append(("not known", theme.missing))
    legend = ax.legend(
        handles=[Line2D([], [], color=colour, **dot) for _, colour in rows],
        labels=["-"] * len(rows),  # the names come below: matplotlib reads a meaning into $ and a leading _
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        fontsize=9,
        labelcolor=theme.ink,
    )
    for text, (name, _) in zip(legend.get_texts(), rows, strict=True):
        text.set(text=name, parse_math=False, fontfamily=fonts())
    _make_room(ax, legend.get_window_extent().width)
    return True


def _make_room(ax: Axes, pixels: float) -> None:
    """Widen a figure of ours to the right, keeping the size of its axes; somebody else's stays as it is."""
    figure = ax.get_figure(root=True)
    if figure.axes != [ax]:
        return
    width, height = figure.get_size_inches()
    box = ax.get_position(original=True)
    wider = width + pixels / figure.dpi
    figure.set_size_inches(wider, height)
    ax.set_position((box.x0 * width / wider, box.y0, box.width * width / wider, box.height))


def draw_colour_bar(ax: Axes, colouring: Colouring, theme: Theme) -> None:
    bar_ax = ax.inset_axes((1.02, 0.2, 0.022, 0.6))
    bar = Colorbar(bar_ax, ScalarMappable(colouring.norm, colouring.cmap), extend=colouring.extend)
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=theme.ink, labelcolor=theme.ink, labelsize=9, length=3)
    bar.set_label(
        shorten(colouring.column), color=theme.ink, fontsize=10, parse_math=False, fontfamily=fonts()
    )


def draw_title(ax: Axes, title: str, theme: Theme) -> None:
    """Write the title over the map: smaller where it is long, and cut where that is not enough."""
    text = ax.annotate(
        legible(title), (0, 1), (2, 10), xycoords="axes fraction", textcoords="offset points",
        fontsize=TITLE_SIZES[1], fontweight="bold", color=theme.ink, ha="left", va="bottom",
        parse_math=False, fontfamily=fonts(),
    )  # fmt: skip
    text.set_gid("title")
    room = ax.bbox.width - 4 * ax.figure.dpi / 72  # and 2 points on either side
    fits = room / text.get_window_extent().width
    if fits < 1:
        size = max(TITLE_SIZES[0], fits * TITLE_SIZES[1])
        text.set_fontsize(size)
        fits *= TITLE_SIZES[1] / size
    while fits < 1:
        text.set_text(text.get_text()[: int(fits * len(text.get_text())) - 1].rstrip(" …") + "…")
        fits = room / text.get_window_extent().width


def draw_caption(ax: Axes, parts: Sequence[str], theme: Theme) -> None:
    letters = max(30, int(axes_points(ax)[0] / (0.5 * 8)))  # a letter of DejaVu Sans is half as wide as high
    text = "\n".join(textwrap.wrap("  ·  ".join(p for p in parts if p), letters))
    ax.annotate(
        text, (0, 0), (2, -8), xycoords="axes fraction", textcoords="offset points", fontsize=8,
        color=theme.ink, alpha=0.75, ha="left", va="top", linespacing=1.5,
        parse_math=False, fontfamily=fonts(),
    ).set_gid("caption")  # fmt: skip
