"""Names of labels, written into their clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from scipy.ndimage import maximum_filter

from augmap.plots.colours import Theme, text_colour
from augmap.plots.scatter import axes_points
from augmap.plots.view import Grid, View

CELLS, WIDTH = 160, 0.022  # of the density grid: cells along the longer side, smoothing as a share of it
MOST = 150  # names looked at; more would not be legible on any page
LONGEST_NAME = 28  # characters
FEW, GAP = 12, 4.0  # images of a label that its name must not cover; pt between it and these


@dataclass(frozen=True, eq=False)
class Names:
    """What was written, lines from names to their places, and the labels that found no room."""

    texts: list[Text] = field(default_factory=list)
    lines: list[Line2D] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def place_names(
    ax: Axes,
    xy: Float[np.ndarray, "n 2"],
    labels: np.ndarray,
    colours: Mapping[str, str],
    theme: Theme,
    view: View,
    *,
    boxed: bool = False,
    plain: bool = False,
    avoid: Sequence[tuple[float, float, float, float]] = (),
) -> Names:
    """Write each label where its images are dense and among themselves; names never overlap.

    A label with a second, separate cluster of similar weight gets its name there too, if there is room.
    Overlapping names push each other apart; if they still do not fit, smaller letters are tried, and
    what does not fit even then is returned.

    Parameters
    ----------
    boxed : bool
        On a plate, for names among pictures, instead of a halo.
    plain : bool
        In the colour of the theme instead of the label's.
    avoid : boxes (x0, y0, x1, y1) in the map's coordinates
        Places to keep free, such as pictures.
    """
    kinds, counts = np.unique(labels[labels != ""], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    beyond = [str(k) for k in kinds[order[MOST:]]]
    kinds = [str(k) for k in kinds[order[:MOST]]]
    if not kinds:
        return Names()
    places = _places(xy, labels, kinds, view)
    fixed = _in_pixels(ax, avoid)
    inside = view.holds(xy)
    few = {} if boxed else _few(ax, xy[inside], labels[inside], kinds)
    width = axes_points(ax)[0]
    letters = np.mean([len(shorten(k)) for k in kinds])
    start = np.interp(len(kinds), [10, 30, 100], [12, 9.5, 8]) * np.interp(letters, [1, 5], [1.5, 1])
    start = float(start * np.clip(width / 560, 0.7, 1.15))
    ink = {k: theme.ink if plain else text_colour(colours[k], theme) for k in kinds}
    names = Names()
    for size in (start, 0.85 * start, max(6.0, 0.72 * start)):
        for artist in (*names.texts, *names.lines):
            artist.remove()
        names = _write(ax, kinds, places, ink, theme, size, boxed, fixed, few)
        if not names.left_out:
            break
    return Names(names.texts, names.lines, names.left_out + beyond)


def name_boxes(ax: Axes, names: Names) -> list[tuple[float, float, float, float]]:
    """Return the boxes (x0, y0, x1, y1) of the names in the map's coordinates."""
    boxes = []
    for text in names.texts:
        at, h = ax.transData.transform(text.get_position()), _half(text)
        boxes.append(tuple(map(float, ax.transData.inverted().transform([at - h, at + h]).ravel())))
    return boxes


def shorten(name: str) -> str:
    """Return a name on one line, cut with an ellipsis after 28 characters."""
    name = " ".join(legible(name).split())
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1].rstrip() + "…"


def legible(text: str) -> str:
    """Return text with bytes that were no UTF-8, and characters nobody can see, written as escapes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() or c.isspace() else c.encode("unicode_escape").decode() for c in text)


@cache
def fonts() -> list[str]:
    """Matplotlib's own font, then whatever is installed for letters that it lacks."""
    wider = ("Noto Sans CJK JP", "Noto Sans CJK SC", "PingFang SC", "Hiragino Sans", "Microsoft YaHei")
    wider += ("WenQuanYi Zen Hei", "Arial Unicode MS", "Noto Sans Devanagari", "Noto Sans Thai")
    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(f for f in wider if f in installed)]


