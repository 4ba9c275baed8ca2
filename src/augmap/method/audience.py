"""Somebody who looks on while a run trains: a probe set forwarded now and then, and wishes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from augmap.images.imageset import ImageSet
from augmap.method.control import Control
from augmap.method.encoder import Encoder
from augmap.method.project import project
from augmap.method.watch import Report

SHARE = 0.05
"""Share of the time that looking on may take."""
Show = Callable[[np.ndarray, Report], None]
"""Takes outputs of the probe, float32 (k, d), and how training stands."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Audience:
    """Who looks on.

    Parameters
    ----------
    begin : callable
        Called once with the images; returns the rows of the probe.
    show : callable
        Called with the probe's outputs, at most every ``every`` seconds.
    listen : callable
        Called with a report after every step.
    control : Control
        What is asked of the run. While it is held, its clock stands still.
    """

    begin: Callable[[ImageSet], np.ndarray]
    show: Show
    listen: Callable[[Report], None]
    control: Control = field(default_factory=Control)
    every: float = 5.0


class Look:
    """A listener that forwards the probe through the encoder in training, and leaves that as it was.

    Parameters
    ----------
    encoder : Encoder
        In training; read between two steps, in eval mode and without gradients.
    pixels : uint8 array of shape (k, h, w, c)
        The probe.
    show : callable
    every : float
        Seconds between two looks, at least; more where a look takes long, so that all of them together take
        no more than :data:`SHARE` of the time.
    """

    def __init__(
        self,
        encoder: Encoder,
        pixels: np.ndarray,
        show: Show,
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.encoder, self.pixels, self.show, self.every, self._clock = encoder, pixels, show, every, clock
        self._due = -np.inf

    def __call__(self, report: Report) -> None:
        """Look, if it is time; also at the end of a stage, which is what the next one starts from."""
        began = self._clock()
        if began < self._due and report.step < report.steps:
            return
        modes = [(module, module.training) for module in self.encoder.modules()]
        try:
            z, _ = project(self.encoder, self.pixels)
        finally:
            for module, training in modes:  # a stage may train a part and freeze the rest in eval mode
                module.training = training
        self.show(z, report)
        now = self._clock()
        self._due = now + max(self.every, (now - began) / SHARE)
