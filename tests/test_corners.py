"""Problems of the campaigns that once ended in a bug of the planner, by the seed that draws them."""

from __future__ import annotations

import pytest
from campaigns import corners
from problem_factory import load

import router


@pytest.mark.parametrize(
    "seed",
    [
        3_000_111  # exit 5, then 6: every solver's point had a ten-millionth of a cell on instances that do not run
    ],
)
def test_a_corner_has_a_verified_plan(seed: int) -> None:
    assert router.solve(load(corners.drawn(seed))).ok
