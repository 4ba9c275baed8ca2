"""Somebody looks on: the run learns the same, can be held, and ends early with a map."""

from __future__ import annotations

import json
import math
import threading

import numpy as np
import pytest
import torch
from runs import Clock, Small, cpu, run, same_bits, small_config, stripes, three_stages

from augmap.config import Runtime
from augmap.errors import InputError
from augmap.method import train as training
from augmap.method.audience import SHARE, Audience, Look
from augmap.method.control import Control
from augmap.method.encoder import make_encoder
from augmap.method.plan import HURRY, shortened
from augmap.method.project import project
from augmap.method.watch import Report, Span, StageWatch, Stop, Stopped, Watch
from augmap.stage import Stage

ROWS = np.arange(0, 96, 3)


class Onlooker:
    """Collects what an audience sees, and wishes for something at some step."""

    def __init__(self, wish=None, at=None):
        self.control, self.frames, self.reports = Control(), [], []
        self.wish, self.at = wish, at

    def listen(self, report):
        self.reports.append(report)
        if self.at == (report.stage_number, report.step):
            getattr(self.control, self.wish)()

    def show(self, z, report):
        self.frames.append((report.stage_number, report.step, z))

    def audience(self, every=0.0):
        return Audience(
            begin=lambda images: ROWS, show=self.show, listen=self.listen, control=self.control, every=every
        )

    def run(self, config, **settings):
        return run(config, audience=self.audience(), probe=ROWS, clock=self.control.clock, **settings)


def test_watching_changes_nothing():
    onlooker = Onlooker()
    assert same_bits(onlooker.run(three_stages()), run(three_stages()))
    assert {number for number, _, _ in onlooker.frames} == {0, 1, 2}
    shapes = {number: z.shape for number, _, z in onlooker.frames}
    assert shapes == {0: (32, 16), 1: (32, 2), 2: (32, 2)}


def test_the_last_frame_is_the_map():
    onlooker = Onlooker()
    outcome = onlooker.run(three_stages())
    np.testing.assert_allclose(onlooker.frames[-1][2], outcome.positions[ROWS], rtol=1e-5, atol=1e-6)


def report(step=1, steps=100):
    return Report(
        stage="s", stage_number=0, stages=1, step=step, steps=steps, epoch=0.0, loss=math.nan,
        learning_rate=0.0, views_per_second=math.nan, seconds=0.0, seconds_left=0.0,
    )  # fmt: skip


def test_looks_take_a_small_share_of_the_time():
    clock, shown = Clock(), []
    encoder = make_encoder(Small(), image_size=8, channels=1, dim=2, mean=[0.5], std=[0.2])

    def show(z, report):
        clock.now += 0.5  # what a look takes
        shown.append(clock.now)

    look = Look(encoder, stripes(8)[0], show, every=1.0, clock=clock)
    for step in range(1000):
        clock.now += 0.1
        look(report(step, 2000))
    assert np.diff(shown) == pytest.approx(0.5 / SHARE + 0.5, abs=0.11)
    before = len(shown)
    look(report(2000, 2000))
    assert len(shown) == before + 1  # the end of a stage is always seen


def test_a_look_leaves_the_encoder_as_it_was():
    encoder = make_encoder(Small(), image_size=8, channels=1, dim=2, mean=[0.5], std=[0.2], norm="batch")
    encoder.eval()
    encoder.head.train()
    modes = [m.training for m in encoder.modules()]
    state = {k: v.clone() for k, v in encoder.state_dict().items()}
    seen = []
    random = torch.random.get_rng_state()
    Look(encoder, stripes(20)[0], lambda z, report: seen.append(z), every=0.0)(report())
    assert [m.training for m in encoder.modules()] == modes
    assert all(torch.equal(v, state[k]) for k, v in encoder.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)
    np.testing.assert_allclose(seen[0], project(encoder, stripes(20)[0])[0])


def test_a_held_run_has_a_checkpoint_and_goes_on_to_the_same_bits(tmp_path):
    onlooker = Onlooker("pause", (1, 2))
    held = []

    def look_in():
        record, found = tmp_path / "checkpoint.json", {"stage": 0}
        while found["stage"] == 0:  # the end of the first stage has one too
            found = json.loads(record.read_text()) if record.exists() else found
        held.append((len(onlooker.reports), found))
        onlooker.control.resume()

    threading.Thread(target=look_in, daemon=True).start()
    outcome = onlooker.run(three_stages(), folder=tmp_path)
    (steps, found) = held[0]
    assert (found["stage"], found["step"]) == (1, 3)  # the wish came with the report of step 2
    assert onlooker.reports[steps - 1].step == 3
    assert same_bits(outcome, run(three_stages()))


