"""Pixels on their way: the rows that were asked for, whatever they lie in."""

import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from augmap.method import source
from augmap.method.source import PixelFile, Source, channel_statistics

CPU = torch.device("cpu")


def images(n=20, channels=2):
    return np.random.default_rng(0).integers(0, 256, (n, 4, 4, channels), dtype=np.uint8)


@given(st.lists(st.integers(0, 19), min_size=1, max_size=40))
def test_rows_in_the_order_asked_for(wanted):
    pixels = images()
    for rows in (pixels, torch.from_numpy(pixels)):
        found = Source(rows, CPU).take(torch.tensor(wanted))
        assert found.dtype == torch.uint8
        assert torch.equal(found, torch.from_numpy(pixels[wanted]))


def test_a_memory_map_and_a_stream(tmp_path):
    np.save(tmp_path / "x.npy", images())
    source = Source(np.load(tmp_path / "x.npy", mmap_mode="r"), CPU)
    indices = [torch.tensor([3, 1]), torch.tensor([19]), torch.tensor([0, 0, 5])]
    for index, found in zip(indices, source.stream(indices), strict=True):
        assert torch.equal(found, torch.from_numpy(images()[index.numpy()]))
    assert (len(source), source.shape) == (20, (20, 4, 4, 2))


def test_fetched_ahead_in_order_and_not_too_far():
    """Rows that do not fit on a device; the meta device stands for a GPU."""
    source = Source(images(), CPU)
    source.device = torch.device("meta")
    asked = []

    def indices():
        for i in range(12):
            asked.append(i)
            yield torch.arange(i + 1)

    for i, found in enumerate(source.stream(indices())):
        assert found.shape == (i + 1, 4, 4, 2)
        assert asked[-1] <= i + 3


@pytest.mark.parametrize("cut", [slice(None), slice(3, 9), slice(7, None)])
def test_a_memory_map_crosses_by_its_place(tmp_path, cut):
    np.save(tmp_path / "x.npy", images())
    pixels = np.load(tmp_path / "x.npy", mmap_mode="r")[cut]
    place = PixelFile.of(pixels)
    sent = pickle.dumps(place)
    assert len(sent) < 600
    back = pickle.loads(sent).open()
    assert isinstance(back, np.memmap)
    assert not back.flags.writeable
    np.testing.assert_array_equal(back, images()[cut], strict=True)


def test_what_is_no_stretch_of_a_file_is_written_to_one(tmp_path):
    np.save(tmp_path / "x.npy", images())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for pixels in (images(), mapped[::2], mapped[[1, 5]], mapped.copy()):
        assert PixelFile.of(pixels) is None
        back = PixelFile.write(pixels, str(tmp_path / "y")).open()
        np.testing.assert_array_equal(back, pixels, strict=True)


def test_statistics_counted():
    pixels = np.zeros((4, 2, 2, 3), np.uint8)
    pixels[:2, ..., 0] = 255
    pixels[..., 1] = 51
    pixels[0, ..., 2] = 102
    mean, std = channel_statistics(pixels)
    assert mean == pytest.approx([0.5, 0.2, 0.1])
    assert std == pytest.approx([0.5, 1.0, 0.4 * np.sqrt(3) / 4], abs=1e-6)  # a constant channel gets 1


def test_rows_go_to_a_device_in_blocks(monkeypatch):
    monkeypatch.setattr(source, "_BLOCK", 3)
    rows = images()
    np.testing.assert_array_equal(source._sent_in_blocks(rows, CPU).numpy(), rows, strict=True)


def test_statistics_take_no_memory():
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3), dtype=np.uint8)
    flat = pixels.reshape(-1, 3) / 255
    tracemalloc.start()
    mean, std = channel_statistics(pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * pixels.nbytes  # float copies of all were 12 times as many
    assert mean == pytest.approx(flat.mean(0), abs=1e-6)
    assert std == pytest.approx(flat.std(0), abs=1e-6)


def test_statistics_of_many_are_those_of_an_even_sample():
    pixels = np.repeat(np.arange(200, dtype=np.uint8), 100)[:, None, None, None]
    mean, std = channel_statistics(pixels, at_most=1000)
    assert mean[0] * 255 == pytest.approx(99.5, abs=0.5)
    assert std[0] * 255 == pytest.approx(np.arange(200).std(), rel=0.01)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_a_part_is_numbered_from_0(kind):
    rows = np.arange(20, dtype=np.uint8).reshape(10, 2)
    part = Source(kind(rows), torch.device("cpu")).only(torch.tensor([7, 2, 4]))
    assert (len(part), part.shape) == (3, (3, 2))
    np.testing.assert_array_equal(part.take(torch.tensor([2, 0])), rows[[4, 7]])
    np.testing.assert_array_equal(next(part.stream([torch.tensor([1])])), rows[[2]])
