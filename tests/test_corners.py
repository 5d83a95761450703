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


def test_a_pool_that_waits_and_is_rented_in_parts_has_a_bound_of_its_own() -> None:
    """The verifier asks whether any of it is rented, the program does without that column."""
    plan = router.solve(load(corners.drawn(1_000_142)))
    assert plan.proof is not None
    assert plan.proof.kind == "own"