def stage_watch(control, kept, steps=40):
    clock = Clock()
    stop = Stop()
    watch = Watch(
        fabric=cpu(), listeners=(), keep_every=None, stop=stop, log=[], clock=clock, control=control
    )
    span = Span(stage=Stage(name="s", steps=steps), number=0, stages=1, steps=steps, per_epoch=100.0, batch=8)
    return StageWatch(watch, span, lambda done, losses, ended: kept.append(done)), stop


def test_ctrl_c_ends_a_held_run():
    control, kept = Control(), []
    look, stop = stage_watch(control, kept)
    control.pause()
    threading.Timer(0.1, stop).start()
    with pytest.raises(Stopped):
        look.after(0, torch.tensor(1.0), 0.1)
    assert kept == [1, 1]


def test_no_checkpoint_without_a_wish():
    control, kept = Control(), []
    look, _ = stage_watch(control, kept)
    assert [look.after(step, torch.tensor(1.0), 0.1) for step in range(3)] == [False] * 3
    assert kept == []


def test_an_early_end_still_makes_a_map():
    """The stage in progress stops where it is; those behind it are laid out anew, and short."""
    config = three_stages().replace(
        stages=tuple(
            Stage(**{**vars_of(s), "epochs": e})
            for s, e in zip(three_stages().stages, (400, 300, 300), strict=True)
        )
    )
    onlooker = Onlooker("finish", (0, 40))
    outcome = onlooker.run(config)
    first, *rest = outcome.config.stages
    assert first.stop == 41
    assert outcome.positions.shape == (96, 2)
    for stage in rest:
        assert (stage.epochs, stage.stop) == (None, None)
        assert 1 <= stage.steps < 300 * 3
    steps = [r.steps for r in onlooker.reports if r.stage_number == 2]
    assert set(steps) == {rest[-1].steps}
    assert same_bits(outcome, run(outcome.config))  # the stages as they were run


def vars_of(stage):
    import dataclasses

    return {f.name: getattr(stage, f.name) for f in dataclasses.fields(stage)}


def test_an_early_end_of_the_last_stage():
    onlooker = Onlooker("finish", (0, 5))
    outcome = onlooker.run(small_config(Stage(name="map", epochs=50)))
    assert outcome.config.stages[0].stop == 6


def test_a_wish_between_two_stages_shortens_the_next():
    """While the graph of a stage is being made there is no stage to end."""
    onlooker = Onlooker("finish", (0, 9))
    config = small_config(Stage(name="a", epochs=3), Stage(name="b", epochs=500))
    outcome = onlooker.run(config)  # the wish comes with the last step of the first stage
    assert outcome.config.stages[0].stop is None
    assert 1 <= outcome.config.stages[1].steps < 1500


@pytest.mark.parametrize(
    ("stage", "seconds", "steps"),
    [
        (Stage(name="s", epochs=10, warmup_epochs=5), 3.0, 6),
        (Stage(name="s", steps=1000), 3.0, 6),
        (Stage(name="s", steps=4), 3.0, 4),
        (Stage(name="s", steps=1000), 0.0, 1),
        (Stage(name="s", steps=1000, stop=800), 3.0, 6),
        (Stage(name="s", steps=1000, stop=5), 3.0, 5),
    ],
)
def test_shortened_by_hand(stage, seconds, steps):
    short = shortened(stage, seconds, 0.5, 3.0)
    assert (short.steps, short.epochs, short.stop) == (steps, None, None)
    assert short.warmup_epochs == pytest.approx(min(stage.warmup_epochs, steps / 3 / 10))


def test_the_hurry_is_a_share_of_the_time_so_far():
    class Watching:
        control = Control()
        seconds = 80.0

    class Running:
        hurry = None

    training.hurry_up(Running, Watching, 2)
    assert Running.hurry is None
    Watching.control.finish()
    training.hurry_up(Running, Watching, 2)
    assert Running.hurry == HURRY * 80 / 2


def test_several_processes_cannot_be_watched():
    onlooker = Onlooker()
    with pytest.raises(InputError, match="cannot be watched"):
        onlooker.run(small_config(), runtime=Runtime(device="cpu", devices=2))
