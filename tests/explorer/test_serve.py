"""The requests of the page: what they answer, and what hostile ones get."""

from __future__ import annotations

import io
import json

import anyio
import numpy as np
import pytest
from PIL import Image

from asking import Asking, reason
from augmap.explorer import serve, upload
from augmap.explorer.placing import Outputs
from augmap.explorer.serve import make_app, read_static
from augmap.explorer.site import open_map
from augmap.imagemap import ImageMap
from augmap.items import Items
from hostile import png_header
from madeup import full_map


def png(width=20, height=16, **options):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)).save(
        file, "PNG", **options
    )
    return file.getvalue()


@pytest.fixture
def placing(map_folder, page):
    """A server whose encoder puts an image at its mean colour."""

    def place(m):
        def one(pixels):
            assert pixels.shape == (8, 8, 3)
            at = pixels.reshape(-1, 3).mean(0).astype(np.float32) / 255
            views = at[:2] + np.linspace(-0.1, 0.1, 32, dtype=np.float32)[:, None]
            return Outputs(at[:2], np.ones(5, np.float32), views)

        return one

    return Asking(open_map(map_folder, place=place), page)


def test_the_page_and_its_files(ask):
    assert ask.get("/").text.startswith("<!doctype html>")
    script = ask.get("/static/app.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert ask.get("/static/licences.txt").text == "MIT"
    assert ask.get("/static/notes.py").status_code == 404


def test_columns_are_those_of_the_map(ask, shown):
    meta = ask.get("/meta.json").json()
    assert (meta["n"], meta["title"], meta["format"]) == (40, "some.map", 1)
    u = ask.column("x", "<f4")
    scale = meta["scale"]
    np.testing.assert_allclose(u / scale["factor"] + scale["centre"][0], shown.m.positions[:, 0], atol=1e-5)
    assert ask.get("/thumbs/0.webp").content == shown.m.thumbs.pages[0]


def test_originals(ask, tmp_path):
    answer = ask.get("/img/7")
    assert answer.headers["content-type"] == "image/png"
    assert np.asarray(Image.open(io.BytesIO(answer.content)))[0, 0, 0] == 7
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    gone = ask.get("/img/7")
    assert gone.status_code == 404
    assert "b/7.png" in reason(gone)
    assert "--images DIR" in reason(gone)
    assert str(tmp_path) not in gone.text


def test_moved_originals_are_found_where_the_user_says(map_folder, page, tmp_path):
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    assert Asking(open_map(map_folder), page).get("/meta.json").json()["capabilities"]["originals"] is False
    found = Asking(open_map(map_folder, images=tmp_path / "elsewhere"), page)
    assert found.get("/img/7").status_code == 200
    assert found.get("/meta.json").json()["capabilities"]["originals"] is True


TRAVERSALS = (
    *("..", "../map.json", "%2e%2e", "%2e%2e%2fmap.json", "..%2fmap.json", "..%5cmap.json", "..\\map.json"),
    *(
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "x%00",
        "0%00.png",
        "%00",
        "...",
        "0/../0",
        "0x1",
        "-1",
        "1e3",
    ),
    *(
        "\u0663",
        "%d9%a3",
        "999999999999999999999",
        "9" * 5000,
        "0 ",
        "+1",
        "1.0",
        "%252e%252e",
        "file:///etc/passwd",
        "C:%5c",
    ),
)


@pytest.mark.parametrize(
    "place",
    ["/img/{}", "/thumbs/{}.webp", "/col/{}.bin", "/near/{}.json", "/static/{}", "/b/col/{}.bin", "/{}"],
)
def test_no_way_out(ask, place):
    for tail in TRAVERSALS:
        answer = ask.get(place.format(tail))
        assert answer.status_code == 404, tail
        assert reason(answer)
        assert "root:" not in answer.text


@pytest.mark.parametrize(
    "name", ["../secret.png", "/secret.png", "b/../../secret.png", "link.png", "b/link/secret.png"]
)
def test_a_hostile_map_leads_nowhere(tmp_path, page, name):
    """Names and links of a map that somebody else made."""
    Image.new("RGB", (3, 3)).save(tmp_path / "secret.png")
    (tmp_path / "images" / "b").mkdir(parents=True)
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "images" / "b" / "link").symlink_to(tmp_path)
    name = f"{tmp_path}{name}" if name.startswith("/") else name
    m = ImageMap(
        positions=np.zeros((2, 2)), items=Items([name, "x"]), info={"source": str(tmp_path / "images")}
    )
    shown = open_map(m.save(tmp_path / "bad.map"))
    answer = Asking(shown, page).get("/img/0")
    assert answer.status_code == 404
    assert "leads out" in reason(answer)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "svg"),
     (b"<html><script>1</script>", "png"),
     (b"root:x:0:0", "png"), (b"", "jpg"), (png_header(60_000, 60_000), "png")],
)  # fmt: skip
def test_only_images_are_ever_sent(tmp_path, page, content, kind):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / f"x.{kind}").write_bytes(content)
    m = ImageMap(
        positions=np.zeros((1, 2)), items=Items([f"x.{kind}"]), info={"source": str(tmp_path / "images")}
    )
    answer = Asking(open_map(m.save(tmp_path / "bad.map")), page).get("/img/0")
    assert answer.status_code == 404
    assert "not an image" in reason(answer)


