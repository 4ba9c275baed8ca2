"""Wishes of somebody who watches, and a clock that stands still while a run is held."""

from __future__ import annotations

import threading
import time

from runs import Clock

from augmap.method.control import Control


def test_the_clock_stands_still_while_held():
    clock = Clock()
    control = Control(clock)
    control.pause()
    looks = []

    def stopped():
        looks.append(control.clock())
        clock.now += 10
        return len(looks) == 5

    control.hold(stopped)
    assert looks == [100] * 5
    assert control.clock() == 100
    clock.now += 3
    assert control.clock() == 103


def test_nobody_waits_who_need_not():
    control = Control()
    control.hold(lambda: False)
    control.pause()
    control.resume()
    control.hold(lambda: False)
    assert not control.paused


def test_another_thread_lets_it_go_on():
    control = Control()
    control.pause()
    assert control.paused
    began = time.monotonic()  # before the timer: on a busy machine it may ring before anybody holds
    threading.Timer(0.05, control.resume).start()
    control.hold(lambda: False)
    assert 0.04 < time.monotonic() - began < 5


def test_an_early_end_is_taken_once():
    control = Control()
    assert not control.taken()
    control.finish()
    assert control.finishing
    assert control.taken()
    assert not control.taken()
