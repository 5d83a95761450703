"""A solver that lies: worse points as optimal, bounds too high, no plan where there is one, points that are none.

Every lie is found out, or the plan does not claim to be proven.
For more: `CAMPAIGN=100 pytest tests/test_lying_solver.py`, or `python tests/campaigns/lies.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from campaign import times
from campaigns.lies import LIES, campaign, honest_share, lying
from problem_factory import load
from reoptimise_cases import run
from sizing_factory import sized

import router
from router.explaining.run import explain

PROBLEMS = times(9)


def test_a_lie_is_found_out_or_nothing_is_claimed_and_the_honest_are_believed() -> None:
    """At least half of what the liars bring about is proven by our own bound all the same."""
    figures = campaign(PROBLEMS, 0)
    assert figures.faults == []
    lied = {name: n for name, n in figures.ends.items() if name.partition(":")[0] in LIES}
    assert sum(n for name, n in lied.items() if name.endswith("own")) >= 0.5 * sum(lied.values()), lied
    assert honest_share(figures) >= 0.95


#: 250 tokens/s: a small server (100 for 1 USD) and a large one (200 for 1.75 USD) cost 2.75 USD; three small ones 3.
SIZES = {
    "schema": "router/1",
    "name": "sizes",
    "horizon": {"periods": 1, "period_h": 1},
    "models": {"m": {}},
    "workloads": [{"name": "w", "models": ["m"], "demand": {"tokens_per_s": 250, "completion_share": 0.5}}],
    "offers": [
        {
            "name": name,
            "models": {"m": {"tokens_per_s": rate}},
            "instances": {"usd_per_h": usd, "max_utilisation": 1.0},
        }
        for name, rate, usd in (("small", 100, 1.0), ("large", 200, 1.75))
    ],
}


def test_no_command_takes_a_solver_at_its_word_that_there_is_no_plan(tmp_path: Path) -> None:
    problem = load(SIZES)
    futures = [{"name": f"s{i}", "probability": 0.5} for i in range(2)]
    with lying("none"):
        assert router.solve(problem).cost_usd == pytest.approx(2.75)
        alone = {row.offer: row.cost_usd for row in router.compare(problem).offers}
        assert alone == {"small": pytest.approx(3.0), "large": pytest.approx(3.5)}
        assert explain(problem).plan is not None
        assert sized(SIZES | {"scenarios": futures}).cost_usd == pytest.approx(2.75)
        assert run(tmp_path, problem).plan.cost_usd == pytest.approx(2.75)
