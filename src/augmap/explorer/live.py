"""A training that is being watched: what it tells becomes events, what the page asks becomes wishes."""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import numpy as np
from starlette.responses import StreamingResponse

from augmap.errors import InputError
from augmap.explorer.film import fitted, make_frame
from augmap.explorer.replay import Replay, from_u16, thinned, to_u16
from augmap.method.align import procrustes

if TYPE_CHECKING:
    from augmap.method.watch import Report

REMEMBERED = 300
"""Events that a browser which comes back can still get."""
MAX_LOSSES = 4000
MAX_FRAMES = 1200
"""Frames that a film keeps, 24 MB of 5,000 images; at more, every other one is dropped."""
POLL = 0.1
"""Seconds between looks for new events."""
BREATH = 15.0
"""Seconds of silence after which a comment keeps the connection open."""

Event = tuple[int, str, str]
"""Number, kind, data."""


class Wishes(Protocol):
    """What may be asked of a run; :class:`augmap.method.control.Control` is one."""

    def pause(self) -> None:
        """Hold after the step in progress."""

    def resume(self) -> None:
        """Go on."""

    def finish(self) -> None:
        """End this stage, shorten what follows, and keep the map."""


class Live:
    """The training that a page watches. Its training side is called from one thread, the rest from any.

    Parameters
    ----------
    wishes : Wishes
    every : float
        Seconds between frames, at least; for the page to say so.
    clock : callable
        Seconds.
    """

    def __init__(self, wishes: Wishes, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.wishes, self.every, self._clock = wishes, every, clock
        self.state, self.images, self.closed = "preparing", 0, False
        self.replay = Replay()
        self._lock = threading.Lock()
        self._events: deque[Event] = deque(maxlen=REMEMBERED)
        self._newest: dict[str, str] = {}  # of each kind of event
        self._uv: np.ndarray | None = None
        self._stage, self._frames, self._told, self._told_losses = -1, 0, -math.inf, 0

    def act(self, action: str) -> str:
        """Do what the page asks, ``pause``, ``resume`` or ``stop``; return the state.

        Raises
        ------
        InputError
            That cannot be done now.
        """
        with self._lock:
            if self.state not in ("running", "paused"):
                raise InputError(f"the training cannot be changed now: it is {self.state}")
            if action == "pause":
                self.wishes.pause()
                self.state = "paused"
            else:
                if action == "stop":
                    self.wishes.finish()
                self.wishes.resume()
                self.state = "stopping" if action == "stop" else "running"
        self._tell("status", {**json.loads(self._newest.get("status", "{}")), "state": self.state})
        return self.state

    def describe(self) -> dict[str, Any]:
        """Return ``live`` of ``meta.json``."""
        return {
            "stages": list(self.replay.stages),
            "state": self.state,
            "every": self.every,
            "images": self.images,
        }

    def begin(self, images: int, uv: np.ndarray) -> None:
        """Take note of how many images there are, and where the probe is shown before the first frame."""
        self.images, self._uv = images, uv
        self._tell("meta", {"n": len(uv)})

    def listen(self, report: Report) -> None:
        """Listen to training: called after every step."""
        with self._lock:
            if self.state == "preparing":
                self.state = "running"
        losses = self.replay.losses
        if report.stage_number != self._stage:
            self._stage = report.stage_number
            self.replay.stages.append(report.stage)
            self._tell("stage", {key: getattr(report, key) for key in ("stage", "stage_number", "stages")})
        if math.isfinite(report.loss) and (not losses or losses[-1][1] != report.loss):
            losses.append((round(report.seconds, 2), report.loss, report.stage_number))
        if self._clock() - self._told >= 1 or report.step >= report.steps:
            self._told = self._clock()
            self._tell("status", {"state": self.state, **_plain(report)})
            if new := losses[self._told_losses :]:
                points = [[seconds, loss] for seconds, loss, _ in new]
                self._tell("loss", {"points": points, "stage_number": report.stage_number})
            if len(losses) > MAX_LOSSES:
                losses[:] = thinned(losses, MAX_LOSSES // 2)
            self._told_losses = len(losses)

    def show(self, z: np.ndarray, report: Report) -> None:
        """Take outputs of the probe, (n, d), as the next frame."""
        frame = make_frame(z, self._uv)
        if frame is None:
            return
        self._uv, q = frame.uv, to_u16(frame.uv)
        film = self.replay
        if len(film.frames) >= MAX_FRAMES:
            film.frames[:], film.entries[:] = film.frames[::2], film.entries[::2]
        known = _plain(report)
        entry = {key: known[key] for key in ("stage", "stage_number", "step", "epoch", "seconds", "loss")}
        entry["pca"] = frame.pca
        film.frames.append(q)
        film.entries.append(entry)
        self._frames += 1
        xy = base64.b64encode(q.astype("<u2").tobytes()).decode()
        self._tell("frame", {"frame": self._frames - 1, **entry, "dim": frame.dim, "n": len(q), "xy": xy})

    def settle(self, uv: np.ndarray, rows: np.ndarray) -> Replay:
        """End the film with the finished map, and turn all that came before onto it.

        Parameters
        ----------
        uv : (n, 2) array
            Where the page shows the probe on the finished map.
        rows : (n,) array
            Rows of the map that the probe is.
        """
        film = self.replay
        if film.frames:
            rotation, _ = procrustes(from_u16(film.frames[-1]), uv)
            film.frames[:] = [to_u16(fitted(from_u16(q) @ rotation)) for q in film.frames]
            film.frames.append(to_u16(uv))
            film.entries.append({**film.entries[-1], "pca": False})
        film.rows = rows
        return film

    def end(self, state: str, reason: str | None = None, *, map: bool = False) -> None:
        """Say that training has ended, ``done``, ``failed`` or ``stopped``, and whether there is a map."""
        self.state = state
        self._tell("end", {"state": state, "reason": reason, "map": map})

    def since(self, last: int | None) -> list[Event]:
        """Return the events behind number ``last``; to a newcomer, or one too late, how things stand."""
        with self._lock:
            events, newest = list(self._events), dict(self._newest)
        number = events[-1][0] if events else 0
        if last is not None and last <= number and (not events or events[0][0] <= last + 1):
            return [e for e in events if e[0] > last]
        order = ("meta", "stage", "status", "frame")
        stand = [(number, kind, newest[kind]) for kind in order if kind in newest]
        by_stage: dict[int, list[list[float]]] = {}
        for seconds, loss, stage in self.replay.losses[: self._told_losses]:
            by_stage.setdefault(stage, []).append([seconds, loss])
        for stage, points in by_stage.items():
            stand.append((number, "loss", json.dumps({"points": points, "stage_number": stage})))
        return stand + [(number, "end", newest[kind]) for kind in ("end",) if kind in newest]

    def _tell(self, kind: str, data: Mapping[str, Any]) -> None:
        text = json.dumps(data)
        with self._lock:
            number = self._events[-1][0] + 1 if self._events else 1
            self._events.append((number, kind, text))
            self._newest[kind] = text


def event_stream(live: Live, last: str | None) -> StreamingResponse:
    """Answer ``GET /events``: server-sent events until the browser or the server goes."""
    seen = int(last) if last is not None and last.isascii() and last.isdigit() and len(last) < 16 else None

    async def lines() -> AsyncIterator[str]:
        nonlocal seen
        yield "retry: 1000\n\n"
        quiet = 0.0
        while not live.closed:
            events = live.since(seen)
            for number, kind, text in events:
                yield f"id: {number}\nevent: {kind}\ndata: {text}\n\n"
                seen = number
            if seen is None:
                seen = 0
            quiet = 0.0 if events else quiet + POLL
            if quiet >= BREATH:
                quiet = 0.0
                yield ": still here\n\n"
            await anyio.sleep(POLL)

    return StreamingResponse(lines(), media_type="text/event-stream")


def _plain(report: Report) -> dict[str, Any]:
    """A report in plain JSON types; what is not known is None."""
    found = {
        key: getattr(report, key)
        for key in (
            *("stage", "stage_number", "stages", "step", "steps", "epoch", "loss", "learning_rate"),
            *("views_per_second", "seconds", "seconds_left"),
        )
    }
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in found.items()}
