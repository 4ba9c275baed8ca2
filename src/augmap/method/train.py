"""The method on one page: stages of contrastive training over the edges of a graph.

An encoder sees two ends of each edge, for t-SimCNE two augmented views of one image, and learns to place
them close together and everything else of the batch elsewhere. Each stage has its own dimension, kernel,
rate and set of trained weights; for t-SimCNE these are 128 dimensions, a new last layer, two dimensions.

References
----------
Böhm, Berens & Kobak, "Unsupervised visualization of image datasets using contrastive learning", ICLR 2023,
https://arxiv.org/abs/2210.09879
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import Tensor

from augmap.config import Config
from augmap.method import checkpoint
from augmap.method.batchnorm import synchronise, unsynchronise
from augmap.method.checkpoint import Checkpoint, under
from augmap.method.edges import Edges, LayoutGraph, Part
from augmap.method.encoder import CUSTOM, Encoder
from augmap.method.order import Order
from augmap.method.plan import (
    HURRY,
    PROBE_SHARE,
    Planner,
    lay_out,
    review,
    review_step,
    shortened,
)
from augmap.method.probe import step_seconds
from augmap.method.schedule import (
    columns,
    learning_rate,
    log_temperature,
    stage_batch,
    stage_steps,
    steps_per_epoch,
)
from augmap.method.seeds import chance, generator
from augmap.method.step import (
    make_kernel,
    make_optimizer,
    set_rate,
    set_trained,
    share_temperature,
    stage_loss,
)
from augmap.method.threads import TRIAL_SECONDS
from augmap.method.watch import Span, StageWatch, Watch
from augmap.stage import Stage

MakeEdges = Callable[[Stage, Encoder, Mapping[str, Tensor] | None], Edges]
"""Makes the graph of a stage, or makes it again from what a checkpoint kept of it."""


@dataclass(eq=False)
class Run:
    """A training run between two steps: all that a checkpoint has to hold."""

    encoder: Encoder
    stages: list[Stage]
    number: int = 0
    """Of the stage."""
    step: int = 0
    """Steps of that stage which are done."""
    losses: Sequence[float] = ()
    """Of the epoch under way."""
    hurry: float | None = None
    """Seconds that each stage to come may take, after a wish for an early end."""
    resumed: Checkpoint | None = None
    keep: Callable[[Run, dict[str, Tensor]], None] = lambda run, tensors: None
    """Writes a checkpoint of the run and these tensors."""


def train(
    run: Run, config: Config, edges: MakeEdges, fabric: Fabric, watch: Watch, planner: Planner | None = None
) -> tuple[Stage, ...]:
    """Train ``run.encoder`` in place, through all stages.

    Parameters
    ----------
    run : Run
        Where to begin: the first stage, or where a checkpoint stands.
    config : Config
        Resolved: batch size and precision are what is used.
    edges : callable
        Makes the graph of each stage.
    planner : Planner, optional
        Gives stages that have a share of the time their number of steps.

    Returns
    -------
    tuple of Stage
        The stages as they were run; training with them again gives the same bits on the same CPU.

    Raises
    ------
    TrainingError
        The loss is no longer finite.
    Stopped
        On a wish to stop, behind a checkpoint.
    """
    encoder, resumed = run.encoder, run.resumed
    for number in range(run.number, len(run.stages)):
        stage = run.stages[number]
        if resumed is None:
            renew(encoder, stage, generator(config.seed, "layer", number))
        encoder.move(fabric.device)
        graph = edges(stage, encoder, None if resumed is None else under("edges.", resumed.tensors))
        if resumed is None:
            place_anchors(encoder, stage, graph, generator(config.seed, "anchors", number))
        n = len(graph.source)
        batch = stage_batch(stage, config, n, fabric.world_size)
        per_epoch = steps_per_epoch(n, batch, keep_short=config.keep_short_batch)
        hurry_up(run, watch, len(run.stages) - number)
        hurried = run.hurry if resumed is None else None
        step = math.nan
        if stage.share is not None or hurried is not None or watch.threads.free:
            measure = partial(step_seconds, encoder, stage, graph, config, fabric=fabric, between=watch.check)
            step = watch.threads.settle(measure, _probe_seconds(planner, hurried), stage.name, run.step)
        deadline = None
        if planner is not None:
            if stage.share is not None:
                stage = lay_out(planner, run.stages, number, step, per_epoch, fabric)
            deadline = planner.deadline(run.stages, number, run.step)
        if hurried is not None:
            stage = shortened(stage, hurried, step, per_epoch)
        assert stage.share is None, "a stage with a share needs a planner"
        run.stages[number], run.number = stage, number
        span = Span(
            stage=stage,
            number=number,
            stages=len(run.stages),
            steps=stage.stop or stage_steps(stage, per_epoch),
            per_epoch=per_epoch,
            batch=batch,
            start=run.step,
            losses=run.losses,
            deadline=deadline,
        )
        again = None
        if planner is not None and planner.laid_out(stage) and run.hurry is None:
            again = partial(_planned_again, planner, run.stages, fabric)
        _train_stage(run, config, graph, fabric, watch, span, again)
        if graph.unit != 1:
            encoder.scale_last(graph.unit)
        if stage.end_dim is not None:
            encoder.keep_columns(stage.end_dim)
        run.number, run.step, run.losses, run.resumed, resumed = number + 1, 0, (), None, None
    return tuple(run.stages)


def _train_stage(
    run: Run,
    config: Config,
    graph: Edges,
    fabric: Fabric,
    watch: Watch,
    span: Span,
    again: Callable[[Span, int, float], Span] | None = None,
) -> None:
    """Run one stage from ``span.start`` on; where it ends early, ``run`` says so.

    ``again`` gives it another length while its rate is steady, from the steps done and the seconds of one.
    """
    encoder, stage = run.encoder, span.stage
    similarity = make_kernel(stage).to(fabric.device)
    if fabric.world_size > 1:
        synchronise(encoder)
    network = set_trained(encoder, stage, graph)
    optimizer = make_optimizer(network, similarity, stage, low=config.precision == "bfloat16")
    if run.resumed is not None:
        checkpoint.restore(run.resumed.tensors, encoder, similarity, optimizer)

    def end(done: int) -> None:
        """Take down that the stage has ended, perhaps early: a run that is resumed does not go on with it."""
        if done < span.steps:
            run.stages[span.number] = dataclasses.replace(stage, stop=done)
        hurry_up(run, watch, len(run.stages) - span.number - 1)

    def keep(done: int, losses: Sequence[float], ended: bool) -> None:
        if ended:
            end(done)
        run.step, run.losses = done, losses
        tensors = checkpoint.capture(encoder, similarity, optimizer)
        run.keep(run, tensors | {f"edges.{name}": tensor for name, tensor in graph.kept.items()})

    look = StageWatch(watch, span, keep)
    wrapped, stepper = fabric.setup(network, optimizer)
    order = Order(
        len(graph.source), span.batch, seed=config.seed, stage=span.number, keep_short=config.keep_short_batch
    )
    total = stage_steps(stage, span.per_epoch)
    due = None if again is None else review_step(stage)

    def batches() -> Iterator[tuple[Tensor, torch.Generator]]:
        for step in itertools.count(span.start):
            if step >= span.steps:
                return
            yield order.batch(step), generator(config.seed, "views", span.number, step)

    part = Part(fabric.global_rank, fabric.world_size)
    for step, (inputs, places) in enumerate(graph.pairs(batches(), part), span.start):  # (2b, c, s, s)
        rate = learning_rate(stage, step, total, span.per_epoch, span.batch)
        set_rate(optimizer, rate)
        if stage.end_temperature is not None:
            similarity.log_temperature = log_temperature(stage, step, total)
        with _computing(config, fabric, span.number, step):
            z = wrapped(inputs)  # (2b, d)
        if stage.end_dim is not None:
            z = z[:, : columns(stage, step, total)]
        loss = stage_loss(z, places, similarity, stage, encoder.head.anchors)
        fabric.backward(loss)
        share_temperature(similarity)
        if stage.clip_norm is not None:
            fabric.clip_gradients(wrapped, stepper, max_norm=stage.clip_norm, error_if_nonfinite=False)
        stepper.step()
        stepper.zero_grad()
        if look.after(step, loss, rate):
            break
        if again is not None and due is not None and due <= look.done <= stage.steady * total and look.pace:
            look.span = span = again(span, look.done, look.pace)
            stage, total, due = span.stage, span.steps, None
    end(look.done)
    if fabric.world_size > 1:
        unsynchronise(encoder)


def _planned_again(
    planner: Planner, stages: list[Stage], fabric: Fabric, span: Span, done: int, seconds: float
) -> Span:
    """Return a span with the length that the pace of its first steps allows."""
    stage = review(planner, stages, span.number, done, seconds, span.per_epoch, fabric)
    stages[span.number] = stage
    assert stage.steps is not None
    deadline = planner.deadline(stages, span.number, done)
    return dataclasses.replace(span, stage=stage, steps=stage.steps, deadline=deadline)


@contextlib.contextmanager
def _computing(config: Config, fabric: Fabric, *key: int) -> Iterator[None]:
    """Compute in the configuration's precision; what layers of the user's network draw depends on ``key``."""
    with contextlib.ExitStack() as stack:
        low = config.precision == "bfloat16"
        stack.enter_context(torch.autocast(fabric.device.type, torch.bfloat16, enabled=low))
        if config.backbone == CUSTOM:  # it may have dropout
            stack.enter_context(chance(fabric.device, config.seed, "network", *key, fabric.global_rank))
        yield


def _probe_seconds(planner: Planner | None, hurried: float | None) -> float:
    """Return how long a measurement of the pace may take."""
    if hurried is not None:
        return PROBE_SHARE * hurried
    return planner.probe_seconds if planner is not None else TRIAL_SECONDS


def hurry_up(run: Run, watch: Watch, left: int) -> None:
    """After a wish for an early end, give the ``left`` stages to come a short time."""
    if watch.control is not None and watch.control.taken():
        run.hurry = HURRY * watch.seconds / max(1, left)


def renew(encoder: Encoder, stage: Stage, random: torch.Generator) -> None:
    """Replace what the stage wants new: the last layer, or the whole head."""
    if stage.new_layer == "last":
        encoder.replace_last(stage.dim, std=stage.new_layer_std, generator=random)
    elif stage.new_layer == "head":
        encoder.replace_head(
            stage.dim,
            hidden=stage.hidden,
            norm=stage.norm,
            on_sphere=stage.on_sphere,
            anchors=stage.anchors,
            std=stage.new_layer_std,
            generator=random,
        )


def place_anchors(encoder: Encoder, stage: Stage, graph: Edges, random: torch.Generator) -> None:
    """Put the anchors of a stage that has them onto some places of its layout."""
    if stage.anchors is not None:
        assert encoder.head.anchors is not None
        assert isinstance(graph, LayoutGraph)
        encoder.head.anchors.put(graph.some(stage.anchors, random))
