"""Pictures that say in each pixel where it came from, and a folder of everything that has ever gone wrong."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def gradient(width: int, height: int) -> np.ndarray:
    """RGB (h, w, 3): red grows to the right, green downwards, blue is 60."""
    y, x = np.mgrid[:height, :width]
    return np.stack(
        [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), np.full_like(x, 60)], axis=2
    ).astype(np.uint8)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has one byte of pixels: a bomb as far as its header goes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + idat + chunk(b"IEND", b"")


GOOD = {
    "a/alpha.png", "a/animated.gif", "a/cmyk.jpg", "a/exif.jpg", "a/float.tiff", "a/grey.png", "a/one.png",
    "a/palette.png", "a/sixteen.png", "a/sixteen.tif", "a/wide.jpg", "a/webp.webp", "a/bmp.bmp", "a/bit.png",
    r"b/new\x0aline.png", r"b/\xff\xfe.png", r"b/back\\slash.png", "b/ünïcode 日本.png", "no_extension",
    "train/cat/x.png", "link_to_file.png",
}  # fmt: skip
BAD = {
    "bad/zero.png": "empty file",
    "bad/cut.jpg": "truncated or damaged",
    "bad/cut.png": "truncated or damaged",
    "bad/text.jpg": "not an image",
    "bad/no_ext_text": "not an image",
    "bad/bomb.png": "more than --max-pixels",
    "bad/dangling.png": "dangling link",
    "bad/self.png": "circle",
    "bad/circle": "already read",
    "bad/pipe.png": "not a regular file",
    "bad/apple.heic": "augmap[heic]",
}
OTHERS = 3
BOMB_PIXELS = 1_000_000


def save_gradient(path: Path, width: int = 8, height: int = 8) -> Path:
    """Write a picture whose pixels say where they lie."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gradient(width, height)).save(path)
    return path


def make_hostile(root: Path) -> None:
    """Write the folder: GOOD is on the map, BAD is skipped with these reasons, OTHERS are ignored."""

    def write(name: str, width: int = 8, height: int = 8) -> Path:
        return save_gradient(root / name, width, height)

    rgb = Image.fromarray(gradient(40, 40))
    for name in ("a", "b", "bad", ".hidden", "__MACOSX"):
        (root / name).mkdir(parents=True)
    rgba = rgb.convert("RGBA")
    rgba.putalpha(Image.fromarray(gradient(40, 40)[..., 0]))
    rgba.save(root / "a/alpha.png")
    rgb.convert("P").save(root / "a/animated.gif", save_all=True, append_images=[rgb.rotate(90).convert("P")])
    rgb.convert("CMYK").save(root / "a/cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(root / "a/exif.jpg", exif=exif)
    Image.fromarray(gradient(40, 40)[..., 0].astype(np.float32) / 255).save(root / "a/float.tiff")
    rgb.convert("L").save(root / "a/grey.png")
    rgb.convert("1").save(root / "a/bit.png")
    write("a/one.png", 1, 1)
    rgb.convert("P").save(root / "a/palette.png")
    sixteen = Image.fromarray(gradient(40, 40)[..., 0].astype(np.uint16) * 257)
    sixteen.save(root / "a/sixteen.png")
    sixteen.save(root / "a/sixteen.tif")
    write("a/wide.jpg", 200, 20)
    rgb.save(root / "a/webp.webp", lossless=True)
    rgb.save(root / "a/bmp.bmp")
    write("b/new\nline.png")
    write(os.fsdecode(b"b/\xff\xfe.png"))
    write("b/back\\slash.png")
    write("b/ünïcode 日本.png")
    write("train/cat/x.png")
    write("train/cat/x.png").rename(root / "no_extension")
    write("train/cat/x.png")
    (root / "link_to_file.png").symlink_to("train/cat/x.png")

    (root / "bad/zero.png").touch()
    for name in ("cut.jpg", "cut.png"):
        data = write(f"bad/{name}", 64, 64).read_bytes()
        (root / "bad" / name).write_bytes(data[: len(data) // 2])
    (root / "bad/text.jpg").write_text("not a picture")
    (root / "bad/no_ext_text").write_text("nor is this")
    (root / "bad/bomb.png").write_bytes(png_header(30_000, 30_000))
    (root / "bad/dangling.png").symlink_to("nowhere.png")
    (root / "bad/self.png").symlink_to("self.png")
    (root / "bad/circle").symlink_to("..")
    os.mkfifo(root / "bad/pipe.png")
    (root / "bad/apple.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))

    (root / "readme.txt").write_text("one")
    (root / "a/notes.csv").write_text("two")
    (root / "b/film.mp4").write_bytes(b"three")
    (root / ".hidden/x.png").write_bytes(b"")
    (root / "__MACOSX/x.png").write_bytes(b"")
    (root / "a/._one.png").write_bytes(b"")
    (root / "a/Thumbs.db").write_bytes(b"")
