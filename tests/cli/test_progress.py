"""Progress: bars on a terminal, sparse lines in a log."""

from __future__ import annotations

import io
import math

import pytest

from augmap.cli.progress import Progress


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def report(**values):
    """What training tells its listeners."""
    from augmap.method.watch import Report

    fixed = {"epoch": 0.5, "learning_rate": 0.1, "seconds": 9.0}
    given = {
        "stage_number": 0,
        "stages": 1,
        "loss": math.nan,
        "views_per_second": math.nan,
        "seconds_left": math.nan,
    }
    return Report(**{**fixed, **given, **values})


def test_a_log_gets_a_line_each_tenth():
    stream = io.StringIO()
    with Progress(stream, Clock()) as progress:
        count = progress.counter("reading images")
        for done in range(1, 1001):
            count(done, 1000)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "reading images:  10%, 100 of 1,000 images"
    assert lines[-1] == "reading images: 100%, 1,000 of 1,000 images"
    assert len(lines) == 10


def test_a_log_gets_a_line_each_half_minute_when_it_is_slow():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    for done in range(100):  # 7 s each: every fifth has waited 35 s
        clock.now = 7.0 * done
        progress.update("work", done, 100_000)
    assert len(stream.getvalue().splitlines()) == 19


def test_what_goes_over_all_images_again_and_again_is_counted_in_steps():
    out = io.StringIO()
    with Progress(out) as progress:
        for title in ("features", "layout", "t-SNE", "UMAP"):
            progress.work(title)(350, 350)
    assert out.getvalue().splitlines() == [
        "features: 100%, 350 of 350 images",
        *(f"{title}: 100%, 350 of 350 steps" for title in ("layout", "t-SNE", "UMAP")),
    ]


def test_a_log_never_repeats_a_line():
    stream = io.StringIO()
    progress = Progress(stream, Clock())
    for _ in range(3):
        progress.update("work", 5, 5)
    assert len(stream.getvalue().splitlines()) == 1


def test_training_says_stage_loss_speed_and_time_left():
    stream = io.StringIO()
    known = {"loss": 5.4321, "views_per_second": 1612.3, "seconds_left": 200.0}
    with Progress(stream, Clock()) as progress:
        progress.listen(report(stage="pretrain", stages=2, step=1, steps=2))
        progress.listen(report(stage="pretrain", stages=2, step=2, steps=2, **known))
        progress.say("the plan was changed")
        progress.listen(report(stage="finetune", stages=2, stage_number=1, step=1, steps=1, **known))
        progress.listen(report(stage="alone", step=1, steps=1))
    assert stream.getvalue().splitlines() == [
        "pretrain (1 of 2):  50%, 1 of 2 steps",
        "pretrain (1 of 2): 100%, 2 of 2 steps, loss 5.432, 1,612 views/s, 3 min 20 s left in this stage",
        "the plan was changed",
        "finetune (2 of 2): 100%, 1 of 1 steps, loss 5.432, 1,612 views/s, 3 min 20 s left",
        "alone: 100%, 1 of 1 steps",
    ]


def test_a_terminal_gets_a_bar_per_title():
    stream = Terminal()
    with Progress(stream) as progress:
        progress.listen(report(stage="pretrain", step=100, steps=100, loss=5.0))
        progress.say("between")
        progress.listen(report(stage="finetune", step=3, steps=10))
    shown = stream.getvalue()
    assert "100/100" in shown
    assert "loss 5.000" in shown
    assert "between\n" in shown
    assert "finetune" in shown
    assert "\r" in shown


def test_the_bar_is_closed_when_work_fails():
    stream = Terminal()

    def work():
        with Progress(stream) as progress:
            progress.update("work", 1, 10)
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        work()
    assert stream.getvalue().endswith("\n")


def test_nothing_to_do_is_no_division():
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.update("work", 0, 0)
    assert stream.getvalue() == ""
