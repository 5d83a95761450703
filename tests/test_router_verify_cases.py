"""A bound by cases of what spans the horizon: what cases prove, that they leave nothing out, and lies about them."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from pathlib import Path
from random import Random

import pytest
from problem_factory import Data, api, by_period, gpu, load, plan_of, problem
from pytest import MonkeyPatch, approx, raises

import router
from router.commands import plan_file
from router.commands.plan_file import with_proof_beside, write_plan
from router.plan.document import Plan
from router.plan.file import read_plan
from router.plan.proof import ProofCase, ProofPart
from router.planning import proving
from router.verification.bound.proof import Unproven, proven_cases, proven_parts
from router.verification.bound.relaxation import RelaxedProblem

HOURS = range(2)


def two_hours() -> RelaxedProblem:
    """Work of 5 USD by the token in each of two hours, free where a contract of 6 USD is signed: 6 USD in all.

    The relaxation signs half of it, which carries the work of both hours: 3 USD.
    """
    model = RelaxedProblem()
    signed = model.variable("signed", 1.0, whole=True, usd=6.0)
    for t in HOURS:
        token, own = model.variable(f"api({t})", 1.0, usd=5.0), model.variable(f"own({t})", 1.0)
        model.constraint(f"demand({t})", [(token, 1.0), (own, 1.0)], lower=1.0)
    model.constraint("linking", [*((f"own({t})", 0.25) for t in HOURS), (signed, -1.0)], upper=0.0)
    return model


def without() -> ProofCase:
    """Nothing is signed: 5 USD an hour, and 20 USD for all that the contract would carry are no more than they cost."""
    hours = tuple(ProofPart((), (t, t), 0.0, {f"demand({t})": 5.0}) for t in HOURS)
    return ProofCase({"signed": (None, 0.0)}, 0.0, hours, {"linking": -20.0})


def with_it() -> ProofCase:
    return ProofCase({"signed": (1.0, None)}, 0.0, ())


def test_each_case_by_hand() -> None:
    """Unsigned 10 USD, signed 6; each part within its case, at the case's prices."""
    found = proven_cases(two_hours(), (without(), with_it()))
    assert [total for _, total in found] == approx([10.0, 6.0])
    assert found[0][0] == approx([5.0, 5.0])
    assert proven_cases(two_hours(), (ProofCase({}, 0.0, ()),))[0][1] == approx(0.0)


def test_a_case_of_one_part_is_worked_out_as_parts_are() -> None:
    """All multipliers of the case in one: 10 USD; whatever multipliers and ranges, what its part by itself proves."""
    one = ProofPart((), (), 0.0, {"demand(0)": 5.0, "demand(1)": 5.0, "linking": -20.0})
    unsigned = ProofCase({"signed": (None, 0.0)}, 0.0, (one,))
    assert [total for _, total in proven_cases(two_hours(), (unsigned, with_it()))] == approx([10.0, 6.0])
    random = Random(1)
    for _ in range(200):
        names = random.sample(["demand(0)", "demand(1)", "linking"], random.randint(0, 3))
        prices = {
            name: random.uniform(-30, 0) if name == "linking" else random.uniform(0, 9) for name in names
        }
        part = ProofPart((), (), 0.0, prices)
        for low, high in ((None, 0.0), (1.0, None)):
            ends = (-inf if low is None else low, inf if high is None else high)
            bounds, total = proven_parts(two_hours().within({"signed": ends}), (part,))
            rest = ProofCase({"signed": (1.0, None) if low is None else (None, 0.0)}, 0.0, ())
            found = proven_cases(two_hours(), (ProofCase({"signed": (low, high)}, 0.0, (part,)), rest))[0]
            assert (found[0], found[1]) == (approx(bounds, abs=1e-12), approx(total, abs=1e-12))


@pytest.mark.parametrize(
    ("cases", "why"),
    [
        ((without(),), "leave some counts out"),
        ((), "leave some counts out"),
        ((replace(without(), ranges={"signed": (None, -1.0)}), with_it()), "leave some counts out"),
        ((replace(without(), ranges={"signed": (None, 0.5)}), with_it()), "does not end at whole numbers"),
        ((replace(without(), ranges={"api(0)": (None, 0.0)}), with_it()), "is not a whole count"),
        ((replace(without(), ranges={"gone": (None, 0.0)}), with_it()), "is not a whole count"),
        ((replace(without(), prices={"gone": 1.0}), with_it()), "is not a promise"),
        ((replace(without(), prices={"linking": 20.0}), with_it()), "bound nothing"),
        ((replace(without(), prices={"linking": nan}), with_it()), "bound nothing"),
    ],
)
def test_what_proves_nothing(cases: tuple[ProofCase, ...], why: str) -> None:
    with raises(Unproven, match=why):
        proven_cases(two_hours(), cases)


def day(rng: Random, periods: int = 6) -> Data:
    """Clients of which half may wait, on instances by the hour and for all hours, and by the token."""
    loads = [
        by_period(
            [rng.choice((0, 20, 4e5, 1e6, 2.3e6)) for _ in range(periods - 1)] + [1e6],
            f"client-{k}",
            **({"deferrable_h": k} if k > 1 else {}),
        )
        for k in range(4)
    ]
    offers = [
        gpu("hourly", rng.choice((1.0, 1.3)), 1.0, max_utilisation=0.8),
        gpu("ahead", 0.9, 1.1, max_utilisation=0.8, resize="horizon"),
        gpu("small", 0.4, 0.3, max_utilisation=0.9, min=rng.choice((0, 2))),
        api("token", rng.choice((1.5, 3.0)), **({"fee_usd_per_month": 50.0} if rng.random() < 0.5 else {})),
    ]
    return problem(loads, offers, periods=periods)


