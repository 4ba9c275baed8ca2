"""Requests to the explorer's application, as a browser would send them and as none would."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps, loads
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import anyio
import numpy as np
from PIL import Image

from augmap.explorer.security import Access
from augmap.explorer.serve import Site, make_app
from augmap.explorer.site import Shown
from augmap.imagemap import ImageMap

TOKEN = "the-token"
HOST = "127.0.0.1:8765"


@dataclass
class Answer:
    """What came back."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """As text."""
        return self.content.decode()

    def json(self) -> Any:
        """As JSON."""
        return loads(self.content)


class Asking:
    """A browser that has opened the start address already, unless ``token`` is None.

    Parameters
    ----------
    site : Site or Shown
    static : path
        Folder of the page.
    """

    def __init__(self, site: Site | Shown, static: Path, *, token: str | None = TOKEN, hosts=()) -> None:
        site = Site(site) if isinstance(site, Shown) else site
        self.site = site
        self.app = make_app(site, Access(TOKEN, hosts=hosts), static=static)
        self.headers = {} if token is None else {"cookie": f"augmap={token}"}

    def __call__(
        self,
        method: str,
        path: str,
        *,
        host: str = HOST,
        headers: dict[str, str] | None = None,
        content: bytes | Sequence[bytes] = b"",
        json: Any = None,
    ) -> Answer:
        """Send one request; ``path`` goes out as it stands here, and a list of bytes in as many chunks."""
        sent = {**self.headers, "host": host, **(headers or {})}
        body = dumps(json).encode() if json is not None else content
        chunks = [body] if isinstance(body, bytes) else list(body)
        raw, _, query = path.encode("utf-8", "surrogateescape").partition(b"?")
        scope = {
            "type": "http",
            "method": method,
            "path": unquote_to_bytes(raw).decode("utf-8", "replace"),  # as uvicorn does it
            "raw_path": raw,
            "query_string": query,
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in sent.items()],
        }
        messages: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

        async def send(message: Any) -> None:
            messages.append(message)

        with contextlib.suppress(ZeroDivisionError):  # of a test; starlette raises again what it answered
            anyio.run(self.app, scope, receive, send)
        return Answer(
            messages[0]["status"],
            {k.decode("latin-1"): v.decode("latin-1") for k, v in messages[0]["headers"]},
            b"".join(m.get("body", b"") for m in messages[1:]),
        )

    def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return self("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        """POST."""
        return self("POST", path, **options)

    def column(self, id: str, dtype: str, prefix: str = "") -> np.ndarray:
        """Return a column of the map."""
        answer = self.get(f"{prefix}/col/{id}.bin")
        assert answer.status_code == 200, answer.text
        return np.frombuffer(answer.content, dtype)


def reason(answer: Answer) -> str:
    """Return why a request was refused: the only thing that such an answer says."""
    found = answer.json()
    assert list(found) == ["reason"]
    return found["reason"]


def write_page(folder: Path) -> Path:
    """Write what a built page consists of, in little."""
    folder.mkdir()
    (folder / "index.html").write_text(
        "<!doctype html><title>augmap</title><script src=static/app.js></script>"
    )
    (folder / "app.js").write_text("export {}")
    (folder / "licences.txt").write_text("MIT")
    (folder / "notes.py").write_text("not served")
    return folder


def photo_folder(folder: Path, m: ImageMap) -> Path:
    """Write a picture for each image of a map, with its row in its red channel."""
    for row, name in enumerate(m.names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 7, 3), (row, 0, 90), np.uint8)).save(path)
    return folder
