"""Which map.json is the record of a map, and which is somebody else's."""

from __future__ import annotations

import pytest

from augmap.record import is_record
from madeup import full_map


@pytest.mark.parametrize(
    "text", ['{"tiles": [1]}', "[1]", "{}", "", "no JSON", "[" * 100_000, '{"files": {}}']
)
def test_a_file_of_that_name(tmp_path, text):
    (tmp_path / "map.json").write_text(text)
    assert not is_record(tmp_path / "map.json")
    assert not is_record(tmp_path / "none.json")


@pytest.mark.parametrize("text", ['{"augmap": "0.', "", "{}", "\0" * 99])
def test_a_damaged_one_is_known_by_its_neighbours(tmp_path, text):
    full_map().save(tmp_path / "m")
    assert is_record(tmp_path / "m" / "map.json")
    (tmp_path / "m" / "map.json").write_text(text)
    assert is_record(tmp_path / "m" / "map.json")
    full_map(3).save(tmp_path / "m", overwrite=True)


def test_one_of_a_later_format(tmp_path):
    (tmp_path / "map.json").write_text('{"format_version": 99, "files": []}')
    assert is_record(tmp_path / "map.json")
