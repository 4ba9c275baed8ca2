"""Two real processes on one CPU: the same losses, the same map, and an end that leaves nobody behind."""

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from runs import AS_IT_IS, BrokenInOne, run, small_config, stripes, task

from augmap.config import Runtime
from augmap.errors import InputError, Interrupted
from augmap.imagemap import ImageMap
from augmap.method import checkpoint as checkpoints
from augmap.method.fitted import fit_batches
from augmap.method.relay import Line, _listen
from augmap.method.run import silent
from augmap.method.sets import AUGMENTATIONS
from augmap.method.transform import UserTransform
from augmap.method.watch import Stop
from augmap.stage import Stage
from pictures import ROOT

TWO = Runtime(device="cpu", devices=2, threads=1, checkpoint_every=None)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
STAGES = (
    Stage(
        name="pretrain", epochs=3, dim=16, lr=0.1, learn_temperature=True, norm_penalty=0.01, clip_norm=1.0,
    ),
    Stage(name="readout", epochs=2, new_layer="last", new_layer_std=1.0, train="last"),
    Stage(name="map", steps=6, edges="neighbors", neighbors=5, train="head", new_layer="head", norm="layer",
          optimizer="adamw", lr=1e-2, lr_batch=None, hidden=(8,)),
)  # fmt: skip
# no BatchNorm where AdamW learns: a bias before it has no gradient but rounding, and the map moves by 3 %
CONFIG = small_config(*STAGES, keep_short_batch=True, norm="batch", augmentation=AS_IT_IS)


