"""Measurements: what is timed, by which clock, and that nothing is changed by it."""

import numpy as np
import pytest
import torch
from runs import Small, cpu, small_config, stripes

from augmap.method import probe
from augmap.method.edges import AugmentationGraph
from augmap.method.probe import faster_precision, graph_seconds, projection_seconds, step_seconds
from augmap.method.sets import AUGMENTATIONS
from augmap.method.source import Source
from augmap.method.step import stage_loss
from augmap.method.weights import build_encoder
from augmap.stage import Stage

PIXELS = stripes(40)[0]
STAGE = Stage(name="s", steps=1, learn_temperature=True)
CONFIG = small_config(STAGE, batch_size=16)


def parts():
    graph = AugmentationGraph(Source(PIXELS, torch.device("cpu")), AUGMENTATIONS["natural"], 8)
    return build_encoder(CONFIG, PIXELS, Small()), graph


GRAPHS = dict.fromkeys(("float32", "bfloat16"), parts()[1])


class Ticks:
    """A clock of given durations; each reading ends one and is that at which the next begins."""

    def __init__(self, *durations):
        self.readings = list(np.repeat(np.cumsum([0.0, *durations]), 2)[1:])

    def __call__(self):
        return self.readings.pop(0)


def timed(*durations, **how):
    encoder, graph = parts()
    return step_seconds(encoder, STAGE, graph, CONFIG, fabric=cpu(), clock=Ticks(*durations), **how)


def test_the_median_without_the_first_step():
    assert timed(9.0, 0.5, 0.25, 0.75, seconds=3.0) == pytest.approx(0.5)


def test_until_the_time_is_over_and_at_least_four_steps():
    assert timed(9.0, 1.0, 2.0, 4.0, seconds=2.5) == pytest.approx(2.0)
    assert timed(0.5, 1.0, 2.0, 2.0, 8.0, 9.0, seconds=13.0) == pytest.approx(2.0)


def test_slow_steps_are_timed_once():
    assert timed(9.0, 5.0, seconds=1.0) == pytest.approx(5.0)


@pytest.mark.parametrize(("most", "taken"), [(1, 2), (2, 2), (3, 3)])
def test_no_longer_than_the_run_itself(most, taken, monkeypatch):
    made = []
    monkeypatch.setattr(probe, "stage_loss", lambda *a: made.append(1) or stage_loss(*a))
    assert timed(9.0, 1.0, 1.0, 1.0, seconds=1e9, most=most) == pytest.approx(1.0)
    assert len(made) == taken


def test_large_images_are_timed_on_fewer(monkeypatch):
    seen = []
    monkeypatch.setattr(probe, "project", lambda encoder, pixels, **k: seen.append(len(pixels)))
    for edge, few in ((32, 512), (96, 128), (1024, 32)):
        many = np.broadcast_to(np.zeros((1, edge, edge, 1), np.uint8), (5120, edge, edge, 1))
        projection_seconds(parts()[0], many, torch.device("cpu"))
        assert seen[-1] == few


def test_where_reading_the_clock_costs_several_steps_are_timed_together(monkeypatch):
    made = []
    monkeypatch.setattr(probe, "stage_loss", lambda *a: made.append(1) or stage_loss(*a))
    monkeypatch.setitem(probe._TOGETHER, "cpu", 3)
    assert timed(9.0, 1.5, 0.75, 2.25, seconds=3.0) == pytest.approx(0.5)
    assert len(made) == 1 + 3 * 3


def test_nothing_is_changed():
    encoder, graph = parts()
    encoder.eval().requires_grad_(False)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    state = torch.random.get_rng_state()
    assert step_seconds(encoder, STAGE, graph, CONFIG, fabric=cpu(), seconds=0.01) > 0
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not encoder.training
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("wide", "low", "found"), [(1.0, 0.9, "bfloat16"), (1.0, 0.96, "float32")])
def test_half_precision_must_be_worth_it(wide, low, found, monkeypatch):
    seconds = {"float32": wide, "bfloat16": low}
    monkeypatch.setattr(probe, "step_seconds", lambda *a, precision, **k: seconds[precision])
    assert faster_precision(parts()[0], STAGE, GRAPHS, CONFIG, cpu(), seconds=1.0) == found


def test_the_precision_asked_for_is_timed(monkeypatch):
    seen = []
    contrast = probe.stage_loss
    monkeypatch.setattr(
        probe, "stage_loss", lambda z, *rest: (seen.append(network_dtype()), contrast(z, *rest))[1]
    )
    dtypes = []
    encoder, graph = parts()
    encoder.backbone.register_forward_hook(lambda module, x, h: dtypes.append(h.dtype))
    network_dtype = lambda: dtypes[-1]  # noqa: E731
    for precision in ("float32", "bfloat16"):
        step_seconds(encoder, STAGE, graph, CONFIG, fabric=cpu(), seconds=0.001, precision=precision)
    assert seen[0] == torch.float32
    assert seen[-1] == torch.bfloat16


