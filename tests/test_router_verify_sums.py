"""Sums of counts, and of promises rounded: each holds wherever promises do and counts are whole, whatever it states."""

from __future__ import annotations

from itertools import product
from math import inf
from random import Random

import numpy as np
import pytest
from pytest import approx, raises
from scipy.optimize import linprog

from router.plan.proof import ProofCase, ProofPart, ProvenLeaf, Rounding
from router.verification.bound.proof import Unproven, proven_cases
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.roundings import rounding_of, with_sums


def two_hours() -> RelaxedProblem:
    """Work of 1.5 instances that may run in either of two hours, at 1 USD an instance and hour.

    Two are needed, in whichever hour: 2 USD. The relaxation rents one and a half: 1.5 USD.
    """
    model = RelaxedProblem()
    flows = []
    for t in range(2):
        count = model.variable(f"count({t})", 3.0, whole=True, usd=1.0)
        flow = model.variable(f"flow({t})", 1.0)
        flows.append((flow, 1.0))
        model.constraint(f"throughput({t})", [(flow, 1.5), (count, -1.0)], upper=0.0)
    model.constraint("demand", flows, lower=1.0, upper=1.0)
    return model


def made_of(weights: dict[str, float], down: tuple[str, ...] = ()) -> Rounding:
    return Rounding(weights, down)


ALL_WORK = made_of({"demand": -1.5, "throughput(0)": 1.0, "throughput(1)": 1.0})


def test_by_hand() -> None:
    """Both hours less all work: −count(0) − count(1) ≤ −1.5, rounded down −2."""
    cut = rounding_of(two_hours(), ALL_WORK)
    assert cut is not None
    terms = {name: a for name, a in cut.terms if abs(a) > 1e-9}
    assert terms == approx({"count(0)": -1.0, "count(1)": -1.0})
    assert cut.upper == approx(-2.0) and cut.upper >= -2.0


def case_of(rounding: Rounding = ALL_WORK, usd: float = -1.0) -> ProofCase:
    part = ProofPart((), (), 2.0, {"rounding(0)": usd})
    return ProofCase({}, 2.0, (part,), roundings=(rounding,))


def test_a_case_speaks_of_roundings() -> None:
    """2 USD, where no multiplier of the promises alone proves more than 1.5."""
    assert proven_cases(two_hours(), (case_of(),))[0][1] == approx(2.0)


@pytest.mark.parametrize(
    "rounding",
    [
        made_of({"demand": -1.5, "throughput(0)": 1.0, "throughput(1)": 0.9}),
        made_of({"demand": -1.8, "throughput(0)": 1.0, "throughput(1)": 1.0}),
        made_of({"demand": -1.5, "throughput(0)": 1.0}),
    ],
)
def test_other_weights_prove_less(rounding: Rounding) -> None:
    assert proven_cases(two_hours(), (case_of(rounding),))[0][1] < 2.0 - 0.05
    assert proven_cases(two_hours(), (case_of(usd=-1.01),))[0][1] < 2.0


@pytest.mark.parametrize(
    "rounding",
    [
        made_of({"gone": 1.0}),
        made_of({"rounding(0)": 1.0}),
        made_of({"demand": inf}),
        made_of({}),
        made_of({"demand": -2.0, "throughput(0)": 1.0, "throughput(1)": 1.0}, down=("count(2)",)),
        made_of({"demand": -4 / 3, "throughput(0)": 2 / 3, "throughput(1)": 2 / 3}, down=("endless",)),
        made_of({"demand": -2.0}),  # a limit that is whole: nothing to round
    ],
)
def test_what_cannot_be_rounded(rounding: Rounding) -> None:
    with raises(Unproven, match=r"is not a (row that its promises make|promise)"):
        proven_cases(two_hours(), (case_of(rounding),))


def test_none_is_made_of_what_may_be_below_nothing() -> None:
    model = two_hours()
    model.variables["flow(0)"].lower = -1.0
    assert rounding_of(model, ALL_WORK) is None


def test_roundings_are_made_of_those_before_them() -> None:
    """Of −count(0) − count(1) ≤ −2 and an hour's promise."""
    again = made_of({"rounding(0)": 0.7, "throughput(0)": 0.3})
    assert proven_cases(two_hours(), (ProofCase({}, 0.0, (), roundings=(ALL_WORK, again)),))
    for wrong in ((again, ALL_WORK), (ALL_WORK, made_of({"rounding(1)": 0.7, "throughput(0)": 0.3}))):
        with raises(Unproven, match="is not a promise"):
            proven_cases(two_hours(), (ProofCase({}, 0.0, (), roundings=wrong),))


def test_what_one_case_speaks_of_is_not_there_in_the_next() -> None:
    """A rounding holds within the ranges of its case alone."""
    first, other = ({"count(0)": (None, 0.0)}, {"count(0)": (1.0, None)})
    own = ProofCase(first, 0.0, (), roundings=(ALL_WORK,))
    lie = ProofCase(other, 0.0, (ProofPart((), (), 0.0, {"rounding(0)": -1.0}),))
    with raises(Unproven, match="is not a promise"):
        proven_cases(two_hours(), (own, lie))


