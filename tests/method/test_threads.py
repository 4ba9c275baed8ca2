"""The number of threads: the fastest at first, fewer beside other work, more again when that is over."""

import math

import pytest
import torch
from runs import Small, cpu, small_config, stripes

from augmap.config import Runtime
from augmap.method.launch import launch
from augmap.method.prepare import make_threads
from augmap.method.run import Task
from augmap.method.sets import AUGMENTATIONS
from augmap.method.threads import LOOK, SLOWER, WAITS, Threads, ladder
from augmap.stage import Stage


@pytest.fixture(autouse=True)
def as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Machine:
    """Steps by the clock: alone 4 threads take a quarter, beside another program 200 times as long."""

    def __init__(self, most=4, **options):
        self.now, self.busy, self.step, self.said, self.limits = 0.0, False, 0, [], []
        self.threads = Threads(ladder(most), say=self.said.append, clock=lambda: self.now, **options)

    @property
    def seconds(self):
        count = torch.get_num_threads()
        return 50.0 if self.busy and count == self.threads.counts[-1] and count > 1 else 1 / count

    def settle(self):
        def measure(*, seconds, limit):
            self.limits.append((seconds, limit))
            return self.seconds

        return self.threads.settle(measure, 6.0, "map", self.step)

    def run(self, steps):
        taken = 0.0
        for _ in range(steps):
            seconds = self.seconds
            self.now += seconds
            taken += seconds
            self.step += 1
            self.threads.after(seconds, "map", self.step)
        return taken


def test_numbers_to_choose_from():
    assert [ladder(n) for n in (1, 2, 3, 4, 16)] == [[1], [1, 2], [1, 3], [1, 2, 4], [1, 8, 16]]


def test_alone_all_threads():
    machine = Machine()
    assert machine.settle() == 0.25
    assert torch.get_num_threads() == 4
    assert machine.limits == [(2.0, math.inf), (2.0, 3.0), (2.0, 1.5)]
    assert machine.run(1000) == 250.0
    assert machine.threads.changes == [{"stage": "map", "step": 0, "threads": 4}]
    assert machine.said == []


def test_beside_other_work_fewer_from_the_beginning():
    machine = Machine()
    machine.busy = True
    assert machine.settle() == 0.5
    assert torch.get_num_threads() == 2
    assert machine.said == ["training on 2 of 4 threads: more are slower beside what else runs"]


def test_other_work_that_begins_costs_one_step_and_one_in_each_trial():
    machine = Machine()
    machine.settle()
    machine.run(100)
    machine.busy = True
    assert machine.run(1) == 50.0
    assert torch.get_num_threads() == 2
    before, steps = machine.now, 2000
    machine.run(steps)
    tries = math.floor(math.log2((machine.now - before) / WAITS[0]))
    assert machine.now - before == pytest.approx(0.5 * steps + 50.0 * tries, rel=0.06)
    assert [c["threads"] for c in machine.threads.changes] == [4] + [2, 4] * tries + [2]
    assert len(machine.said) == 1


def test_all_threads_again_when_the_other_work_is_over():
    machine = Machine()
    machine.settle()
    machine.busy = True
    machine.run(10)
    assert torch.get_num_threads() == 2
    machine.busy = False
    machine.run(round(2 * WAITS[0] / 0.5))
    assert torch.get_num_threads() == 4


def test_a_machine_that_becomes_slower_as_a_whole_goes_back_to_all_threads():
    class Hot(Machine):
        heat = 1.0

        @property
        def seconds(self):
            return self.heat / torch.get_num_threads()

    machine = Hot(2)
    machine.settle()
    machine.heat = 3.0  # two threads now take longer than one did
    machine.run(LOOK)
    assert torch.get_num_threads() == 1
    machine.run(round(1.5 * WAITS[0] / 3.0))
    assert torch.get_num_threads() == 2


def test_more_threads_that_bring_nothing_are_left_again():
    class Flat(Machine):
        @property
        def seconds(self):
            return 0.2 if torch.get_num_threads() == 2 else 0.21

    machine = Flat()
    assert machine.settle() == 0.2
    machine.run(round(1.5 * WAITS[0] / 0.2))
    assert [c["threads"] for c in machine.threads.changes] == [2, 4, 2]


def test_a_little_slower_is_no_reason_to_change():
    machine = Machine(2)
    machine.settle()
    seconds = 0.99 * SLOWER
    for _ in range(100):
        machine.threads.after(seconds, "map", 1)
    assert torch.get_num_threads() == 2
    for _ in range(LOOK):
        machine.threads.after(1.01 * SLOWER, "map", 1)
    assert torch.get_num_threads() == 1


def test_a_number_alone_is_never_changed():
    torch.set_num_threads(2)
    threads = Threads([2])
    assert threads.settle(lambda seconds, limit: seconds, 6.0, "map", 0) == 6.0
    for _ in range(100):
        threads.after(1e9, "map", 1)
    assert torch.get_num_threads() == 2
    assert threads.changes == []


def test_a_resumed_run_keeps_its_number_unless_another_is_much_faster():
    before = [{"stage": "map", "step": 0, "threads": 2}]
    machine = Machine(2, changes=[{"stage": "map", "step": 0, "threads": 1}])
    assert torch.get_num_threads() == 1  # at once: the checkpoint is compared by it
    machine.settle()
    assert torch.get_num_threads() == 2
    Machine(3, changes=[{"stage": "map", "step": 0, "threads": 4}])
    assert torch.get_num_threads() == 2  # 4 is not one of those to choose from
    close = Threads([2, 3], changes=before)
    close.settle(lambda seconds, limit: 1.1 if torch.get_num_threads() == 2 else 1.0, 6.0, "map", 9)
    assert torch.get_num_threads() == 2
    assert close.changes == before


def task(runtime=None, precision="auto", **stage):
    budget = 60.0 if "share" in stage else None
    config = small_config(Stage(name="map", **(stage or {"epochs": 1})), precision=precision, budget=budget)
    return Task(
        pixels=stripes(40)[0], config=config, runtime=runtime or Runtime(device="cpu"), backbone=Small(),
        augmentation=AUGMENTATIONS["natural"],
    )  # fmt: skip


def test_it_is_chosen_where_something_else_is_left_to_a_measurement_too():
    torch.set_num_threads(2)

    def counts(*args, **settings):
        asked = task(*args, **settings)
        return make_threads(asked.config, asked.runtime.threads, None, cpu(), print).counts

    assert counts() == [1, 2]
    assert counts(precision="float32", share=1.0) == [1, 2]
    assert counts(precision="float32") == [2]  # all is said: the bits are to be met again
    assert counts(Runtime(device="cpu", threads=2)) == [2]


def test_a_run_says_which_it_used():
    torch.set_num_threads(2)
    outcome = launch(task())
    changes = outcome.history["thread_changes"]
    assert changes
    assert changes[0]["step"] == 0
    assert changes[-1]["threads"] == outcome.history["threads"]
    assert torch.get_num_threads() == 2  # as before
