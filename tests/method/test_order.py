"""Every epoch shows every image once, no batch shows one twice, and a step knows its batch by itself."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from augmap.method.order import Order

sizes = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


def batches(n, batch, steps, **options):
    order = Order(n, batch, **{"seed": 3, "stage": 0, **options})
    return [order.batch(step) for step in range(steps)]


@given(sizes)
def test_carried_across_epochs(size):
    n, batch = size
    epochs = 5
    shown = batches(n, batch, -(-epochs * n // batch))
    assert {len(b) for b in shown} == {batch}
    assert all(len(set(b.tolist())) == batch for b in shown), "an image twice in a batch"
    stream = torch.cat(shown)
    for epoch in range(epochs):
        assert sorted(stream[epoch * n : (epoch + 1) * n].tolist()) == list(range(n))


@given(sizes)
def test_short_batch_kept(size):
    n, batch = size
    per_epoch = -(-n // batch)
    shown = batches(n, batch, 3 * per_epoch, keep_short=True)
    for epoch in range(3):
        own = shown[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert [len(b) for b in own] == [batch] * (n // batch) + [n % batch] * (n % batch > 0)
        assert sorted(torch.cat(own).tolist()) == list(range(n))


@given(sizes, st.lists(st.integers(0, 30), min_size=1, max_size=8), st.booleans())
def test_any_step_in_any_order(size, steps, keep_short):
    n, batch = size
    straight = batches(n, batch, 31, keep_short=keep_short)
    order = Order(n, batch, seed=3, stage=0, keep_short=keep_short)
    for step in steps:
        assert torch.equal(order.batch(step), straight[step])


@pytest.mark.parametrize("change", [{"seed": 4}, {"stage": 1}])
def test_seed_and_stage_matter(change):
    ours, other = torch.cat(batches(50, 7, 20)), torch.cat(batches(50, 7, 20, **change))
    assert not torch.equal(ours, other)


def test_epochs_differ_and_are_shuffled():
    first, second = batches(50, 50, 2)
    assert not torch.equal(first, second)
    assert not torch.equal(first, torch.arange(50))
    # images meet evenly: over many epochs each stands anywhere
    places = torch.stack([b.argsort() for b in batches(20, 20, 400)]).float()
    assert (places.mean(0) - 9.5).abs().max() < 1.2  # sd of a mean of 400 is 0.29


def test_a_batch_of_more_than_all_is_ours_to_prevent():
    with pytest.raises(AssertionError, match=r"\(6, 5\)"):
        Order(5, 6, seed=0, stage=0)
