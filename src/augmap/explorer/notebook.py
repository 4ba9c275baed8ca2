"""A map in a notebook: the page in a frame, without an extension and without a server."""

from __future__ import annotations

import base64
import html

from augmap.explorer.single import of_map
from augmap.imagemap import ImageMap

LIMIT = 20 * 10**6
"""Bytes of a page that a notebook keeps in its own file; above, it gets a picture."""
HEIGHT = 640


def frame(m: ImageMap, *, title: str | None, limit: int = LIMIT) -> str | None:
    """Return the page in a frame that sees nothing of the notebook; None where it is too large."""
    thumbs = 0 if m.thumbs is None else sum(map(len, m.thumbs.pages))
    if thumbs * 4 // 3 > limit:  # base64: the page need not be made to know
        return None
    page = of_map(m, title=title or "map").data
    if len(page) > limit:
        return None
    return (
        f'<iframe sandbox="allow-scripts allow-downloads" width="100%" height="{HEIGHT}" style="border: 0" '
        f'title="{html.escape(repr(m))}" srcdoc="{html.escape(page.decode())}"></iframe>'
    )


def picture(png: bytes, m: ImageMap, *, title: str | None) -> str:
    """Return a picture, and how to open the page."""
    first = "" if title else 'Save the map (<code>m.save("my.map")</code>), then walk around in it with '
    name = html.escape(title or "my.map")
    data = base64.b64encode(png).decode()
    return (
        f'<img alt="{html.escape(repr(m))}" style="max-width: 100%" src="data:image/png;base64,{data}">'
        f"<p>{m.n:,} images make a page too large for a notebook. {first or 'Walk around in it with '}"
        f"<code>augmap explore {name}</code>, or in the file that "
        f"<code>augmap export {name} --to html -o map.html</code> writes.</p>"
    )
