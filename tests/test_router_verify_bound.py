"""Bounds that `verify` works out again: its rows against the planner's, proofs that are changed, leaves with holes."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from random import Random

import pytest
from problem_factory import load
from strategies import EVERYTHING, random_problem

import router
from problems.core.encode import encode
from router.errors import Infeasible, InputError
from router.normalise import normalise
from router.plan.document import Plan
from router.plan.proof import Proof, ProofPart, ProvenLeaf
from router.planning import two_steps
from router.planning.proofs import trees
from router.planning.proofs.scaled import ScaledRelaxation
from router.reports.plan import plan_report
from router.verification.base.audit import Audit
from router.verification.bound import relaxation_of
from router.verification.bound.duality import covered, proven
from router.verification.bound.relaxation import RelaxedProblem
from solvers import LinearProgram, Solution, SolveOptions, Stop, solve

FLEETS = Path(__file__).parent / "instances" / "bug-016-five-fleets-apart.yaml"
LEFT_OUT = {"scenarios", "slo"}  # several futures have no such bound, waiting is not in its rows


def box_and_leaves() -> RelaxedProblem:
    """min 3 n : 2 n ≥ 5, n whole in 0 … 9. The relaxation costs 7.5, the best plan 9 (n = 3)."""
    model = RelaxedProblem()
    model.variable("n", 9.0, whole=True, usd=3.0)
    model.constraint("work", [("n", 2.0)], lower=5.0)
    return model


def test_multipliers_prove_the_relaxation_and_leaves_the_whole_numbers() -> None:
    """y = 1.5: 5 · 1.5 + (3 − 2 · 1.5) n = 7.5. n ≥ 3 with y = 0: 9. n ≤ 2 with y = 10: 50 − 17 n ≥ 16."""
    model = box_and_leaves()
    assert proven(model, ["n"], [({"work": 1.5}, {})]) == pytest.approx(7.5)
    assert proven(model, ["n"], [({"work": 1.5}, {})]) <= 7.5
    assert proven(model, ["n"], [({}, {"n": (3.0, inf)})]) == pytest.approx(9.0)
    assert proven(model, ["n"], [({"work": 10.0}, {"n": (-inf, 2.0)})]) == pytest.approx(16.0)
    assert proven(model, ["n"], [({"work": -1.0}, {})]) == -inf  # there is no upper limit to take
    halves = [({"work": 10.0}, {"n": (-inf, 2.0)}), ({}, {"n": (3.0, inf)})]
    assert proven(model, ["n"], halves) == pytest.approx(9.0)  # the least of 16 and 9


def test_variables_without_end_get_one_from_cost_and_from_constraints() -> None:
    """min 2b : b ≥ 3, b − c ≥ 0, c = 4 s, s whole. What costs at most 10 has b ≤ 5, so c ≤ 5 and s ≤ 5/4: it is 1."""
    model = RelaxedProblem()
    model.variable("b", usd=2.0)
    model.variable("c")
    model.variable("s", whole=True)
    model.constraint("least", [("b", 1.0)], lower=3.0)
    model.constraint("most", [("b", 1.0), ("c", -1.0)], lower=0.0)
    model.constraint("steps", [("c", 1.0), ("s", -4.0)], lower=0.0, upper=0.0)
    model.limited(10.0)
    assert model.variables["b"].upper == pytest.approx(5.0, rel=1e-5)
    assert model.variables["c"].upper == pytest.approx(5.0, rel=1e-5)
    assert model.variables["s"].upper == 1.0
    assert all(model.variables[name].upper >= 5.0 for name in "bc")


@pytest.mark.parametrize(
    ("leaves", "whole"),
    [
        ([{}], True),
        ([], False),
        ([{"n": (-inf, 2)}, {"n": (3, inf)}], True),
        ([{"n": (-inf, 2)}, {"n": (4, inf)}], False),
        ([{"n": (-inf, 2)}], False),
        ([{"n": (0, 2)}, {"n": (3, inf)}], False),
        ([{"n": (-inf, 2), "m": (-inf, 0)}, {"n": (-inf, 2), "m": (1, inf)}, {"n": (3, inf)}], True),
        ([{"n": (-inf, 2), "m": (-inf, 0)}, {"n": (-inf, 2), "m": (2, inf)}, {"n": (3, inf)}], False),
        ([{"n": (-inf, 2), "m": (-inf, 0)}, {"n": (3, inf), "m": (1, inf)}], False),
        ([{"n": (-inf, 5)}, {"n": (3, 4)}, {"n": (6, inf)}], True),
    ],
)
def test_leaves_leave_no_count_out(leaves: list[dict[str, tuple[float, float]]], whole: bool) -> None:
    assert covered(leaves) == whole


@pytest.mark.parametrize("seed", range(60))
def test_the_rows_of_the_verifier_are_those_of_the_program(seed: int) -> None:
    """Both relaxations have the same optimum, though neither knows of the other.

    Limits from cost may cut more off than the program's: then the verifier's is higher, never above the plan.
    """
    problem = load(random_problem(Random(seed), EVERYTHING - LEFT_OUT))
    try:
        plan = router.solve(problem)
    except (Infeasible, InputError):
        return
    model = relaxation_of(Audit(problem, plan))
    assert model is not None
    ours = solve(ScaledRelaxation.of(model).program.relax(), "highs", SolveOptions()).objective
    program = encode(normalise(problem, None)).program
    theirs = solve(program.relax(), "highs", SolveOptions()).objective
    assert ours is not None
    assert theirs is not None
    slack = 1e-6 * max(abs(theirs), 1e-3)
    assert theirs - slack <= ours <= plan.objective_usd + slack
    if ours > theirs + slack:
        free = relaxation_of(Audit(problem, replace(plan, objective_usd=1e12)))
        assert free is not None
        again = solve(ScaledRelaxation.of(free).program.relax(), "highs", SolveOptions()).objective
        assert again == pytest.approx(theirs, rel=1e-6, abs=1e-9)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert (
        plan.bound_usd >= plan.objective_usd * (1 - 1e-5) - 1e-9
    )  # 1e-6 more of a pool may be worth more than that


@pytest.fixture(scope="module")
def fleets() -> Plan:
    """Fleets that share nothing: HiGHS 1.14 to 1.16 call 11,766.50 optimal; fleet by fleet it is 11,765.50."""
    return router.solve(FLEETS)


def test_a_false_optimum_of_the_solver_is_bettered(fleets: Plan) -> None:
    assert fleets.cost_usd == pytest.approx(11765.5, abs=1e-6)
    assert fleets.bound_usd == pytest.approx(11765.5, rel=1e-9)
    assert fleets.proof is not None
    assert fleets.proof.kind == "own"
    assert len(fleets.proof.parts) == 5
    assert sorted(part.workloads[0] for part in fleets.proof.parts) == [f"work-{i}" for i in range(1, 6)]
    read = Plan.from_dict(fleets.to_dict())
    assert router.verify(FLEETS, read).ok


def changed(plan: Plan, part: ProofPart | None, **fields: object) -> Plan:
    """The plan with other parts, or other figures of its proof."""
    assert plan.proof is not None
    parts = plan.proof.parts if part is None else (part, *plan.proof.parts[1:])
    return replace(plan, proof=replace(plan.proof, parts=parts, **fields))  # type: ignore[arg-type]


def proof_holds(plan: Plan) -> bool:
    return "proof" not in router.verify(FLEETS, plan).failed()


def test_a_proof_that_says_more_than_it_proves_is_found_out(fleets: Plan) -> None:
    proof: Proof | None = fleets.proof
    assert proof is not None
    first = proof.parts[0]
    leaves = tuple(sorted(first.leaves or (), key=lambda leaf: -len(leaf.multipliers)))
    assert len(leaves) > 1
    assert proof_holds(fleets)
    strongest = max(leaves[0].multipliers, key=lambda name: abs(leaves[0].multipliers[name]))
    stretched = replace(leaves[0], multipliers={**leaves[0].multipliers, strongest: 0.0})
    foreign = next(name for leaf in proof.parts[1].leaves or () for name in leaf.multipliers)
    for wrong in (
        changed(fleets, replace(first, bound_usd=first.bound_usd * 1.001)),
        changed(fleets, None, bound_usd=proof.bound_usd * 1.001),
        changed(fleets, replace(first, leaves=leaves[1:])),
        changed(fleets, replace(first, leaves=(stretched, *leaves[1:]))),
        changed(fleets, replace(first, leaves=(ProvenLeaf({"count(nobody)": (0, 1)}, {}), *leaves[1:]))),
        changed(fleets, replace(first, leaves=(replace(leaves[0], multipliers={foreign: 1.0}), *leaves[1:]))),
        changed(fleets, replace(first, leaves=(replace(leaves[0], multipliers={"no promise": 1.0}),))),
    ):
        assert not proof_holds(wrong)
    assert not router.verify(FLEETS, replace(fleets, bound_usd=fleets.bound_usd * 1.0001)).ok


def test_only_what_is_whole_may_be_split(fleets: Plan) -> None:
    """Shares in [0, 0] and [1, ∞) would leave out all between."""
    assert fleets.proof is not None
    part = fleets.proof.parts[0]
    flow = next(name for name in (relaxation_of(Audit(router.load(FLEETS), fleets)) or RelaxedProblem()).runs)
    leaves = tuple(ProvenLeaf({flow: ends}, {}) for ends in ((None, 0.0), (1.0, None)))
    assert not proof_holds(changed(fleets, replace(part, leaves=leaves, bound_usd=0.0)))


def half_a_server(gap: float = 1e-6) -> Plan:
    """Half of what a server can do, and servers are whole: 1 USD, where a relaxation pays half of it."""
    own = {"name": "own", "models": {"m": {"tokens_per_s": 1000}}}
    own["instances"] = {"usd_per_h": 1, "max_utilisation": 1.0}
    work = {"name": "w", "models": ["m"], "demand": {"tokens_per_s": 500, "completion_share": 0.5}}
    return router.solve(
        load(
            {
                "schema": "router/1",
                "horizon": {"periods": 1, "period_h": 1},
                "models": {"m": {}},
                "workloads": [work],
                "offers": [own],
            }
        ),
        options=SolveOptions(gap=gap),
    )


def test_who_asks_for_the_optimum_of_a_large_problem_waits_for_a_bound_of_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No second look confirms it: a patient tree is grown at the default gap."""
    monkeypatch.setattr(trees, "FLOOR", 0.0)
    monkeypatch.setattr(trees, "ALONE", 0)
    proof = half_a_server().proof
    assert proof is not None
    assert proof.kind == "own"


