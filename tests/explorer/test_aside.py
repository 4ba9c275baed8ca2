"""Work in another process."""

from __future__ import annotations

import math
import os

import pytest

from augmap.explorer.aside import aside


def test_it_is_another_process_that_answers():
    assert aside(os.getpid) != os.getpid()
    assert aside(divmod, 17, 5) == (3, 2)


def test_a_failure_is_no_answer(capfd):
    with pytest.raises(RuntimeError, match="sqrt ended without an answer"):
        aside(math.sqrt, -1)
    assert "math domain error" in capfd.readouterr().err