def _places(
    xy: Float[np.ndarray, "n 2"], labels: np.ndarray, kinds: list[str], view: View
) -> list[list[tuple[float, float]]]:
    """One or two places for each label, the best first.

    The best place is the mode of d²/D, the density of the label times its share there: a name should
    stand where a reader sees that label and no other.
    """
    inside = view.holds(xy)
    xy, labels = xy[inside], labels[inside]
    grid = Grid.over(view, CELLS)
    everything = grid.density(xy, WIDTH)
    floor = 0.02 * everything.max() + 1e-12
    reach = 0.12 * view.side / grid.cell  # cells: what counts as one cluster
    rows, columns = np.indices(grid.shape)
    places = []
    for kind in kinds:
        mine = grid.density(xy[labels == kind], WIDTH)
        if not mine.any():  # all its images lie outside the view
            places.append([])
            continue
        score = mine**2 / (everything + floor)
        peaks = np.argwhere((score == maximum_filter(score, 9)) & (score > 0.35 * score.max()))
        peaks = peaks[np.argsort(-score[tuple(peaks.T)], kind="stable")]
        first = peaks[0]
        found = [grid.centre(*first.tolist())]
        for peak in peaks[1:]:
            near = np.hypot(rows - peak[0], columns - peak[1]) < reach
            if np.hypot(*(peak - first)) > 2.5 * reach and mine[near].sum() > 0.25 * mine.sum():
                found.append(grid.centre(*peak.tolist()))
                break
        places.append(found)
    return places


def _write(
    ax: Axes,
    kinds: list[str],
    places: list[list[tuple[float, float]]],
    colours: Mapping[str, str],
    theme: Theme,
    size: float,
    boxed: bool,
    fixed: Float[np.ndarray, "f 4"],
    few: Mapping[str, Float[np.ndarray, "m 2"]],
) -> Names:
    """Write what fits at one size of letters."""
    names = Names(left_out=[k for k, p in zip(kinds, places, strict=True) if not p])
    firsts = [(k, p[0]) for k, p in zip(kinds, places, strict=True) if p]
    if not firsts:
        return names
    texts = [_text(ax, k, p, colours[k], theme, size, boxed) for k, p in firsts]
    half = np.array([_half(t) for t in texts])
    room = ax.get_window_extent()
    bounds = np.array([room.x0, room.y0, room.x1, room.y1])
    gap = GAP * ax.get_figure(root=True).dpi / 72

    def spot_of(kind: str, place: tuple[float, float], half: np.ndarray) -> np.ndarray:
        at = ax.transData.transform(place)
        return _beside(at, half, few[kind], bounds, gap) if kind in few else at

    anchor = np.array([spot_of(k, p, h) for (k, p), h in zip(firsts, half, strict=True)])
    centre = _push_apart(anchor, half, fixed, bounds)
    furthest = max(0.035 * max(room.width, room.height), 4 * float(half[:, 1].max()))
    to_data = ax.transData.inverted()
    boxes = [*fixed]
    for (kind, place), text, at, a, h in zip(firsts, texts, centre, anchor, half, strict=True):
        box = np.concatenate([at - h, at + h])
        if _hits(box, boxes) or not _within(box, bounds) or (np.abs(at - a) > furthest + h).any():
            text.remove()
            names.left_out.append(kind)
            continue
        spot = to_data.transform(at)
        text.set_position(spot)
        if (np.abs(at - a) > h + 4).any() and not _hits(
            np.tile(a, 2), fixed
        ):  # it left its place: a line leads back
            names.lines.extend(ax.plot(*zip(place, spot, strict=True), lw=0.8, color=colours[kind], zorder=5))
        names.texts.append(text)
        boxes.append(box)
    for kind, p in zip(kinds, places, strict=True):
        if len(p) > 1 and kind not in names.left_out:
            text = _text(ax, kind, p[1], colours[kind], theme, size, boxed)
            h = _half(text)
            at = spot_of(kind, p[1], h)
            box = np.concatenate([at - h, at + h])
            if _hits(box, boxes) or not _within(box, bounds):
                text.remove()
            else:
                text.set_position(to_data.transform(at))
                names.texts.append(text)
                boxes.append(box)
    return names


