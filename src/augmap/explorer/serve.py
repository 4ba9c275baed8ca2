"""The requests of the page and their answers (docs/explorer-format.md): a starlette application."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from augmap.errors import InputError
from augmap.explorer.build import Blobs
from augmap.explorer.live import Live, event_stream
from augmap.explorer.originals import GoneError
from augmap.explorer.queues import ConflictError
from augmap.explorer.security import Access, Guard, refuse
from augmap.explorer.site import Shown
from augmap.explorer.upload import SECONDS, RefusedError, as_data_url, open_upload, read_body

STATIC = Path(__file__).with_name("static")
PAGE = "index.html"
MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
}
"""Kinds of files of the bundle."""
MAX_JSON = 5 * 10**6
SECOND = "/b"
"""Prefix of the second map."""


@dataclass(eq=False)
class Site:
    """What a server shows; both parts may be replaced while it runs.

    Parameters
    ----------
    shown : Shown
    live : Live, optional
        The training that is being watched, or has been.
    """

    shown: Shown
    live: Live | None = None

    def blobs(self, request: Request) -> Blobs:
        """Return the blobs of the map that a request asks for: the first, or below /b/ the second."""
        if not _is_second(request):
            return self.shown.blobs
        if self.shown.second is None:
            raise HTTPException(404, "there is no second map")
        return self.shown.second

    def meta(self, request: Request) -> dict[str, Any]:
        """Return ``meta.json``."""
        found = self.blobs(request).meta() if _is_second(request) else self.shown.meta()
        if self.live is not None and found["capabilities"]["live"]:
            found["live"] = self.live.describe()
        return found

    def row(self, request: Request) -> int:
        """Return the row that a request asks for."""
        row = number(request, "row")
        if row >= self.shown.m.n:
            raise HTTPException(404, f"there are {self.shown.m.n} images")
        return row


def make_app(site: Site, access: Access, *, static: Path = STATIC) -> Guard:
    """Return the ASGI application.

    Raises
    ------
    InputError
        The page has not been built.
    """
    files = read_static(static)

    def page(request: Request) -> Response:
        return Response(files[PAGE], media_type=MEDIA[".html"])

    def static_file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            raise HTTPException(404, "no such file")
        return Response(files[name], media_type=MEDIA[Path(name).suffix])

    async def embed(request: Request) -> Response:
        return await _embed(site.shown, request)

    def replay(request: Request) -> Response:
        found = site.live.replay if site.live is not None else site.shown.replay
        if found is None:
            raise HTTPException(404, "this map was not watched while it formed: augmap fit --watch")
        if request.scope["path"].endswith(".bin"):
            return Response(found.data(), media_type="application/octet-stream")
        return JSONResponse(found.describe())

    routes = [
        Route("/", page),
        Route("/static/{name}", static_file),
        Route("/replay.json", replay),
        Route("/replay.bin", replay),
        *_map_routes(site),
        *_review_routes(site),
        *_live_routes(site),
        Route("/embed", embed, methods=["POST"]),
    ]
    handlers: Any = {
        HTTPException: _refused,
        RefusedError: _refused_upload,
        ClientDisconnect: _left,
        Exception: _failed,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), access)


def read_static(folder: Path) -> dict[str, bytes]:
    """Read the files of the built page, by name; what is not in the list is never served.

    Raises
    ------
    InputError
        There is no page.
    """
    files = {f.name: f.read_bytes() for f in sorted(folder.glob("*")) if f.suffix in MEDIA and f.is_file()}
    if PAGE not in files:
        raise InputError("this installation of augmap has no page for the explorer; install it again")
    return files


def number(request: Request, name: str) -> int:
    """Return a number from an address."""
    text = request.path_params[name]
    if not re.fullmatch("[0-9]{1,10}", text):
        raise HTTPException(404, f"{name} is a number")
    return int(text)


def _map_routes(site: Site) -> list[Route]:
    """What a map is: meta.json, columns, sprite pages, originals, neighbours."""

    def meta(request: Request) -> Response:
        return JSONResponse(site.meta(request))

    def column(request: Request) -> Response:
        try:
            data = site.blobs(request).column(request.path_params["id"])
        except KeyError:
            raise HTTPException(404, "no such column") from None
        if data is None:
            raise HTTPException(503, "still being computed", {"Retry-After": "3"})
        return Response(data, media_type="application/octet-stream")

    def thumbs(request: Request) -> Response:
        pages, page = site.shown.blobs.pages, number(request, "page")
        if page >= len(pages):
            raise HTTPException(404, f"there are {len(pages)} sprite pages")
        return Response(pages[page], media_type="image/webp")

    def image(request: Request) -> Response:
        try:
            picture = site.shown.original(site.row(request))
        except GoneError as error:
            raise HTTPException(404, str(error)) from None
        return Response(picture.data, media_type=picture.media_type)

    def near(request: Request) -> Response:
        row = site.row(request)
        if not _is_second(request):
            return JSONResponse(site.shown.near_row(row))
        if site.shown.second_near is None:
            raise HTTPException(404, "there is no second map")
        return JSONResponse(site.shown.second_near(row))

    both = [("/meta.json", meta), ("/col/{id}.bin", column), ("/near/{row}.json", near)]
    return [
        *(Route(prefix + path, answer) for prefix in ("", SECOND) for path, answer in both),
        Route("/thumbs/{page}.webp", thumbs),
        Route("/img/{row}", image),
    ]


def _review_routes(site: Site) -> list[Route]:
    def queues(request: Request) -> Response:
        if site.shown.queues is None:
            raise HTTPException(404, "nothing to review while the map is being made")
        try:
            return JSONResponse(site.shown.queues.read())
        except InputError as error:
            raise HTTPException(404, str(error)) from None

    async def decide(request: Request) -> Response:
        decisions = (await _json(request)).get("decisions")
        if not isinstance(decisions, list):
            raise HTTPException(400, "decisions must be a list")
        if site.shown.queues is None:
            raise HTTPException(409, "nothing to review while the map is being made")
        try:
            return JSONResponse(await run_in_threadpool(site.shown.queues.decide, decisions))
        except ConflictError as error:
            raise HTTPException(409, str(error)) from None
        except InputError as error:
            raise HTTPException(400, str(error)) from None

    return [Route("/review.json", queues), Route("/review", decide, methods=["POST"])]


def _live_routes(site: Site) -> list[Route]:
    def live() -> Live:
        if site.live is None:
            raise HTTPException(409, "nothing is being trained here")
        return site.live

    async def events(request: Request) -> Response:
        return event_stream(live(), request.headers.get("last-event-id"))

    async def control(request: Request) -> Response:
        action = (await _json(request)).get("action")
        if action not in ("pause", "resume", "stop"):
            raise HTTPException(400, "the action must be pause, resume or stop")
        try:
            return JSONResponse({"state": live().act(action)})
        except InputError as error:
            raise HTTPException(409, str(error)) from None

    return [Route("/events", events), Route("/control", control, methods=["POST"])]


async def _embed(shown: Shown, request: Request) -> Response:
    if shown.placing is None:
        raise HTTPException(409, shown.cannot or "images cannot be placed now")
    data = await read_body(request.stream())
    try:
        with anyio.fail_after(SECONDS):
            answer = await anyio.to_thread.run_sync(_place, shown, data, abandon_on_cancel=True)
    except TimeoutError:
        raise HTTPException(503, f"this image took more than {SECONDS:.0f} s") from None
    return JSONResponse(answer)


def _place(shown: Shown, data: bytes) -> dict[str, Any]:
    assert shown.placing is not None
    assert shown.m.preprocessing is not None
    upload = open_upload(data, shown.m.preprocessing)
    answer = shown.placing(upload.pixels)
    return {**answer, "size": list(upload.size), "thumb": as_data_url(upload.pixels)}


async def _json(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(await read_body(request.stream(), MAX_JSON))
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body must be JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return found


def _is_second(request: Request) -> bool:
    return request.scope["path"].startswith(f"{SECOND}/")


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = refuse(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


def _refused_upload(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return refuse(error.status, str(error))


def _left(request: Request, error: Exception) -> Response:
    """The browser has gone in the middle of what it sent, and sees no answer."""
    return refuse(400, "the request broke off")


def _failed(request: Request, error: Exception) -> Response:
    """A defect of augmap: what it was stands in the server's own output, not in the answer."""
    return refuse(500, "augmap failed over this request; its terminal says why")
