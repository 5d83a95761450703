"""Rows that whole counts make of a sum of promises: made by the verifier from weights alone, and true of every plan."""

from __future__ import annotations

from dataclasses import replace
from math import floor, inf
from random import Random

import pytest
from problem_factory import load, plan_of
from pytest import MonkeyPatch, approx, raises
from test_router_planning_pooling import week

from router.plan.proof import ProofCase, ProofPart, Rounding
from router.planning import proving
from router.verification import verify
from router.verification.bound import deferred
from router.verification.bound.proof import Unproven, proven_cases, proven_parts
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.roundings import rounding_name, rounding_of


def pool() -> RelaxedProblem:
    """Work of 4 to be served in full, 6 an instance, at 1 USD each: 2/3 of an instance, or 1."""
    model = RelaxedProblem()
    flow, count = model.variable("flow", 1.0), model.variable("count", 99.0, whole=True, usd=1.0)
    model.constraint("capacity", [(flow, 4.0), (count, -6.0)], upper=0.0)
    model.constraint("demand", [(flow, 1.0)], lower=1.0)
    return model


FILLED = Rounding({"capacity": 1 / 6, "demand": -4 / 6}, ())


def test_a_row_by_hand() -> None:
    """(4 x − 6 n ≤ 0) / 6 less 4/6 of (x ≥ 1): −n ≤ −2/3, rounded −n ≤ −1."""
    row = rounding_of(pool(), FILLED)
    assert row is not None
    assert dict(row.terms) == approx({"flow": 0.0, "count": -1.0}, abs=1e-9)
    assert (row.lower, row.upper) == (-inf, approx(-1.0))
    part = ProofPart((), (), 0.0, {rounding_name(0): -1.0})
    relaxed = ProofCase({}, 0.0, (ProofPart((), (), 0.0, {"capacity": -1 / 6, "demand": 4 / 6}),))
    assert proven_cases(pool(), (relaxed,))[0][1] == approx(2 / 3)
    assert proven_cases(pool(), (ProofCase({}, 0.0, (part,), roundings=(FILLED,)),))[0][1] == approx(1.0)


def test_what_a_promise_leaves_is_a_variable_of_its_own() -> None:
    """−(4 x − 6 n + s = 0) / 6 and 4/6 of (x ≤ 1): n − s/6 ≤ 4/6, f = 2/3: n − s/2 ≤ 0, n − (6 n − 4 x) / 2 ≤ 0."""
    model = pool()
    model.constraints["demand"] = replace(model.constraints["demand"], lower=-inf, upper=1.0)
    row = rounding_of(model, Rounding({"capacity": -1 / 6, "demand": 4 / 6}, ()))
    assert row is not None
    assert dict(row.terms) == approx({"flow": 2.0, "count": -2.0})
    assert row.upper == approx(0.0, abs=1e-9)


def test_within_a_case_it_is_counted_from_the_ends_of_the_case() -> None:
    """n + N / 2 ≥ 1.2. From N = 1: n + N′ / 2 ≥ 0.7, f = 0.3, n + 5/7 N′ ≥ 1; from 0: n + N ≥ 2."""
    model = RelaxedProblem()
    n, held = model.variable("n", 9.0, whole=True, usd=1.0), model.variable("N", 9.0, whole=True, usd=0.1)
    model.constraint("need", [(n, 1.0), (held, 0.5)], lower=1.2)
    need = Rounding({"need": -1.0}, ())
    row = rounding_of(model, need)
    assert row is not None
    assert (dict(row.terms), row.upper) == (approx({"n": -1.0, "N": -1.0}), approx(-2.0))
    row = rounding_of(model.within({"N": (1.0, inf)}), need)
    assert row is not None
    assert (dict(row.terms), row.upper) == (approx({"n": -1.0, "N": -5 / 7}), approx(-1.0 - 5 / 7))
    row = rounding_of(model, Rounding({"need": -1.0}, ("N",)))  # −n + N″ / 2 ≤ 3.3: −n + 2/7 N″ ≤ 3
    assert row is not None
    assert (dict(row.terms), row.upper) == (approx({"n": -1.0, "N": -2 / 7}), approx(3.0 - 18 / 7))
    part = ProofPart((), (), 0.0, {rounding_name(0): -1.0})
    case = ProofCase({"N": (1.0, 1.0)}, 0.0, (part,), roundings=(need,))
    rest = (ProofCase({"N": (None, 0.0)}, 0.0, ()), ProofCase({"N": (2.0, None)}, 0.0, ()))
    assert proven_cases(model, (case, *rest))[0][1] == approx(1.1)


def test_every_plan_keeps_to_it() -> None:
    """Random promises that a random point keeps, just or with room, summed by random weights."""
    random, made = Random(1), 0
    for _ in range(3_000):
        model, point = RelaxedProblem(), dict[str, float]()
        for i in range(6):
            whole = i < 3
            value = float(random.randint(0, 4)) if whole else random.choice([0.0, 1.0, random.random()])
            lower = random.choice([0.0, floor(value)]) if whole else 0.0
            upper = random.choice([value, value + 3.0, inf]) if whole else 1.0
            point[model.variable(f"x{i}", upper, lower=lower, whole=whole)] = value
        for i in range(4):
            terms = [(name, random.choice([-1.0, 2.5, 0.3, random.uniform(-3, 3)])) for name in point]
            terms = random.sample(terms, 4)
            does = sum(a * point[name] for name, a in terms)
            room = random.choice([0.0, 0.4])
            kind = random.choice(["most", "least", "equal"])
            lower = -inf if kind == "most" else does - (0.0 if kind == "equal" else room)
            upper = inf if kind == "least" else does + (0.0 if kind == "equal" else room)
            model.constraint(f"row{i}", terms, lower=lower, upper=upper)
        weights = {f"row{i}": random.choice([1.0, -1.0, 1 / 3, random.uniform(-2, 2)]) for i in range(4)}
        spoken = {name for row in model.constraints.values() for name, _ in row.terms}
        down = [name for name in spoken if model.variables[name].upper < inf and random.random() < 0.4]
        row = rounding_of(model, Rounding(weights, tuple(down)))
        if row is not None:
            made += 1
            assert sum(a * point[name] for name, a in row.terms) <= row.upper + 1e-9
    assert made > 1_500


