"""An image placed by the exported page lands where Python puts it: real photos, in a real browser, no network."""  # noqa: E501

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import subprocess

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from augmap import api
from augmap.cli.main import run
from augmap.embedder import placer
from augmap.explorer.build import make_scale
from augmap.explorer.placing import spread
from augmap.explorer.single import of_folder
from augmap.export.onnx import to_onnx
from augmap.images.decode import decode, pillow_limits
from augmap.images.square import FILTERS, square
from browsing import WEB, browser, need_browser, need_esbuild, run_unit_tests

LOSSLESS = 2e-3
"""Of the span. The pixels are equal; weights of half size move an image by up to 3e-4 of the span."""
EXACT = 1e-5
"""Of the span, any view of a lossless image with weights of full size; 1e-6 was seen."""
JPEG = 2e-2
"""Of the span. Pillow has large JPEG files decoded at a half or less, which a browser cannot ask for: pixels
differ by up to 6 of 255, positions by 4e-3 of the span on a map of 20,000 photographs."""


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """Real photographs, JPEG of 128 x 128: the pieces of the two that come with scikit-learn."""
    folder = tmp_path_factory.mktemp("pieces")
    for name, photo in zip(("china", "flower"), load_sample_images().images, strict=True):
        for k, (top, left) in enumerate((t, left) for t in range(0, 299, 74) for left in range(0, 511, 128)):
            piece = Image.fromarray(photo[top : top + 128, left : left + 128])
            piece.save(folder / f"{name}-{k:02d}.jpg", quality=92)
    return sorted(folder.glob("*.jpg"))


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_resizing_is_pillows_to_the_bit(pieces, tmp_path):
    need_esbuild()
    noise = np.random.default_rng(0).integers(0, 2, (31, 57, 3), dtype=np.uint8) * 255  # overshoots both ways
    pictures = {"noise": Image.fromarray(noise), "tiny": Image.fromarray(noise[:5, :4])}
    for i in (0, 11, 23):
        photo = Image.open(pieces[i]).convert("RGB")
        pictures |= {f"photo {i}": photo, f"cut {i}": photo.crop((3, 5, 120, 98)).convert("L")}
    cases = []
    for name, picture in pictures.items():
        for kind, resample in FILTERS.items():
            for size in (16, 27, 93, min(picture.size)):
                made = square(picture, size, resample)
                cases.append(
                    {
                        "name": name,
                        "filter": kind,
                        "size": size,
                        "channels": len(picture.getbands()),
                        "width": picture.width,
                        "height": picture.height,
                        "data": text(picture.tobytes()),
                        "expected": text(made.tobytes()),
                    }
                )
    photo = pictures["photo 0"]
    grey = {"width": 128, "height": 128, "data": text(photo.tobytes())}
    grey["expected"] = text(photo.convert("L").tobytes())
    steps = []
    for width, height, size in [
        (128, 128, 32),
        (127, 128, 32),
        (300, 200, 32),
        (4000, 3000, 64),
        (640, 130, 8),
    ]:
        file = io.BytesIO()
        Image.new("RGB", (width, height)).save(file, "JPEG")
        with Image.open(file) as opened:
            opened.draft(None, (2 * size, 2 * size))
            steps.append((width, height, size, round(width / opened.width)))
    assert {s[3] for s in steps} == {1, 2, 8, 3000 // 64 and 8}
    printed = run_unit_tests("resize", {"resize": cases, "grey": grey, "steps": steps}, tmp_path)
    assert f"# pass {len(cases) + 3}" in printed


def test_placed_as_python_places(pieces, tmp_path):
    need_browser()
    m = api.fit(
        [str(p) for p in pieces], output=tmp_path / "m.map", preset="paper", epochs=(1, 1, 1), batch_size=16,
        image_size=32, backbone="slim", device="cpu", precision="float32",
    )  # fmt: skip
    images, page = files(pieces, tmp_path), tmp_path / "page.html"
    assert run(["export", str(tmp_path / "m.map"), "--to", "html", "--with-encoder", "-o", str(page)]) == 0
    found = dropped(page, images)
    *placed, refused = found["answers"]
    assert "not an image that this browser can read" in refused["reason"]
    place, span = placer(m, device="cpu"), float(np.ptp(m.positions, axis=0).max())
    scale = make_scale(m.positions)
    clouds = []
    for path, answer in zip(images, placed, strict=False):
        with pillow_limits(10**8):
            pixels = decode(str(path), m.preprocessing, 10**8)
        seen = np.asarray(
            Image.open(io.BytesIO(base64.b64decode(answer["thumb"].split(",")[1]))).convert("RGB")
        )
        off = np.abs(seen.astype(int) - pixels).max()
        position, _, cloud = place(pixels)
        away = float(np.hypot(*(position - [answer["x"], answer["y"]]))) / span
        lossy = path.suffix == ".jpg"
        assert off <= (12 if lossy else 1 if "alpha" in path.name else 0), (path.name, off)
        assert away <= (JPEG if lossy else LOSSLESS), (path.name, away)
        server = spread(scale(cloud))
        clouds.append((np.array(answer["views"]), np.array(server["views"])))
        # the farthest of 32 may be twice as far as one
        assert farthest(*clouds[-1]) <= 2 * (JPEG if lossy else LOSSLESS), path.name
        for name, value in spread(np.array(answer["views"]))["spread"].items():  # the page's arithmetic
            np.testing.assert_allclose(answer["spread"][name], value, rtol=1e-6, atol=1e-12)
        near = np.hypot(*(m.positions - [answer["x"], answer["y"]]).T)
        np.testing.assert_allclose(near[answer["neighbours"]["map"]], np.sort(near)[:15], atol=1e-4 * span)
    # the control: another image is farther away than any tolerance
    apart = [np.hypot(a["x"] - placed[0]["x"], a["y"] - placed[0]["y"]) / span for a in placed[1:3]]
    assert max(apart) > 2 * JPEG
    # so are another image's views, and the same ones in another order
    (there, python), (_, other) = clouds[3:5]
    for wrong in (other, python[::-1]):
        assert farthest(there, wrong) > 4 * JPEG
    # with weights of full size nothing is left but the last bits
    packed = re.search(r'id="views.onnx">(.*?)</script>', page.read_text())[1]
    views = gzip.decompress(base64.b64decode(packed))
    page.write_bytes(of_folder(tmp_path / "m.map", encoder=to_onnx(m).data, views=views).data)
    exact = dropped(page, images[3:5])
    for answer, (_, python) in zip(exact["answers"], clouds[3:5], strict=True):
        assert farthest(np.array(answer["views"]), python) <= EXACT


def test_by_a_head_with_anchors(pieces, tmp_path):
    need_browser()
    m = api.fit(
        [str(p) for p in pieces], output=tmp_path / "m.map", epochs=(1, 40), batch_size=16, image_size=32,
        device="cpu", precision="float32",
    )  # fmt: skip
    assert m.weights.spec["anchors"] == len(pieces)
    (page := tmp_path / "page.html").write_bytes(of_folder(tmp_path / "m.map", encoder=to_onnx(m).data).data)
    images, place = files(pieces, tmp_path)[3:6], placer(m, device="cpu")
    span = float(np.ptp(m.positions, axis=0).max())
    answers = [(a["x"], a["y"]) for a in dropped(page, images)["answers"]]
    for path, answer in zip(images, answers, strict=True):
        with pillow_limits(10**8):
            position = place(decode(str(path), m.preprocessing, 10**8))[0]
        assert np.hypot(*(position - answer)) <= EXACT * span, path.name
    assert max(np.hypot(*(np.array(answers[0]) - answer)) for answer in answers[1:]) > 1000 * EXACT * span


def farthest(a, b):
    """In shares of the map's span, which is two of the page's units."""
    assert a.shape == b.shape == (32, 2)
    return np.hypot(*(a - b).T).max() / 2


def dropped(file, images):
    """What a page answers to images that are dropped on it, in a browser without a network."""
    given = {
        "file": str(file),
        "images": list(map(str, images)),
        "browser": browser(),
        "out": str(file.parent),
    }
    done = subprocess.run(
        ["node", "tests/browser/file.mjs", json.dumps(given)],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert (found["state"], found["problems"], found["requests"]) == ("ready", [], [file.as_uri()])
    return found


def files(pieces, folder):
    """Photographs as they are, without loss, turned by EXIF, with alpha, grey, with a colour profile; and no image."""  # noqa: E501
    made = [pieces[0], pieces[11], pieces[23]]
    photo = Image.open(pieces[5]).convert("RGB")
    large = photo.resize((301, 203), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    alpha = photo.convert("RGBA")
    alpha.putalpha(photo.convert("L"))
    gamma = {"pnginfo": gamma_of_one()}
    for name, image, options in (
        ("plain.png", photo, {}), ("large.png", large, {}), ("grey.png", large.convert("L"), {}),
        ("turned.png", large, {"exif": turned}), ("alpha.png", alpha, {}), ("gamma.png", photo, gamma),
        ("turned.jpg", large.resize((304, 208)), {"exif": turned, "quality": 95}), ("same.bmp", photo.resize((32, 32)), {}),  # noqa: E501
        ("pure.webp", large, {"lossless": True}),
    ):  # fmt: skip
        image.save(folder / name, **options)
        made.append(folder / name)
    (folder / "words.png").write_text("no image")
    return [*made, folder / "words.png"]


def gamma_of_one():
    """A PNG that asks for another gamma, which colour management would follow and training does not."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add(b"gAMA", (100_000).to_bytes(4, "big"))
    return info
