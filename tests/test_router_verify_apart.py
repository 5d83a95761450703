"""A bound by cases of a problem that falls apart: the least of each part's cases, added up, and lies about them."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from random import Random

import numpy as np
import pytest
from problem_factory import Data, load, plan_of
from pytest import MonkeyPatch, approx, raises
from test_router_verify_cases import day, two_hours, with_it, without
from test_solvers_rounding import held

import router
from router.plan.proof import ProofCase, ProofPart, Rounding
from router.planning import proving
from router.planning.proofs import held as proofs_held
from router.verification.bound.proof import Unproven, proven_by_cases
from router.verification.bound.relaxation import RelaxedProblem, Variable
from router.verification.bound.roundings import rounding_of
from solvers import LinearProgram, SolveOptions
from solvers.proof import WorkLimits
from solvers.rounding import rounded_program


def twice() -> RelaxedProblem:
    """Two problems of `two_hours` side by side, the other's names with a stroke, and 1.5 USD that are owed anyway."""
    model, other = two_hours(), two_hours()
    for name, each in other.variables.items():
        model.variables[f"{name}'"] = each
    for name, row in other.constraints.items():
        model.constraints[f"{name}'"] = replace(row, terms=[(f"{of}'", a) for of, a in row.terms])
    model.constant = 1.5
    return model


def primed(case: ProofCase) -> ProofCase:
    parts = tuple(
        replace(part, multipliers={f"{name}'": usd for name, usd in (part.multipliers or {}).items()})
        for part in case.parts
    )
    ranges = {f"{name}'": ends for name, ends in case.ranges.items()}
    prices = None if case.prices is None else {f"{name}'": usd for name, usd in case.prices.items()}
    return replace(case, ranges=ranges, parts=parts, prices=prices)


def apart(number: int, *cases: ProofCase) -> tuple[ProofCase, ...]:
    return tuple(replace(case, apart=number) for case in cases)


def both() -> tuple[ProofCase, ...]:
    return (*apart(0, without(), with_it()), *apart(1, primed(without()), primed(with_it())))


def test_parts_by_hand() -> None:
    """10 and 6 USD of each: 6 + 6 + 1.5 = 13.5 of both, where the cases by themselves are of one part each."""
    found, total = proven_by_cases(twice(), both())
    assert [bound for _, bound in found] == approx([10.0, 6.0, 10.0, 6.0])
    assert total == approx(13.5)
    one = both()[:2]
    assert proven_by_cases(twice(), one)[1] == approx(6.0 + 1.5)  # nobody speaks of the other: 0 USD at least
    cases = tuple(replace(case, apart=None) for case in one)
    assert proven_by_cases(twice(), cases)[1] == approx(6.0 + 1.5)


def test_what_costs_less_than_nothing_and_is_spoken_of_by_none_counts() -> None:
    model = twice()
    model.variables["sold"] = Variable(0.0, 2.0, False, -1.0)
    assert proven_by_cases(model, both())[1] == approx(11.5)
    model.variables["sold"].upper = inf
    with raises(Unproven, match="bound nothing"):
        proven_by_cases(model, both())


@pytest.mark.parametrize(
    ("cases", "why"),
    [
        (both()[:3], "leave some counts out"),
        (both()[1:], "leave some counts out"),
        ((*apart(0, without(), with_it()), *apart(1, without(), with_it())), "both speak of"),
        ((*apart(0, without()), *apart(1, with_it())), "both speak of"),
        ((*both(), ProofCase({}, 0.0, (ProofPart((), (), 0.0, {"linking": -1.0}),))), "both speak of"),
        ((*both(), ProofCase({"gone": (None, 0.0)}, 0.0, (), apart=2)), "nothing that the problem decides"),
        ((*both(), ProofCase({}, 0.0, (), sums={"s": ("gone",)}, apart=2)), "nothing that the problem"),
        ((*both()[:3], *apart(1, ProofCase({"signed'": (1.0, None)}, 0.0, (), {"gone": 1.0}))), "a promise"),
    ],
)
def test_what_proves_nothing(cases: tuple[ProofCase, ...], why: str) -> None:
    with raises(Unproven, match=why):
        proven_by_cases(twice(), cases)


def test_a_promise_across_parts_makes_them_one() -> None:
    """A row of both has both speak of the other's things, whatever its multiplier."""
    model = twice()
    model.constraint("across", [("signed", 1.0), ("signed'", 1.0)], upper=1.0)
    assert proven_by_cases(model, both())[1] == approx(13.5)  # nobody speaks of it
    for promise in ("across", "across'"):
        part = ProofPart((), (), 0.0, {promise: -1.0})
        lie = replace(both()[1], parts=(part,))
        with raises(Unproven, match=r"both speak of|is not a promise"):
            proven_by_cases(model, (both()[0], lie, *both()[2:]))


def side_by_side(seed: int, periods: int = 6) -> Data:
    """Two days that share no model and no offer."""
    data, other = day(Random(seed), periods), day(Random(seed + 100), periods)
    for each in other["workloads"]:
        each |= {"name": f"{each['name']}-n", "models": ["n"]}
    for each in other["offers"]:
        each |= {"name": f"{each['name']}-n", "models": {"n": each["models"]["m"]}}
    data["workloads"] += other["workloads"]
    data["offers"] += other["offers"]
    data["models"] |= {"n": dict(data["models"]["m"])}
    return data