def test_sums_are_counts_to_branch_on() -> None:
    """At most one instance over both hours is too little work; from two on it costs 2 USD."""
    sums = {"both": ("count(0)", "count(1)")}
    few = {"throughput(0)": -10.0, "throughput(1)": -10.0, "demand": 15.0, "both": -9.0}
    leaves = (
        ProvenLeaf({"both": (None, 1.0)}, few),
        ProvenLeaf({"both": (2.0, None)}, {"both": 1.0}),
    )
    case = ProofCase({}, 2.0, (ProofPart((), (), 2.0, None, leaves),), sums=sums)
    assert proven_cases(two_hours(), (case,))[0][1] == approx(2.0)


@pytest.mark.parametrize(
    "sums",
    [
        {"both": ("count(0)", "flow(1)")},
        {"both": ("count(0)", "count(0)")},
        {"both": ("count(0)", "gone")},
        {"both": ()},
        {"count(0)": ("count(0)", "count(1)")},
        {"demand": ("count(0)", "count(1)")},
    ],
)
def test_sums_of_counts_alone(sums: dict[str, tuple[str, ...]]) -> None:
    assert with_sums(two_hours(), sums) is None
    with raises(Unproven, match="a sum is not one of whole counts"):
        proven_cases(two_hours(), (ProofCase({}, 0.0, (), sums=sums),))


def random_problem(rng: Random) -> RelaxedProblem:
    """Two counts and two flows, some with a least of their own, in four promises of every kind."""
    model = RelaxedProblem()
    for j in range(2):
        model.variable(
            f"count({j})", float(rng.randint(1, 3)), lower=float(rng.choice((0, 0, 1))), whole=True
        )
        model.variable(f"flow({j})", rng.choice((1.0, 2.5, inf)), lower=rng.choice((0.0, 0.0, 0.2)))
    for i in range(4):
        terms = [(name, rng.choice((-1, 1)) * rng.uniform(0.1, 3.0)) for name in model.variables]
        terms = [term for term in terms if rng.random() < 0.7]
        limit = rng.uniform(-2.0, 3.0)
        kind = rng.choice(("upper", "lower", "equal", "range"))
        lower = {"upper": -inf, "lower": limit, "equal": limit, "range": limit - 2.0}[kind]
        model.constraint(f"promise({i})", terms, lower=lower, upper=inf if kind == "lower" else limit)
    return model


def most(model: RelaxedProblem, of: dict[str, float]) -> float:
    """The most of a sum over all points with whole counts: each count by itself, flows by a linear program."""
    flows = [name for name, each in model.variables.items() if not each.whole]
    counts = [name for name, each in model.variables.items() if each.whole]
    best = -inf
    for values in product(
        *(range(int(model.variables[c].lower), int(model.variables[c].upper) + 1) for c in counts)
    ):
        at = dict(zip(counts, map(float, values), strict=True))
        rows, limits = [], []
        for constraint in model.constraints.values():
            terms = dict(constraint.terms)
            held = sum(terms.get(name, 0.0) * x for name, x in at.items())
            row = np.array([terms.get(name, 0.0) for name in flows])
            for sign, limit in ((1.0, constraint.upper), (-1.0, constraint.lower)):
                if np.isfinite(limit):
                    rows.append(sign * row)
                    limits.append(sign * (limit - held))
        bounds = [(model.variables[name].lower, model.variables[name].upper) for name in flows]
        cost = [-of.get(name, 0.0) for name in flows]
        found = linprog(cost, np.array(rows), limits, bounds=bounds)
        if found.status == 3:
            return inf
        if found.status == 0:
            best = max(best, -found.fun + sum(of.get(name, 0.0) * x for name, x in at.items()))
    return best


@pytest.mark.parametrize("seed", range(16))
def test_no_whole_point_is_cut_off(seed: int) -> None:
    """Any weights, of either sign, anything counted from its top, roundings of roundings too."""
    rng = Random(seed)
    model, made = random_problem(rng), 0
    for k in range(6):
        chosen = [name for name in model.constraints if rng.random() < 0.7]
        weights = {
            name: rng.choice((-1, 1)) * rng.choice((0.3, 1.0, rng.uniform(0.1, 2.0))) for name in chosen
        }
        ends = {
            name
            for promise in chosen
            for name, _ in model.constraints[promise].terms
            if np.isfinite(model.variables[name].upper)
        }
        top = tuple(name for name in sorted(ends) if rng.random() < 0.4)
        cut = rounding_of(model, made_of(weights, top))
        if cut is None:
            continue
        made += 1
        assert most(model, dict(cut.terms)) <= cut.upper + 1e-7
        model.constraints[f"rounding({k})"] = cut
        if made == 3:
            break
