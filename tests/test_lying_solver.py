"""A solver that lies: worse points as optimal, bounds too high, no plan where there is one, points that are none.

Every lie is found out, or the plan does not claim to be proven.
For more: `CAMPAIGN=100 pytest tests/test_lying_solver.py`, or `python tests/campaigns/lies.py`.
"""

from __future__ import annotations

from campaign import times
from campaigns.lies import LIES, campaign, honest_share

PROBLEMS = times(15)


def test_a_lie_is_found_out_or_nothing_is_claimed_and_the_honest_are_believed() -> None:
    """At least half of what the liars bring about is proven by our own bound all the same."""
    figures = campaign(PROBLEMS, 0)
    assert figures.faults == []
    lied = {name: n for name, n in figures.ends.items() if name.partition(":")[0] in LIES}
    assert sum(n for name, n in lied.items() if name.endswith("own")) >= 0.5 * sum(lied.values()), lied
    assert honest_share(figures) >= 0.95
