"""Each rule of decoding, on pictures whose right answer is known."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from augmap.config import Preprocessing
from augmap.images.decode import MAX_PIXELS, Header, decode, header, pillow_limits
from augmap.images.listing import UnreadableError
from hostile import gradient, png_header


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(data, size: int = 16, channels: int = 3, max_pixels: int = MAX_PIXELS, **options) -> np.ndarray:
    with pillow_limits(max_pixels):
        return decode(data, Preprocessing(image_size=size, channels=channels, **options), max_pixels)


RGB = gradient(16, 16)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("PPM", {})],
)
def test_lossless_formats_keep_every_bit(kind, options):
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(RGB), kind, **options)), RGB)


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {"quality": 95}), ("GIF", {}), ("WEBP", {"quality": 95})]
)
def test_lossy_formats_come_near(kind, options):
    error = np.abs(decoded(encoded(Image.fromarray(RGB), kind, **options)).astype(int) - RGB)
    assert error.mean() < 9  # GIF has 256 colours: 7.6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_turns_once(orientation, kind):
    stored = Image.fromarray(gradient(31, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(stored, exif=exif))))
    expected = decoded(encoded(upright))
    options = {"quality": 100} if kind in ("JPEG", "WEBP") else {}
    found = decoded(encoded(stored, kind, exif=exif, **options))
    assert np.abs(found.astype(int) - expected).mean() < 3  # JPEG at quality 100: 1.2


def test_broken_exif_turns_nothing():
    data = encoded(Image.fromarray(RGB), exif=b"Exif\0\0not TIFF at all")
    np.testing.assert_array_equal(decoded(data), RGB)


def odd_exif(orientation: int) -> bytes:
    """EXIF that turns the picture, and whose XResolution is the text 72 where a ratio belongs."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + struct.pack("<HHI4s", 0x011A, 2, 3, b"72")
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [2, 6])
def test_exif_with_an_odd_entry_turns_as_it_says(orientation, kind):
    stored = Image.fromarray(gradient(31, 16))
    plain = Image.Exif()
    plain[0x0112] = orientation
    options = {"quality": 100} if kind in ("JPEG", "WEBP") else {}
    expected = decoded(encoded(stored, kind, exif=plain, **options))
    np.testing.assert_array_equal(
        decoded(encoded(stored, kind, exif=odd_exif(orientation), **options)), expected
    )


def test_exif_of_any_bytes_skips_no_picture():
    random = np.random.default_rng(0)
    whole = np.frombuffer(odd_exif(6), np.uint8)
    for _ in range(300):
        block = whole.copy()
        at = random.integers(14, len(block), random.integers(1, 9))
        block[at] = random.integers(0, 256, len(at))
        assert decoded(encoded(Image.fromarray(RGB), exif=block.tobytes())).shape == RGB.shape


def test_alpha_lies_over_white():
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[..., 0], rgba[:8, :, 3], rgba[8:, :, 3] = 200, 255, 51  # lower half: 20 % opaque
    out = decoded(encoded(Image.fromarray(rgba)))
    assert out[0, 0].tolist() == [200, 0, 0]
    assert out[15, 0].tolist() == [244, 204, 204]  # 0.2 * (200, 0, 0) + 0.8 * 255
    la = Image.merge("LA", [Image.new("L", (16, 16), 100), Image.new("L", (16, 16), 51)])
    assert decoded(encoded(la), channels=1)[0, 0] == 224
    tied = Image.new("P", (16, 16), 1)
    tied.putpalette([10, 20, 30, 40, 50, 60])
    assert decoded(encoded(tied, transparency=1))[0, 0].tolist() == [255, 255, 255]
    assert decoded(encoded(tied, transparency=0))[0, 0].tolist() == [40, 50, 60]
    keyed = encoded(Image.new("RGB", (16, 16), (1, 2, 3)), transparency=(1, 2, 3))
    assert decoded(keyed)[0, 0].tolist() == [255, 255, 255]


