"""A figure on disk: whole or not at all, and saying what made it."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from augmap.errors import InputError
from augmap.folder import check_file, write_file
from augmap.images.mark import MAKER
from augmap.plots.names import legible

FORMATS = ("png", "pdf", "svg")
DPI = 200
MOST_PIXELS = 400_000_000
"""Of a figure: 1.6 GB while it is drawn, also where its text and lines become vectors."""


def save_figure(
    figure: Figure, path: str | Path, *, dpi: float = DPI, title: str = "", about: str = ""
) -> Path:
    """Write a figure as .png, .pdf or .svg; an older file stays until the new one is complete.

    Parameters
    ----------
    dpi : float
        Dots per inch, in [20, 1200]; of the points and pictures also in pdf and svg, whose text and lines
        are vectors.
    title, about : str
        Kept in the file's metadata, beside the version of augmap. No date is, so that the same map gives
        the same file.

    Raises
    ------
    InputError
        Another ending, no such folder, more than :data:`MOST_PIXELS`, or the file cannot be written.
    """
    path = check_path(path)
    if not 20 <= dpi <= 1200:
        raise InputError(f"dpi must lie in [20, 1200], got {dpi:g}")
    width, height = (round(dpi * inches) for inches in figure.get_size_inches())
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{path}: {width:,} x {height:,} pixels are too many, at most {MOST_PIXELS:,}; lower dpi or size"
        )
    kind = path.suffix[1:].lower()
    file = io.BytesIO()
    figure.savefig(
        file,
        format=kind,
        dpi=dpi,
        facecolor=figure.get_facecolor(),
        bbox_inches=None,  # the layout is ours, whatever the user's matplotlibrc says
        metadata=_metadata(kind, legible(title), legible(about)),
    )
    write_file(path, file.getvalue())
    return path


def png(figure: Figure, *, dpi: float = 100) -> bytes:
    """Return a figure as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, facecolor=figure.get_facecolor(), bbox_inches=None)
    return file.getvalue()


def check_path(path: str | Path) -> Path:
    """Return the path if a figure can go there, before any work is done."""
    path = Path(path)
    if path.suffix[1:].lower() not in FORMATS:
        endings = ", ".join(f".{f}" for f in FORMATS)
        raise InputError(
            f"{path}: a figure's name must end in one of {endings}, got {path.suffix or 'no ending'!r}"
        )
    check_file(path)
    return path


def _metadata(kind: str, title: str, about: str) -> dict[str, str | None]:
    if kind == "png":
        return {"Software": MAKER, "Title": title, "Description": about}
    if kind == "pdf":
        return {"Creator": MAKER, "Title": title, "Subject": about, "CreationDate": None}
    return {"Creator": MAKER, "Title": title, "Description": about, "Date": None}
