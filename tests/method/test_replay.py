import pytest
import torch
from torch import nn

from augmap.method import replay
from augmap.method.encoder import make_encoder
from augmap.method.source import Source


class Recorder:
    """In the place of ``torch.cuda.make_graphed_callables``: calls the network, then answers for it."""

    def __init__(self):
        self.calls = 0

    def __call__(self, network, inputs):
        network(*inputs)

        def forward(x):
            self.calls += 1
            return torch.full((len(x), 2), 7.0)

        network.forward = forward


@pytest.fixture
def recorder(monkeypatch):
    found = Recorder()
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", found)
    return found


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_only_steps_of_the_recorded_shape_are_replayed(recorder):
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)).train()
    before = network[0].running_mean.clone()
    x = torch.arange(12.0).view(4, 3)
    with replay.replayed(network, wanted=True) as see:
        see(x)
        assert torch.equal(network[0].running_mean, before)  # the recording's own steps left nothing
        see(x)
        assert torch.equal(network(x), torch.full((4, 2), 7.0))
        assert recorder.calls == 1
        assert not torch.equal(network(x[:2]), torch.full((2, 2), 7.0))
        network.eval()
        assert not torch.equal(network(x), torch.full((4, 2), 7.0))
        assert recorder.calls == 1
        network.train()
    network(x)
    assert recorder.calls == 1


def test_what_is_not_wanted_is_not_recorded(recorder):
    network = nn.Linear(3, 2)
    with replay.replayed(network, wanted=False) as see:
        see(torch.ones(4, 3))
        network(torch.ones(4, 3))
    assert recorder.calls == 0


def test_on_a_cpu_nothing_is_recorded_and_no_kernel_is_searched():
    encoder = make_encoder("slim", image_size=8, channels=1, dim=2, mean=[0.5], std=[0.5]).train()
    assert not replay.recordable(encoder, encoder, Source(torch.zeros(3, 8, 8, 1), torch.device("cpu")))
    with replay.fastest_kernels(torch.device("cpu")):
        assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize(
    ("change", "recorded"),
    [({}, True), ({"processes": 2}, False), ({"resident": False}, False), ({"own": False}, False),
     ({"training": False}, False)],
)  # fmt: skip
def test_a_step_is_recorded_where_each_is_the_same_calls(change, recorded):
    how = {"processes": 1, "resident": True, "own": True, "training": True, **change}
    encoder = make_encoder("slim" if how["own"] else nn.Flatten(), image_size=8, channels=1, dim=2,
                           mean=[0.5], std=[0.5]).train(how["training"])  # fmt: skip
    source = Source(torch.zeros(3, 8, 8, 1), torch.device("cpu"))
    source.device = torch.device("cuda")
    if not how["resident"]:
        source._resident = None
    assert replay.recordable(encoder, encoder, source, how["processes"]) is recorded
