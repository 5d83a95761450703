"""Promises across parts at a price, and what parts share: what any prices prove, nothing of it twice."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from benchmarks.synthetic import market
from campaign import times
from pytest import MonkeyPatch, approx, raises

import router
from problems.core.encode import encode
from router.commands.plan_file import with_proof_beside, write_plan
from router.normalise import normalise
from router.plan.document import Plan
from router.plan.file import read_plan
from router.plan.proof import ProofPart, ProvenLeaf
from router.planning import proving
from router.planning.proofs.piecewise import priced_parts
from router.planning.proofs.scaled import ScaledRelaxation
from router.planning.structure import in_parts
from router.schema import Problem
from router.verification.base.audit import Audit
from router.verification.bound import relaxation_of
from router.verification.bound.cuts import cut_name
from router.verification.bound.proof import Unproven, proven_parts
from router.verification.bound.relaxation import RelaxedProblem
from solvers import PiecePrices, SolveOptions, solve

HOURS = range(2)


def two_hours() -> RelaxedProblem:
    """Work of 5 USD by the token in each of two hours, free where a contract of 6 USD is signed: 6 USD in all."""
    model = RelaxedProblem()
    signed = model.variable("signed", 1.0, whole=True, usd=6.0)
    for t in HOURS:
        api, own = model.variable(f"api({t})", 1.0, usd=5.0), model.variable(f"own({t})", 1.0)
        model.constraint(f"demand({t})", [(api, 1.0), (own, 1.0)], lower=1.0)
    model.constraint("linking", [*((f"own({t})", 0.5) for t in HOURS), (signed, -1.0)], upper=0.0)
    return model


def hour(t: int, usd: float) -> ProofPart:
    """With a copy of the contract at so many USD: free where it is signed, 5 USD where it is not."""
    link = cut_name("linking", [f"own({t})"])
    unsigned = ProvenLeaf({"signed": (None, 0.0)}, {f"demand({t})": 5.0, link: -5.0 / 0.5})
    signed = ProvenLeaf({"signed": (1.0, None)}, {})
    return ProofPart((), (t, t), 0.0, leaves=(unsigned, signed), usd={"signed": usd})


@pytest.mark.parametrize(
    ("shares", "bounds", "all_of_it"),
    [
        ((3.0, 3.0), [3.0, 3.0], 6.0),  # nothing is left of 6 USD
        ((2.0, 2.0), [2.0, 2.0], 4.0),  # 2 USD are left, which unsigned are not paid
        ((5.0, 5.0), [5.0, 5.0], 6.0),  # 4 USD too many, which the rest gets back
        ((9.0, 0.0), [5.0, 0.0], 2.0),
    ],
)
def test_what_parts_share_is_paid_once(
    shares: tuple[float, float], bounds: list[float], all_of_it: float
) -> None:
    each, total = proven_parts(two_hours(), tuple(hour(t, shares[t]) for t in HOURS))
    assert each == approx(bounds)
    assert total == approx(all_of_it)


def test_one_part_may_say_nothing_and_has_the_rest() -> None:
    """1 USD here, so that 5 are left there: 1 and min(5, 5)."""
    silent = replace(hour(1, 0.0), usd=None)
    each, total = proven_parts(two_hours(), (hour(0, 1.0), silent))
    assert (each, total) == (approx([1.0, 5.0]), approx(6.0))
    with raises(Unproven, match="both speak of signed"):
        proven_parts(two_hours(), (replace(hour(0, 0.0), usd=None), silent))


def test_a_promise_across_parts_at_a_price() -> None:
    """At most 1 of the two by the token, at 2 USD more: 7 USD in each hour, of which 2 are given back."""
    model = two_hours()
    del model.constraints["linking"]
    for t in HOURS:
        model.variables[f"own({t})"].usd = 8.0
    model.constraint("quota", [(f"api({t})", 1.0) for t in HOURS], upper=1.0)
    parts = tuple(ProofPart((), (t, t), 0.0, {f"demand({t})": 7.0}) for t in HOURS)
    assert proven_parts(model, parts, {"quota": -2.0})[1] == approx(12.0)
    with raises(Unproven, match="bound nothing"):
        proven_parts(model, parts, {"quota": 2.0})  # there is no lower limit
    with raises(Unproven, match="both speak of api"):
        proven_parts(model, (ProofPart((), (), 0.0, {"quota": -2.0, "demand(0)": 7.0}), parts[1]))
    with raises(Unproven, match="is not a promise"):
        proven_parts(model, parts, {"quotas": -2.0})
    with raises(Unproven, match="nothing that the problem decides"):
        proven_parts(model, (replace(parts[0], usd={"sign": 1.0}), parts[1]))
    with raises(Unproven):
        proven_parts(model, (replace(parts[0], usd={"api(0)": nan}), parts[1]))


@pytest.fixture
def by_pieces(monkeypatch: MonkeyPatch) -> None:
    """Programs of any size are solved piece by piece, and bounded so."""
    for name in ("SMALL", "MANY_INTEGERS"):
        monkeypatch.setattr(in_parts, name, 10)
    monkeypatch.setattr(in_parts, "FEWEST_PIECES", 5)
    monkeypatch.setattr(in_parts, "MOST_ALONE", 0)
    monkeypatch.setattr(proving, "LARGEST", 10)


def planned(seed: int) -> tuple[Problem, Plan]:
    problem = market(30, 20, 3, seed=seed)
    return problem, router.solve(problem, options=SolveOptions(gap=1e-4))


@pytest.mark.usefixtures("by_pieces")
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_market_has_a_bound_of_its_own_from_its_pieces(seed: int) -> None:
    problem, plan = planned(seed)
    best = solve(encode(normalise(problem)).program, options=SolveOptions(gap=1e-6)).objective
    proof = plan.proof
    assert best is not None
    assert proof is not None and proof.kind == "own" and proof.prices is not None
    assert any(part.usd for part in proof.parts) and any(part.leaves for part in proof.parts)
    assert 0.94 * best <= plan.bound_usd <= best * (1 + 1e-6)
    assert best * (1 - 1e-6) <= plan.objective_usd <= 1.06 * best
    assert router.verify(problem, plan).ok


def test_a_plan_found_otherwise_is_bounded_by_its_pieces_too(monkeypatch: MonkeyPatch) -> None:
    """HiGHS's optimum; its relaxation with cuts alone proves less."""
    problem = market(30, 20, 3, seed=3)
    monkeypatch.setattr(proving, "LARGEST", 10)
    monkeypatch.setattr(proving, "cases_of", lambda *_: None)
    alone = router.solve(problem)
    monkeypatch.setattr(in_parts, "FEWEST_PIECES", 5)
    monkeypatch.setattr(in_parts, "MOST_ALONE", 0)
    plan = router.solve(problem)
    assert plan.objective_usd == approx(alone.objective_usd, rel=1e-6)
    assert plan.proof is not None and plan.proof.prices is not None
    assert alone.proof is not None and alone.proof.prices is None
    assert alone.proof.bound_usd * 1.005 < plan.proof.bound_usd <= plan.objective_usd * (1 + 1e-6)


