"""``augmap explore``: walk around in a map, in the browser."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augmap.cli.words import count

if TYPE_CHECKING:
    import numpy as np

    from augmap.explorer.placing import Place
    from augmap.explorer.serve import Site
    from augmap.explorer.server import Server
    from augmap.imagemap import ImageMap


def explore(
    map: Annotated[Path, typer.Argument(metavar="MAP", help="Folder of a map.", show_default=False)],
    second: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MAP2]", help="Another map of the same images, to compare.", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port. [default: 8765, or the next free one]")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 127.0.0.1 is reached from this machine alone.")
    ] = "127.0.0.1",
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the address; open no browser.")] = False,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the originals, when they have moved.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where dropped images are placed: auto, cpu, cuda or mps.")
    ] = "auto",
) -> None:
    """Open a page on which to walk around in a map: look, ask, select, review, place new images.

    The page is served from this machine until Ctrl-C, and asks nobody else for anything.
    """
    from augmap.explorer.serve import Site
    from augmap.explorer.server import bind
    from augmap.explorer.site import open_map, prepare_in_background

    shown = open_map(
        map, second=second, images=images, place=lambda m: encoder_of(m, device), find_regions=find_regions
    )
    server = bind(host, port)
    prepare_in_background(shown)
    address = serve(server, Site(shown), open_browser=not no_open)
    print(f"{map}: {count(shown.m.n, 'image')} at {address}", flush=True)
    wait(server)


def encoder_of(m: ImageMap, device: str) -> Place | str:
    """Return a function that places one image, its encoder built at the first call; or why there is none."""
    if m.weights is None:
        return f"this map has no encoder ({m.info.get('method', 'this method')} cannot place new images)"
    if m.weights.spec.get("backbone") == "custom":
        return "this map was made with a network of your own, which only Python can hand in"
    from augmap.explorer.placing import Outputs
    from augmap.images.open import why_no_files

    assert m.preprocessing is not None
    if why := why_no_files(m.preprocessing):
        return why
    loaded = threading.Lock()
    made: list = []

    def place(pixels):
        with loaded:
            if not made:
                from augmap.embedder import placer

                made.append(placer(m, device=device))
        return Outputs(*made[0](pixels))

    return place


def serve(server: Server, site: Site, *, open_browser: bool) -> str:
    """Start answering; return the address, which a browser has been asked to open."""
    from augmap.explorer.security import Access, names_of, new_token
    from augmap.explorer.serve import make_app
    from augmap.explorer.server import is_loopback

    hosts: tuple[str, ...] = ()
    if not is_loopback(server.host):
        print(
            f"augmap: {server.host} can be reached from other machines, without encryption; "
            "whoever has the address below sees these images",
            file=sys.stderr,
        )
        hosts = names_of(server.host)
    access = Access(new_token(), cookie=f"augmap_{server.port}", hosts=hosts)
    server.start(make_app(site, access))
    address = server.address(access.token)
    if open_browser:
        import webbrowser

        # a browser in a terminal would take it over: only where there is a screen of its own
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    return address


def wait(server: Server) -> None:
    """Return at Ctrl-C, with the server closed."""
    try:
        print("Ctrl-C ends it", file=sys.stderr, flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
        gc.freeze()  # else the interpreter looks through all of torch once more on its way out, for 2 s


def find_regions(m: ImageMap) -> dict[str, Any]:
    """Divide a map into regions, as ``augmap review`` does, while the server goes on answering."""
    from augmap.explorer.aside import aside

    return aside(_divide, m.positions, m.features, m.labels)


def _divide(positions: np.ndarray, features: np.ndarray | None, labels: np.ndarray | None) -> dict[str, Any]:
    from augmap.review.clusters import find_clusters, to_json

    return to_json(find_clusters(positions, features=features, labels=labels), len(positions))