def test_palettes_are_colours_before_they_are_resized():
    picture = Image.fromarray(np.repeat(np.arange(64, dtype=np.uint8)[None, :], 64, 0))
    picture = Image.frombytes("P", (64, 64), picture.tobytes())
    colours = np.zeros((256, 3), np.uint8)
    colours[:64:2] = 255  # neighbouring numbers are opposite colours
    picture.putpalette(colours.tobytes())
    assert 100 < decoded(encoded(picture)).mean() < 155


def test_cmyk():
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    red, green, blue = decoded(encoded(cyan, "JPEG", quality=95)).mean((0, 1))
    assert red < 10
    assert green > 245
    assert blue > 245


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind):
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    expected = np.rint(values / 257).astype(np.uint8)
    out = decoded(encoded(Image.fromarray(values), kind), channels=1)[..., 0]
    np.testing.assert_array_equal(out, expected)
    assert (
        np.asarray(Image.open(io.BytesIO(encoded(Image.fromarray(values), kind))).convert("L")) == 255
    ).mean() > 0.9


def test_twelve_bits_in_sixteen():
    values = np.linspace(0, 4095, 256).astype(np.uint16).reshape(16, 16)
    out = decoded(encoded(Image.fromarray(values), "TIFF"), channels=1)[..., 0]
    np.testing.assert_array_equal(out, np.rint(values / 4095 * 255).astype(np.uint8))
    values[0, 0] = 4096  # one more, and it is 16-bit
    assert decoded(encoded(Image.fromarray(values), "TIFF"), channels=1).max() == 16


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([[0, 0.5], [0.25, 1]]), [[0, 128], [64, 255]]),
        (np.float32([[-10, 0], [5, 10]]), [[0, 128], [191, 255]]),
        (np.float32([[7, 7], [7, 7]]), [[0, 0], [0, 0]]),
        (np.int32([[0, 100_000], [50_000, 25_000]]), [[0, 255], [128, 64]]),
    ],
)
def test_floats_and_long_integers(values, expected):
    out = decoded(encoded(Image.fromarray(values), "TIFF"), size=2, channels=1)[..., 0]
    assert np.abs(out.astype(int) - expected).max() <= 1  # halves are rounded to even


def test_floats_that_are_not_finite():
    data = encoded(Image.fromarray(np.float32([[0, np.nan], [1, 1]])), "TIFF")
    with pytest.raises(UnreadableError, match="not finite"):
        decoded(data, size=2, channels=1)


def test_one_bit_and_one_pixel():
    bits = Image.fromarray(RGB[..., 0] > 127).convert("1")
    assert set(np.unique(decoded(encoded(bits), channels=1))) == {0, 255}
    assert (decoded(encoded(Image.new("RGB", (1, 1), (9, 8, 7)))) == (9, 8, 7)).all()


def test_first_frame_of_several():
    frames = [Image.new("RGB", (16, 16), c) for c in ("red", "green", "blue")]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decoded(data)[3, 3].tolist() == [255, 0, 0], kind


@pytest.mark.parametrize(("width", "height"), [(64, 16), (16, 64), (17, 16), (16, 17), (48, 32)])
def test_nothing_is_stretched(width, height):
    """The centre of the long side is kept, and both axes are scaled alike."""
    out = decoded(encoded(Image.fromarray(gradient(width, height)))).astype(float)
    side = min(width, height)
    for axis, length in ((1, width), (0, height)):
        along = out[..., 1 - axis].mean(1 - axis)  # red along x, green along y
        start = (length - side) // 2
        first = (start + side / 32 - 0.5) * 255 / (length - 1)
        step = side / 16 * 255 / (length - 1)
        np.testing.assert_allclose(
            along[2:-2], (first + step * np.arange(16))[2:-2], atol=1.1
        )  # 0.9 measured


def test_a_thread_of_a_picture_costs_no_memory():
    # scaling its shorter side to 16 first would make 16 x 800,000 pixels
    out = decoded(encoded(Image.fromarray(np.full((1, 50_000, 3), 77, np.uint8))))
    assert (out == 77).all()


