"""Budgets among the rows that `verify` writes: by hand, against the search's program, and with changed multipliers."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, load, plan_of, problem
from strategies import EVERYTHING, random_problem

import router
from problems.core.encode import encode
from router.errors import Infeasible, InputError
from router.normalise import normalise
from router.plan.document import Plan
from router.planning.proofs.scaled import ScaledRelaxation
from router.verification.base.audit import Audit
from router.verification.bound import relaxation_of
from router.verification.bound.proof import Unproven, proven_parts
from solvers import SolveOptions, solve

ROW = "budget(max_committed_usd)"
M = 1e6
FUTURES = [
    {"name": "base", "probability": 0.5},
    {
        "name": "dear",
        "probability": 0.3,
        "demand": {"*": 1.5},
        "prices": {"o0": 1.3, "o1": 0.8},
    },
    {"name": "quiet", "probability": 0.2, "demand": {"*": 0.7}, "prices": {"*": 1.1}},
]


def three_contracts(most_usd: float, **rest: float) -> Data:
    """600, 400 and 300 M tokens a month of models a, b, c: 1 USD/M committed; 1.70, 1.50 and 1.50 on demand."""
    volumes = {"a": (600, 1.7), "b": (400, 1.5), "c": (300, 1.5)}
    loads = [
        {"name": f"w-{m}", "models": [m], "demand": {"tokens_per_month": mio * M, "completion_share": 0.5}}
        for m, (mio, _) in volumes.items()
    ]
    contracts = [
        api(f"contract-{m}", 1.0, (m,)) | {"commitment": {"min_usd_per_month": mio}} | rest
        for m, (mio, _) in volumes.items()
    ]
    on_demand = [api(f"api-{m}", usd, (m,)) for m, (_, usd) in volumes.items()]
    policy = {"max_committed_usd": most_usd}
    return problem(loads, [*contracts, *on_demand], period_h=730.0, policy=policy)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_limit_on_what_is_committed_is_proven_by_a_row_of_its_own(solver: str) -> None:
    """At most 700: a saves 420, b and c 350 together; a and b would take 1,000. 600 + 600 + 450 = 1,650.

    The relaxation has a quarter of b beside a: 1,600. Without the limit 1,300.
    """
    stated = three_contracts(700.0)
    plan = plan_of(stated, solver)
    assert plan.cost_usd == pytest.approx(1650.0)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.bound_usd == pytest.approx(1650.0, rel=1e-6)
    model = relaxation_of(Audit(load(stated), plan))
    assert model is not None
    assert dict(model.constraints[ROW].terms) == {f"committed(contract-{m},month 0)": 1.0 for m in "abc"}
    relaxed = solve(ScaledRelaxation.of(model).program.relax(), "highs", SolveOptions()).objective
    assert relaxed == pytest.approx(1600.0, rel=1e-5)


def test_fees_are_committed_too() -> None:
    """With fees of 60 each a alone is 660, b and c together 820, over 700: a saves 420 − 60, 1,710."""
    plan = plan_of(three_contracts(700.0, fee_usd_per_month=60.0))
    assert plan.cost_usd == pytest.approx(1650.0 + 60.0)
    assert plan.proof is not None
    assert plan.proof.kind == "own"


def test_what_a_cap_lets_through_is_signed_for_as_a_whole() -> None:
    """600 M at 1.70; a contract of 300 USD at 1.00 has a quota of half of it, and 150 may be committed: 1,020.

    Signed by half it would carry half of all work, 810; of the quota it is a half, 1,020 − 150 · 0.70 = 915.
    """
    stated = three_contracts(150.0)
    stated["workloads"], stated["offers"] = stated["workloads"][:1], [stated["offers"][i] for i in (0, 3)]
    stated["offers"][0] |= {
        "commitment": {"min_usd_per_month": 300},
        "quota": {"tokens_per_minute": 300 * M / (730 * 60)},
    }
    stated["models"] = {"a": {}}
    plan = plan_of(stated)
    assert plan.cost_usd == pytest.approx(1020.0)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    model = relaxation_of(Audit(load(stated), plan))
    assert model is not None
    for usd in (915.0, 810.0):
        relaxed = solve(ScaledRelaxation.of(model).program.relax(), "highs", SolveOptions()).objective
        assert relaxed == pytest.approx(usd, rel=1e-5)
        del model.constraints["linking(quota(contract-a,tokens,0),signed)"]
        model.constraint("linking(quota(contract-a,tokens,0),signed)", [])


def test_what_adds_up_to_the_limit_but_for_its_rounding_is_let_through() -> None:
    """0.1 + 0.2 > 0.3 in floating point: both contracts of 0.1 and 0.2 may be signed, and nothing else is proven."""
    stated = three_contracts(0.3)
    for offer, usd in zip(stated["offers"], (0.1, 0.2, 600.0), strict=False):
        offer["commitment"] = {"min_usd_per_month": usd}
    plan = plan_of(stated)
    assert plan.cost_usd == pytest.approx(600.0 + 400.0 + 450.0)
    assert plan.proof is not None
    assert plan.proof.kind == "own"


def test_changed_multipliers_of_it_prove_no_more() -> None:
    """Whatever stands there in its place: 0, half, twice, the other sign; of every leaf that has it."""
    stated = load(three_contracts(700.0))
    plan = router.solve(stated)
    model = relaxation_of(Audit(stated, plan))
    assert model is not None
    assert plan.proof is not None
    seen = 0
    for factor in (0.0, 0.5, 0.99, 1.01, 2.0, -1.0):
        parts = []
        for part in plan.proof.parts:
            leaves = tuple(
                replace(leaf, multipliers=_times(leaf.multipliers, factor)) for leaf in part.leaves or ()
            )
            own = None if part.multipliers is None else _times(part.multipliers, factor)
            parts.append(replace(part, multipliers=own, leaves=leaves or None))
            seen += any(ROW in leaf.multipliers for leaf in part.leaves or ()) or ROW in (
                part.multipliers or {}
            )
        try:
            total = proven_parts(model, tuple(parts), plan.proof.prices)[1]
        except Unproven:
            continue
        assert total <= plan.cost_usd * (1 + 1e-9)
    assert seen


def _times(multipliers: dict[str, float], factor: float) -> dict[str, float]:
    return {name: usd * factor if name == ROW else usd for name, usd in multipliers.items()}


@pytest.mark.parametrize("several", [False, True], ids=["one future", "three futures"])
def test_the_best_point_of_the_rows_is_no_dearer_than_the_plan(several: bool) -> None:
    """Fees, contracts, terms, counts for the horizon, reserved; limits at and below what a plan without them has.

    Of one future both relaxations have one optimum, though neither knows of the other.
    """
    compared = bind = 0
    for seed in range(times(12 if several else 60)):
        data = budgeted(seed, several=several)
        if data is None:
            continue
        stated, before = data
        try:
            plan = planned(stated, several=several)
        except (Infeasible, InputError):
            continue
        problem = load(stated)
        assert router.verify(problem, plan).ok, seed
        compared, bind = compared + 1, bind + (plan.objective_usd > before * (1 + 1e-6))
        free = relaxation_of(Audit(problem, replace(plan, objective_usd=1e9)))
        assert free is not None
        program = ScaledRelaxation.of(free).program
        for name in ("highs", "pulp:COIN_CMD"):
            best = solve(program, name, SolveOptions(gap=1e-9, time_limit_s=20.0)).objective
            assert best is None or best <= plan.objective_usd * (1 + 2e-6) + 1e-9, (seed, name)
        if several and "max_spend_usd" in stated["policy"]:
            assert all(f"budget(max_spend_usd)@{each['name']}" in free.constraints for each in FUTURES)
        if not several:
            for name in [name for name in free.constraints if name.startswith("linking(quota(")]:
                del free.constraints[name]  # the program has none of these
            program = ScaledRelaxation.of(free).program
            ours = solve(program.relax(), "highs", SolveOptions()).objective
            other = encode(normalise(problem, None)).program
            theirs = solve(other.relax(), "highs", SolveOptions()).objective
            assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-9), seed
    assert compared >= times(1 if several else 6)
    assert several or bind


def budgeted(seed: int, *, several: bool) -> tuple[Data, float] | None:
    """A random problem with limits on money, and what it costs without; None where nothing is committed or planned."""
    rng = Random(seed)
    data = random_problem(
        rng, EVERYTHING - {"slo", "scenarios"}, periods=rng.choice((1, 2, 3)), offers=rng.choice((2, 3, 4))
    )
    for offer in data["offers"]:
        if "commitment" in offer and "quota" not in offer and rng.random() < 0.5:
            offer["quota"] = {"tokens_per_minute": rng.choice((0.2, 0.5, 0.8)) * M / 60}
    if several:
        data["scenarios"] = FUTURES
    try:
        first = planned(data, several=several)
    except (Infeasible, InputError):
        return None
    audit = Audit(load(data), first)
    usd = math.fsum(each.probability * audit.costs.committed[each.name] for each in audit.case.futures)
    if usd <= 0.0:
        return None
    policy = data.get("policy", {}) | {"max_committed_usd": usd * rng.choice((0.3, 0.6, 0.9, 0.999, 1.0))}
    if rng.random() < 0.5:
        spent = max(audit.costs.of(each) for each in audit.case.futures)
        policy |= {"max_spend_usd": spent * rng.choice((0.97, 1.0, 1.02))}
    return data | {"policy": policy}, first.objective_usd


def planned(data: Data, *, several: bool) -> Plan:
    return router.size(load(data)) if several else router.solve(load(data))
