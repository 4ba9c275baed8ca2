"""``augmap fit``: from images to a map."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augmap.errors import InputError, Interrupted

if TYPE_CHECKING:
    from augmap.imagemap import ImageMap


def fit(
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES",
            help="Folder, glob, .tar or .zip, .npz or .npy, CIFAR or idx files, or a known name (cifar10).",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MAP", help="Folder of the map.", show_default=False)
    ],
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Time to be ready in, such as 90s, 10m, 1.5h. [default: 20m, on a GPU 10m]"
        ),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(metavar="E,E,...", help="Passes over the images of each stage, in place of a budget."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="List of stages: quick, paper, paper-500, paper-1000, cosine, direct, annealed, "
            "tiny-imagenet, continue (from --init); baselines: simclr, parametric-tsne, parametric-umap, "
            "supervised. [default: quick, with --init continue]"
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Everything about the method from a file.")
    ] = None,
    dim: Annotated[int | None, typer.Option(min=1, help="Dimension of the map. [default: 2]")] = None,
    image_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="PX", help="Edge that images are brought to. [default: from the data]"),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="What the map shall not see: natural (photos), glyph (digits), symmetric (microscopy)."
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="slim, resnet18, resnet34 or resnet50. [default: slim, on a GPU resnet18]"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, help="Images a step. [default: the preset's]")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto, float32 or bfloat16 in the backbone. [default: the preset's]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, one per device.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines, started with torchrun.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads. [default: as many as are fastest]")
    ] = None,
    checkpoint_every: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="Between checkpoints.")
    ] = 300.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in MAP.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in MAP.")] = False,
    labels: Annotated[
        str,
        typer.Option(
            metavar="folder|FILE.csv|none",
            help="Labels to colour and judge by; only the preset supervised trains on them.",
        ),
    ] = "folder",
    only_split: Annotated[str | None, typer.Option(metavar="NAME", help="Only train, test or val.")] = None,
    init: Annotated[
        Path | None, typer.Option(metavar="MAP", help="Start from this map's encoder and keep its layout.")
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(metavar="review.csv", help="Leave out what was reviewed as drop.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at unreadable files instead of skipping.")
    ] = False,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="Skip images with more pixels.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Serve a page that shows the map forming, until Ctrl-C.")
    ] = False,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="With --watch: print the address; open no browser.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the pixel stores.")] = None,
) -> None:
    """Train an encoder on images, without labels, and save the map."""
    from augmap.api import fit as fit_map
    from augmap.cli.progress import Progress
    from augmap.cli.words import command, duration, quality

    if no_open and not watch:
        raise InputError("--no-open belongs to --watch; give both, or leave it out")
    if watch and (devices > 1 or nodes > 1):
        raise InputError("a run in several processes cannot be watched; leave out --watch, or train on one")
    with Progress() as progress, contextlib.ExitStack() as page:
        watched = None
        if watch:
            from augmap.cli.watched import Watched

            watched = page.enter_context(Watched(output, device=device, open_browser=not no_open))
            progress.say(f"watch it at {watched.address}")
        try:
            made = fit_map(
                images,
                output=output,
                budget=budget,
                epochs=None if epochs is None else parse_epochs(epochs),
                preset=preset,
                config=config,
                dim=dim,
                image_size=image_size,
                augment=augment,
                backbone=backbone,
                batch_size=batch_size,
                precision=precision,
                seed=seed,
                device=device,
                devices=devices,
                nodes=nodes,
                threads=threads,
                checkpoint_every=checkpoint_every or None,
                resume=resume,
                overwrite=overwrite,
                labels=labels,
                only_split=only_split,
                init=init,
                exclude=exclude,
                strict=strict,
                max_pixels=max_pixels,
                cache=cache,
                listeners=[progress.listen],
                audience=watched.audience if watched else None,
                say=progress.say,
                progress=progress.work,
            )
        except Interrupted as stopped:
            again = command("augmap", "fit", images, "-o", output, "...", "--resume")
            raise Interrupted(f"{stopped} ({again})") from None
        if watched is not None:
            watched.finished(made)
    from augmap.method.launch import leads

    if not leads():
        return
    for line in skipped_lines(made):
        print(line)
    print(f"{output}: {made.n:,} images in {made.dim}-D, {duration(made.info['seconds'])}")
    if made.info["quality"]:
        print(quality(made.info["quality"]))
    if watched is not None:
        print(f"the page stays at {watched.address}", flush=True)
        watched.wait()


def parse_epochs(text: str) -> list[float]:
    """Return the numbers of ``"1000,50,450"``."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--epochs takes numbers separated by commas (1000,50,450), got {text!r}") from None


def skipped_lines(made: ImageMap, show: int = 3) -> list[str]:
    """Say how many files were skipped, and name the first ones."""
    from augmap.cli.words import count

    if not made.skipped:
        return []
    lines = [f"{count(len(made.skipped), 'file')} skipped, all listed in skipped.csv:"]
    lines += [f"  {name!r}: {reason}" for name, reason in made.skipped[:show]]
    return lines
