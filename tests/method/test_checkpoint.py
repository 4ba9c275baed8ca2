"""Checkpoints: whole or not at all, everything in them, refused where they do not fit."""

import json

import pytest
import torch
from runs import Small, checkpoint_files, small_config, three_stages

from augmap.errors import InputError
from augmap.folder import json_bytes
from augmap.method import checkpoint as checkpoints
from augmap.method.checkpoint import Checkpoint, capture, compare, load, machine, restore, save, under
from augmap.method.encoder import make_encoder
from augmap.method.similarity import Cauchy

CPU = torch.device("cpu")


def parts(optimizer=torch.optim.SGD, steps=2, **options):
    pixels = {"image_size": 8, "channels": 1, "mean": [0.5], "std": [0.2]}
    encoder = make_encoder(Small(), dim=2, hidden=(6,), norm="batch", **pixels)
    encoder.to(memory_format=torch.channels_last)
    kernel = Cauchy(0.5, learnable=True)
    made = optimizer([*encoder.parameters(), *kernel.parameters()], lr=0.1, **options)
    for step in range(steps):
        x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(step))
        (encoder(x).square().mean() + kernel.log_temperature**2).backward()
        made.step()
        made.zero_grad()
    return encoder, kernel, made


@pytest.mark.parametrize(
    ("optimizer", "options"), [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.AdamW, {})]
)
def test_everything_that_the_next_step_needs_comes_back(tmp_path, optimizer, options):
    ours = parts(optimizer, **options)
    tensors = capture(*ours)
    save(tmp_path, Checkpoint(tensors, {"stage": 1, "step": 7}))
    found = load(tmp_path)
    assert (found.stage, found.step) == (1, 7)
    theirs = parts(optimizer, steps=0, **options)
    restore(found.tensors, *theirs)
    again = capture(*theirs)
    assert again.keys() == tensors.keys()
    for name, value in again.items():
        assert torch.equal(value, tensors[name]), name
    kinds = {name.split(".")[0] for name in tensors}
    assert kinds == {"encoder", "similarity", "optimizer"}
    assert "encoder.head.hidden.1.running_mean" in tensors  # buffers
    for (_, p), (_, q) in zip(ours[0].named_parameters(), theirs[0].named_parameters(), strict=True):
        for slot, value in ours[2].state[p].items():
            assert theirs[2].state[q][slot].stride() == value.stride(), "a momentum lies as its weight lies"
    # what was captured does not move with the training
    moved = tensors["encoder.head.last.weight"].clone()
    ours[0].head.last.weight.data += 1
    assert torch.equal(tensors["encoder.head.last.weight"], moved)


@pytest.mark.filterwarnings("ignore:for .*is a no-op")
@pytest.mark.parametrize("fused", [True, False])
def test_a_step_counter_lies_where_its_optimiser_looks_for_it(fused):
    """That of a fused optimiser of a GPU on the device, any other on the CPU; momenta by their weights."""
    tensors = capture(*parts(torch.optim.AdamW))
    encoder, kernel, _ = parts(steps=0)
    encoder.to("meta")
    kernel.to("meta")
    optimizer = torch.optim.AdamW([*encoder.parameters(), *kernel.parameters()])
    for group in optimizer.param_groups:
        group["fused"] = fused
    restore(tensors, encoder, kernel, optimizer)
    for state in optimizer.state.values():
        assert state["step"].device.type == ("meta" if fused else "cpu")
        assert state["exp_avg"].device.type == "meta"
    assert len(optimizer.state) == len([*encoder.parameters(), *kernel.parameters()])


def test_a_frozen_weight_gets_no_momentum():
    encoder, kernel, _ = parts()
    tensors = capture(*parts(momentum=0.9))
    last = torch.optim.SGD(encoder.last.parameters(), lr=0.1, momentum=0.9)
    restore(tensors, encoder, kernel, last)
    assert len(last.state) == 2


def test_no_checkpoint(tmp_path):
    assert load(tmp_path) is None
    assert load(tmp_path / "missing") is None


def test_a_newer_one_replaces_the_older_and_what_a_killed_run_left(tmp_path):
    (tmp_path / ".state-9.safetensors.1234.tmp").write_bytes(b"half")
    for step in range(3):
        save(tmp_path, Checkpoint({"x": torch.tensor(step)}, {"stage": 0, "step": step}))
    assert checkpoint_files(tmp_path) == ["checkpoint.json", "state-3.safetensors"]
    (tmp_path / "mine.safetensors").write_bytes(b"a person's")
    save(tmp_path, Checkpoint({"x": torch.tensor(2)}, {"stage": 0, "step": 2}))
    assert (tmp_path / "mine.safetensors").read_bytes() == b"a person's"
    assert load(tmp_path).tensors["x"] == 2