@pytest.mark.usefixtures("by_pieces")
def test_prices_and_shares_are_read_again_and_held_to(tmp_path: Path) -> None:
    problem, plan = planned(1)
    write_plan(tmp_path / "plan.json", plan)
    plan = with_proof_beside(read_plan(tmp_path / "plan.json"), tmp_path / "plan.json")
    assert router.verify(problem, plan).ok
    proof = plan.proof
    assert proof is not None and proof.prices is not None
    i = next(i for i, part in enumerate(proof.parts) if part.usd and max(part.usd.values()) > 0)
    part = proof.parts[i]
    assert part.usd is not None
    dear = {name: 2.0 * usd + 1.0 for name, usd in part.usd.items()}
    for lie in (
        replace(proof, prices={name: 1.2 * price for name, price in proof.prices.items()}),
        replace(proof, prices=None),
        replace(proof, parts=(*proof.parts[:i], replace(part, usd=dear), *proof.parts[i + 1 :])),
        replace(proof, parts=(*proof.parts[:i], replace(part, usd=None), *proof.parts[i + 1 :])),
        replace(
            proof, parts=(*proof.parts[:i], replace(part, leaves=part.leaves[1:] if part.leaves else None))
        ),
    ):
        assert not router.verify(problem, replace(plan, proof=lie)).ok


def _array(values: list[Any]) -> Any:
    return np.array(values)


def test_no_prices_prove_more_than_the_best_plan_costs() -> None:
    random = Random(3)
    problem = market(12, 10, 2, seed=5)
    best = router.solve(problem)
    encoded = encode(normalise(problem))
    model = relaxation_of(Audit(problem, replace(best, objective_usd=1e6)))
    assert model is not None
    n, m = encoded.program.n_columns, encoded.program.n_rows
    least = []
    for _ in range(times(20)):
        part = [random.choice((-1, 0, 1, 2)) if random.random() < 0.3 else j % 3 for j in range(n)]
        cost = float(abs(encoded.program.cost).max())
        row = random.sample(range(m), m // 2)
        tied = [(piece, j) for piece in range(3) for j in range(n) if random.random() < 0.2]
        given = PiecePrices(
            *map(_array, (part, row, [random.gauss(0, cost) for _ in row])),
            *map(_array, ([p for p, _ in tied], [j for _, j in tied], [random.gauss(0, cost) for _ in tied])),
        )
        parts, prices = priced_parts(ScaledRelaxation.of(model), encoded.program, given, lambda: False)
        try:
            least.append(proven_parts(model, parts, prices)[1])
        except Unproven as error:
            assert "bound nothing" in str(error)
    assert len(least) > 5
    assert max(least) <= best.objective_usd * (1 + 1e-6)
