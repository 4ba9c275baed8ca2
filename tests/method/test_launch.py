"""Where a run takes place, and what is refused before it begins."""

import multiprocessing
import re
import sys

import pytest
import threadpoolctl
import torch
from runs import small_config, stripes, task

from augmap.config import Runtime
from augmap.errors import InputError
from augmap.method import launch as launching
from augmap.method.launch import launch, leads, pick_device
from augmap.stage import Stage

CONFIG = small_config(Stage(name="s", steps=1))
PIXELS = stripes(8)[0]


def test_devices(monkeypatch):
    assert pick_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto") == "cpu"
    with pytest.raises(InputError, match="device 'cuda' is not there; PyTorch sees cpu"):
        pick_device("cuda")
    with pytest.raises(InputError, match="device 'tpu' is not there"):
        pick_device("tpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == "cuda"


def test_threads_are_set_for_the_run_and_put_back(monkeypatch):
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr(launching, "run_task", lambda *a: seen.append(torch.get_num_threads()))
    launch(task(CONFIG, PIXELS, runtime=Runtime(device="cpu", threads=before + 2)))
    assert seen == [before + 2]
    assert torch.get_num_threads() == before


def test_a_job_of_slurm_around_it_starts_no_processes_and_lends_none(monkeypatch):
    for name, value in (
        ("SLURM_NTASKS", "4"),
        ("SLURM_JOB_NAME", "train"),
        ("SLURM_PROCID", "1"),
        ("SLURM_LOCALID", "1"),
    ):
        monkeypatch.setenv(name, value)
    seen = []
    monkeypatch.setattr(launching, "run_task", lambda fabric, *a: seen.append(fabric))
    monkeypatch.setattr(launching, "run_in_processes", lambda fabric, *a: seen.append(fabric))
    monkeypatch.setattr(launching, "_check_spawnable", lambda devices: None)
    launch(task(CONFIG, PIXELS, runtime=Runtime(device="cpu")))
    launch(task(CONFIG, PIXELS, runtime=Runtime(device="cpu", devices=2)))
    assert [(fabric.world_size, fabric.global_rank) for fabric in seen] == [(1, 0), (2, 0)]


def test_openmp_and_mkl_run_on_the_same_number(monkeypatch):
    """A library that tells OpenMP another number leaves MKL at its own, until the next who sets PyTorch's."""
    mkl = lambda: re.search(r"mkl_get_max_threads\(\) : (\d+)", torch.__config__.parallel_info())  # noqa: E731
    if mkl() is None or not torch.backends.openmp.is_available():
        pytest.skip("this PyTorch has no MKL or no OpenMP")
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr(launching, "run_task", lambda *a: seen.append(int(mkl()[1])))
    with threadpoolctl.threadpool_limits(before + 2, "openmp"):
        assert torch.get_num_threads() == before + 2
        assert int(mkl()[1]) == before
        launch(task(CONFIG, PIXELS, runtime=Runtime(device="cpu")))
    torch.set_num_threads(before)
    assert seen == [before + 2]


@pytest.mark.parametrize(
    ("runtime", "says"),
    [({"nodes": 2}, "nodes=2: start the command on each of them with torchrun"),
     ({"device": "cuda", "devices": 9}, "devices=9: PyTorch sees 2 of kind cuda"),
     ({"device": "mps", "devices": 2}, "devices=2: PyTorch sees 1 of kind mps")],
)  # fmt: skip
def test_more_than_there_are(runtime, says, monkeypatch):
    monkeypatch.setattr(launching, "pick_device", lambda name: name if name != "auto" else "cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=says):
        launch(task(CONFIG, PIXELS, runtime=Runtime(**runtime)))


def test_where_processes_cannot_start(monkeypatch):
    two = task(CONFIG, PIXELS, runtime=Runtime(device="cpu", devices=2))
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.raises(InputError, match="devices=2 cannot start from a notebook"):
        launch(two)
    monkeypatch.delattr(sys, "ps1")
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(InputError, match='if __name__ == "__main__":'):
        launch(two)


def test_who_speaks(monkeypatch):
    assert leads()
    monkeypatch.setenv("RANK", "1")
    assert leads()  # a variable of somebody else's: no torchrun
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert not leads()
    monkeypatch.setenv("RANK", "0")
    assert leads()
