"""``augmap baseline``: a map by a method that ours is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augmap.errors import InputError, Interrupted

if TYPE_CHECKING:
    from augmap.baselines.ablations import Arm


def baseline(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="pca, tsne, umap, simclr, simclr+tsne, simclr+umap, features+tsne, features+umap, "
            "parametric-tsne, parametric-umap, supervised; or ablations, which are four maps in a folder.",
            show_default=False,
        ),
    ],
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES", help="Folder, glob, archive, array file or known name.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MAP", help="Folder of the map.", show_default=False)
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in MAP.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Training: go on from the checkpoint in MAP.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    dim: Annotated[
        int | None, typer.Option(min=1, help="Dimension of the map. [default: 2, for simclr 128]")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Training: time to be ready in; of each ablation. [default: that of fit]"
        ),
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(metavar="E,E,...", help="Training: passes of each stage, not a budget.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="Training: see augmap fit.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Training: images a step.")] = None,
    augment: Annotated[str | None, typer.Option(help="Training: natural, glyph or symmetric.")] = None,
    precision: Annotated[str | None, typer.Option(help="Training: auto, float32 or bfloat16.")] = None,
    device: Annotated[str | None, typer.Option(help="Training, networks: auto, cpu, cuda or mps.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Training: CPU threads.")] = None,
    checkpoint_every: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Training: between checkpoints.")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(metavar="MAP", help="simclr+...: features of this SimCLR map instead of training."),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="features+...: .npy, .npz, .onnx, folder of a Hugging Face vision model, or hf:NAME.",
        ),
    ] = None,
    feature_size: Annotated[
        int | None, typer.Option(min=1, metavar="PX", help="Edge that an ONNX model takes.")
    ] = None,
    mean: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="Subtracted from pixels in [0, 1] for an ONNX model.")
    ] = None,
    std: Annotated[str | None, typer.Option(metavar="R,G,B", help="Divides them after that.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Distance of features: euclidean or cosine. [default: euclidean]")
    ] = None,
    pca: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Lay out K principal components.")
    ] = None,
    whitening: Annotated[
        float | None,
        typer.Option(metavar="P", help="Features: whiten them by a power from 0 to 1 before the layout."),
    ] = None,
    perplexity: Annotated[float | None, typer.Option(help="t-SNE. [default: 30]")] = None,
    exaggeration: Annotated[
        float | None, typer.Option(help="t-SNE: attraction after the early phase. [default: 1]")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="t-SNE: after the early phase. [default: 500]")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="t-SNE: threads. [default: OMP_NUM_THREADS or all cores]")
    ] = None,
    neighbors: Annotated[int | None, typer.Option(help="UMAP. [default: 15]")] = None,
    min_dist: Annotated[float | None, typer.Option(help="UMAP. [default: 0.1]")] = None,
    image_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="PX", help="Edge that images are brought to. [default: from the data]"),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="folder|FILE.csv|none", help="Labels to colour and judge by; supervised learns them."
        ),
    ] = "folder",
    only_split: Annotated[str | None, typer.Option(metavar="NAME", help="Only train, test or val.")] = None,
    exclude: Annotated[
        Path | None, typer.Option(metavar="review.csv", help="Leave out what was reviewed as drop.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at unreadable files instead of skipping.")
    ] = False,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="Skip images with more pixels.")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the pixel stores.")] = None,
) -> None:
    """Map images by another method: PCA, t-SNE, UMAP, SimCLR, their parametric kin, or with labels.

    An option that means nothing for NAME is refused.
    """
    from augmap.cli.progress import Progress
    from augmap.cli.words import command

    settings: dict[str, Any] = {
        "overwrite": overwrite,
        "seed": seed,
        "budget": budget,
        "backbone": backbone,
        "batch_size": batch_size,
        "augment": augment,
        "precision": precision,
        "device": device,
        "threads": threads,
        "checkpoint_every": checkpoint_every,
        "image_size": image_size,
        "labels": labels,
        "only_split": only_split,
        "exclude": exclude,
        "strict": strict,
        "max_pixels": max_pixels,
        "cache": cache,
    }
    of_one: dict[str, Any] = {
        "resume": resume or None,
        "dim": dim,
        "epochs": None if epochs is None else _numbers("epochs", epochs),
        "init": init,
        "features": features,
        "feature_size": feature_size,
        "mean": None if mean is None else _numbers("mean", mean),
        "std": None if std is None else _numbers("std", std),
        "metric": metric,
        "pca": pca,
        "whitening": whitening,
        "perplexity": perplexity,
        "exaggeration": exaggeration,
        "iterations": iterations,
        "jobs": jobs,
        "neighbors": neighbors,
        "min_dist": min_dist,
    }
    of_one = {k: v for k, v in of_one.items() if v is not None}
    with Progress() as progress:
        seen = {
            "listeners": [progress.listen],
            "say": progress.say,
            "progress": progress.work,
        }
        try:
            if name == "ablations":
                lines = _ablations(images, output, settings, of_one, seen)
            else:
                lines = _one(name, images, output, {**settings, **of_one}, seen)
        except Interrupted as stopped:
            if name == "ablations":  # which find their checkpoints without being told
                what = str(stopped).replace("go on with --resume", "the same command goes on")
                raise Interrupted(what) from None
            again = command("augmap", "baseline", name, images, "-o", output, "...", "--resume")
            raise Interrupted(f"{stopped} ({again})") from None
    print("\n".join(lines))


def _one(
    name: str, images: str, output: Path, options: Mapping[str, Any], seen: Mapping[str, Any]
) -> Sequence[str]:
    from augmap.baselines.baseline import baseline as make
    from augmap.cli.fit import skipped_lines
    from augmap.cli.words import duration, quality

    made = make(name, images, output=output, **options, **seen)
    took = duration(made.info["seconds"])
    lines = [
        *skipped_lines(made),
        f"{output}: {made.n:,} images in {made.dim}-D by {made.info['method']}, {took}",
    ]
    if made.info.get("quality"):
        lines.append(quality(made.info["quality"]))
    elif found := made.info.get("knn"):
        spread = f" ± {found['sd']:.1%}" if "sd" in found else ""
        lines.append(
            f"kNN accuracy {found['accuracy']:.1%}{spread} "
            f"(k={found['k']}, {found['n_train']:,} -> {found['n_test']:,} images, {found['split']})"
        )
    return lines


def _ablations(
    images: str,
    output: Path,
    options: Mapping[str, Any],
    of_one: Mapping[str, Any],
    seen: Mapping[str, Any],
) -> Sequence[str]:
    from augmap.baselines.ablations import ablations

    if of_one:
        option = next(iter(of_one)).replace("_", "-")
        raise InputError(
            f"{option} means nothing for ablations, which go on where they were stopped, at one budget for "
            f"each of four maps: leave --{option} out"
        )
    device = options["device"] or "auto"
    every = 300.0 if options["checkpoint_every"] is None else options["checkpoint_every"]
    made = ablations(images, output, **{**options, "device": device, "checkpoint_every": every}, **seen)
    return table(made)


def table(arms: Sequence[Arm]) -> list[str]:
    """Return the lines of a table: each arm with its time, its epochs and its accuracies."""
    from augmap.cli.words import duration

    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}"

    rows = [("map", "dimensions", "training", "steps", "kNN of the map", "kNN of h")]
    for arm in arms:
        history = arm.map.info.get("history", {})
        time = history.get("train_seconds")
        rows.append(
            (
                arm.name,
                str(arm.map.dim),
                "–" if time is None else duration(time),
                f"{history['steps']:,}" if "steps" in history else "–",
                share(arm.knn),
                share(arm.knn_features),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--{option} takes numbers separated by commas, got {text!r}") from None
