"""The checker of shapes: does it look at all?"""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import Float, jaxtyped

from augmap import neighbors
from typecheck import check


@jaxtyped(typechecker=check)
def halves(
    points: Float[np.ndarray, "n d"], weights: Float[np.ndarray, " n"], k: int = 1
) -> Float[np.ndarray, "n d"]:
    return points / 2 if k else points[0]


def test_right_shapes_pass_and_other_types_are_left_alone():
    assert halves(np.ones((3, 2)), np.ones(3), k="many").shape == (3, 2)


@pytest.mark.parametrize(
    ("points", "weights"),
    [(np.ones(3), np.ones(3)), (np.ones((3, 2)), np.ones(4)), (np.ones((3, 2), int), np.ones(3))],
)
def test_wrong_arguments_fail(points, weights):
    with pytest.raises(TypeError, match=r"points|weights"):
        halves(points, weights)


def test_wrong_result_fails():
    with pytest.raises(TypeError, match="return value"):
        halves(np.ones((3, 2)), np.ones(3), k=0)


def test_the_library_is_checked():
    with pytest.raises(TypeError, match="points"):
        neighbors.nearest(np.ones(3, np.float32), 1)