@pytest.mark.parametrize("at", [1, 2])
def test_killed_while_writing_the_one_before_is_there(tmp_path, monkeypatch, at):
    save(tmp_path, Checkpoint({"x": torch.tensor(1)}, {"stage": 0, "step": 1}))
    calls, write = [], checkpoints.write_atomic

    def dying(path, data):
        calls.append(path)
        if len(calls) == at:
            path.with_name(f".{path.name}.tmp").write_bytes(data[: len(data) // 2])
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(checkpoints, "write_atomic", dying)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, Checkpoint({"x": torch.tensor(2)}, {"stage": 0, "step": 2}))
    assert load(tmp_path).step == 1
    monkeypatch.undo()
    save(tmp_path, Checkpoint({"x": torch.tensor(3)}, {"stage": 0, "step": 3}))
    assert load(tmp_path).tensors["x"] == 3
    assert len(checkpoint_files(tmp_path)) == 2


@pytest.mark.parametrize("harm", ["cut", "edited", "missing", "no json", "no entry"])
def test_damage_is_said(tmp_path, harm):
    save(tmp_path, Checkpoint({"x": torch.zeros(100)}, {"stage": 0, "step": 1}))
    state, record = tmp_path / "state-1.safetensors", tmp_path / "checkpoint.json"
    data = state.read_bytes()
    if harm == "cut":
        state.write_bytes(data[: len(data) // 2])
    elif harm == "edited":
        state.write_bytes(data[:-1] + b"x")
    elif harm == "missing":
        state.unlink()
    else:
        record.write_text("{" if harm == "no json" else json.dumps({"stage": 0}))
    with pytest.raises(InputError, match=r"the checkpoint is damaged .* --overwrite"):
        load(tmp_path)


def test_another_encoder_is_refused():
    encoder, kernel, _ = parts()
    tensors = capture(*parts())
    tensors["encoder.head.last.weight"] = torch.zeros(3, 6)
    with pytest.raises(InputError, match="does not fit this encoder"):
        restore(tensors, encoder, kernel)


def found(config, **info):
    asked = json.loads(json_bytes(config.to_dict()))
    return Checkpoint({}, {"asked": asked, "identity": {"images": "a"}, "machine": machine(1, CPU), **info})


def check(checkpoint, config, images="a", processes=1):
    said = []
    compare(checkpoint, config, {"images": images}, machine(processes, CPU), where="m", say=said.append)
    return said


def test_the_same_run_goes_on_in_silence():
    assert check(found(three_stages()), three_stages()) == []


def test_another_configuration_is_refused_by_the_name_of_what_differs():
    was = found(three_stages())
    stages = three_stages().stages
    with pytest.raises(InputError, match=r"m: .* seed 0, now it is 1; .* --overwrite"):
        check(was, three_stages(seed=1))
    with pytest.raises(InputError, match=r"augmentation \{\}, now it is \{'flip': 0\}"):
        check(was, three_stages(augmentation={"flip": 0}))
    faster = small_config(*stages[:2], stages[2].__class__(**{**_fields(stages[2]), "lr": 0.5}))
    with pytest.raises(InputError, match=r"lr of stage 3 0.0003, now it is 0.5"):
        check(was, faster.replace(keep_short_batch=True, recompute_statistics=False))
    with pytest.raises(InputError, match=r"stages \['pretrain', 'readout', 'finetune'\]"):
        check(was, three_stages().replace(stages=stages[:1]))


def _fields(stage):
    return {name: getattr(stage, name) for name in stage.__slots__}


def test_other_images_are_refused():
    with pytest.raises(InputError, match="made with other images: their names"):
        check(found(three_stages()), three_stages(), images="b")


@pytest.mark.parametrize(
    ("name", "value"), [("threads", 99), ("torch", "1.0"), ("augmap", "0"), ("processor", "abacus")]
)
def test_another_machine_is_warned_of(name, value):
    (line,) = check(found(three_stages(), machine={**machine(1, CPU), name: value}), three_stages())
    assert line.startswith(f"warning: the checkpoint was made with {name} {value}, now ")
    assert "not the same to the last bit" in line


def test_another_number_of_processes_is_warned_of():
    (line,) = check(found(three_stages()), three_stages(), processes=2)
    assert "processes 1, now 2" in line


def test_under():
    assert list(under("a.", {"a.b": torch.zeros(1), "c.a.b": torch.zeros(1)})) == ["b"]


def test_what_images_were_is_said_before_that_they_are_others():
    was = found(three_stages())
    was.info["identity"] = {"image size": 32, "images": "a"}
    for now in ({"image size": 64, "images": "b"}, {"channels": 3, "image size": 64, "images": "b"}):
        with pytest.raises(InputError, match="made with image size 32, now it is 64; use the same"):
            compare(was, three_stages(), now, machine(1, CPU), where="m", say=print)  # channels are newer