def test_projections_grow_with_the_images(monkeypatch):
    monkeypatch.setattr(probe, "_timed", lambda work: (work(), 2.0)[1])
    assert projection_seconds(parts()[0], PIXELS, torch.device("cpu")) == pytest.approx(2.0)
    many = np.broadcast_to(PIXELS[:1], (5120, 8, 8, 1))
    assert projection_seconds(parts()[0], many, torch.device("cpu")) == pytest.approx(20.0)


def test_graphs(monkeypatch):
    # a search for one image, for 512; again; a step of the layout; its weights
    times = iter([1.0, 3.0, 1.0, 3.0, 0.25, 0.5])
    monkeypatch.setattr(probe, "_timed", lambda work: (work(), next(times))[1])
    assert graph_seconds(5.0, Stage(name="s", steps=1), 4096, 8, settle=True) == 0
    near = Stage(name="s", steps=1, edges="neighbors", train="head")
    # 512 of 4,096 images were searched for, after a projection and one more pass for the statistics
    assert graph_seconds(5.0, near, 4096, 8, settle=True) == pytest.approx(10 + 1 + 2 * 8)
    laid = Stage(name="s", steps=1, edges="layout", train="head", layout_passes=10)
    assert graph_seconds(5.0, laid, 4096, 8, settle=False) == pytest.approx(5 + 1 + 2 * 8 + 10 * 0.25 + 0.5)


def test_a_layout_of_many_is_timed_on_some(monkeypatch):
    monkeypatch.setattr(probe, "_PLACES", 1024)
    times = iter([1.0, 3.0, 0.25, 0.5])
    monkeypatch.setattr(probe, "_timed", lambda work: (work(), next(times))[1])
    laid = Stage(name="s", steps=1, edges="layout", train="head", layout_passes=10)
    assert graph_seconds(5.0, laid, 4096, 8, settle=True) == pytest.approx(10 + 17 + (10 * 0.25 + 0.5) * 4)


def test_as_many_neighbours_are_searched_among_more_points(monkeypatch):
    monkeypatch.setattr(probe, "_NEIGHBORS", 1024)
    times = iter([1.0, 3.0])
    monkeypatch.setattr(probe, "_timed", lambda work: (work(), next(times))[1])
    near = Stage(name="s", steps=1, edges="neighbors", train="head")
    assert graph_seconds(5.0, near, 4096, 8, settle=False) == pytest.approx(5 + (1 + 2 * 8) * 4)


def test_no_more_are_laid_out_than_that(monkeypatch):
    monkeypatch.setattr("augmap.method.fitted.LAID_OUT", 2048)
    laid = Stage(name="s", steps=1, edges="layout", train="head", layout_passes=10)
    for n, passes in ((4096, 2), (1_000_000, 1.01)):
        times = iter([1.0, 3.0, 0.25, 0.5])
        monkeypatch.setattr(probe, "_timed", lambda work, times=times: (work(), next(times))[1])
        found = graph_seconds(5.0, laid, n, 8, settle=True)
        assert found == pytest.approx(5 * passes + 1 + 2 * 4 + 10 * 0.25 + 0.5)


def test_the_shortest_of_three_times_counts(monkeypatch):
    ticks = iter([0.0, 0.5, 1.0, 1.2, 2.0, 2.7, 3.0, 4.5])
    monkeypatch.setattr(probe.time, "perf_counter", lambda: next(ticks))
    assert probe._timed(lambda: None) == pytest.approx(0.2)
    assert probe._timed(lambda: None) == 1.5  # what takes long is not repeated


@pytest.mark.parametrize(("affinity", "weighing"), [("even", 0.0), ("fuzzy", 0.25 * 8)])
def test_a_graph_of_pixels(affinity, weighing, monkeypatch):
    """One query in 2 s, which is preparation; 512 in 5 s; so 4,096 images take 8 times the 3 s between."""
    times = iter([2.0, 5.0, 0.25])
    monkeypatch.setattr(probe, "_timed", lambda work: (work(), next(times))[1])
    stage = Stage(name="s", steps=1, edges="pixels", affinity=affinity)
    # no projection: the encoder has no say in it
    assert graph_seconds(1e9, stage, 4096, 12, settle=True) == pytest.approx(2 + 3 * 8 + weighing)


@pytest.mark.parametrize(("too_large", "found"), [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_what_does_not_fit_is_not_fast(too_large, found, monkeypatch):
    def seconds(*a, precision, **k):
        if precision == too_large:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    monkeypatch.setattr(probe, "step_seconds", seconds)
    assert faster_precision(parts()[0], STAGE, GRAPHS, CONFIG, cpu(), seconds=1.0) == found


def test_a_measurement_goes_through_the_images_and_begins_again(monkeypatch):
    encoder, graph = parts()
    seen = []
    take = graph.source.take
    graph.source.take = lambda index: (seen.append(index.tolist()), take(index))[1]
    monkeypatch.setattr(probe, "_SLOW", 1e18)
    step_seconds(encoder, STAGE, graph, CONFIG, fabric=cpu(), seconds=1e-9)
    assert [len(batch) for batch in seen] == [16] * 4
    assert len({*seen[0], *seen[1]}) == 32
    assert seen[2] == seen[0]
