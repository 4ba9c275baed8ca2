"""The server around the application: a port, an address with its token, a thread, and a quick end."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import threading
from dataclasses import dataclass, field

import uvicorn
from starlette.types import ASGIApp

from augmap.errors import InputError

PORT = 8765
TRIED = 20
"""Ports that are tried, from :data:`PORT` on."""
HOST = "127.0.0.1"


@dataclass(eq=False)
class Server:
    """A bound port and, once started, the thread that answers on it.

    Parameters
    ----------
    socket : socket
        Bound, not yet listening.
    host : str
        As it was asked for.
    """

    socket: socket.socket
    host: str
    _uvicorn: uvicorn.Server | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    @property
    def port(self) -> int:
        """The port."""
        return self.socket.getsockname()[1]

    def address(self, token: str) -> str:
        """Return the address to open in a browser."""
        host = self.host
        try:
            address = ipaddress.ip_address(host)
            if address.is_unspecified:  # listens everywhere
                address = _seen_by_others(self.socket.family)
            host = f"[{address}]" if address.version == 6 else str(address)
        except ValueError:
            pass
        return f"http://{host}:{self.port}/?token={token}"

    def start(self, app: ASGIApp) -> None:
        """Answer from now on, in a thread that does not keep the process alive."""
        config = uvicorn.Config(
            app, log_level=logging.WARNING, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self.socket]}, daemon=True, name="augmap-server"
        )
        self._thread.start()

    def close(self, seconds: float = 0.8) -> None:
        """Stop answering; connections that are open are cut."""
        if self._uvicorn is not None and self._thread is not None:
            self._uvicorn.should_exit = self._uvicorn.force_exit = True
            self._thread.join(seconds)
        self.socket.close()


def bind(host: str = HOST, port: int | None = None) -> Server:
    """Bind a port: the one that is asked for, else the first free one from :data:`PORT` on.

    Raises
    ------
    InputError
        The port is taken, or the host is none of this machine's.
    """
    wanted = range(PORT, PORT + TRIED) if port is None else [port]
    problem: OSError | None = None
    for number in wanted:
        try:
            return Server(_bound(host, number), host)
        except OSError as error:
            problem = error
    if port is None and (free := _try(host, 0)) is not None:
        return Server(free, host)
    assert problem is not None
    reason = problem.strerror or str(problem)
    raise InputError(
        f"{host}:{port or PORT} cannot be listened on ({reason}); choose another --port or --host"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seen_by_others(family: socket.AddressFamily) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address from which this machine would reach another one; loopback where it reaches none."""
    far = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # RFC 3849, RFC 5737: nobody's
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))  # of a datagram socket: chooses a route, and sends nothing
            return ipaddress.ip_address(probe.getsockname()[0])
        except (OSError, ValueError):
            return ipaddress.ip_address("127.0.0.1")


def _try(host: str, port: int) -> socket.socket | None:
    try:
        return _bound(host, port)
    except OSError:
        return None


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # else a port that was just left would be taken for a minute
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made
