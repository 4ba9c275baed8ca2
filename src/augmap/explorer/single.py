"""The page and its blobs as one file that works from a disk, without a server (docs/explorer-page.md)."""

from __future__ import annotations

import base64
import gzip
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from augmap import folder as disk
from augmap.errors import InputError
from augmap.explorer import nearby
from augmap.explorer.build import Blobs, build
from augmap.explorer.nearby import Nearby
from augmap.explorer.site import FindRegions, Shown, complete, open_map
from augmap.imagemap import ImageMap

STATIC = Path(__file__).with_name("static")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; worker-src blob:; connect-src 'none'"
)
_KIND = "application/octet-stream+gzip+base64"
_ABSENT = {
    "live": "this map is finished",
    "originals": "this file carries thumbnails only; augmap explore MAP shows the originals",
    "compare": "augmap explore MAP MAP2 shows two maps of the same images",
    "embed": "this file holds no encoder: augmap export MAP --to html --with-encoder puts one in",
}
"""What no file can do, or only with an encoder."""
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, eq=False)
class SingleFile:
    """The page as one file.

    Parameters
    ----------
    data : bytes
        HTML in UTF-8.
    sizes : mapping of str to int
        Bytes that the page, its data, its thumbnails and its encoder take of it.
    """

    data: bytes
    sizes: Mapping[str, int]


def of_folder(
    path: Path,
    *,
    encoder: bytes | None = None,
    views: bytes | None = None,
    find_regions: FindRegions | None = None,
) -> SingleFile:
    """Make the page of a map's folder: all that ``augmap explore`` shows, but the originals.

    Neighbours and regions are found first where the map has none yet, and kept with it.

    Parameters
    ----------
    path : path
    encoder : bytes, optional
        An ONNX model with the input ``image`` and the output ``xy``: the page then places new images.
    views : bytes, optional
        An ONNX program with the input ``image``, one, and the output ``views``: the page then places these
        too, as the image's cloud. Without an encoder it is left out.
    find_regions : callable, optional
        Divides the map where it has no ``regions.json``.

    Raises
    ------
    InputError, DamagedMapError
        See :meth:`ImageMap.load`.
    """
    shown = open_map(Path(path), find_regions=find_regions)
    complete(shown)
    return single_file(shown.m, shown.blobs, others=_by_products(shown), encoder=encoder, views=views)


def of_map(m: ImageMap, *, title: str, limit: int = 5000) -> SingleFile:
    """Make the page of a map in memory: what is found at once.

    That is without regions and, of more than ``limit`` images, without neighbours in feature space.
    """
    near = Nearby(map=nearby.find_map(m))
    if nearby.why_not(m) is None and m.n <= limit:
        table, distances = nearby.find_features(m)
        near = replace(near, features=table, distances=distances)
    reasons = {
        **_ABSENT,
        "regions": "regions are found by augmap explore MAP",
        "review": "augmap review MAP -o DIR writes the queues",
        "replay": "this map was not watched while it formed: augmap fit --watch",
    }
    return single_file(m, build(m, title=title, near=near, reasons=reasons))


def single_file(
    m: ImageMap,
    blobs: Blobs,
    *,
    others: Mapping[str, bytes] | None = None,
    encoder: bytes | None = None,
    views: bytes | None = None,
) -> SingleFile:
    """Put the page and everything that it reads into one file."""
    files = {**settled(blobs, embed=encoder is not None).files(), **(others or {})}
    thumbs = {path: data for path, data in files.items() if path.startswith("thumbs/")}
    parts = {
        "data": "".join(_element(path, _packed(files[path])) for path in files if path not in thumbs),
        "thumbnails": "".join(_element(path, _packed(data)) for path, data in thumbs.items()),
    }
    if encoder is not None:
        parts["encoder"] = _encoder(m, blobs, encoder, views)
    head, tail = _page(blobs.facts["title"]).split("</body>")
    licences = f'<script type="text/plain" id="licences.txt">{_inline(_static("licences.txt"))}</script>'
    script = f"<script>{_inline(_static('app.js'))}</script>"
    data = "\n".join([head, licences, *parts.values(), script, f"</body>{tail}"]).encode()
    sizes = {name: len(part) for name, part in parts.items() if part}
    return SingleFile(data, {"page": len(data) - sum(sizes.values()), **sizes})


