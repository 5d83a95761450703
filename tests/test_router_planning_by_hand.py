"""A plan made by hand: no search, every promise kept, and what first prices prove of any plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from problems.core.encode import encode
from router.loading.catalogue import load
from router.normalise import normalise
from router.planning import by_hand
from router.planning.fixed import Fixed
from solvers import SolveOptions, is_feasible, solve

EXAMPLES = Path(__file__).parents[1] / "router" / "examples"


@pytest.mark.parametrize("few", [0, 10**6])
@pytest.mark.parametrize("name", ["mixed", "case-11-hybrid", "rate-limits", "case-04-self-hosted"])
def test_it_keeps_every_row_and_its_bound_holds(name: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "FEW", few)
    encoded = encode(normalise(load(EXAMPLES / f"{name}.yaml")))
    plan = by_hand.made_by_hand(encoded, "highs", SolveOptions(), Fixed())
    best = solve(encoded.program, "highs", SolveOptions())
    assert plan is not None
    assert best.objective is not None
    assert is_feasible(encoded.program, plan.point, tolerance=1e-6)
    near = 1e-6 * abs(best.objective)
    assert plan.bound - near <= best.objective <= plan.objective_usd + near


def test_a_relaxation_of_all_flows_bounds_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few routes each: none is left out, and where the search ends with nothing the plan has that bound."""
    monkeypatch.setattr(by_hand, "FEW", 0)
    encoded = encode(normalise(load(EXAMPLES / "savings-plan.yaml")))
    plan = by_hand.made_by_hand(encoded, "highs", SolveOptions(), Fixed())
    relaxed = solve(encoded.program.relax(), "highs", SolveOptions())
    assert plan is not None
    assert plan.bound == pytest.approx(relaxed.objective, rel=1e-6)