def test_kinds_that_browsers_do_not_show_come_as_png(tmp_path, page):
    (tmp_path / "images").mkdir()
    names = ["a.tif", "b.ppm", "c.gif", "d.jpg"]
    for name in names:
        Image.new("RGB", (5, 4), "red").save(tmp_path / "images" / name)
    m = ImageMap(positions=np.zeros((4, 2)), items=Items(names), info={"source": str(tmp_path / "images")})
    asking = Asking(open_map(m.save(tmp_path / "m.map")), page)
    kinds = [asking.get(f"/img/{i}").headers["content-type"] for i in range(4)]
    assert kinds == ["image/png", "image/png", "image/gif", "image/jpeg"]
    assert Image.open(io.BytesIO(asking.get("/img/0").content)).size == (5, 4)


def test_an_image_is_placed(placing):
    answer = placing.post("/embed", content=png())
    assert answer.status_code == 200
    found = answer.json()
    scale = placing.site.shown.blobs.scale
    assert found["u"] == pytest.approx((found["x"] - scale.centre[0]) * scale.factor)
    assert len(found["views"]) == 32
    assert len(found["neighbours"]["map"]) == 15
    assert found["size"] == [20, 16]
    assert found["thumb"].startswith("data:image/png;base64,")
    assert 0 <= found["out_of_map"] <= 1


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [
        (b"", 415, "empty"),
        (b"hello", 415, "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "not an image"),
        (b"%PDF-1.4", 415, "not an image"),
        (png()[:-40], 422, "truncated or damaged"),
        (png_header(30_000, 30_000), 413, "million"),
        (png_header(7_100, 7_100), 413, "7100 x 7100|million"),
        (png_header(2**31 - 1, 2**31 - 1), 413, "million"),
    ],
)
def test_what_is_no_image_is_refused(placing, content, status, why):
    answer = placing.post("/embed", content=content)
    assert answer.status_code == status
    assert any(w in reason(answer) for w in why.split("|"))


def test_an_upload_is_counted_not_believed(placing, monkeypatch):
    monkeypatch.setattr(upload.read_body, "__defaults__", (1000,))
    assert placing.post("/embed", content=bytes(1001)).status_code == 413
    assert placing.post("/embed", content=bytes(1000)).status_code == 415
    long = placing.post("/embed", content=[bytes(100)] * 100, headers={"content-length": "5"})
    assert long.status_code == 413
    assert "larger than" in reason(long)


