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

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor

from augmap.config import Config, Stage
from augmap.method import checkpoint
from augmap.method.batchnorm import synchronise, unsynchronise
from augmap.method.checkpoint import Checkpoint
from augmap.method.edges import Edges
from augmap.method.encoder import Encoder
from augmap.method.order import Order
from augmap.method.plan import Planner
from augmap.method.probe import step_seconds
from augmap.method.schedule import columns, learning_rate, stage_steps, steps_per_epoch
from augmap.method.seeds import generator
from augmap.method.step import contrast, make_kernel, make_optimizer, set_rate, set_trained, share_temperature
from augmap.method.watch import Span, StageWatch, Watch

MakeEdges = Callable[[Stage, Encoder, Tensor | None], Edges]
"""Makes the graph of a stage; the tensor is the table of neighbours that a checkpoint kept."""


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
        The stages as they were run; training with them again gives the same bits on the same machine.

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
        encoder.to(fabric.device, memory_format=torch.channels_last)
        graph = edges(stage, encoder, None if resumed is None else resumed.tensors.get("edges.neighbors"))
        n, batch = len(graph.source), min(stage.batch_size or config.batch_size, len(graph.source))
        per_epoch = steps_per_epoch(n, batch, keep_short=config.keep_short_batch)
        if stage.share is not None:
            assert planner is not None, "a stage with a share needs a planner"
            seconds = fabric.broadcast(step_seconds(encoder, stage, graph, config))
            stage = fabric.broadcast(planner.lay_out(tuple(run.stages), number, seconds, per_epoch))
        deadline = planner.deadline(tuple(run.stages), number) if planner and config.budget else None
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
        done = _train_stage(run, config, graph, fabric, StageWatch(watch, span), span)
        if stage.end_dim is not None:
            encoder.keep_columns(stage.end_dim)
        if done < span.steps:
            run.stages[number] = dataclasses.replace(stage, stop=done)
        run.step, run.losses, run.resumed, resumed = 0, (), None, None
    return tuple(run.stages)


def _train_stage(
    run: Run, config: Config, graph: Edges, fabric: Fabric, watch: StageWatch, span: Span
) -> int:
    """Run one stage from ``span.start`` on; return the number of steps that are done in the end."""
    encoder, stage = run.encoder, span.stage
    similarity = make_kernel(stage).to(fabric.device)
    if fabric.world_size > 1:
        synchronise(encoder)
    network = set_trained(encoder, stage, graph)
    optimizer = make_optimizer(network, similarity, stage)
    if run.resumed is not None:
        checkpoint.restore(run.resumed.tensors, encoder, similarity, optimizer)

    def keep(done: int, losses: Sequence[float]) -> None:
        run.step, run.losses = done, losses
        tensors = checkpoint.capture(encoder, similarity, optimizer)
        table = getattr(graph, "neighbors", None)
        run.keep(run, tensors if table is None else {**tensors, "edges.neighbors": table})

    watch.watch.keep = keep
    wrapped, stepper = fabric.setup(network, optimizer)
    share = span.batch // fabric.world_size
    part = slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)
    order = Order(
        len(graph.source), span.batch, seed=config.seed, stage=span.number, keep_short=config.keep_short_batch
    )
    total = stage_steps(stage, span.per_epoch)

    def batches() -> Iterator[tuple[Tensor, torch.Generator]]:
        for step in range(span.start, span.steps):
            batch = order.batch(step)
            yield (
                batch[: len(batch) // fabric.world_size * fabric.world_size],
                generator(config.seed, "views", span.number, step),
            )

    for step, inputs in enumerate(graph.pairs(batches(), part), span.start):  # (2b, c, s, s)
        rate = learning_rate(stage, step, total, span.per_epoch, span.batch)
        set_rate(optimizer, rate)
        with torch.autocast(fabric.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            z = wrapped(inputs)[:, : columns(stage, step, total)]  # (2b, d)
        loss = contrast(z.unflatten(0, (2, -1)), similarity, stage, fabric)
        fabric.backward(loss)
        share_temperature(similarity, fabric)
        if stage.clip_norm is not None:
            fabric.clip_gradients(wrapped, stepper, max_norm=stage.clip_norm)
        stepper.step()
        stepper.zero_grad()
        if watch.after(step, loss, rate):
            break
    if fabric.world_size > 1:
        unsynchronise(encoder)
    return watch.done


def renew(encoder: Encoder, stage: Stage, random: torch.Generator) -> None:
    """Replace what the stage wants new: the last layer, or the whole head."""
    if stage.new_layer == "last":
        encoder.replace_last(stage.dim, std=stage.new_layer_std, generator=random)
    elif stage.new_layer == "head":
        encoder.replace_head(
            stage.dim, hidden=stage.hidden, norm=stage.norm, std=stage.new_layer_std, generator=random
        )