def test_shrinking_is_antialiased():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    for kind, options in (("PNG", {}), ("JPEG", {"quality": 100, "subsampling": 0})):
        out = decoded(encoded(Image.fromarray(stripes), kind, **options))
        assert np.abs(out[2:-2, 2:-2].astype(int) - 127).max() <= 2, kind


def test_filter_arrives():
    data = encoded(Image.fromarray(gradient(50, 50) ^ 0x55))
    outs = {name: decoded(data, resize=name).tobytes() for name in ("box", "bilinear", "bicubic", "lanczos")}
    assert len(set(outs.values())) == 4


def test_grey_and_colour():
    grey = encoded(Image.fromarray(RGB[..., 0]))
    np.testing.assert_array_equal(decoded(grey), np.repeat(RGB[..., :1], 3, 2))
    red = decoded(encoded(Image.new("RGB", (16, 16), (255, 0, 0))), channels=1)
    assert red.shape == (16, 16, 1)
    assert red[0, 0, 0] == 76  # 0.299 * 255


@pytest.mark.parametrize(
    ("image", "channels"),
    [
        (Image.new("RGB", (5, 7)), 3), (Image.new("L", (5, 7)), 1), (Image.new("1", (5, 7)), 1),
        (Image.new("I;16", (5, 7)), 1), (Image.new("LA", (5, 7)), 1), (Image.new("RGBA", (5, 7)), 3),
        (Image.new("P", (5, 7)), 1), (Image.fromarray(gradient(5, 7)).convert("P"), 3),
    ],
)  # fmt: skip
def test_header(image, channels):
    assert header(encoded(image)) == Header(5, 7, channels)


@pytest.mark.parametrize("pixels", [100, 101, 99])
def test_bombs_are_known_by_their_header(pixels):
    data = png_header(10, 10)
    if pixels < 100:
        with pytest.raises(UnreadableError, match="more than --max-pixels"):
            decoded(data, max_pixels=pixels)
    else:  # allowed, and then found to have no pixels
        with pytest.raises(UnreadableError, match="truncated or damaged"):
            decoded(data, max_pixels=pixels)
    with pytest.raises(UnreadableError, match="4000000000 pixels, more than --max-pixels"):
        decoded(png_header(80_000, 50_000))


def test_a_user_may_allow_more_than_pillow_does():
    data = encoded(Image.new("1", (14_000, 14_000)))  # 196 million pixels, 20 kB
    with pytest.raises(UnreadableError, match="196000000 pixels, more than --max-pixels"):
        decoded(data)
    assert header(encoded(Image.new("1", (8, 8)))).width == 8
    with pillow_limits(200_000_000):
        assert header(data) == Header(14_000, 14_000, 1)


def test_limits_of_pillow_are_put_back(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(UnreadableError, match="truncated or damaged"):
        decoded(encoded(Image.fromarray(gradient(64, 64)))[:-80])
    assert (before, True) == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_limits_are_put_back_whoever_leaves_last():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    first, second = pillow_limits(1000), pillow_limits(2000)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert Image.MAX_IMAGE_PIXELS == 1000  # raises above 2000: the second is still at work
    second.__exit__(None, None, None)
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@given(data=st.data())
def test_cut_or_damaged_files_never_break_out(kind, data):
    whole = encoded(Image.fromarray(gradient(40, 40) ^ 0x33), kind)
    cut = bytearray(whole[: data.draw(st.integers(0, len(whole) - 1))])
    for _ in range(data.draw(st.integers(0, 3))):
        if cut:
            cut[data.draw(st.integers(0, len(cut) - 1))] = data.draw(st.integers(0, 255))
    reason = "none"
    try:
        assert decoded(bytes(cut)).shape == (16, 16, 3)
    except UnreadableError as error:
        reason = str(error)
    assert reason
    assert "\n" not in reason


def test_programs_are_not_started():
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with pytest.raises(UnreadableError, match="not an image"):
        decoded(eps)


def test_a_picture_in_memory_is_left_as_it_was():
    image = Image.open(io.BytesIO(encoded(Image.fromarray(gradient(64, 64)), "JPEG")))
    decoded(image)
    assert image.size == (64, 64)
