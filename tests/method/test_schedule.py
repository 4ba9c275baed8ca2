"""Rates against the numbers of the paper's method; lengths; the annealed dimension and temperature."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import small_config

from augmap.method.schedule import (
    columns,
    learning_rate,
    log_temperature,
    stage_batch,
    stage_steps,
    steps_per_epoch,
)
from augmap.presets import PRESETS
from augmap.stage import Stage

PRETRAIN, READOUT, FINETUNE = PRESETS["paper"].stages
PER_EPOCH = 59.0  # 60,000 = 58 * 1024 + 608


def rates(stage, epochs, per_epoch=PER_EPOCH, batch=1024):
    """The rate at the first step of each epoch."""
    steps = stage_steps(stage, per_epoch)
    return [learning_rate(stage, int(e * per_epoch), steps, per_epoch, batch) for e in range(epochs)]


def test_the_papers_pretraining():
    found = rates(PRETRAIN, 1000)
    base = 0.03 * 1024 / 256
    assert base == pytest.approx(0.12)
    for e in range(10):  # ours: (e + 1) / w, where the original lost its first epoch to a rate of 0
        assert found[e] == pytest.approx(base * (e + 1) / 10)
    for e in range(10, 1000):
        assert found[e] == pytest.approx(base / 2 * (1 + math.cos(math.pi * (e - 10) / (1000 - 10 + 1))))
    assert found[9] == found[10] == pytest.approx(0.12)
    assert 0 < found[-1] < 2e-6


def test_the_papers_readout_and_finetuning():
    found = rates(READOUT, 50)
    assert found[0] == pytest.approx(0.12)
    assert found[25] == pytest.approx(0.12 / 2 * (1 + math.cos(math.pi * 25 / 51)))
    found = rates(FINETUNE, 450)
    assert max(found) == pytest.approx(0.12 / 1000)
    assert found[0] == pytest.approx(1.2e-5)


@pytest.mark.parametrize("per_epoch", [59.0, 3.0, 7.3])
def test_rate_by_epoch_changes_with_the_epoch_only(per_epoch):
    stage = Stage(name="s", epochs=8, warmup_epochs=2, rate="epoch")
    steps = stage_steps(stage, per_epoch)
    found = [learning_rate(stage, s, steps, per_epoch, 256) for s in range(steps)]
    for before, (step, after) in zip(found, list(enumerate(found))[1:], strict=False):
        new_epoch = math.floor(step / per_epoch) > math.floor((step - 1) / per_epoch)
        assert new_epoch or before == after
    # 0 and 1 of the warm-up and 2, which begins the cosine at its peak, then one each
    assert len(set(found)) == math.ceil(steps / per_epoch) - 1


def test_rate_by_step_counted():
    stage = Stage(name="s", steps=8, warmup_epochs=0.5, lr=1.0, lr_batch=None)
    found = [learning_rate(stage, s, 8, 4.0, 10) for s in range(8)]
    cosine = [0.5 * (1 + math.cos(math.pi * k / 7)) for k in range(6)]
    assert found == pytest.approx([0.5, 1.0, *cosine])


def test_a_steady_rate_counted():
    stage = Stage(name="s", steps=8, steady=0.5, warmup_epochs=0.5, lr=1.0, lr_batch=None)
    found = [learning_rate(stage, s, 8, 4.0, 10) for s in range(8)]
    assert found == pytest.approx([0.5, 1, 1, 1, *(0.5 * (1 + math.cos(math.pi * k / 5)) for k in range(4))])
    late = dataclasses.replace(stage, warmup_epochs=1.5)  # warm when the others begin to fall
    assert [learning_rate(late, s, 8, 4.0, 10) for s in range(8)] == pytest.approx(
        [(s + 1) / 6 for s in range(6)] + [1.0, 0.75]
    )


@given(steps=st.integers(10, 500), longer=st.floats(0.8, 3.0), steady=st.floats(0.1, 0.9))
def test_until_it_falls_the_rate_does_not_depend_on_the_length(steps, longer, steady):
    stage = Stage(name="s", steps=steps, steady=steady, warmup_epochs=0.3, lr=1.0, lr_batch=None)
    other = max(1, round(longer * steps))
    for step in range(int(min(steps, other) * steady)):
        assert learning_rate(stage, step, steps, 20.0, 10) == learning_rate(stage, step, other, 20.0, 10)


def test_rate_scales_with_the_batch():
    stage = Stage(name="s", steps=4, lr=0.5, lr_batch=100)
    assert learning_rate(stage, 0, 4, 4.0, 30) == pytest.approx(0.15)


@given(
    warmup=st.floats(0, 1), epochs=st.floats(0.2, 30), per_epoch=st.floats(0.3, 40),
    rate=st.sampled_from(["step", "epoch"]), steady=st.floats(0, 0.9),
)  # fmt: skip
def test_rates_are_positive_and_at_most_the_peak(warmup, epochs, per_epoch, rate, steady):
    shape = {"warmup_epochs": warmup * epochs, "steady": steady}
    stage = Stage(name="s", epochs=epochs, rate=rate, lr=2.0, lr_batch=None, **shape)
    steps = stage_steps(stage, per_epoch)
    found = [learning_rate(stage, s, steps, per_epoch, 1) for s in range(steps)]
    assert all(0 < r <= 2 for r in found)
    peak = found.index(max(found))
    assert found[:peak] == sorted(found[:peak])
    assert found[peak:] == sorted(found[peak:], reverse=True)


def test_lengths():
    assert steps_per_epoch(60_000, 1024, keep_short=True) == 59
    assert steps_per_epoch(60_000, 1024) == pytest.approx(58.59375)
    assert stage_steps(Stage(name="s", epochs=2), 58.59375) == 117
    assert stage_steps(Stage(name="s", epochs=0.001), 10) == 1
    assert stage_steps(Stage(name="s", steps=7), 10) == 7


@pytest.mark.parametrize(
    ("asked", "stage_asks", "n", "processes", "found"),
    [(32, None, 100, 1, 32), (32, 64, 100, 1, 64), (32, None, 20, 1, 20), (32, None, 21, 2, 20),
     (32, None, 100, 3, 30), (2, None, 100, 3, 3)],
)  # fmt: skip
def test_batch(asked, stage_asks, n, processes, found):
    stage = Stage(name="s", steps=1, batch_size=stage_asks)
    assert stage_batch(stage, small_config(stage, batch_size=asked), n, processes) == found


def test_annealed_dimension():
    stage = Stage(name="s", steps=101, dim=128, end_dim=2)
    found = [columns(stage, s, 101) for s in range(101)]
    assert (found[0], found[50], found[-1]) == (128, 65, 2)
    assert found == sorted(found, reverse=True)
    assert columns(stage, 0, 1) == 128  # a stage of one step; what is left is cut to 2 behind it
    assert {columns(Stage(name="s", steps=9, dim=5), s, 9) for s in range(9)} == {5}


def test_moving_temperature():
    stage = Stage(name="s", steps=5, temperature=4.0, end_temperature=0.25)
    found = [math.exp(log_temperature(stage, s, 5)) for s in range(5)]
    assert found == pytest.approx([4, 2, 1, 0.5, 0.25])
    assert log_temperature(Stage(name="s", steps=5, temperature=3.0), 4, 5) == pytest.approx(math.log(3))


@pytest.mark.parametrize("name", ["paper", "cosine", "tiny-imagenet"])
def test_shortened_presets_warm_up_for_a_tenth_at_most(name):
    from augmap.presets import make_config

    count = len(PRESETS[name].stages)
    for stage in make_config(name, epochs=[5] * count).stages:
        assert stage.warmup_epochs <= 0.5
    whole = make_config(name).stages
    assert [s.warmup_epochs for s in whole] == [s.warmup_epochs for s in PRESETS[name].stages]