def test_two_processes_at_half_batch_are_one_at_the_whole(tmp_path):
    """Pixels from a memory map, listeners that cannot be pickled, a short last batch."""
    np.save(tmp_path / "x.npy", stripes(90)[0])
    pixels = np.load(tmp_path / "x.npy", mmap_mode="r")
    reports, said, bars = [], [], {}

    def progress(title):
        return lambda done, total: bars.setdefault(title, []).append((done, total))

    one = run(CONFIG, pixels)
    two = run(
        CONFIG, pixels, runtime=TWO, listeners=[lambda report: reports.append(report)], say=said.append,
        progress=progress,
    )  # fmt: skip
    losses = [[line["loss"] for line in outcome.log] for outcome in (one, two)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    # a shift of the whole map has no gradient but rounding, which AdamW makes as large as any other
    a, b = (outcome.positions - outcome.positions.mean(0) for outcome in (one, two))
    assert np.abs(a - b).max() < 1e-3 * np.ptp(a, axis=0).max()
    assert two.config == one.config
    assert [r.step for r in reports] == [*range(1, 10), *range(1, 7), *range(1, 7)]
    assert said == ["graph of the 5 nearest neighbours of 90 images"]
    assert bars["projecting"][-1] == (90, 90)
    assert two.history["processes"] == 2
    assert not multiprocessing.active_children()
    assert "MASTER_PORT" not in os.environ


def test_two_processes_learn_the_anchors_that_one_does():
    laid = {"edges": "layout", "layout_passes": 5, "neighbors": 5, "train": "head", "new_layer": "head"}
    stage = Stage(name="map", steps=12, anchors=20, hidden=(8,), norm="layer", lr=0.1, **laid)
    config = small_config(Stage(name="pretrain", epochs=1, dim=16), stage, augmentation=AS_IT_IS)
    one, two = (run(config, stripes(90)[0], **options) for options in ({}, {"runtime": TWO}))
    losses = [[line["loss"] for line in outcome.log] for outcome in (one, two)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert losses[0][-1] < losses[0][1]


def test_what_one_process_raises_arrives():
    with pytest.raises(ValueError, match="this process has had enough") as caught:
        run(CONFIG, runtime=TWO, backbone=BrokenInOne())
    assert "in forward" in caught.value.__notes__[0]  # where it was raised
    assert not multiprocessing.active_children()


def test_a_listener_that_fails_ends_the_run():
    receiver, sender = multiprocessing.Pipe(duplex=False)
    line, wish, seen = Line(sender, multiprocessing.Lock()), threading.Event(), []

    def broken(report):
        seen.append(report)
        raise KeyError("a listener's own")

    line.report(1)
    line.report(2)
    line.send("error", Interrupted("stopped at step 3"))
    sender.close()
    outcome, errors = _listen(receiver, task(CONFIG, listeners=[broken]), Stop(), wish)
    assert outcome is None
    assert [type(e) for e in errors] == [KeyError, Interrupted]  # the first one is raised
    assert seen == [1]
    assert wish.is_set()


def test_what_cannot_be_sent_is_refused_at_once():
    mine = UserTransform(function=lambda image: image)
    with pytest.raises(InputError, match=r"the augmentation cannot be sent .* top level of a module"):
        run(CONFIG, runtime=TWO, augmentation=mine)


@pytest.mark.parametrize(
    ("n", "options", "says"),
    [(31, {"keep_short_batch": True, "batch_size": 30}, "31 images leave a last batch of 1, too few for 2"),
     (1, {}, "1 images cannot be shared by 2 processes")],
)  # fmt: skip
def test_too_few_images_for_the_processes(n, options, says):
    with pytest.raises(InputError, match=says):
        fit_batches(small_config(Stage(name="s", epochs=1), **options), n, 2, silent)


def test_batches_are_multiples_of_the_processes():
    config = small_config(Stage(name="s", epochs=1, batch_size=7), batch_size=33)
    found = fit_batches(config, 100, 2, silent)
    assert (found.batch_size, found.stages[0].batch_size) == (32, 6)


def test_nobody_listens():
    """The process that started the others was killed: they go on to their checkpoint."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    line = Line(sender, multiprocessing.Lock())
    line.say("hello")
    assert receiver.recv() == ("say", "hello")
    receiver.close()
    line.say("anybody?")


def fit(images: Path, output: Path, *options: object) -> list[str]:
    settings = ["--preset", "direct", "--backbone", "slim", "--batch-size", 32, "--augment", "glyph"]
    settings += ["--precision", "float32", "--device", "cpu"]
    return [str(x) for x in ("augmap", "fit", images, "-o", output, *settings, *options)]


def children_of(pid: int) -> list[int]:
    """Processes that do the training: multiprocessing's own helper is none of them."""
    found = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += [int(p) for p in (thread / "children").read_text().split()]
    return sorted({p for p in found if "resource_tracker" not in Path(f"/proc/{p}/cmdline").read_text()})


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true, seconds=300.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
def test_ended_from_outside(tmp_path):
    """SIGKILL of the process that started them, resumed, then SIGTERM: a checkpoint, and nobody is left."""
    images, output = tmp_path / "x.npy", tmp_path / "m.map"
    np.save(images, stripes(64)[0])
    record = output / "checkpoint" / "checkpoint.json"
    command = [sys.executable, "-m", *fit(images, output, "--epochs", 4000, "--devices", 2)]
    command += ["--checkpoint-every", "0.2"]
    first = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    until(record.is_file)
    children = children_of(first.pid)
    assert len(children) == 2
    first.kill()
    first.wait()
    until(lambda: not any(map(alive, children)))
    reached = checkpoints.load(output / "checkpoint").step
    assert reached > 0
    second = subprocess.Popen(
        [*command, "--resume"], env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    until(lambda: checkpoints.load(output / "checkpoint").step > reached)
    children = children_of(second.pid)
    second.send_signal(signal.SIGTERM)
    out, err = second.communicate(timeout=300)
    assert second.returncode == 130
    assert out == ""
    assert f"resuming at step {reached:,} of stage 1" in err
    assert "go on with --resume" in err.splitlines()[-1]
    assert not any(map(alive, children))
    assert checkpoints.load(output / "checkpoint").step > reached


def test_under_torchrun(tmp_path):
    """Each process is the whole command; one of them speaks, saves and judges."""
    images, output = tmp_path / "x.npy", tmp_path / "m.map"
    np.save(images, stripes(64)[0])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    options = ["--epochs", 3, "--threads", 1]
    done = subprocess.run(
        [*command, *fit(images, output, *options)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("64 images in 2-D") == 1
    assert done.stderr.count("64 images are few") == 1
    made = ImageMap.load(output)
    assert made.info["history"]["processes"] == 2
    pixels = stripes(64)[0]
    alone = run(dataclasses.replace(made.config), pixels, augmentation=AUGMENTATIONS["glyph"])
    span = np.ptp(alone.positions, axis=0).max()
    assert np.abs(made.positions - alone.positions).max() < 1e-2 * span


@pytest.mark.parametrize("kind", ["pixels", "labels"])
def test_baselines_in_two_processes(kind):
    """Weighted edges and UMAP's loss with the negatives of both; classes of the images that train."""
    pixels, which = stripes(90)
    if kind == "pixels":
        stage = Stage(
            name="map", epochs=3, edges="pixels", affinity="fuzzy", loss="negative_sampling",
            similarity="umap", lr=0.05,
        )  # fmt: skip
        options = {}
    else:
        stage = Stage(name="classify", epochs=3, dim=1, loss="cross_entropy", label_smoothing=0.1, lr=0.1)
        options = {"classes": np.where(np.arange(90) % 3 == 0, -1, which)}
    config = small_config(stage, batch_size=30)
    one, two = run(config, pixels, **options), run(config, pixels, runtime=TWO, **options)
    losses = [[line["loss"] for line in outcome.log] for outcome in (one, two)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert np.abs(one.positions - two.positions).max() < 1e-3 * np.ptp(one.positions, axis=0).max()
