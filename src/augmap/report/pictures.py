"""The picture of a map in a report: points on nothing and names as text, so that it suits any page."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from augmap.imagemap import ImageMap
from augmap.plots.colours import DARK, LIGHT, text_colour
from augmap.plots.figure import Kind, plot
from augmap.plots.names import shorten

SIDE = 3.6
"""Inches of the picture, a square."""
DPI = 250
MOST_BYTES = 150_000
"""A picture is stored in the first of these sizes and qualities that stays below it."""
QUALITIES = ((1.0, 80), (1.0, 65), (1.0, 50), (0.8, 60), (0.8, 40), (0.6, 50), (0.6, 30), (0.4, 30))


@dataclass(frozen=True, kw_only=True)
class Name:
    """A label written into its cluster; lengths in points, from the top left."""

    text: str
    x: float
    y: float
    size: float
    light: str
    """Colour on a light page."""
    dark: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What is shown of one map."""

    webp: bytes
    names: list[Name]
    side: float
    """Points; width and height of the picture."""
    caption: str
    """What must be said beside it: number of images, what colours them, what is not seen."""

    @property
    def uri(self) -> str:
        """The picture as text, for a page that has to stand alone."""
        return "data:image/webp;base64," + base64.b64encode(self.webp).decode("ascii")


def picture(
    m: ImageMap, kind: Kind, *, color_by: str | None, colours: Mapping[str, str], names: bool
) -> Picture:
    """Draw a map on a transparent square.

    Parameters
    ----------
    m : ImageMap
        Its positions are shown as they are, or along their first two principal axes.
    color_by : str, optional
        A label column that the map has; None colours nothing.
    colours : mapping of label to colour
        Shared by all maps of the report.
    names : bool
        Write the labels into their clusters.
    """
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    with warnings.catch_warnings():  # a letter that its fonts lack is written by the reader's
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        plot(m, kind, color_by=color_by, colours=colours if color_by else None, names=names, ax=ax)
    ax.patch.set_visible(False)
    if legend := ax.get_legend():
        legend.remove()
    (said,) = _by_gid(figure, "caption")
    caption = " ".join(said.get_text().split())
    said.remove()
    by_text = {shorten(label): colour for label, colour in colours.items()}
    written = [_name(text, by_text[text.get_text()]) for text in _by_gid(figure, "name")]
    for text in _by_gid(figure, "name"):
        text.remove()
    figure.patch.set_visible(False)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())
    return Picture(webp=_webp(pixels), names=written, side=72 * SIDE, caption=caption)


def _name(text: Text, colour: str) -> Name:
    x, y = text.axes.transData.transform(text.get_position()) * 72 / DPI
    return Name(
        text=text.get_text(),
        x=round(float(x), 1),
        y=round(72 * SIDE - float(y), 1),
        size=round(float(text.get_fontsize()), 1),
        light=text_colour(colour, LIGHT),
        dark=text_colour(colour, DARK),
    )


def _by_gid(figure: Figure, gid: str) -> list[Text]:
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def _webp(pixels: UInt8[np.ndarray, "h w 4"]) -> bytes:
    image = Image.fromarray(pixels)
    for scale, quality in QUALITIES:
        file = io.BytesIO()
        edge = round(scale * len(pixels))
        shown = image if scale == 1 else image.resize((edge, edge), Image.Resampling.LANCZOS)
        # of thousands of small dots the transparency is the larger part
        shown.save(file, format="WEBP", quality=quality, alpha_quality=quality // 2)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()
