"""Views per second of a training step: ours, augmentation included, against the same in plain PyTorch.

    python benchmarks/step_cpu.py                  # the default of the CPU, one thread
    python benchmarks/step_cpu.py --threads 2      # needs a quiet machine
    python benchmarks/step_cpu.py --device cuda    # ResNet-18, 1024 images, bfloat16

``plain`` is the loop as one writes it down: the network from PyTorch's layers, channels_last, autocast to
bfloat16, the loss from a matrix of products, AdamW; its views lie in memory and cost it nothing. ``ours`` is
a step of ``augmap fit``, from uint8 images on, with AdamW too; ``ours, Muon`` has the optimiser of ``quick``,
which costs more a step and needs fewer. Between the two stand the parts: the
plain loop with our allocator, and ours with views that lie in memory; on a GPU, what ``fit`` does not do yet:
convolutions that cuDNN chooses by trial, and all kernels of the network in one call (``recording.py``).
Each is a process of its own, and they take turns. The JSON holds a profile of three, and how long the
multiplications alone would take at the rate of a large matrix product: no kernel of another program can be
faster than that on the machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import sys
import time
from pathlib import Path

from measuring import HERE, Turns, workers, write

KINDS = ("plain", "plain, buffers kept", "ours", "ours, views given", "ours, Muon")
GPU_KINDS = (*(k for k in KINDS if "kept" not in k), "ours, kernels chosen", "ours, recorded")
GROUPS = {
    "convolution": "convolution, forward",
    "convolution_backward": "convolution, backward",
    "_ByProductsBackward": "convolution, backward",
    "Winograd": "convolution, forward",
    "WinogradBackward": "convolution, backward",
    "batch_norm": "BatchNorm, forward",
    "batch_norm_backward": "BatchNorm, backward",
    "threshold_backward": "ReLU, backward",
    "clamp_min_": "ReLU, forward",
    "VIEWS": "views",
    "LOSS": "loss",
    "OPTIMISER": "optimiser",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backbone", help="default: what augmap fit takes on the device")
    parser.add_argument("--batch", type=int, help="images a step; default: likewise, 1024 on a GPU")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=8, help="steps a turn")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--kind", help=argparse.SUPPRESS)  # the process that measures
    options = parser.parse_args()

    from augmap.settings import BACKBONE, BATCH

    cpu = options.device == "cpu"
    options.backbone = options.backbone or BACKBONE[options.device]
    options.batch = options.batch or (BATCH["cpu"] if cpu else 1024)
    if options.kind:
        serve(options)
        return
    kinds = KINDS if cpu else GPU_KINDS
    same = ["--device", options.device, "--threads", str(options.threads)]
    same += ["--batch", str(options.batch), "--backbone", options.backbone]
    named = workers(__file__, {k: ["--kind", k, *same] for k in kinds}, options.threads)
    about = {name: worker.ask("warm up") for name, worker in named.items()}
    turns = Turns({name: lambda w=worker: w.ask(str(options.steps)) for name, worker in named.items()})
    turns.take(options.rounds)
    profiles = {name: named[name].ask("profile") for name in ("plain", "ours", "ours, Muon") if cpu}
    for worker in named.values():
        worker.end()
    views = 2 * options.batch
    clock = "processor" if cpu and options.threads == 1 else "wall"
    result = {
        "device": options.device,
        "backbone": options.backbone,
        "batch": options.batch,
        "views": views,
        "view_size": about["ours"]["view_size"],
        "seed": 0,
        "rounds": options.rounds,
        "steps_a_round": options.steps,
        "compared_by": clock,
        "loss": {name: found["loss"] for name, found in about.items()},
        "seconds": {k: {c: turns.of(k, c) for c in ("wall", "processor")} for k in kinds},
        "views_per_second": {k: views / turns.of(k, clock)["median"] for k in kinds},
        "page_faults_a_step": {k: turns.of(k, "faults")["median"] for k in kinds},
        "peak_bytes": {k: about[k]["peak_bytes"] for k in kinds},
        "ratio": {k: turns.ratio("plain", k, clock) for k in kinds if k != "plain"},
        "profile": profiles,
        "bound": about["ours"]["bound"],
    }
    name = f"step-{options.device}-{options.backbone}-{options.batch}-{options.threads}.json"
    write(options.output or HERE / "results" / name, result, options.threads)
    for kind in kinds:
        ratio = result["ratio"].get(kind, {"median": 1.0, "low": 1.0, "high": 1.0})
        print(f"{kind:20} {result['views_per_second'][kind]:9,.0f} views/s   "
              f"{ratio['median']:.2f} x plain ({ratio['low']:.2f} to {ratio['high']:.2f})   "
              f"{result['page_faults_a_step'][kind]:8,.0f} page faults a step")  # fmt: skip


def serve(options: argparse.Namespace) -> None:
    """Answer: ``warm up``, a number of steps, or ``profile``."""
    import torch

    torch.set_num_threads(options.threads)
    if options.kind != "plain" and options.device == "cpu":
        from augmap.cli.allocator import keep_buffers

        keep_buffers()
    step, view_size = make(options)

    def wait() -> None:
        if options.device != "cpu":
            torch.cuda.synchronize()

    for line in sys.stdin:
        if line == "warm up\n":
            losses = [float(step()) for _ in range(3)]
            bound = flops_bound(options, view_size) if options.kind == "ours" else None
            peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if options.device != "cpu":
                peak = torch.cuda.max_memory_allocated()
            found = {"view_size": view_size, "loss": losses, "bound": bound, "peak_bytes": peak}
        elif line == "profile\n":
            found = profile(step)
        else:
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            wait()
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(int(line)):
                step()
            wait()
            found = {
                "wall": (time.perf_counter() - wall) / int(line),
                "processor": (time.process_time() - cpu) / int(line),
                "faults": (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / int(line),
            }
        print(json.dumps(found), flush=True)


def make(options: argparse.Namespace):
    """Return the step of a kind, and the edge of its views."""
    import torch
    from lightning_fabric import Fabric

    from augmap.config import Runtime
    from augmap.method.encoder import make_encoder
    from augmap.method.graphs import Graphs
    from augmap.method.source import Source
    from augmap.method.step import make_kernel, make_optimizer, set_trained, stage_loss
    from augmap.presets import make_config
    from augmap.settings import make_augmentation

    config = make_config(
        "quick", budget=600, backbone=options.backbone, batch_size=options.batch, precision="bfloat16"
    )
    stage = dataclasses.replace(config.stages[0], views=2)  # as in the plain loop
    device = torch.device(options.device)
    if "Muon" not in options.kind:  # which PyTorch does not have for convolutions
        stage = dataclasses.replace(stage, optimizer="adamw", lr=3e-3, momentum=0.9)
    fabric = Fabric(accelerator=Runtime(device=options.device).device, devices=1)
    generator = torch.Generator().manual_seed(0)
    n = 8 * options.batch
    pixels = torch.randint(256, (n, 32, 32, 3), dtype=torch.uint8, generator=generator).numpy()
    graphs = Graphs(
        pixels, Source(pixels, device), make_augmentation(config), config, fabric, lambda line: None,
        lambda title: lambda done, total: None,
    )  # fmt: skip
    head = {"hidden": config.hidden, "norm": config.norm}
    encoder = make_encoder(
        options.backbone, image_size=32, channels=3, dim=stage.dim, mean=[0.5] * 3, std=[0.25] * 3, **head
    )
    encoder.to(device, memory_format=torch.channels_last)
    graph, kernel = graphs.stand_in(stage, encoder), make_kernel(stage)

    def batches():
        while True:
            yield torch.randperm(n, generator=generator)[: options.batch], generator

    pairs = graph.pairs(batches())
    views, _ = next(pairs)
    if options.kind.startswith("plain"):
        return plain_step(encoder, stage, views, device), views.shape[-1]
    network = set_trained(encoder, stage, graph)
    torch.backends.cudnn.benchmark = options.kind in GPU_KINDS[-2:]
    if options.kind == "ours, recorded":
        from recording import record

        with torch.autocast(device.type, torch.bfloat16):
            record(network, views)
    wrapped, stepper = fabric.setup(network, make_optimizer(network, kernel, stage, low=True))
    given = (views, None) if "given" in options.kind else None

    def step():
        with torch.profiler.record_function("VIEWS"):
            inputs, places = given or next(pairs)
        with torch.autocast(device.type, torch.bfloat16):
            z = wrapped(inputs)
        with torch.profiler.record_function("LOSS"):
            loss = stage_loss(z, places, kernel, stage)
        fabric.backward(loss)
        with torch.profiler.record_function("OPTIMISER"):
            stepper.step()
            stepper.zero_grad()
        return loss.detach()

    return step, views.shape[-1]


def plain_step(encoder, stage, views, device):
    """The loop as one writes it down: PyTorch's layers with the very same weights, and nothing of ours."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Block(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.conv1, self.norm1 = plain_layer(block.conv1), block.norm1
            self.conv2, self.norm2 = plain_layer(block.conv2), block.norm2
            self.shortcut = nn.Sequential(*map(plain_layer, block.shortcut))

        def forward(self, x):
            y = F.relu(self.norm1(self.conv1(x)), inplace=True)
            return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x), inplace=True)

    def plain_layer(layer):
        if not isinstance(layer, nn.Conv2d):
            return layer
        c_in, c_out = layer.in_channels, layer.out_channels
        same = nn.Conv2d(c_in, c_out, layer.kernel_size, layer.stride, layer.padding, bias=False)
        same.weight = layer.weight
        return same

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            stages = encoder.backbone.stages
            self.stem = nn.Sequential(*map(plain_layer, encoder.backbone.stem))
            self.blocks = nn.Sequential(*(Block(block) for part in stages for block in part))
            self.hidden, self.last = encoder.head.hidden, encoder.head.last

        def forward(self, x):
            h = self.blocks(self.stem((x - 0.5) / 0.25)).mean((2, 3))
            return self.last(self.hidden(h))

    network = Plain().to(device).train()
    weights = list(network.parameters())
    fused = device.type == "cuda"
    optimizer = torch.optim.AdamW(weights, stage.lr, (stage.momentum, 0.999), weight_decay=stage.weight_decay,
                                  fused=fused)  # fmt: skip
    m = len(views)
    partner = torch.arange(m, device=device).roll(m // 2)

    def step():
        with torch.autocast(device.type, torch.bfloat16):
            z = network(views)
        with torch.profiler.record_function("LOSS"):
            z = F.normalize(z.float())
            products = (z @ z.T / stage.temperature).fill_diagonal_(-torch.inf)
            loss = F.cross_entropy(products, partner)
        loss.backward()
        with torch.profiler.record_function("OPTIMISER"):
            optimizer.step()
            optimizer.zero_grad()
        return loss.detach()

    return step


def profile(step, steps: int = 5) -> dict[str, float]:
    """Share of a step's time by what it is spent on."""
    import torch

    with torch.profiler.profile() as found:
        for _ in range(steps):
            step()
    spent: dict[str, float] = {}

    def walk(event, group):
        name = event.name.removeprefix("aten::").removeprefix("autograd::engine::evaluate_function: ")
        name = name.removeprefix("mkldnn_").removeprefix("native_")
        group = group or GROUPS.get(name)
        if group and GROUPS.get(name) == group:
            spent[group] = spent.get(group, 0.0) + event.cpu_time_total
            return
        for child in event.cpu_children:
            walk(child, group)

    whole = 0.0
    for event in found.events():
        if event.cpu_parent is None:
            whole += event.cpu_time_total
            walk(event, None)
    spent["everything else"] = whole - sum(spent.values())
    return {name: round(us / whole, 4) for name, us in sorted(spent.items(), key=lambda item: -item[1])}


def flops_bound(options: argparse.Namespace, view_size: int) -> dict[str, float] | None:
    """Seconds of a step's multiplications, padding left out, at the rate of a large product in bfloat16.

    As plain PyTorch makes them, and as many as are left where products are shared.
    """
    import torch
    from torch import nn

    from augmap.method.backbones import make_backbone
    from augmap.method.convolution import meeting
    from augmap.method.winograd import scheme

    if options.device != "cpu":
        return None
    flops, shared, first = 0.0, 0.0, True

    def count(layer, inputs, output):
        nonlocal flops, shared, first
        if isinstance(layer, nn.Conv2d):
            pairs = 1.0
            for axis in (0, 1):
                size, out = inputs[0].shape[2 + axis], output.shape[2 + axis]
                shape = (layer.stride[axis], layer.padding[axis], size, out)
                kept = (meeting(place, *shape)[0] for place in range(layer.kernel_size[axis]))
                pairs *= sum(rows.stop - rows.start for rows in kept)
            times = 2 * layer.in_channels * layer.out_channels * (2 if first else 3)
            first = False  # of the first layer no gradient goes on to the pixels
            flops += times * pairs
            x = inputs[0]
            shared += times * (len(scheme(x.shape[2]).pixels) if layer.shares(x) else pairs)

    with torch.random.fork_rng(), torch.no_grad():
        backbone = make_backbone(options.backbone, 32, 3).eval()
        for layer in backbone.modules():
            layer.register_forward_hook(count)
        backbone(torch.zeros(1, 3, view_size, view_size))
    a = torch.randn(2048, 2048).bfloat16()
    times = []
    for _ in range(8):
        began = time.process_time() if options.threads == 1 else time.perf_counter()
        a @ a
        times.append((time.process_time() if options.threads == 1 else time.perf_counter()) - began)
    rate = 2 * 2048**3 / min(times)
    return {
        "flops_a_view": flops,
        "flops_a_view_shared": shared,
        "flops_per_second_of_a_product": rate,
        "seconds_a_step": 2 * options.batch * flops / rate,
        "seconds_a_step_shared": 2 * options.batch * shared / rate,
    }


if __name__ == "__main__":
    main()
