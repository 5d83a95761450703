"""The rows of the verifier are written once a plan, and again wherever they would not be the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from problem_factory import load

import router
from router.plan.document import Plan
from router.plan.proof import Proof
from router.planning.solve import Search, before_proof, encode_problem
from router.schema import Problem
from router.verification import Audit, audit_of, verify
from router.verification import bound as rows
from router.verification.bound import relaxation_of
from solvers import SolveOptions

APART = {
    "schema": "router/1",
    "horizon": {"periods": 2, "period_h": 1, "start": "2026-03-02T00:00"},
    "models": {"m": {}},
    "workloads": [
        {"name": "chat", "models": ["m"], "prompt_tokens": 100, "completion_tokens": 100}
        | {"demand": {"requests_by_period": [36000, 72000]}},
    ],
    "offers": [
        {"name": "gpu", "models": {"m": {"tokens_per_s": 2000, "ttft_p99_ms": 100, "concurrency": 8}}}
        | {"instances": {"usd_per_h": 3, "max_utilisation": 0.8}},
        {"name": "api", "models": {"m": {"prompt_usd_per_m": 2, "completion_usd_per_m": 2}}},
    ],
}


@pytest.fixture(scope="module")
def problem() -> Problem:
    return load(APART)


@pytest.fixture(scope="module")
def plan(problem: Problem) -> Plan:
    return router.solve(problem)


@pytest.fixture(scope="module")
def audit(problem: Problem, plan: Plan) -> Audit:
    """Of the plan, its rows written."""
    made = audit_of(problem, plan)
    assert relaxation_of(made) is not None
    return made


def test_a_plan_takes_one_writing(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(rows, "add_flows", _counting(rows.add_flows, written))
    assert router.solve(problem).proof is not None
    assert len(written) == 1


def _counting(write, written):
    def counted(*args):
        written.append(args)
        return write(*args)

    return counted


def test_the_verdict_is_that_of_a_check_from_the_start(problem: Problem, plan: Plan, audit: Audit) -> None:
    assert verify(problem, plan, audit) == verify(problem, plan)
    higher = replace(plan, proof=replace(plan.proof, bound_usd=plan.objective_usd + 1.0))
    assert verify(problem, higher, audit) == verify(problem, higher)
    assert verify(problem, higher, audit).failed() == ("proof",)


def test_rows_hold_for_the_same_problem_and_for_no_dearer_plan(
    problem: Problem, plan: Plan, audit: Audit
) -> None:
    model = relaxation_of(audit)
    usd = plan.objective_usd

    def handed_on(other: Plan) -> bool:
        return relaxation_of(audit_of(problem, other, audit)) is model

    assert handed_on(plan)
    assert handed_on(replace(plan, objective_usd=usd - 1.0))
    assert handed_on(
        replace(plan, routes=plan.routes[1:])
    )  # nobody waits, so that rows are not cut at what runs
    assert not handed_on(replace(plan, objective_usd=usd + 1.0))
    assert not handed_on(replace(plan, start="2026-03-03T00:00"))
    mixes = Proof("solver", 0.0, (), {"gpu,m,0": (0.5,)})
    assert not handed_on(replace(plan, proof=mixes))
    assert relaxation_of(audit_of(problem, plan)) is not model


def test_rows_that_are_cut_at_what_runs_are_of_that_alone() -> None:
    workload = {**APART["workloads"][0], "slo": {"ttft_p99_ms": 400}}
    gpu = {**APART["offers"][0], "instances": {"usd_per_h": 3}}
    problem = load({**APART, "workloads": [workload], "offers": [gpu, APART["offers"][1]]})
    plan = router.solve(problem)
    audit = audit_of(problem, plan)
    model = relaxation_of(audit)
    assert model is not None
    assert model.of_plan
    assert relaxation_of(audit_of(problem, plan, audit)) is model
    elsewhere = replace(plan, routes=tuple(replace(row, share=0.5 * row.share) for row in plan.routes))
    assert relaxation_of(audit_of(problem, elsewhere, audit)) is not model


def test_an_audit_with_faults_hands_nothing_on(problem: Problem, plan: Plan, audit: Audit) -> None:
    faulty = replace(audit)
    faulty.ledgers["traces"].fault("a record that cannot be read")
    assert audit_of(problem, plan, faulty).alike is None
    faulty.ledgers.clear()


def test_what_is_said_of_a_point_keeps_what_was_worked_out(problem: Problem) -> None:
    found = before_proof(encode_problem(problem), Search("highs", SolveOptions()))
    decoded = found.decoded
    assert found.saying(bound=0.0).decoded is decoded
    assert replace(found, point=found.point).decoded is not decoded
