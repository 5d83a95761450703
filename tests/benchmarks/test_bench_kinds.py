"""Many workloads of few kinds in one period, from Python: what a plan takes, beside PuLP's objects and CBC.

pytest tests/benchmarks/test_bench_kinds.py -s                   CBC_S=600 for CBC's limit; 60 s, and not of the larger
"""

from __future__ import annotations

import os
import resource
import sys
from time import process_time

import pulp
import pytest

from benchmarks.kinds import kinds_problem
from benchmarks.kinds_objects import objects_model
from router import api
from router.plan.document import Plan
from router.planning.kinds import alike
from router.schema import Problem
from solvers import SolveOptions

GAP = 1e-4
CBC_S = float(os.environ.get("CBC_S", "60"))
MUST_S = 10.0


def say(text: str) -> None:
    sys.stdout.write(f"\n{text}")


def cpu_s() -> float:
    """Of this process and of those that ended: CBC runs in one of its own."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + ended.ru_utime + ended.ru_stime


def planned(problem: Problem) -> Plan:
    began = process_time()
    plan = api.solve(problem, options=SolveOptions(gap=GAP))
    spent = process_time() - began
    own = "none" if plan.proof is None else f"{plan.proof.bound_usd:,.0f} ({plan.proof.kind})"
    say(
        f"planner: {plan.cost_usd:,.2f} USD, bound {plan.bound_usd:,.2f}, worked out by ourselves {own}, "
        f"{len(plan.routes):,} routes, {spent:.1f} CPU s, {spent / MUST_S:.2f} of what is asked for at the most"
    )
    assert plan.ok
    assert {row.workload for row in plan.routes} == {load.name for load in problem.workloads}
    return plan


@pytest.mark.parametrize(("workloads", "kinds"), [(2_000, 200), (100_000, 2_000)])
def test_every_workload_has_its_routes(workloads: int, kinds: int) -> None:
    problem = kinds_problem(workloads, kinds)
    plan = planned(problem)
    assert plan.kinds is not None
    assert len(plan.kinds) == kinds
    began = process_time()
    assert api.verify(problem, plan).ok
    say(f"verify alone, the hash known: {process_time() - began:.1f} CPU s")
    objects = objects_model(problem)
    say(f"PuLP: {objects.variables:,} variables in {objects.seconds:.1f} CPU s")
    if workloads > 10_000 and "CBC_S" not in os.environ:  # PuLP takes many minutes to read what CBC says
        return
    began = cpu_s()
    solver = pulp.COIN_CMD(msg=False, timeLimit=CBC_S, gapRel=GAP)
    found = objects.model.solve(solver)
    usd = f"{found.objective:,.2f} USD" if found.has_solution else "no plan"
    say(f"CBC: {found.status_str}, {usd}, {cpu_s() - began:.1f} CPU s, limit {CBC_S:.0f} s")
    if found.has_solution:
        assert plan.cost_usd <= found.objective * (1 + GAP)


def test_the_cost_is_that_of_each_workload_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 workloads of 200 kinds, with kinds and without."""
    problem = kinds_problem(2_000, 200)
    plan = planned(problem)
    monkeypatch.setattr(alike, "FEWEST", 10**9)
    began = process_time()
    alone = api.solve(problem, options=SolveOptions(gap=GAP, time_limit_s=600.0))
    say(f"each by itself: {alone.cost_usd:,.2f} USD, {process_time() - began:.1f} CPU s")
    assert alone.kinds is None
    assert plan.cost_usd == pytest.approx(alone.cost_usd, rel=GAP)
