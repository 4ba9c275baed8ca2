"""Who may talk to the server, and what every answer says to the browser."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from asking import HOST, TOKEN, Asking, reason
from augmap.explorer.security import POLICY, Access, names_of, new_token, split_host
from augmap.explorer.server import bind

OURS = f"http://{HOST}"


def test_the_token_becomes_a_cookie(shown, page):
    stranger = Asking(shown, page, token=None)
    answer = stranger.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"augmap={TOKEN};")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    for others in ("other=1; ", 'prefs={"theme":"dark"}; ', "a[0]=x y; bare; ", "é=ü; ", ""):
        again = stranger.get("/", headers={"cookie": f"{others}augmap={TOKEN}"})
        assert (again.status_code, again.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_link_on_another_page_opens_this_one_all_the_same(shown, page):
    """Browsers bring no SameSite=Strict cookie along a redirect that began elsewhere."""
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = Asking(shown, page, token=None).get(f"/?token={TOKEN}", headers=headers)
    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.text
    assert "augmap=" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "cookie", ["", "augmap=", "augmap=the-toke", "augmap=the-tokens", "augmap2=the-token", "a=;;=\x7f"]
)
def test_nothing_without_the_token(shown, page, cookie):
    stranger = Asking(shown, page, token=None)
    for path in (
        *("/", "/meta.json", "/col/x.bin", "/thumbs/0.webp", "/img/0", "/static/app.js"),
        *("/review.json", "/replay.bin", "/events", "/nothing"),
    ):
        answer = stranger.get(path, headers={"cookie": cookie})
        assert answer.status_code == 403
        assert "token" in reason(answer)


@pytest.mark.parametrize("query", ["token=", "token=x", "token=the-toke%6e2", f"Token={TOKEN}", f"x={TOKEN}"])
def test_a_wrong_token_opens_nothing(shown, page, query):
    answer = Asking(shown, page, token=None).get(f"/?{query}")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert TOKEN not in answer.text


def test_the_token_counts_in_the_start_address_alone(shown, page):
    assert Asking(shown, page, token=None).get(f"/meta.json?token={TOKEN}").status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:9", "[::1]:80", "LocalHost", "127.0.0.1"])
def test_loopback_names_with_any_port(ask, host):
    """A tunnel has a port of its own."""
    assert ask.get("/meta.json", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "127.0.0.1.evil.example",
     "127.0.0.1:8765@evil.example", "localhost.", "",
     "127.0.0.1:x", "[::1", "192.168.0.7:8765", "localhost:80:80"],
)  # fmt: skip
def test_another_host_is_refused(ask, host):
    answer = ask.get("/meta.json", host=host)
    assert answer.status_code == 403
    assert "address" in reason(answer)


def test_two_hosts_are_refused(ask):
    """What stands in front of a server and the server may each believe another one."""
    messages = []
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"host", b"evil.example"), (b"cookie", b"augmap=the-token")],
    }  # fmt: skip
    _call(ask.app, scope, messages)
    assert messages[0]["status"] == 403


def test_a_host_that_was_asked_for_is_one_more(shown, page):
    asking = Asking(shown, page, hosts=names_of("192.168.0.7"))
    assert asking.get("/meta.json", host="192.168.0.7:8765").status_code == 200
    assert asking.get("/meta.json", host="192.168.0.8:8765").status_code == 403
    assert names_of("::1") == ("[::1]",)
    assert "127.0.0.1" not in names_of("example.org")
    assert len(names_of("0.0.0.0")) >= 1


@pytest.mark.parametrize(
    ("host", "arrived", "status"),
    [
        ("192.168.0.7:8765", "192.168.0.7", 200),
        ("[fd00::7]:8765", "fd00::7", 200),
        ("[FD00:0::7]", "fd00::7", 200),
        ("192.168.0.7", "::ffff:192.168.0.7", 200),  # of a socket that listens to both kinds
        ("192.168.0.8", "192.168.0.7", 403),
        ("evil.example", "192.168.0.7", 403),
        ("192.168.0.7.evil.example", "192.168.0.7", 403),
        ("", "192.168.0.7", 403),
        ("192.168.0.7", "/run/some.socket", 403),
    ],
)
def test_the_address_at_which_a_request_arrives_is_one_more(ask, host, arrived, status):
    """Whatever the machine calls itself; a foreign name that leads here is still foreign."""
    messages = []
    scope = {
        "type": "http", "method": "GET", "path": "/meta.json", "query_string": b"",
        "server": (arrived, 8765),
        "headers": [(b"host", host.encode()), (b"cookie", b"augmap=the-token")],
    }  # fmt: skip
    _call(ask.app, scope, messages)
    assert messages[0]["status"] == status


@pytest.mark.parametrize("own", ["0.0.0.0", "::"])
def test_the_address_that_is_printed_opens_the_page(ask, own, monkeypatch):
    """Of a server that listens everywhere: one at which others reach it, whatever /etc/hosts says."""
    monkeypatch.setattr("socket.gethostname", lambda: "nowhere.invalid")
    try:
        server = bind(own, 0)
    except ValueError:
        pytest.skip(f"no {own} here")
    server.start(ask.app)
    try:
        address = urlsplit(server.address(TOKEN))
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        connection.request("GET", f"/?{address.query}")
        assert connection.getresponse().status == 303
        connection.close()
    finally:
        server.close()


def test_a_server_that_listens_everywhere_prints_where_others_reach_it(monkeypatch):
    class Route:
        """A datagram socket on a machine with a network."""

        def __init__(self, family, kind):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def connect(self, place):
            pass

        def getsockname(self):
            return ("192.168.0.7", 40000)

    server = bind("0.0.0.0", 0)
    monkeypatch.setattr("augmap.explorer.server.socket.socket", Route)
    with server.socket:
        assert server.address("t") == f"http://192.168.0.7:{server.port}/?token=t"
        monkeypatch.setattr(Route, "getsockname", lambda self: ("no network", 0))
        assert server.address("t") == f"http://127.0.0.1:{server.port}/?token=t"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": f"{OURS}.evil.example"},
        {"origin": f"ftp://{HOST}"},
        {"origin": ""},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": OURS, "sec-fetch-site": "cross-site"},
    ],
)
def test_another_page_changes_nothing(ask, headers):
    for method, path in (("POST", "/embed"), ("POST", "/review"), ("POST", "/control"), ("GET", "/events")):
        answer = ask(method, path, headers=headers)
        assert answer.status_code == 403
        assert "another page" in reason(answer)


@pytest.mark.parametrize("headers", [{}, {"origin": OURS}, {"origin": OURS, "sec-fetch-site": "same-origin"}])
def test_our_own_page_may(ask, headers):
    assert ask.post("/review", headers=headers, json={"decisions": []}).status_code != 403


@pytest.mark.parametrize("path", ["/meta.json", "/img/0", "/thumbs/0.webp"])
def test_another_page_reads_nothing(ask, path):
    assert ask.get(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert ask.get(path, headers={"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(ask, method):
    answer = ask(method, "/meta.json")
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/meta.json", 200), ("/nothing", 404), ("/img/999", 404)]
)
def test_every_answer_carries_the_policy(ask, shown, page, path, status):
    for asking in (ask, Asking(shown, page, token=None)):
        answer = asking.get(path)
        assert answer.status_code == (status if asking is ask else 403)
        headers = answer.headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert not [name for name in headers if name.startswith("access-control")]


def test_the_policy_is_that_of_the_reference():
    assert POLICY == (
        "default-src 'none'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'; worker-src blob:; "
        "connect-src 'self'; img-src 'self' blob: data:; style-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def test_no_websockets(ask):
    messages = []
    _call(ask.app, {"type": "websocket", "path": "/", "headers": []}, messages)
    assert messages == [{"type": "websocket.close", "code": 1008}]


def test_tokens_differ_and_are_long():
    assert len({new_token() for _ in range(100)}) == 100
    assert min(len(new_token()) for _ in range(100)) >= 32


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("a:1", ("a", "1")),
        ("A", ("a", "")),
        ("[::1]:2", ("[::1]", "2")),
        ("[::1]", ("[::1]", "")),
        ("a:", ("a", "")),
    ],
)
def test_host_and_port(value, parts):
    assert split_host(value) == parts
    assert Access("t", hosts=["a"]).admits_host("a:77")


def _call(app, scope, messages):
    import anyio

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        messages.append(message)

    anyio.run(app, scope, receive, send)
