"""``augmap fit --watch``: the page of a training, from before the first image is read until Ctrl-C."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from augmap import folder as disk
from augmap.cli import explore
from augmap.errors import AugmapError, Interrupted
from augmap.explorer.live import Live
from augmap.explorer.originals import Originals
from augmap.explorer.probe import sample, show_nothing, show_probe
from augmap.explorer.replay import FILE, replay_bytes
from augmap.explorer.serve import Site
from augmap.explorer.server import bind
from augmap.explorer.site import Shown, open_map, prepare_in_background
from augmap.method.audience import Audience
from augmap.method.control import Control

if TYPE_CHECKING:
    import numpy as np

    from augmap.imagemap import ImageMap
    from augmap.images.imageset import ImageSet

EVERY = 2.0
"""Seconds between frames, at least."""
_FAREWELL = 0.3
"""Seconds in which the page hears of an end that came early."""


class Watched:
    """A training with a page. As a context manager it tells the page how the training ended.

    Parameters
    ----------
    output : path
        Where the map will be.
    device : str
        Where the finished map places dropped images.
    """

    def __init__(self, output: Path, *, device: str, open_browser: bool) -> None:
        self.output, self.device = output, device
        self._server = bind()
        control = Control()
        self.live = Live(control, EVERY)
        self._site = Site(show_nothing(output.name), self.live)
        self._rows: np.ndarray | None = None
        self.audience = Audience(
            begin=self._begin, show=self.live.show, listen=self.live.listen, control=control, every=EVERY
        )
        self.address = explore.serve(self._server, self._site, open_browser=open_browser)

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            said = str(error) if isinstance(error, AugmapError) else "augmap failed; its terminal says why"
            ended = isinstance(error, Interrupted | KeyboardInterrupt)
            self.live.end("stopped" if ended else "failed", said)
            time.sleep(_FAREWELL)
            self._server.close()

    def finished(self, made: ImageMap) -> None:
        """Show the map that has been saved, and keep with it how it formed."""
        assert self._rows is not None
        shown = self._open()
        replay = self.live.settle(shown.blobs.scale(made.positions[self._rows]), self._rows)
        disk.update(self.output, {FILE: replay_bytes(replay)})
        shown = self._open()
        self._site.shown = shown
        prepare_in_background(shown)
        self.live.end("done", map=True)

    def wait(self) -> None:
        """Keep the page until Ctrl-C."""
        explore.wait(self._server)

    def _begin(self, images: ImageSet) -> np.ndarray:
        self._rows = rows = sample(len(images))
        probe = images.subset(rows)
        root = images.root
        originals = Originals(Path(root) if root else None, "" if root else "not from a folder")
        self._site.shown = show_probe(
            self.output.name, probe.pixels, probe.names, probe.splits, probe.labels, originals
        )
        self.live.begin(len(images), self._site.shown.m.positions)
        return rows

    def _open(self) -> Shown:
        return open_map(
            self.output,
            place=lambda m: explore.encoder_of(m, self.device),
            find_regions=explore.find_regions,
        )