@pytest.fixture
def by_cases(monkeypatch: MonkeyPatch) -> None:
    """Programs of any size are bounded by cases."""
    monkeypatch.setattr(proving, "LARGEST", 10)


def proven(data: Data) -> Plan:
    plan = plan_of(data, gap=1e-6)
    assert plan.proof is not None
    return plan


@pytest.mark.usefixtures("by_cases")
@pytest.mark.parametrize("seed", range(8))
def test_no_case_proves_more_than_the_best_plan_costs(seed: int, monkeypatch: MonkeyPatch) -> None:
    """Beside the bound of HiGHS, and that of the relaxation with cuts alone."""
    data = day(Random(seed))
    plan = proven(data)
    monkeypatch.setattr(proving, "cases_of", lambda *_: None)
    alone = proven(data)
    assert alone.proof is not None and plan.proof is not None
    assert alone.objective_usd == approx(plan.objective_usd, rel=2e-6)
    assert plan.proof.bound_usd <= alone.objective_usd * (1 + 1e-6)
    assert plan.proof.bound_usd >= alone.proof.bound_usd * (1 - 1e-6)
    if plan.proof.cases is not None:
        assert not plan.proof.parts
        assert plan.proof.bound_usd == approx(min(case.bound_usd for case in plan.proof.cases), rel=1e-9)
        assert router.verify(load(data), plan).ok


@pytest.mark.usefixtures("by_cases")
def test_cases_are_read_again_and_held_to(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    data = day(Random(0))
    plan, stated = proven(data), load(data)
    monkeypatch.setattr(plan_file, "MOST_INSIDE", 10)
    write_plan(tmp_path / "plan.json", plan)
    read = read_plan(tmp_path / "plan.json")
    assert read.proof is not None and read.proof.cases == () and read.proof.beside is not None
    assert not router.verify(stated, read).ok  # without the file beside it
    plan = with_proof_beside(read, tmp_path / "plan.json")
    assert router.verify(stated, plan).ok
    proof = plan.proof
    assert proof is not None and proof.cases is not None and len(proof.cases) > 1
    cases = proof.cases
    least = min(range(len(cases)), key=lambda i: cases[i].bound_usd)
    case = proof.cases[least]
    others = (*proof.cases[:least], *proof.cases[least + 1 :])
    parts = sorted(case.parts, key=lambda part: -part.bound_usd)  # the dearest first
    part = parts[0]
    cheap = {name: 1.3 * price for name, price in (case.prices or {}).items()}
    lies = [
        replace(proof, cases=others),
        replace(proof, cases=(*others, replace(case, ranges={}, parts=(), prices=None))),
        replace(proof, cases=(*others, replace(case, bound_usd=1.01 * case.bound_usd))),
        replace(
            proof,
            cases=(
                *others,
                replace(case, parts=(replace(part, bound_usd=part.bound_usd + 1.0), *parts[1:])),
            ),
        ),
        replace(proof, cases=(*others, replace(case, parts=tuple(parts[1:])))),
        replace(proof, bound_usd=1.01 * proof.bound_usd),
        replace(proof, parts=case.parts),
        replace(proof, prices={}, cases=others),
    ]
    if cheap:
        lies.append(replace(proof, cases=(*others, replace(case, prices=cheap))))
    for i, lie in enumerate(lies):
        lying = replace(plan, proof=replace(lie, beside=None))
        assert not router.verify(stated, lying).ok, i


@pytest.mark.usefixtures("by_cases")
def test_roundings_are_made_again_by_who_checks() -> None:
    """Of the case that counts: its roundings and sums, and lies about them. HiGHS and CBC plan alike."""
    data = day(Random(1))
    plan, stated = proven(data), load(data)
    proof = plan.proof
    assert proof is not None and proof.cases is not None
    stated_cases = proof.cases
    at = min(range(len(stated_cases)), key=lambda i: stated_cases[i].bound_usd)
    case = stated_cases[at]
    assert case.roundings and case.sums and proof.kind == "own"
    assert router.verify(stated, plan).ok
    assert router.solve(stated, solver="pulp:COIN_CMD").objective_usd == approx(plan.objective_usd, rel=1e-5)

    def with_case(other: ProofCase) -> Plan:
        cases = (*stated_cases[:at], other, *stated_cases[at + 1 :])
        return replace(plan, proof=replace(proof, cases=cases))

    used = {name for part in case.parts for leaf in part.leaves or () for name in leaf.multipliers}
    at_row = next(i for i in range(len(case.roundings)) if f"rounding({i})" in used)
    row = case.roundings[at_row]
    promise = max(row.weights, key=lambda each: abs(row.weights[each]))
    changed = {**row.weights, promise: 1.05 * row.weights[promise]}
    less = {each: weight for each, weight in row.weights.items() if each != promise}
    others = [
        (*case.roundings[:at_row], replace(row, weights=weights), *case.roundings[at_row + 1 :])
        for weights in (changed, less)
    ]
    lies = [replace(case, roundings=roundings) for roundings in (*others, case.roundings[:at_row], None)]
    for i, lie in enumerate(lies):
        assert not router.verify(stated, with_case(lie)).ok, i
