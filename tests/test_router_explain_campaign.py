"""What `explain` says of random problems, tried again (tests/campaigns/explain.py has them by the hundred)."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaign import times
from campaigns.explain import checked, checked_problem

import router

EXAMPLES = Path(router.__file__).parent / "examples"


@pytest.mark.parametrize("first", [1, 12, 20, 46])
def test_what_is_said_of_random_problems_holds(first):
    """Every infeasible problem has a repair; repairs repair and are the least.

    Savings are reached, and prices flip the plan.
    """
    faults = [(seed, fault) for seed in range(first, first + times(2)) for fault in checked(seed)[1]]
    assert faults == []


@pytest.mark.parametrize(
    "file",
    [
        "case-02-wafer-time.yaml",
        "case-04-self-hosted.yaml",
        "case-09-content-moderation.yaml",
        "case-11-hybrid.yaml",
        "eligibility-latency.yaml",
        "eligibility.yaml",
    ],
)
def test_what_is_said_of_the_reference_cases_holds(file):
    assert checked_problem(router.load(EXAMPLES / file)) == ("feasible", [])
