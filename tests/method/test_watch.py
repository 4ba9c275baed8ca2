"""Beside the steps: reports, log, due checkpoints, who may stop a run, and few looks at the loss."""

import json
import math
import os
import signal
import threading

import pytest
import torch
from runs import Clock, cpu

from augmap.errors import TrainingError
from augmap.method import watch as watching
from augmap.method.watch import LOOK_EVERY, Span, StageWatch, Stop, Stopped, Watch
from augmap.stage import Stage


def stage_watch(*, steps=40, per_epoch=8.0, keep_every=None, deadline=None, start=0, losses=(), **settings):
    clock, reports, kept = settings.pop("clock", Clock()), [], []
    watch = Watch(
        fabric=cpu(), listeners=[reports.append], keep_every=keep_every, stop=Stop(), log=[], clock=clock,
        **settings,
    )  # fmt: skip
    span = Span(
        stage=Stage(name="pretrain", steps=steps, views=3), number=1, stages=3, steps=steps,
        per_epoch=per_epoch, batch=32, start=start, losses=losses, deadline=deadline,
    )  # fmt: skip
    look = StageWatch(watch, span, lambda done, losses, ended: kept.append((done, list(losses))))
    return look, watch, clock, reports, kept


def walk(look, clock, steps, seconds=0.5, loss=lambda step: 2.0 + step):
    """Take steps until the stage ends; return how many were taken."""
    for step in steps:
        clock.now += seconds
        if look.after(step, torch.tensor(loss(step)), 0.25):
            return step + 1
    return None


def test_reports_after_every_step():
    look, _, clock, reports, _ = stage_watch(steps=24, before=100.0)
    assert walk(look, clock, range(24)) == 24
    assert [r.step for r in reports] == list(range(1, 25))
    assert math.isnan(reports[6].loss)  # nobody has looked yet
    last = reports[-1]
    assert (last.stage, last.stage_number, last.stages, last.steps) == ("pretrain", 1, 3, 24)
    assert last.epoch == 3
    assert last.learning_rate == 0.25
    assert last.loss == pytest.approx(2 + 19.5)  # mean of steps 16 to 23, the last epoch
    assert last.views_per_second == pytest.approx(3 * 32 / 0.5)  # three views of 32 images
    assert last.seconds == pytest.approx(112)
    assert reports[8].seconds_left == pytest.approx(15 * 0.5)


def test_one_line_of_the_log_an_epoch():
    look, watch, clock, _, _ = stage_watch(steps=20)
    walk(look, clock, range(20))
    assert [line["epoch"] for line in watch.log] == [1, 2, 2.5]
    assert [line["step"] for line in watch.log] == [8, 16, 20]
    assert [line["loss"] for line in watch.log] == [5.5, 13.5, 19.5]
    assert watch.log[0]["views_per_second"] == 192
    assert [line["seconds"] for line in watch.log] == [4, 8, 10]
    assert json.loads(json.dumps(watch.log)) == watch.log


def test_the_pace_is_that_of_steps_and_of_waiting_for_the_device(monkeypatch):
    look, watch, clock, _, _ = stage_watch(steps=200, per_epoch=100.0, start=50)
    watch.listeners = [lambda report: setattr(clock, "now", clock.now + 7.0)]  # no part of a step
    walk(look, clock, [50], seconds=30.0)  # prepares
    assert look.pace is None
    walk(look, clock, range(51, 60))
    assert look.pace is None
    walk(look, clock, range(60, 71))
    assert look.pace == pytest.approx(0.5)
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda x: (setattr(clock, "now", clock.now + 3), tolist(x))[1]
    )
    walk(look, clock, range(71, 91))  # two looks
    assert look.pace == pytest.approx(0.5 + 2 * 3 / 40)


def test_an_epoch_that_was_interrupted_has_all_its_losses():
    look, watch, clock, _, kept = stage_watch(keep_every=1.0, start=10, losses=[8.0, 9.0])
    walk(look, clock, range(10, 17))
    assert watch.log[0]["loss"] == pytest.approx((8 + 9 + sum(range(12, 18))) / 8)
    assert kept == [(16, [])]