@pytest.mark.parametrize("seed", range(4))
def test_parts_of_a_problem_are_proven_by_themselves(seed: int, monkeypatch: MonkeyPatch) -> None:
    """No more than the plan costs, no less than all at once; a lie about any case is seen."""
    monkeypatch.setattr(proving, "LARGEST", 10)
    data = side_by_side(seed)
    plan, stated = plan_of(data, gap=1e-6), load(data)
    monkeypatch.setattr(proofs_held, "independent", lambda program: [np.arange(program.n_columns)])
    whole = plan_of(data, gap=1e-6)
    assert plan.proof is not None and whole.proof is not None
    assert whole.objective_usd == approx(plan.objective_usd, rel=2e-6)
    assert whole.proof.bound_usd * (1 - 2e-6) <= plan.proof.bound_usd <= plan.objective_usd * (1 + 1e-6)
    assert router.verify(stated, plan).ok
    proof, cases = plan.proof, plan.proof.cases
    if cases is None:  # the relaxation is enough
        return
    assert {case.apart for case in cases} == {0, 1}
    lies = [cases[:-1], cases[1:], tuple(replace(case, apart=0) for case in cases)]
    lies += [tuple(replace(case, apart=None) for case in cases)]
    for i, case in enumerate(cases):
        dearer = replace(case, bound_usd=case.bound_usd + 1.0)
        lies.append((*cases[:i], dearer, *cases[i + 1 :]))
    for i, lie in enumerate(lies):
        assert not router.verify(stated, replace(plan, proof=replace(proof, cases=lie))).ok, i


def test_a_part_that_a_glance_did_not_prove_is_looked_at_again(monkeypatch: MonkeyPatch) -> None:
    """The first part with little work, the last with all of it, and then the first one too; all within the gap."""
    monkeypatch.setattr(proving, "LARGEST", 10)
    looks: list[tuple[object, float, bool, float]] = []
    look = proofs_held.Apart.look

    def recorded(self: proofs_held.Apart, room_usd: float, work: WorkLimits, options: SolveOptions) -> None:
        if work is not proofs_held.GLANCING:  # a glance proves nothing here
            look(self, room_usd, work, options)
        looks.append((self, room_usd, work is proofs_held.GLANCING, self.short_usd))

    monkeypatch.setattr(proofs_held.Apart, "look", recorded)
    data, gap = side_by_side(1), 1e-3
    plan = plan_of(data, gap=gap)
    (first, _, glance, _), (last, room, _, short), (again, more, _, rest) = looks
    assert glance and first is again and first is not last
    assert short <= room and rest <= more
    assert short + more == approx(proofs_held.STATED * gap * plan.objective_usd, rel=1e-3)
    assert plan.proof is not None and plan.proof.bound_usd >= plan.objective_usd * (1 - gap)
    assert router.verify(load(data), plan).ok


def relaxed(program: LinearProgram) -> RelaxedProblem:
    """A program as a relaxation of the verifier's."""
    model = RelaxedProblem()
    for j, (low, high) in enumerate(zip(*program.whole_bounds, strict=True)):
        whole = bool(program.integer[j])
        model.variable(f"x{j}", float(high), lower=float(low), whole=whole, usd=float(program.cost[j]))
    for i in range(program.n_rows):
        at = slice(program.matrix.indptr[i], program.matrix.indptr[i + 1])
        cells = zip(program.matrix.indices[at].tolist(), program.matrix.data[at].tolist(), strict=True)
        limits = {"lower": float(program.row_lower[i]), "upper": float(program.row_upper[i])}
        model.constraint(f"r{i}", [(f"x{j}", a) for j, a in cells], **limits)
    return model


@pytest.mark.parametrize("seed", range(8))
def test_roundings_of_roundings_are_the_same_when_made_again(seed: int) -> None:
    """From weights as they are stated, each by the verifier's reckoning, about as far apart as the row says."""
    program, _ = held(seed)
    rounded = rounded_program(program, inf, SolveOptions())
    assert rounded is not None
    model, m = relaxed(program), program.n_rows
    for k, row in enumerate(rounded.made):
        names = [f"r{i}" if i < m else f"rounding({i - m})" for i in row.rows.tolist()]
        weights = {name: float(f"{w:.12g}") for name, w in zip(names, row.weights.tolist(), strict=True)}
        made = rounding_of(model, Rounding(weights, tuple(f"x{j}" for j in row.down.tolist())))
        assert made is not None
        model.constraints[f"rounding({k})"] = made
        own = dict(zip((f"x{j}" for j in row.columns.tolist()), row.values.tolist(), strict=True))
        theirs, upper = dict(made.terms), row.upper
        for name in sorted({*own, *theirs}):
            of, apart_by = model.variables[name], theirs.get(name, 0.0) - own.get(name, 0.0)
            if of.lower == of.upper:  # moved to the other side
                upper += apart_by * of.lower
            else:
                assert abs(apart_by) <= 10 * row.off + 1e-9, (k, name)
        assert abs(made.upper - upper) <= 10 * row.off + 1e-9, k