def test_a_browser_that_leaves_in_the_middle_is_no_defect(placing):
    """Starlette raises again what nobody answers, and uvicorn writes that down."""
    messages, chunks = [], [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive():
        return chunks.pop() if chunks else {"type": "http.disconnect"}

    async def send(message):
        messages.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"cookie", b"augmap=the-token")]
    scope = {"type": "http", "method": "POST", "path": "/embed", "query_string": b"", "headers": headers}
    anyio.run(placing.app, scope, receive, send)
    assert messages[0]["status"] == 400


def test_a_slow_image_is_given_up(placing, monkeypatch):
    import time

    monkeypatch.setattr(serve, "SECONDS", 0.05)
    monkeypatch.setattr(serve, "open_upload", lambda data, at: time.sleep(0.5))
    answer = placing.post("/embed", content=png())
    assert answer.status_code == 503


def test_the_first_frame_counts(placing):
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    found = placing.post("/embed", content=file.getvalue()).json()
    assert (found["x"], found["y"]) == pytest.approx((1, 0))


def test_no_encoder(ask):
    answer = ask.post("/embed", content=png())
    assert answer.status_code == 409
    assert "no encoder" in reason(answer)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"decisions": 3}', b"[" * 100_000, b"\xff\xfe", b'{"action": "format c:"}']
)
def test_bodies_that_are_no_json_object(ask, body):
    for path in ("/review", "/control"):
        answer = ask.post(path, content=body)
        assert answer.status_code in (400, 409)
        assert "Traceback" not in answer.text


def test_a_defect_shows_nothing_of_itself(ask, shown, monkeypatch):
    monkeypatch.setattr(type(shown), "near_row", lambda self, row: 1 / 0)
    answer = ask.get("/near/0.json")
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert ask.get("/meta.json").status_code == 200


def test_names_with_markup_stay_text(tmp_path, page):
    name = "<img src=x onerror=alert(1)>.png"
    m = ImageMap(
        positions=np.zeros((2, 2)),
        items=Items([name, "</script>"], labels={"label": ["<b>", "\"'"], "<i>": ["", "x"]}),
    )
    asking = Asking(open_map(m.save(tmp_path / "m.map")), page)
    answer = asking.get("/meta.json")
    assert answer.headers["content-type"] == "application/json"
    column = next(c for c in answer.json()["columns"] if c["name"] == "<i>")
    assert column["id"] == "c1"
    assert asking.get("/col/%3Ci%3E.bin").status_code == 404


def test_two_maps(map_folder, page, tmp_path):
    other = full_map(40, seed=5).take(np.arange(39, 4, -1))
    other.save(tmp_path / "other.map")
    asking = Asking(open_map(map_folder, second=tmp_path / "other.map"), page)
    meta = asking.get("/b/meta.json").json()
    assert (meta["n"], meta["unmatched"]["only_here"], meta["unmatched"]["only_there"]) == (40, 5, 0)
    assert np.isnan(asking.column("x", "<f4", "/b")).sum() == 5
    assert [m["prefix"] for m in asking.get("/meta.json").json()["maps"]] == ["", "b/"]
    near = asking.get("/b/near/20.json").json()["map"]
    assert asking.column("nn_map", "<u4", "/b").reshape(40, 15)[20].tolist() == near
    assert asking.get("/b/near/0.json").json() == {"map": None, "features": None}
    assert asking.get("/b/thumbs/0.webp").status_code == 404


def test_there_is_no_second_map(ask):
    for path in ("/b/meta.json", "/b/col/x.bin", "/b/near/0.json"):
        assert ask.get(path).status_code == 404


def test_a_page_that_was_not_built(shown, tmp_path):
    with pytest.raises(ValueError, match="no page for the explorer"):
        make_app(serve.Site(shown), serve_access(), static=tmp_path)
    assert set(read_static(photo_page(tmp_path))) == {"index.html"}


def serve_access():
    from augmap.explorer.security import Access

    return Access("t")


def photo_page(folder):
    (folder / "index.html").write_text("")
    (folder / ".hidden.sh").write_text("")
    return folder


def test_json_of_everything_is_strict(ask):
    for path in ("/meta.json", "/near/0.json"):
        json.loads(ask.get(path).text, parse_constant=lambda name: pytest.fail(name))