def _few(
    ax: Axes, xy: Float[np.ndarray, "n 2"], labels: np.ndarray, kinds: list[str]
) -> dict[str, Float[np.ndarray, "m 2"]]:
    """The images of labels that have few, in pixels."""
    rows = {kind: np.flatnonzero(labels == kind) for kind in kinds}
    return {k: ax.transData.transform(xy[r]) for k, r in rows.items() if 0 < len(r) <= FEW}


def _beside(
    at: Float[np.ndarray, " 2"],
    half: Float[np.ndarray, " 2"],
    points: Float[np.ndarray, "m 2"],
    bounds: Float[np.ndarray, " 4"],
    gap: float,
) -> Float[np.ndarray, " 2"]:
    """The place for a name above the points that it would cover, or below where there is no room."""
    covered = points[(np.abs(points - at) < half + gap).all(1), 1]
    if not len(covered):
        return at
    above, below = covered.max() + half[1] + gap, covered.min() - half[1] - gap
    return np.array([at[0], above if above + half[1] <= bounds[3] else below])


def _text(
    ax: Axes, kind: str, place: tuple[float, float], colour: str, theme: Theme, size: float, boxed: bool
) -> Text:
    text = ax.text(*place, shorten(kind), color=colour, fontsize=size, ha="center", va="center", zorder=6)
    text.set(parse_math=False, fontweight="bold", fontfamily=fonts(), gid="name")  # a label may hold a $
    if boxed:
        plate = {
            "boxstyle": "round,pad=0.2,rounding_size=0.4",
            "fc": theme.background,
            "ec": colour,
            "lw": 0.8,
        }
        text.set_bbox({**plate, "alpha": 0.92})
    else:
        text.set_path_effects([withStroke(linewidth=0.28 * size, foreground=theme.background)])
    return text


def _half(text: Text) -> Float[np.ndarray, " 2"]:
    """Half width and height of what is written, in pixels, with a little air."""
    box = text.get_window_extent()
    air = 0.3 if text.get_bbox_patch() is not None else 0.12
    return np.array([box.width, box.height]) / 2 + air * box.height


def _push_apart(
    anchor: Float[np.ndarray, "k 2"],
    half: Float[np.ndarray, "k 2"],
    fixed: Float[np.ndarray, "f 4"],
    bounds: Float[np.ndarray, " 4"],
) -> Float[np.ndarray, "k 2"]:
    """Centres of boxes near their anchors; overlaps are undone along their smaller side, step by step."""
    k = len(anchor)
    low, high = bounds[:2] + half, np.maximum(bounds[2:] - half, bounds[:2] + half)
    centre = np.clip(anchor, low, high)
    # A thousandth of a pixel each, so that names at one and the same place have a direction to leave in.
    centre = centre + 1e-3 * np.column_stack([np.cos(np.arange(k) * 2.4), np.sin(np.arange(k) * 2.4)])
    others = (fixed[:, :2] + fixed[:, 2:]) / 2
    other_half = (fixed[:, 2:] - fixed[:, :2]) / 2
    for step in range(200):
        move = np.zeros_like(centre)
        for where, size, share in ((centre, half, 0.5), (others, other_half, 1.0)):
            gap = centre[:, None] - where[None]
            over = half[:, None] + size[None] + 3.0 - np.abs(gap)
            hit = (over > 0).all(-1)
            if where is centre:
                hit &= ~np.eye(k, dtype=bool)
            along = over.argmin(-1)[..., None] == np.arange(2)
            move += (np.where(hit[..., None] & along, np.sign(gap) * over, 0.0) * share).sum(1)
        pull = 0.05 * (anchor - centre) if step < 120 else 0.0
        if step >= 120 and not move.any():
            break
        centre = np.clip(centre + 0.7 * move + pull, low, high)
    return centre


def _hits(box: np.ndarray, boxes: Sequence[np.ndarray]) -> bool:
    return any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes)


def _within(box: np.ndarray, bounds: np.ndarray) -> bool:
    return bool((box[:2] >= bounds[:2] - 1).all() and (box[2:] <= bounds[2:] + 1).all())


def _in_pixels(ax: Axes, boxes: Sequence[tuple[float, float, float, float]]) -> Float[np.ndarray, "f 4"]:
    if not len(boxes):
        return np.zeros((0, 4))
    return ax.transData.transform(np.reshape(boxes, (-1, 2))).reshape(-1, 4)
