"""How a map formed, as a film: the frames of ``replay.npz`` in the labels' colours, as GIF or MP4."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from augmap import folder as disk
from augmap.errors import InputError
from augmap.explorer.replay import Replay, from_u16, read_replay
from augmap.imagemap import ImageMap
from augmap.images.mark import MAKER
from augmap.plots.colours import DARK, colour_images
from augmap.plots.names import legible, shorten

EDGE = 480  # px of the square with the points
LEGEND = 150  # px beside it, where there are labels to name
CAPTION = 44
MOST_NAMES = 14
_RADIUS = 1.6  # px of a point, blurred
_SHADES = 10  # between the background and a label's colour
MOST_POINTS = 2000
"""Images that are drawn: more only make the points smaller and the file larger."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a film is."""

    rate: int
    """Frames a second."""
    seconds: float = 8.0
    hold: float = 2.0
    """Seconds for which the finished map stands."""


GIF = Timing(rate=10, seconds=7.0)
MP4 = Timing(rate=30)


def to_gif(path: Path, *, progress: Callable[[int, int], None] | None = None) -> bytes:
    """Return the replay of a map's folder as an animated GIF that runs for ever.

    Raises
    ------
    InputError
        The map was not watched while it formed.
    """
    pictures = [Image.fromarray(p) for p in pictures_of(path, GIF, progress)]
    palette = _palette(pictures, [colour for _, colour in _legend_of(ImageMap.load(path))])
    flat = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    durations = [round(1000 / GIF.rate)] * len(flat)
    durations[-1] = round(1000 * GIF.hold)
    file = io.BytesIO()
    flat[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=flat[1:],
        duration=durations,
        loop=0,
        optimize=False,
        comment=MAKER,
    )
    return file.getvalue()


def to_mp4(path: Path, *, progress: Callable[[int, int], None] | None = None) -> bytes:
    """Return the replay of a map's folder as MP4 (H.264), made by ffmpeg.

    Raises
    ------
    InputError
        There is no ffmpeg on this machine or it fails, or the map was not watched while it formed.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise InputError("ffmpeg, which makes MP4, is not on this machine: install it, or use --to gif")
    pictures = list(pictures_of(path, MP4, progress))
    pictures += [pictures[-1]] * round(MP4.hold * MP4.rate)
    height, width = pictures[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "film.mp4"
        command = [
            *(program, "-loglevel", "error", "-y"),
            *(
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb24",
                "-s",
                f"{width}x{height}",
                "-r",
                str(MP4.rate),
                "-i",
                "-",
            ),
            *("-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(target)),
        ]
        data = b"".join(p.tobytes() for p in pictures)
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        if done.returncode or not target.is_file():
            reason = " ".join(done.stderr.decode(errors="replace").split())[:200]
            raise InputError(f"ffmpeg could not make the film ({reason or done.returncode}); use --to gif")
        return target.read_bytes()


def pictures_of(
    path: Path, timing: Timing, progress: Callable[[int, int], None] | None = None
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Yield the pictures of a map's replay, each of the same even size."""
    m, record = ImageMap.load(path), disk.read_record(path)
    replay = read_replay(path, record, m.n)
    if replay is None or replay.rows is None:
        raise InputError(
            f"{path}: this map was not watched while it formed, so there is nothing to replay: "
            "make one with augmap fit --watch"
        )
    drawn = np.sort(np.random.default_rng(0).permutation(len(replay.rows))[:MOST_POINTS])
    colouring = colour_images(m.items.columns, m.n, "label", DARK)
    names = _legend_of(m)
    rgb = colouring.rgba[replay.rows[drawn], :3].astype(np.float64)
    moments = _moments(len(replay.frames), timing)
    title = Path(path).absolute().name
    for i, moment in enumerate(moments):
        yield _picture(
            _between(replay, moment)[drawn], rgb, names, title, _words(replay, moment), i / (len(moments) - 1)
        )
        if progress:
            progress(i + 1, len(moments))


def _moments(frames: int, timing: Timing) -> Float[np.ndarray, " t"]:
    """Places between 0 and the last frame at which pictures are made; each recorded frame has its time."""
    return np.linspace(0, frames - 1, max(2, round(timing.rate * timing.seconds)))


def _between(replay: Replay, moment: float) -> Float[np.ndarray, "n 2"]:
    """Positions between two recorded frames, moving smoothly from one to the other."""
    first = min(int(moment), len(replay.frames) - 1)
    second = min(first + 1, len(replay.frames) - 1)
    t = moment - first
    t = t * t * (3 - 2 * t)
    return (1 - t) * from_u16(replay.frames[first]) + t * from_u16(replay.frames[second])


def _words(replay: Replay, moment: float) -> str:
    entry: dict[str, Any] = replay.entries[min(round(moment), len(replay.entries) - 1)]
    epoch = entry["epoch"]
    words = f"{entry['stage']}, epoch {epoch:.0f}" if isinstance(epoch, int | float) else str(entry["stage"])
    return f"{words} (two principal components)" if entry["pca"] else words