def test_few_looks_at_the_device(monkeypatch):
    """A GPU is asked for its losses every LOOK_EVERY steps, never after each one."""
    look, _, clock, _, _ = stage_watch(steps=100, per_epoch=1000.0)
    looks, stack = [], torch.stack

    def look_at(losses):
        looks.append(len(losses))
        return stack([loss.as_subclass(torch.Tensor) for loss in losses])

    monkeypatch.setattr(watching.torch, "stack", look_at)

    class Untouchable(torch.Tensor):
        def item(self):
            raise AssertionError("the host waited for the device")

        __float__ = __bool__ = tolist = item

    for step in range(LOOK_EVERY - 1):
        look.after(step, torch.tensor(1.0).as_subclass(Untouchable), 0.1)
    assert looks == []
    walk(look, clock, range(LOOK_EVERY - 1, 100))
    assert looks == [LOOK_EVERY] * (100 // LOOK_EVERY)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_before_a_checkpoint(bad):
    look, _, clock, _, kept = stage_watch(keep_every=0.1, per_epoch=100.0)
    with pytest.raises(TrainingError, match=r"pretrain: the loss is no longer finite near step 20 of 40"):
        walk(look, clock, range(40), loss=lambda step: bad if step == 13 else 1.0)
    assert [done for done, _ in kept] == [10]


def test_checkpoints_when_they_are_due():
    look, _, clock, _, kept = stage_watch(steps=60, per_epoch=10.0, keep_every=9.0)
    walk(look, clock, range(60))
    assert [done for done, _ in kept] == [20, 40, 60]  # at 10 s and 20 s, and at the end of the stage
    assert kept[0][1] == []
    assert stage_watch(keep_every=None)[1].keep_due is False


def test_a_wish_to_stop_is_followed_by_a_checkpoint_at_once():
    look, watch, clock, _, kept = stage_watch(steps=40, per_epoch=100.0)
    walk(look, clock, range(3))
    watch.stop()
    with pytest.raises(Stopped):
        walk(look, clock, range(3, 40))
    assert kept == [(4, [2.0, 3.0, 4.0, 5.0])]


def test_the_stage_ends_in_time():
    look, _, clock, _, _ = stage_watch(steps=40, per_epoch=100.0, deadline=100 + 12.2)
    assert walk(look, clock, range(40)) == 24  # 24 steps of half a second fit into 12.2 s
    look, _, clock, _, _ = stage_watch(steps=40, per_epoch=100.0, deadline=100 + 30)
    assert walk(look, clock, range(40)) == 40


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_wishes_once(number):
    before = signal.getsignal(number)
    with Stop().on_signals() as stop:
        assert not stop.wanted
        os.kill(os.getpid(), number)
        assert stop.wanted
        assert signal.getsignal(number) is before  # a second one ends the process
    assert signal.getsignal(number) is before


def test_signals_are_left_alone_outside_the_main_thread():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with Stop().on_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_another_processes_wish_counts():
    shared = threading.Event()
    stop = Stop(shared)
    assert not stop.wanted
    shared.set()
    assert stop.wanted


def test_what_a_step_took_is_told_to_the_threads_without_the_listeners():
    told = []

    class Threads:
        def after(self, *report):
            told.append(report[0])

    look, watch, clock, _, _ = stage_watch(threads=Threads())
    watch.listeners.append(lambda report: setattr(clock, "now", clock.now + 30.0))
    walk(look, clock, range(20))
    assert told == 20 * [0.5]


def test_what_a_step_took_is_told_to_the_threads_without_the_checkpoint():
    told = []

    class Threads:
        def after(self, *report):
            told.append(report)

    look, _, clock, _, _ = stage_watch(keep_every=1.0, threads=Threads())
    look._keep = lambda done, losses, ended: setattr(clock, "now", clock.now + 30.0)
    walk(look, clock, range(20))
    assert told == [(0.5, "pretrain", step) for step in range(1, 21)]