def settled(blobs: Blobs, *, embed: bool) -> Blobs:
    """Return blobs that promise nothing which a file cannot keep, and name no place on this machine."""
    columns = {id: column for id, column in blobs.columns.items() if column.data is not None}
    absent = {name: why for name, why in _ABSENT.items() if not (embed and name == "embed")}
    facts = {**blobs.facts, "pending": [], "live": None}
    reasons = {name: why for name, why in facts["reasons"].items() if name != "embed"} | absent
    facts["capabilities"] = {**facts["capabilities"], "embed": embed} | dict.fromkeys(absent, False)
    facts["reasons"] = reasons
    facts["info"] = [(word, _last(value) if word == "source" else value) for word, value in facts["info"]]
    if facts["neighbors"] and facts["neighbors"]["features"] and "nn_features" not in columns:
        why = "neighbours in feature space are in the file of augmap export MAP --to html"
        facts["neighbors"] = {**facts["neighbors"], "features": False, "reason": why}
    return replace(blobs, columns=columns, facts=facts)


def _by_products(shown: Shown) -> dict[str, bytes]:
    """What the page reads beside the blobs: the replay, the review queues."""
    found = {}
    if shown.replay is not None:
        found["replay.json"] = disk.json_bytes(shown.replay.describe(), indent=None)
        found["replay.bin"] = shown.replay.data()
    if shown.queues is not None and shown.blobs.facts["capabilities"]["review"]:
        found["review.json"] = disk.json_bytes(shown.queues.read(), indent=None)
    return found


def _encoder(m: ImageMap, blobs: Blobs, model: bytes, views: bytes | None) -> str:
    """The model, what it expects, what makes views, the program that runs both, and the script that asks."""
    assert m.preprocessing is not None
    about = {**m.preprocessing.to_dict(), "axes": blobs.scale.axes.tolist(), "views": views is not None}
    return (
        _element("place.json", _packed(disk.json_bytes(about, indent=None)))
        + _element("encoder.onnx", _packed(model))
        + (_element("views.onnx", _packed(views)) if views is not None else "")
        + _element("ort.wasm", base64.b64encode(_read("ort.wasm.gz")).decode())
        + _element("onnxruntime-notices.txt", base64.b64encode(_read("onnxruntime-notices.txt.gz")).decode())
        + f"<script>{_inline(_static('place-onnx.js'))}</script>\n"
    )


def _page(title: str) -> str:
    """The page's HTML with its style inside and without its script."""
    page = _static("index.html")
    changes = {
        '<meta charset="utf-8">': f'<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        "<title>augmap</title>": f"<title>{html.escape(_HALVES.sub('�', title))}</title>",
        '<link rel="stylesheet" href="static/app.css">': f"<style>{_static('app.css')}</style>",
        '<script src="static/app.js" defer></script>': "",
    }
    for old, new in changes.items():
        assert page.count(old) == 1, f"{old} stands {page.count(old)} times in the page"
        page = page.replace(old, new)
    return page


def _static(name: str) -> str:
    return _read(name).decode("utf-8")


def _read(name: str) -> bytes:
    try:
        return (STATIC / name).read_bytes()
    except OSError as error:
        raise InputError(f"this installation of augmap lacks {name}; install it again") from error


def _element(path: str, packed: str) -> str:
    return f'<script type="{_KIND}" id="{html.escape(path)}">{packed}</script>\n'


def _packed(data: bytes) -> str:
    """Base64 of gzip; no time of day in it, so that the same map gives the same file."""
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def _inline(script: str) -> str:
    r"""Return what may stand in a script element: ``</script`` becomes ``<\/script``, ``<!--`` ``<\!--``."""
    return re.sub(r"<(?=/script|!--)", r"<\\", script, flags=re.IGNORECASE)


def _last(source: Any) -> str:
    """The last part of a path: where the images lie is nobody's business but the owner's."""
    return re.split(r"[/\\]", str(source).rstrip("/\\"))[-1]