def _legend_of(m: ImageMap) -> list[tuple[str, tuple[int, int, int]]]:
    return _legend(colour_images(m.items.columns, m.n, "label", DARK).by_label)


def _legend(by_label) -> list[tuple[str, tuple[int, int, int]]]:
    """Names and colours to be listed; none where there are no labels, not all where there are many."""
    if not by_label:
        return []
    found = [(shorten(legible(name)), _bytes(colour)) for name, colour in by_label.items()]
    if len(found) <= MOST_NAMES:
        return found
    rest = len(found) - MOST_NAMES + 1
    return [*found[: MOST_NAMES - 1], (f"and {rest} more", _bytes(DARK.missing))]


def _picture(
    uv: Float[np.ndarray, "n 2"],
    rgb: Float[np.ndarray, "n 3"],
    names: list[tuple[str, tuple[int, int, int]]],
    title: str,
    words: str,
    done: float,
) -> UInt8[np.ndarray, "h w 3"]:
    width, height = EDGE + (LEGEND if names else 0), EDGE + CAPTION
    picture = Image.new("RGB", (width, height), DARK.background)
    picture.paste(Image.fromarray(_points(uv, rgb)), (0, 0))
    draw = ImageDraw.Draw(picture)
    for i, (name, colour) in enumerate(names):
        y = 24 + i * 24
        draw.ellipse((EDGE + 8, y - 5, EDGE + 18, y + 5), fill=colour)
        draw.text((EDGE + 26, y), _fitted(name, LEGEND - 34), fill=DARK.ink, font=_font(13), anchor="lm")
    draw.text((16, EDGE + 16), words, fill=DARK.ink, font=_font(14), anchor="lm")
    room = width - 48 - round(draw.textlength(words, _font(14)))
    if room > 60:
        draw.text(
            (width - 16, EDGE + 16),
            _fitted(legible(title), room),
            fill="#8b919c",
            font=_font(12),
            anchor="rm",
        )
    draw.rectangle((16, EDGE + 33, width - 17, EDGE + 35), fill=DARK.faint)
    draw.rectangle((16, EDGE + 33, 16 + round(done * (width - 33)), EDGE + 35), fill=DARK.single)
    return np.asarray(picture)


def _points(uv: Float[np.ndarray, "n 2"], rgb: Float[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "e e 3"]:
    """Soft points; where many lie the colour is theirs on average, and denser."""
    margin, reach = 14, 3
    x = margin + (uv[:, 0] + 1) / 2 * (EDGE - 1 - 2 * margin)
    y = margin + (1 - uv[:, 1]) / 2 * (EDGE - 1 - 2 * margin)
    left, top = np.rint(x).astype(int), np.rint(y).astype(int)
    strength = np.clip(2.4 / np.sqrt(len(uv) / 500), 1.2, 2.4)
    total, colour = np.zeros(EDGE * EDGE), np.zeros((3, EDGE * EDGE))
    for dx in range(-reach, reach + 1):
        for dy in range(-reach, reach + 1):
            px, py = left + dx, top + dy
            weight = strength * np.exp(-((px - x) ** 2 + (py - y) ** 2) / _RADIUS**2)
            at = py * EDGE + px
            total += np.bincount(at, weight, EDGE * EDGE)
            for channel in range(3):
                colour[channel] += np.bincount(at, weight * rgb[:, channel], EDGE * EDGE)
    cover = 1 - np.exp(-total)
    mean = colour / np.maximum(total, 1e-9)
    background = np.array(to_rgb(DARK.background))[:, None]
    mixed = background * (1 - cover) + mean * cover
    return np.rint(mixed.T.reshape(EDGE, EDGE, 3) * 255).astype(np.uint8)


def _palette(pictures: list[Image.Image], colours: list[tuple[int, int, int]]) -> Image.Image:
    """One palette for all pictures: shades of the labels' colours and of the text, then what else occurs."""
    paper = np.array(_bytes(DARK.background))
    inks = [*colours, _bytes(DARK.ink), _bytes(DARK.single), _bytes(DARK.faint)]
    shades = [paper + (np.array(ink) - paper) * k / _SHADES for ink in inks for k in range(1, _SHADES + 1)]
    fixed = np.unique(np.rint([paper, *shades]).astype(np.uint8), axis=0)
    width, height = pictures[0].size
    sheet = Image.new("RGB", (width, 2 * height))
    for i, picture in enumerate((pictures[len(pictures) // 2], pictures[-1])):
        sheet.paste(picture, (0, i * height))
    rest = sheet.quantize(256 - len(fixed), method=Image.Quantize.MEDIANCUT).getpalette("RGB") or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*fixed.ravel().tolist(), *rest])
    return palette


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


def _fitted(text: str, width: float) -> str:
    while text and _font(13).getlength(text) > width:
        text = text[:-2].rstrip() + "…"
    return text


def _bytes(colour: str) -> tuple[int, int, int]:
    r, g, b = (round(255 * c) for c in to_rgb(colour))
    return r, g, b