@pytest.mark.parametrize(
    "stated",
    [
        Rounding({"nothing": 1.0}, ()),
        Rounding({"capacity": 1 / 6, "demand": -4 / 6}, ("other",)),
        Rounding({"capacity": 1.0}, ()),  # 0 is whole
        Rounding({"capacity": 1 / 6, "demand": -4 / 6, "open": 1.0}, ()),
        Rounding({"endless": 0.3}, ("more",)),
        Rounding({"below": 0.3}, ()),
        Rounding({"part": 0.3}, ()),
        Rounding({}, ()),
    ],
)
def test_what_makes_no_row_proves_nothing(stated: Rounding) -> None:
    model = pool()
    model.variable("more", inf)
    model.variable("under", 1.0, lower=-1.0)
    model.variable("begun", 9.5, lower=0.5, whole=True)
    model.constraint("open", [("flow", 1.0)])
    for name, variable in (("endless", "more"), ("below", "under"), ("part", "begun")):
        model.constraint(name, [(variable, 1.0)], upper=1.0)
    assert rounding_of(model, stated) is None
    case = ProofCase({}, 0.0, (ProofPart((), (), 0.0, {rounding_name(0): -1.0}),), roundings=(stated,))
    with raises(Unproven, match=r"rounding\(0\) is not a row|nothing is not a promise"):
        proven_cases(model, (case,))


def test_a_part_has_rows_of_its_own() -> None:
    """As `test_a_row_by_hand`, in a part and in the only part of a case; no other part may speak of them."""
    part = ProofPart((), (), 1.0, {rounding_name(0): -1.0}, roundings=(FILLED,))
    assert proven_parts(pool(), (part,)) == ([approx(1.0)], approx(1.0))
    assert proven_cases(pool(), (ProofCase({}, 1.0, (part,)),))[0][1] == approx(1.0)
    two = pool()
    two.variable("rest", 3.0, lower=1.0, usd=2.0)
    two.constraint("more", [("rest", 1.0)], lower=2.0)
    other = ProofPart((), (), 4.0, {"more": 2.0})
    assert proven_parts(two, (part, other))[1] == approx(5.0)
    for parts in (
        (part, replace(other, multipliers={rounding_name(0): -1.0})),  # it is not theirs
        (part, part),  # both speak of the count
        (replace(part, roundings=None),),
        (replace(part, multipliers={rounding_name(1): -1.0}),),
        (replace(part, roundings=(Rounding({rounding_name(0): 1.0}, ()),)),),  # made of itself
        (replace(part, roundings=(Rounding({rounding_name(1): 0.4}, ()), FILLED)),),  # of one after it
    ):
        with raises(Unproven):
            proven_parts(two, parts)
    heavier = replace(part, roundings=(Rounding({"capacity": 1 / 6, "demand": -8 / 6}, ()),))
    assert proven_parts(pool(), (heavier,))[1] == approx(0.0, abs=1e-6)  # n + 2 x ≥ 2: true, and less


def test_a_row_may_be_made_of_one_before_it() -> None:
    """2 n ≥ 1 makes n ≥ 1; then 0.4 of that and 0.5 m ≥ 0.3: 0.4 n + 0.5 m ≥ 0.7 makes n + m ≥ 1 and more."""
    model = RelaxedProblem()
    n, m = model.variable("n", 9.0, whole=True, usd=1.0), model.variable("m", 9.0, whole=True, usd=1.0)
    model.constraint("first", [(n, 2.0)], lower=1.0)
    model.constraint("second", [(m, 0.5)], lower=0.3)
    rows = (Rounding({"first": -0.5}, ()), Rounding({rounding_name(0): 0.4, "second": -1.0}, ()))
    part = ProofPart((), (), 0.0, {rounding_name(1): -1.0}, roundings=rows)
    assert proven_parts(model, (part,))[1] == approx(1.0)


def test_a_week_in_which_work_waits_is_bounded_by_them(monkeypatch: MonkeyPatch) -> None:
    """As if it were too large for trees: the bound is higher than with cuts alone, checked, and no lie passes."""
    monkeypatch.setattr(deferred, "LARGE", 0)
    monkeypatch.setattr(proving, "LARGEST", 0)
    monkeypatch.setattr(proving, "cases_of", lambda *_: None)
    data = week(Random(1), periods=8)
    plan = plan_of(data)
    assert plan.proof is not None and plan.proof.cases is not None
    assert any(case.roundings for case in plan.proof.cases)
    assert verify(load(data), plan).ok
    monkeypatch.setattr(proving, "spanning_cases", lambda *_: None)
    plain = plan_of(data)
    assert plain.proof is not None
    assert plain.proof.bound_usd * (1 + 1e-6) < plan.proof.bound_usd <= plan.cost_usd * (1 + 1e-6)
    first, *others = plan.proof.cases
    assert first.roundings
    named = next(iter(first.roundings[0].weights))
    heavier = Rounding({**first.roundings[0].weights, named: 7.0}, first.roundings[0].down)
    for cases in (
        (replace(first, roundings=None), *others),
        (replace(first, roundings=(heavier, *first.roundings[1:])), *others),
    ):
        assert not verify(load(data), replace(plan, proof=replace(plan.proof, cases=cases))).ok
