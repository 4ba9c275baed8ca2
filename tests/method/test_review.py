"""A stage whose rate is steady at first is planned again: with another length, and the same bits from it."""

import dataclasses

import numpy as np
import pytest
from budgets import STAGES, STEADY, budgeted, planner, simulate
from runs import finishing_at, same_bits

from augmap.method.plan import LATE, review_step
from augmap.stage import Stage


def test_a_steady_stage_is_planned_again_by_its_own_pace():
    plan, clock = planner(100.0, reserve=8.0)
    first = plan.lay_out(STEADY, 0, 0.5, 10.0)
    assert first.steps == 126
    behind = 90 - 63  # of 98 - 8 s
    assert review_step(first) == 50  # eight tenths of half of them
    clock.now += 50 * 0.3
    again = plan.review([first, *STEADY[1:]], 0, 50, 0.3, 10.0)
    assert again == dataclasses.replace(first, steps=50 + int((90 - 15 - behind) / 0.3))
    assert plan.plans[-1] == {
        "stage": "pretrain", "at_seconds": 15.0, "left_seconds": 90.0, "reserve_seconds": 8.0,
        "step_seconds": 0.3, "steps": again.steps, "behind_seconds": behind,
    }  # fmt: skip
    # the rest of it by the new pace, and what is behind it untouched
    late = LATE * (again.steps - 50) * 0.3 + 2
    assert plan.deadline([again, *STEADY[1:]], 0, 50) == pytest.approx(clock.now + late)
    clock.now += (again.steps - 50) * 0.3
    second = plan.lay_out([again, *STEADY[1:]], 1, 0.1, 10.0)
    assert second.steps == pytest.approx(behind * 2 / 3 / 0.1, abs=3)


def test_a_slower_stage_becomes_no_shorter_than_its_rate_allows():
    plan, clock = planner(100.0, reserve=8.0)
    first = plan.lay_out(STEADY, 0, 0.5, 10.0)
    clock.now += 50
    again = plan.review([first, *STEADY[1:]], 0, 50, 1.0, 10.0)
    assert again.steps == 100
    capped = dataclasses.replace(first, max_epochs=11)
    assert plan.review([capped, *STEADY[1:]], 0, 50, 0.1, 10.0).steps == 110


def test_who_waits_is_told_of_another_length():
    said = []
    plan, clock = planner(100.0, reserve=8.0, say=said.append)
    first = plan.lay_out(STEADY, 0, 0.5, 10.0)
    clock.now += 25
    plan.review([first, *STEADY[1:]], 0, 50, 0.5, 10.0)
    assert said == []
    clock.now -= 10
    plan.review([first, *STEADY[1:]], 0, 50, 0.3, 10.0)
    assert said == ["pretrain: 210 steps in place of 126, by its pace so far"]


def test_a_later_stage_is_not_planned_again_to_less_than_it_learns_by():
    stages = [STAGES[0], dataclasses.replace(STAGES[1], steady=0.5), STAGES[2]]
    plan, clock = planner(100.0)
    first = plan.lay_out(stages, 0, 0.5, 10.0)
    clock.now += 120
    second = plan.lay_out([first, *stages[1:]], 1, 0.01, 10.0)
    assert plan.review([first, second, stages[2]], 1, 60, 0.01, 10.0).steps == second.steps == 150


def test_only_a_stage_whose_steps_do_not_depend_on_its_length_is_planned_again():
    given = {"name": "s", "steps": 100, "steady": 0.5}
    assert review_step(Stage(**given)) == 40
    assert review_step(Stage(**given | {"steady": 0.0})) is None
    assert review_step(Stage(**given, stop=60)) is None
    assert review_step(Stage(**given, dim=8, end_dim=2)) is None
    assert review_step(Stage(**given, end_temperature=0.5)) is None


@pytest.mark.parametrize("pace", [0.2, 0.55])
def test_a_steady_stage_has_the_time_that_it_was_given_at_another_pace(monkeypatch, pace):
    outcome, took, steps = simulate(
        monkeypatch, lambda number, step: pace if number == 0 else 0.5, config=budgeted(*STEADY)
    )
    assert 95 <= took <= 100
    guess, review = outcome.history["plans"][:2]
    assert [p["stage"] for p in outcome.history["plans"]] == ["pretrain", "pretrain", "map", "polish"]
    assert guess["steps"] == pytest.approx(90 * 0.7 / 0.5, abs=1)
    assert review["step_seconds"] == pytest.approx(pace)
    assert review["steps"] == pytest.approx(90 * 0.7 / pace, abs=2)
    first = outcome.config.stages[0]
    assert (first.steps, first.stop) == (review["steps"], None)
    assert outcome.history["steps"] == steps
    again, _, _ = simulate(monkeypatch, lambda number, step: 30.0, config=outcome.config)
    assert same_bits(outcome, again)


def test_a_run_that_does_not_know_its_pace_yet_is_planned_again_later(monkeypatch):
    for too_few, plans in ((59, 4), (70, 3)):  # 63 of 126 steps are steady
        monkeypatch.setattr("augmap.method.watch.LOOK_EVERY", too_few)
        outcome, _, _ = simulate(monkeypatch, lambda number, step: 0.3, config=budgeted(*STEADY))
        assert len(outcome.history["plans"]) == plans


def test_after_a_wish_for_an_early_end_no_stage_becomes_longer(monkeypatch):
    stages = [dataclasses.replace(stage, steady=0.5) for stage in STAGES]
    pace = lambda number, step: 0.05 if number else 0.5  # noqa: E731
    outcome, _, _ = simulate(
        monkeypatch, pace, config=budgeted(*stages), think=0.05, audience=finishing_at(60), probe=np.arange(4)
    )
    assert [p["stage"] for p in outcome.history["plans"]] == ["pretrain", "map", "polish"]
    assert all(60 < stage.steps < 90 for stage in outcome.config.stages[1:])  # an eighth of 30 s each