@pytest.mark.parametrize("gap", [1e-6, 1e-3])
def test_a_second_search_agrees_where_no_bound_of_ours_reaches(
    gap: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the tree has no work left."""
    monkeypatch.setattr(trees, "FLOOR", 0.0)
    monkeypatch.setattr(trees, "PATIENT", 0.0)
    monkeypatch.setattr(trees, "with_cuts", lambda *_: None)
    monkeypatch.setattr(trees, "CELLS", 0.0)
    plan = half_a_server(gap)
    assert plan.proof is not None
    assert (plan.cost_usd, plan.proof.kind) == (pytest.approx(1.0), "two_searches")
    assert plan.proof.bound_usd == pytest.approx(0.5, rel=1e-5)
    assert "Two searches found no cheaper plan; not proven" in plan_report(plan).headline

    honest = two_steps.solve_program

    def stopped(program: LinearProgram, solver: str, options: SolveOptions, *rest: object) -> Solution:
        answer = honest(program, solver, options, *rest)  # type: ignore[arg-type]
        return replace(answer, stop=Stop.NODE_LIMIT) if options.seed else answer

    monkeypatch.setattr(two_steps, "solve_program", stopped)
    alone = half_a_server(gap)
    assert alone.proof is not None
    assert alone.proof.kind == "solver"
    assert "highs states that no plan costs less; not re-checked" in plan_report(alone).headline
