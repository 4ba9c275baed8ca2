"""A map as a notebook shows it."""

from __future__ import annotations

from augmap.imagemap import ImageMap


def display(m: ImageMap, *, title: str | None) -> str:
    """Return the map as HTML: the explorer's page, or a picture where that would be too large."""
    from augmap.explorer.notebook import frame, picture

    framed = frame(m, title=title)
    if framed is not None:
        return framed
    from augmap.plots.figure import plot
    from augmap.plots.save import png

    return picture(png(plot(m, size=7)), m, title=title)
