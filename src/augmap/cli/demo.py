"""``augmap demo``: a map of scikit-learn's digits and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MAP", help="Folder of the map; an old one is replaced.")
    ] = Path("demo.map"),
    picture: Annotated[Path, typer.Option(metavar="FILE", help="Picture of the map.")] = Path("demo.png"),
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
) -> None:
    """Map scikit-learn's 1,797 digits: a few minutes on two cores, nothing to download."""
    from augmap.cli.progress import Progress
    from augmap.cli.words import duration
    from augmap.demo import make_demo
    from augmap.plots.figure import plot
    from augmap.plots.save import check_path, save_figure

    check_path(picture)
    with Progress() as progress:
        made = make_demo(
            output,
            seed=seed,
            listeners=[progress.listen],
            say=progress.say,
            progress=progress.work,
        )
    drawn = plot(made.map, kind="thumbnails", title="1,797 handwritten digits, placed without labels")
    save_figure(drawn, picture)
    knn, n = made.trained, made.map.n
    print(f"{output}/ and {picture}: {n:,} digits mapped in {duration(made.map.info['seconds'])}")
    print(
        f"2-D kNN accuracy {knn.accuracy:.1%} ± {knn.sd:.1%} "
        f"(k={knn.k}, {knn.n_train:,} -> {knn.n_test:,}, {knn.split}); "
        f"untrained encoder {made.untrained.accuracy:.1%}; PCA of the pixels {made.pca.accuracy:.1%}"
    )
