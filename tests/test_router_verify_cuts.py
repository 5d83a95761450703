"""Cuts in a proof: made by the verifier from promise and flows that are named, and true of every whole count."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import numpy as np
import pytest
from benchmarks.synthetic import market
from pytest import approx, raises

import router
from router.plan.proof import Proof, ProofCase, ProofPart
from router.planning import proving
from router.planning.proofs import held
from router.planning.proofs.cutting import strengthened_parts
from router.planning.proofs.scaled import ScaledRelaxation
from router.verification.bound.cuts import cut_name, cut_of
from router.verification.bound.proof import Unproven, proven_cases, proven_parts
from router.verification.bound.relaxation import RelaxedProblem
from solvers import LinearProgram, SolveOptions
from solvers.strengthened import StrengthenedAnswer, strengthened


def pool(loads: list[float], unit: float) -> RelaxedProblem:
    """Σ load · flow ≤ unit · count."""
    model = RelaxedProblem()
    terms = [(model.variable(f"flow({i})", 1.0), load) for i, load in enumerate(loads)]
    terms.append((model.variable("count", 99.0, whole=True, usd=1.0), -unit))
    model.constraint("capacity", terms, upper=0.0)
    return model


def test_a_cut_by_hand() -> None:
    """Loads 5 and 4 of 6 a unit: μ = 2, r = 9 − 6 = 3: 5 (1 − x₀) + 4 (1 − x₁) ≥ 3 (2 − n), 5 x₀ + 4 x₁ − 3 n ≤ 3."""
    cut = cut_of(pool([5.0, 4.0, 3.0], 6.0), cut_name("capacity", ["flow(0)", "flow(1)"]))
    assert cut is not None
    assert dict(cut.terms) == approx({"flow(0)": 5.0, "flow(1)": 4.0, "count": -3.0})
    assert cut.lower == -inf and cut.upper == approx(3.0)


def test_a_flow_alone_runs_on_none_of_nothing() -> None:
    """4 x − 4 n ≤ 0. All is served by one flow of load 4 (of 6): 1 instance, where the relaxation says 2/3."""
    model = pool([4.0], 6.0)
    model.constraint("demand", [("flow(0)", 1.0)], lower=1.0)
    relaxed = ProofPart((), (), 0.0, {"demand": 4 / 6, "capacity": -1 / 6})
    whole = ProofPart((), (), 0.0, {"demand": 1.0, cut_name("capacity", ["flow(0)"]): -1 / 4})
    assert proven_parts(model, (relaxed,))[1] == approx(2 / 3)
    assert proven_parts(model, (whole,))[1] == approx(1.0)


def test_every_whole_count_keeps_to_its_cuts() -> None:
    """Random loads, flows at random and the least count that carries them, and more."""
    random = Random(1)
    for _ in range(400):
        loads = [random.choice([1.0, 2.5, 3.0, 7.0, 0.1]) for _ in range(4)]
        unit = random.choice([1.0, 2.0, 5.0, 0.3])
        flows = random.sample(range(4), random.randint(1, 4))
        cut = cut_of(pool(loads, unit), cut_name("capacity", [f"flow({i})" for i in flows]))
        assert cut is not None
        x = [random.choice([0.0, 1.0, random.random()]) for _ in loads]
        need = sum(load * part for load, part in zip(loads, x, strict=True)) / unit
        for count in range(int(need + 1 - 1e-12), int(need) + 4):
            value = {"count": float(count)} | {f"flow({i})": part for i, part in enumerate(x)}
            assert sum(factor * value[name] for name, factor in cut.terms) <= cut.upper + 1e-9


@pytest.mark.parametrize(
    "name",
    [
        "cut(capacity)",
        "cut(nothing|flow(0))",
        "cut(capacity|count)",
        "cut(capacity|flow(9))",
        "cut(capacity|flow(0)|flow(0))",
        "capacity|flow(0)",
    ],
)
def test_what_is_no_cut_proves_nothing(name: str) -> None:
    assert cut_of(pool([5.0], 6.0), name) is None
    with raises(Unproven, match="is not a promise"):
        proven_parts(pool([5.0], 6.0), (ProofPart((), (), 0.0, {name: -1.0}),))


def test_only_whole_counts_at_one_coefficient_make_cuts() -> None:
    name = cut_name("capacity", ["flow(0)"])
    fractions, limited, mixed = pool([5.0], 6.0), pool([5.0], 6.0), pool([5.0], 6.0)
    fractions.variables["count"].whole = False
    limited.constraints["capacity"] = replace(limited.constraints["capacity"], upper=1.0)
    mixed.constraints["capacity"].terms.append((mixed.variable("other", whole=True), -5.0))
    wide = pool([5.0], 6.0)
    wide.variables["flow(0)"].upper = 2.0
    assert all(cut_of(model, name) is None for model in (fractions, limited, mixed, wide))


def test_a_cut_of_one_case_is_none_of_the_next() -> None:
    """Four replicas, four a host of 1 USD. Where there is at most one replica it runs on no more than one host,
    `x ≤ h`; among two and more that would be a replica a host, and 4 USD proven of a plan of 1."""
    model = RelaxedProblem()
    terms = [(model.variable("replicas", 9.0, whole=True), 1.0)]
    model.constraint("room", [*terms, (model.variable("hosts", 9.0, whole=True, usd=1.0), -4.0)], upper=0.0)
    model.constraint("demand", terms, lower=4.0)
    cut = cut_name("room", ["replicas"])
    few = ProofCase({"replicas": (None, 1.0)}, 0.0, (ProofPart((), (), 0.0, {"demand": 9.0, cut: 0.0}),))
    many = ProofCase({"replicas": (2.0, None)}, 0.0, (ProofPart((), (), 0.0, {"demand": 1.0, cut: -1.0}),))
    for cases in ((few, many), (many, few)):
        with raises(Unproven, match="is not a promise"):
            proven_cases(model, cases)
    right = replace(many, parts=(ProofPart((), (), 0.0, {"demand": 0.25, "room": -0.25}),))
    assert min(total for _, total in proven_cases(model, (few, right))) == approx(1.0)


def test_a_large_problem_is_bounded_with_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this market were too large for trees and cases: its own bound is above the relaxation's, and checked."""
    problem = market(12, 10, 2)
    monkeypatch.setattr(proving, "LARGEST", 0)
    monkeypatch.setattr(held, "few_spanning", lambda *_: False)
    plan = router.solve(problem)
    assert router.verify(problem, plan).ok
    proof, relaxed = plan.proof, router.solve(problem, options=SolveOptions(relax=True))
    assert proof is not None
    assert any(name.startswith("cut(") for part in proof.parts for name in part.multipliers or {})
    assert relaxed.cost_usd * (1 + 1e-9) < proof.bound_usd <= plan.cost_usd * (1 + 1e-6)
    high = replace(proof, bound_usd=proof.bound_usd * 1.01)
    assert not router.verify(problem, replace(plan, proof=Proof("solver", high.bound_usd, high.parts))).ok


def test_a_multiplier_of_the_wrong_sign_takes_nothing_from_the_others() -> None:
    """A solver's 1e-18 on a limit that is not there: with that row the bound would be −∞, without it 1 instance."""
    model = pool([4.0], 6.0)
    model.constraint("demand", [("flow(0)", 1.0)], lower=1.0)
    model.constraint("idle", [("flow(0)", 1.0), ("count", 1.0)], lower=0.0)
    scaled = ScaledRelaxation.of(model)

    def noisy(program: LinearProgram, options: SolveOptions) -> StrengthenedAnswer | None:
        answer = strengthened(program, options)
        assert answer is not None
        noise = np.zeros(len(answer.multipliers))
        noise[scaled.promises.index("idle")] = -1e-18
        return replace(answer, multipliers=answer.multipliers + noise)

    answer = noisy(scaled.program, SolveOptions().begun())
    assert answer is not None
    assert proven_parts(model, strengthened_parts(scaled, answer))[1] == approx(1.0)
