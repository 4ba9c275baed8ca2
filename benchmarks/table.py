"""The tables of docs/performance.md, from the results: ``python benchmarks/table.py`` prints them.

A test holds the page against them, so that no figure stands there without a result behind it.
"""

from __future__ import annotations

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
STEPS = ("step-cpu-slim-128-1", "step-cpu-slim-512-1", "step-cpu-slim-128-2", "step-cuda-resnet18-1024-1")
KINDS = {
    "plain": "plain PyTorch, bf16, channels_last; views given",
    "plain, buffers kept": "the same, large buffers kept",
    "ours, views given": "ours; views given",
    "ours": "**ours, views made from uint8 images**",
    "ours, Muon": "the same with Muon, as in `quick`",
    "ours, kernels chosen": "as ours, convolutions chosen by trial",
    "ours, recorded": "as that, the network recorded as a CUDA graph",
}


def tables(results: Path = RESULTS) -> list[str]:
    """Return the tables in Markdown, those whose results are there."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(results.glob("*.json"))}
    made = [steps(found), profile(found), convolutions(found), beside(found), others(found)]
    return [table for table in made if table.count("\n") > 1] + bound(found)


def steps(found: dict[str, dict]) -> str:
    """Return views per second and ratios of a training step."""
    lines = ["| a step of | batch, threads | views/s | × plain (quartiles) | page faults a step | memory |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for name in STEPS:
        if name not in found:
            continue
        result = found[name]
        where = f"{result['batch']} images, {result['machine']['threads']}"
        for kind, title in KINDS.items():
            if kind in result["views_per_second"]:
                ratio = result["ratio"].get(kind)
                told = f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})" if ratio else "1"
                views, faults = result["views_per_second"][kind], result["page_faults_a_step"][kind]
                memory = f"{result['peak_bytes'][kind] / 1e6:,.0f} MB"
                lines.append(f"| {title} | {where} | {views:,.0f} | {told} | {faults:,.0f} | {memory} |")
    return "\n".join(lines)


def profile(found: dict[str, dict]) -> str:
    """Return on what a step of the default spends its time, before and after."""
    lines = ["| share of a step | plain | ours | ours, with Muon |", "| --- | --- | --- | --- |"]
    if STEPS[0] in found:
        shares = [found[STEPS[0]]["profile"][kind] for kind in ("plain", "ours", "ours, Muon")]
        names = sorted(set().union(*shares), key=lambda name: -shares[0].get(name, 0))
        lines += [f"| {name} | {' | '.join(_share(s.get(name)) for s in shares)} |" for name in names]
    return "\n".join(lines)


def convolutions(found: dict[str, dict]) -> str:
    """Return how much faster a way is than the better of the others, bold where the rule takes it."""
    rows = found["convolution"]["rows"] if "convolution" in found else []
    channels = sorted({row["channels"] for row in rows})
    lines = [f"| {' | '.join(['pixels', 'way', *(f'{c} channels' for c in channels), 'rounding'])} |"]
    lines += [f"| --- |{' --- |' * (len(channels) + 2)}"]
    for stride, edge in sorted({(row["stride"], row["edge"]) for row in rows}):
        these = {row["channels"]: row for row in rows if (row["stride"], row["edge"]) == (stride, edge)}
        told = {c: f"{row['ratio']['median']:.2f} ×" for c, row in these.items()}
        told |= {c: f"**{told[c]}**" for c in these if taken(edge, stride, c)}
        way = "Winograd" if stride == 1 else "products"
        pixels = f"{edge}×{edge}" if stride == 1 else f"{edge}×{edge} to {-(-edge // 2)}×{-(-edge // 2)}"
        cells = [pixels, way, *(told.get(c, "–") for c in channels)]
        cells.append(f"{max(row['error'][way] for row in these.values()):.2%}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def taken(edge: int, stride: int, channels: int) -> bool:
    """Whether the rule takes the last way of such a row."""
    import torch

    from augmap.method.convolution import Convolution

    x = torch.empty(1, channels, edge, edge, device="meta")
    layer = Convolution(channels, stride * channels, 3, stride, padding=1, bias=False, device="meta")
    return layer.shares(x) if stride == 1 else layer.by_products(x)


def beside(found: dict[str, dict]) -> str:
    """Return the pace by number of threads, alone and beside another program."""
    lines = ["| threads | alone | beside a program that keeps a core busy |", "| --- | --- | --- |"]
    if "threads" in found:
        pace = {(row["other"], row["kind"]): row for row in found["threads"]["rows"]}
        for kind in dict.fromkeys(kind for _, kind in pace):
            cells = [f"{pace[other, kind]['views_per_second']:,.0f} views/s" for other in ("none", "one")]
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        later = pace["later", "chosen"]["views_per_second"]
        lines.append(f"| chosen, the other one begins later | – | {later:,.0f} views/s |")
    return "\n".join(lines)


def bound(found: dict[str, dict]) -> list[str]:
    """Return how fast a step could be at most where the multiplications were all there is."""
    if STEPS[0] not in found:
        return []
    result = found[STEPS[0]]
    limit = result["bound"]
    plain = result["seconds"]["plain"][result["compared_by"]]["median"]
    rate, needed = limit["flops_per_second_of_a_product"] / 1e9, limit["seconds_a_step"]
    fewer, least = limit["seconds_a_step_shared"], plain / limit["seconds_a_step_shared"]
    return [
        f"A large product of matrices runs at {rate:.0f} GFLOP/s here; at that rate the "
        f"multiplications of a\nstep of {result['views']} views take {1e3 * needed:.0f} ms of the "
        f"{1e3 * plain:.0f} of the plain loop, those that are left by Winograd's way\n"
        f"{1e3 * fewer:.0f} ms. So if all else took no time at all, a step would be {plain / needed:.1f} × "
        f"and {least:.1f} × the plain loop."
    ]


def others(found: dict[str, dict]) -> str:
    """Return the other rows: what is measured, the figure, what it is to be."""
    lines = ["| what | measured | target |", "| --- | --- | --- |"]
    if result := found.get("augment-cpu-1"):
        for precision in ("float32", "bfloat16"):
            rate = f"{_natural(result, precision)['views_per_processor_second']:,.0f} views/s a core"
            if two := found.get("augment-cpu-2"):
                rate += f", {_natural(two, precision)['views_per_s']:,.0f} on two threads"
            lines.append(f"| augmentation, CPU, 32 px, `natural`, {precision} | {rate} | 100,000 on two |")
        if step := found.get(STEPS[0]):
            adamw, muon = (step["profile"][kind]["views"] for kind in ("ours", "ours, Muon"))
            lines.append(f"| its share of a step of `quick` | {muon:.1%}, with AdamW {adamw:.1%} | < 5 % |")
    if result := found.get("augment-cuda"):
        rate = f"{_natural(result)['views_per_s']:,.0f} views/s"
        lines.append(f"| augmentation, GPU, 32 px, `natural` | {rate} | 5,000,000 |")
    for name, where in (("embed-cpu-1", ""), ("embed-cuda", ", GPU")):
        if result := found.get(name):
            lines += embedding(result, where)
    for name, where in (("loss-cpu", ""), ("loss-cuda", ", GPU")):
        if result := found.get(name):
            memory = result["memory"]
            told = f"{memory['peak_bytes'] / 1e6:,.0f} MB"
            lines.append(f"| memory of the loss, {memory['rows']:,} views, 2-D{where} | {told} | < 1 GB |")
    if result := found.get("layout"):
        told = (
            f"{1e3 * result['columns']['median']:.0f} ms, by rows {result['ratio']['median']:.1f} × as long"
        )
        lines.append(f"| a pass of a layout of {result['points']:,} images, one thread | {told} | – |")
    if result := found.get("growth-1"):
        told = f"{result['seconds_ratio']:.1f} × the time an epoch, {result['memory_more_mb']:.0f} MB more"
        lines.append(f"| {result['images_ratio']:.0f} × the images | {told} | 10 ×, constant memory |")
    for name, where, aim in (("tsimcne-cpu-1", "CPU", "(8 × on a GPU)"), ("tsimcne-cuda", "GPU", "8 ×")):
        if result := found.get(name):
            ratio, same = (result["ratio"][kind]["median"] for kind in ("ours", "ours, float32"))
            told = f"{ratio:.2f} × as fast, {same:.2f} × in float32"
            lines.append(f"| an epoch of ResNet-18 against tsimcne 0.3.12, {where} | {told} | {aim} |")
    if result := found.get("tiny-imagenet-cpu"):
        told = f"{len(result['stages'])} stages, {result['classes']} classes, {result['image_size']} px: runs"
        lines.append(f"| the Tiny ImageNet chain, {result['backbone']} | {told} | runs |")
    return "\n".join(lines)


def embedding(result: dict, where: str) -> list[str]:
    """Return the rows of ``embed``: arrays by backbone, then photos."""
    lines = []
    for row in result["arrays"]:
        share = row["share_of_forward"]["median"]
        told = f"{share:.1%} of the forward pass alone, {row['images_per_second']:,.0f} images/s"
        lines.append(f"| `embed`, 32 px, {row['backbone']}{where} | {told} | ≥ 90 % |")
    photos = result["photos"]
    told = f"decoding alone is {photos['share_of_decoding']['median']:.1%} of opening them"
    return [*lines, f"| {photos['n']:,} JPEGs at {photos['size']} px{where} | {told} | bounded by decoding |"]


def _natural(result: dict, precision: str = "float32") -> dict:
    wanted = {"set": "natural", "image": 32, "precision": precision}
    return next(row for row in result["rows"] if wanted.items() <= row.items())


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    print("\n\n".join(tables()))
