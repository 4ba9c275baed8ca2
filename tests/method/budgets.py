"""Budgets for tests: stages that share one, a planner and a run by a clock that is told what time it is."""

import dataclasses

from runs import Clock, small_config
from runs import run as run_small

from augmap.method import prepare, train
from augmap.method.plan import Planner
from augmap.stage import Stage

STAGES = [
    Stage(name="pretrain", share=0.7, warmup_epochs=2),
    Stage(name="map", share=0.2),
    Stage(name="polish", share=0.1),
]
STEADY = [dataclasses.replace(STAGES[0], steady=0.5), *STAGES[1:]]


def planner(seconds=100.0, **options):
    clock = Clock()
    return Planner(seconds, clock.now, clock, **options), clock


def budgeted(*stages):
    return small_config(*(stages or STAGES), budget=100.0)


def simulate(monkeypatch, seconds_of_step, *, config=None, think=0.5, finish=6.0, reserve=6.0, **settings):
    """Run for real, but by a clock that a step moves by ``seconds_of_step(stage number, step)``."""
    clock = Clock()
    steps = {"now": 0}
    begin = clock.now
    rate = train.learning_rate

    def tick(stage, step, *rest):  # called once a step
        number = [s.name for s in (config or budgeted()).stages].index(stage.name)
        clock.now += seconds_of_step(number, step)
        steps["now"] += 1
        return rate(stage, step, *rest)

    monkeypatch.setattr(train, "learning_rate", tick)
    monkeypatch.setattr(train, "step_seconds", lambda *a, **k: think)
    monkeypatch.setattr(prepare, "projection_seconds", lambda *a, **k: 1.0)
    monkeypatch.setattr(prepare, "finish_seconds", lambda *a, **k: reserve)
    monkeypatch.setattr(prepare, "graph_seconds", lambda *a, **k: 0.0)
    outcome = run_small(config or budgeted(), clock=clock, started=begin, **settings)
    return outcome, clock.now - begin + finish, steps["now"]
