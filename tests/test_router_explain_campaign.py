"""What `explain` says of random problems, tried again (tests/campaigns/explain.py has them by the hundred)."""

from __future__ import annotations

import pytest
from campaign import times
from campaigns.explain import checked


@pytest.mark.parametrize("first", [1, 12, 20, 36, 46])
def test_what_is_said_of_random_problems_holds(first):
    """Every infeasible problem has a repair; repairs repair and are the least.

    Savings are reached, and prices flip the plan.
    """
    faults = [(seed, fault) for seed in range(first, first + times(3)) for fault in checked(seed)[1]]
    assert faults == []
