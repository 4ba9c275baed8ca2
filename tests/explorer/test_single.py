"""The single file: the blobs of the server, nothing that a name could break, nothing of this machine."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.explorer import nearby, single
from augmap.explorer.build import build
from augmap.explorer.notebook import frame, picture
from augmap.explorer.single import of_folder, of_map, single_file
from augmap.imagemap import ImageMap
from augmap.items import Items
from madeup import full_map

MARKUP = '</script><img src=x onerror=alert(1)><!--"&'


def elements(data: bytes) -> dict[str, bytes]:
    """Every blob of a file by its path, found as a browser finds elements."""
    found = re.findall(
        r'<script type="application/octet-stream\+gzip\+base64" id="(.*?)">(.*?)</script>', data.decode()
    )
    assert len({path for path, _ in found}) == len(found)
    return {html.unescape(path): gzip.decompress(base64.b64decode(packed)) for path, packed in found}


@pytest.fixture
def folder(tmp_path):
    m = full_map(60)
    m.info["source"] = "/private/photos"
    return m.save(tmp_path / "some.map")


def test_it_holds_what_the_server_sends(folder):
    made = of_folder(folder)
    found = elements(made.data)
    meta = json.loads(found["meta.json"])
    ids = [c["id"] for c in meta["columns"]]
    assert {"x", "y", "name", "nn_map", "nn_features", "thumb"} <= set(ids)
    assert all(f"col/{id}.bin" in found for id in ids)
    assert found["thumbs/0.webp"] == ImageMap.load(folder).thumbs.pages[0]
    m = ImageMap.load(folder)
    near = np.frombuffer(found["col/nn_features.bin"], "<u4").reshape(60, -1)
    np.testing.assert_array_equal(near, nearby.find_features(m)[0])
    assert sum(made.sizes.values()) == len(made.data)


def test_it_promises_only_what_a_file_can_do(folder):
    meta = json.loads(elements(of_folder(folder).data)["meta.json"])
    assert not any(meta["capabilities"][c] for c in ("embed", "live", "originals", "compare", "replay"))
    assert "--with-encoder" in meta["reasons"]["embed"]
    assert all(c["ready"] for c in meta["columns"])
    assert meta["pending"] == []


def test_no_place_on_this_machine_is_in_it(folder):
    found = elements(of_folder(folder).data)
    assert dict(json.loads(found["meta.json"])["info"])["source"] == "photos"
    assert not any(b"somebody" in blob for blob in found.values())


def test_the_same_map_gives_the_same_file(folder):
    assert of_folder(folder).data == of_folder(folder).data


def test_review_and_its_rows(folder):
    (folder / "review.csv").write_text("queue,name,decision\noutliers,ab/1.png,\n")
    found = elements(of_folder(folder).data)
    assert json.loads(found["meta.json"])["capabilities"]["review"]
    assert json.loads(found["review.json"])["queues"][0]["queue"] == "outliers"


def test_with_an_encoder(folder):
    made = of_folder(folder, encoder=b"a model")
    found = elements(made.data)
    meta = json.loads(found["meta.json"])
    assert meta["capabilities"]["embed"]
    assert "embed" not in meta["reasons"]
    assert found["encoder.onnx"] == b"a model"
    about = json.loads(found["place.json"])
    assert (about["image_size"], about["channels"], about["resize"]) == (8, 3, "bicubic")
    assert about["axes"] == [[1.0, 0.0], [0.0, 1.0]]
    assert about["views"] is False
    assert "views.onnx" not in found
    assert found["ort.wasm"][:4] == b"\0asm"
    assert b"Microsoft Corporation" in found["onnxruntime-notices.txt"]
    text = made.data.decode()
    assert text.index("augmapPlacer") < text.rindex("<script>")  # before the page's own script


def test_with_the_views_of_an_image(folder):
    found = elements(of_folder(folder, encoder=b"a model", views=b"a program").data)
    assert found["views.onnx"] == b"a program"
    assert json.loads(found["place.json"])["views"] is True


def test_markup_in_names_and_title_stays_text():
    m = ImageMap(
        positions=np.random.default_rng(0).normal(size=(5, 2)),
        items=Items([MARKUP] * 5, labels={"label": [MARKUP] * 5}),
    )
    made = single_file(m, build(m, title=MARKUP)).data.decode()
    assert MARKUP not in made
    assert f"<title>{html.escape(MARKUP)}</title>" in made
    assert json.loads(elements(made.encode())["meta.json"])["title"] == MARKUP
    # elements open and close in turn: nothing ends one early
    marks = re.findall(r"<script\b|</script", made)
    assert marks == ["<script", "</script"] * (len(marks) // 2)
    assert made.count("<!--") == 0


def test_it_asks_nobody_for_anything(folder):
    text = of_folder(folder, encoder=b"a model").data.decode()
    assert single.POLICY in text
    assert text.index("Content-Security-Policy") < text.index("<style>") < text.index("<script")
    outside_scripts = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(src|href)=\"(?!data:)", outside_scripts)


def test_large_maps_in_memory_say_what_is_left_out():
    m = full_map(30)
    meta = json.loads(elements(of_map(m, title="t", limit=10).data)["meta.json"])
    assert meta["neighbors"]["features"] is False
    assert "augmap export" in meta["neighbors"]["reason"]
    assert not any(c["id"] in ("nn_features", "neighbor_recall") for c in meta["columns"])
    assert json.loads(elements(of_map(m, title="t").data)["meta.json"])["neighbors"]["features"] is True


def test_an_installation_without_the_page(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(single, "STATIC", tmp_path)
    with pytest.raises(InputError, match=r"lacks licences\.txt|lacks index\.html"):
        of_folder(folder)


def test_the_runtime_is_the_one_of_the_package(root):
    """The licence names a version; the program is that version's."""
    static = root / "src" / "augmap" / "explorer" / "static"
    program = root / "src/augmap/explorer/web/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"
    assert "onnxruntime-web 1.30.0 (MIT)" in (static / "licences.txt").read_text("utf-8")
    if not program.is_file():
        pytest.skip("no onnxruntime-web; npm ci in src/augmap/explorer/web")
    packed = gzip.decompress((static / "ort.wasm.gz").read_bytes())
    assert hashlib.sha256(packed).digest() == hashlib.sha256(program.read_bytes()).digest()


def test_a_notebook_gets_a_frame_that_sees_nothing_of_it():
    shown = frame(full_map(20), title="<b>")
    assert shown.startswith('<iframe sandbox="allow-scripts allow-downloads"')
    assert shown.count("<") == 2  # the frame's own tags: the page in it is an attribute
    inside = html.unescape(re.search(r'srcdoc="(.*?)"', shown, flags=re.S).group(1))
    meta = json.loads(elements(inside.encode())["meta.json"])
    assert meta["n"] == 20
    assert meta["reasons"]["regions"] == "regions are found by augmap explore MAP"  # not: there are none


def test_a_notebook_gets_a_picture_of_what_is_too_large():
    m = full_map(20)
    assert frame(m, title="a", limit=1000) is None
    shown = picture(b"png", m, title="<a>.map")
    assert "<code>augmap explore &lt;a&gt;.map</code>" in shown
    assert 'm.save("my.map")' in picture(b"png", m, title=None)
    assert m._repr_html_() is None
    m.display = lambda shown: f"{shown.n} images"
    assert m.take([0, 1])._repr_html_() == "2 images"
