"""Who may talk to the server: a token, the Host, the Origin; and what every answer says to the browser.

The server listens on loopback, where every page that the person has open, and every user of the machine, can
reach it. The token keeps other users out; the Host check stops DNS rebinding, where a foreign name is made to
point at 127.0.0.1; the Origin check stops requests that a foreign page sends with the person's cookie.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        # regl compiles its draw calls with Function (regl-project/regl #491); onnxruntime-web compiles wasm
        "script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'",
        "worker-src blob:",  # from 1,000,000 points on the renderer builds its index in a worker
        "connect-src 'self'",
        "img-src 'self' blob: data:",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\[\]@/\s]*)(:(?P<port>[0-9]{0,5}))?")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Access:
    """What a request must bring.

    Parameters
    ----------
    token : str
        In the start address, then in the cookie.
    cookie : str
        Its name. Browsers keep one jar for all ports of a host, so two servers need two names.
    hosts : collection of str
        Names, without a port, that the Host header may hold beside those of loopback. A port is not looked
        at: a tunnel has one of its own.
    """

    token: str
    cookie: str = "augmap"
    hosts: Collection[str] = ()

    def admits_host(self, value: str, arrived: str | None = None) -> bool:
        """Whether a Host header names this server.

        So does the very address at which the request ``arrived``: where no name is asked for, none can have
        been made to point here.
        """
        name, _ = split_host(value)
        return name in LOOPBACK or name in self.hosts or _is_address(name, arrived)

    def admits_token(self, value: str | None) -> bool:
        """Whether this is the token; takes equally long whatever it is."""
        return value is not None and hmac.compare_digest(value.encode(), self.token.encode())


def new_token() -> str:
    """Return a token of 192 random bits."""
    return secrets.token_urlsafe(24)


def names_of(host: str) -> tuple[str, ...]:
    """Return the Host names under which a server that listens on ``host`` is asked for, beside loopback's.

    An address of no machine in particular (0.0.0.0) listens everywhere: then the names of this machine. Its
    addresses need not be known, see :meth:`Access.admits_host`.
    """
    import socket

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return (host.lower(),)
    if not address.is_unspecified:
        return (f"[{address}]" if address.version == 6 else str(address),)
    return (socket.gethostname().lower(), socket.getfqdn().lower())


def split_host(value: str) -> tuple[str, str]:
    """Return name, in lower case, and port of a Host header; IPv6 addresses keep their brackets.

    What is no Host header has an empty name.
    """
    found = _HOST.fullmatch(value.strip().lower())
    return (found["name"], found["port"] or "") if found else ("", "")


class Guard:
    """ASGI middleware: lets through what :class:`Access` admits, and adds :data:`HEADERS` to every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["type"] != "http":  # no websockets
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = self._refusal(scope) or self._entrance(scope)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Answer of a request that comes from the wrong place."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        arrived, _ = scope.get("server") or (None, None)
        if len(hosts) != 1 or not self.access.admits_host(hosts[0], arrived):
            return refuse(403, "this address is not one of the server's; open the one that augmap printed")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return refuse(405, "only GET and POST")
        changes = scope["method"] == "POST" or scope["path"] == "/events"
        origin = headers.get("origin")
        if changes and origin is not None and not _is_own(origin, hosts[0]):
            return refuse(403, "this request comes from another page")
        site = headers.get("sec-fetch-site")
        # a link from elsewhere may open the start page, and nothing else
        opens = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if site not in (None, "same-origin", "none") and (changes or not opens):
            return refuse(403, "this request comes from another page")
        return None

    def _entrance(self, scope: Scope) -> Response | None:
        """Turn the token of the start address into a cookie; without either there is no way in."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if scope["path"] == "/" and given and scope["method"] == "GET":
            if not self.access.admits_token(given[0]):
                return refuse(
                    403, "the token in this address is not the server's; open the one that augmap printed"
                )
            if Headers(scope=scope).get("sec-fetch-site") in ("cross-site", "same-site"):
                # a browser that comes from another page would not bring the cookie along a redirect
                answer: Response = HTMLResponse('<meta http-equiv="refresh" content="0; url=./">')
            else:
                answer = RedirectResponse("./", status_code=303)
            answer.set_cookie(
                self.access.cookie, self.access.token, httponly=True, samesite="strict", path="/"
            )
            return answer
        if not self.access.admits_token(_cookie(Headers(scope=scope), self.access.cookie)):
            return refuse(403, "no token; open the address that augmap printed, with its token")
        return None


def refuse(status: int, reason: str) -> JSONResponse:
    """Answer with a status and one sentence."""
    return JSONResponse({"reason": reason}, status)


def _is_own(origin: str, host: str) -> bool:
    """Whether an Origin is the very address that was asked."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # no address at all
        return False
    return (
        parts.scheme in ("http", "https") and parts.netloc.lower() == host.strip().lower() and not parts.path
    )


def _is_address(name: str, arrived: str | None) -> bool:
    """Whether a Host name is this IP address; one that IPv6 wraps around an IPv4 address is that."""
    try:
        asked, here = ipaddress.ip_address(name.strip("[]")), ipaddress.ip_address(arrived or "")
    except ValueError:
        return False
    return asked in (here, getattr(here, "ipv4_mapped", None))


def _cookie(headers: Headers, name: str) -> str | None:
    """Return a cookie's value. Programs on other ports share a host's cookies, and theirs may be anything."""
    for line in headers.getlist("cookie"):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
    return None
