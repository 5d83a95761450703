"""A search over sums of counts proves its plan: its leaves, by promise, are worked out again by the verifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from benchmarks.kinds import kinds_problem
from pytest import approx
from scipy import sparse

from router import api
from router.plan.document import Plan
from router.plan.proof import ProofCase, ProofPart, ProvenLeaf, Rounding
from router.planning import proving
from router.planning.proofs.found_rows import found_rows
from router.planning.proofs.repaired import Repaired
from router.planning.proofs.scaled import ScaledRelaxation
from router.planning.structure import in_parts
from router.schema import Problem
from router.verification import audit_of, verify
from router.verification.bound import relaxation_of
from router.verification.bound.proof import Unproven, proven_cases
from router.verification.bound.relaxation import RelaxedProblem
from solvers import LinearProgram, SolveOptions
from solvers.proof.safe import SafeBounds


def drawn(seed: int, volume: float, kinds: int = 200) -> Problem:
    """So many kinds of one workload each, so many times as much of each."""
    problem = kinds_problem(kinds, kinds, seed)

    def larger(load: object) -> object:
        demand = load.demand  # type: ignore[attr-defined]
        more = demand.model_copy(update={"requests_per_month": volume * demand.requests_per_month})
        return load.model_copy(update={"demand": more})  # type: ignore[attr-defined]

    return problem.model_copy(update={"workloads": tuple(map(larger, problem.workloads))})


def planned(problem: Problem, gap: float = 1e-6) -> Plan:
    """As if there were too many flows for a search over the counts alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_parts, "SMALL", 0)
        patch.setattr(in_parts, "MANY_FLOWS", 0)
        patch.setattr(proving, "LARGEST", 0)
        return api.solve(problem, options=SolveOptions(gap=gap))


@pytest.fixture(scope="module")
def proven() -> tuple[Problem, Plan, RelaxedProblem]:
    problem = drawn(4, 100.0)
    plan = planned(problem)
    model = relaxation_of(audit_of(problem, plan))
    assert model is not None
    return problem, plan, model


def cases_of(plan: Plan) -> tuple[ProofCase, ...]:
    assert plan.proof is not None and plan.proof.cases is not None
    return plan.proof.cases


def test_the_search_s_tree_is_the_proof(proven: tuple[Problem, Plan, RelaxedProblem]) -> None:
    """Four contracts that no plan so cheap has, and a tree over 32 counts and 8 sums, with limits on shares."""
    problem, plan, model = proven
    *on, tree = cases_of(plan)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.proof.bound_usd == approx(plan.objective_usd, rel=1e-6)
    assert verify(problem, plan).ok
    assert len(on) == 4
    assert tree.sums and len(tree.sums) == 8
    assert tree.prices
    assert tree.roundings
    assert not any(each.down for each in tree.roundings)
    (part,) = tree.parts
    assert part.leaves is not None and len(part.leaves) > 10
    assert min(bound for _, bound in proven_cases(model, cases_of(plan))) == approx(plan.proof.bound_usd)


@pytest.mark.parametrize(("seed", "volume"), [(1, 30.0), (5, 100.0), (7, 30.0)])
def test_it_is_a_proof_whatever_binds(seed: int, volume: float) -> None:
    problem = drawn(seed, volume)
    plan = planned(problem, gap=1e-4)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.proof.bound_usd >= plan.objective_usd * (1 - 1e-4)
    assert verify(problem, plan).ok
    cuts = [each for each in cases_of(plan)[-1].roundings or () if each.down]
    assert bool(cuts) is (seed == 7)  # cuts of several flows


def test_without_the_tree_the_relaxation_bounds_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were it not for sums and limits on shares: 4 % of the cost is missing."""
    monkeypatch.setattr(proving, "summed_cases", lambda *_: None)
    plan = planned(drawn(4, 100.0))
    assert plan.proof is not None
    assert plan.proof.kind != "own"
    assert plan.proof.bound_usd < 0.99 * plan.objective_usd


def test_leaves_that_prove_too_much_for_the_plan_make_way_for_the_relaxation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be worked out again is no proof; the plan has one all the same."""
    cases = (ProofCase({}, 0.0, (ProofPart((), (), 0.0, {"nothing": 1.0}),)),)
    monkeypatch.setattr(proving, "summed_cases", lambda *_: cases)
    plan = planned(drawn(1, 30.0))
    assert plan.proof is not None
    assert plan.proof.parts
    assert 0.9 * plan.objective_usd < plan.proof.bound_usd <= plan.objective_usd


def bound_of(model: RelaxedProblem, cases: tuple[ProofCase, ...]) -> float | None:
    """None: it proves nothing."""
    try:
        return min(bound for _, bound in proven_cases(model, cases))
    except Unproven:
        return None


def with_leaves(case: ProofCase, leaves: tuple[ProvenLeaf, ...]) -> ProofCase:
    return replace(case, parts=(replace(case.parts[0], leaves=leaves),))


def lies(cases: tuple[ProofCase, ...], random: Random) -> Iterator[tuple[ProofCase, ...]]:
    """In every leaf and every case: it is left out, its range is narrower, what it needs is left out or is more."""
    *on, tree = cases
    for k, case in enumerate(on):
        multipliers = case.parts[0].multipliers or {}
        lied = replace(case, parts=(replace(case.parts[0], multipliers=_other(multipliers, random)),))
        yield (*on[:k], *on[k + 1 :], tree)
        yield (*on[:k], lied, *on[k + 1 :], tree)
    leaves = tree.parts[0].leaves or ()
    for k, leaf in enumerate(leaves):
        before, after = leaves[:k], leaves[k + 1 :]
        yield (*on, with_leaves(tree, (*before, *after)))
        name, (low, high) = next(iter(leaf.ranges.items()))
        narrower = {**leaf.ranges, name: ((low or 0.0) + 1.0, high)}
        yield (*on, with_leaves(tree, (*before, replace(leaf, ranges=narrower), *after)))
        lied = replace(leaf, multipliers=_other(leaf.multipliers, random))
        yield (*on, with_leaves(tree, (*before, lied, *after)))


def _other(multipliers: object, random: Random) -> dict[str, float]:
    """The largest of them turned, and another one of three times as much."""
    said = dict(multipliers)  # type: ignore[call-overload]
    said[max(said, key=lambda name: abs(said[name]))] *= -1.0
    said[random.choice(list(said))] *= 3.0
    return said


def test_a_lie_in_any_leaf_is_seen(proven: tuple[Problem, Plan, RelaxedProblem]) -> None:
    """It proves nothing, or less than is stated."""
    _, plan, model = proven
    stated = bound_of(model, cases_of(plan))
    assert stated is not None
    count = 0
    for lied in lies(cases_of(plan), Random(1)):
        bound = bound_of(model, lied)
        count += 1
        assert bound is None or bound < stated - 1e-7 * abs(stated)
    assert count > 50


def test_no_weights_prices_or_sums_prove_more_than_the_plan_costs(
    proven: tuple[Problem, Plan, RelaxedProblem],
) -> None:
    """Whatever is stated of rows is right or is refused: what is proven is true."""
    _, plan, model = proven
    *on, tree = cases_of(plan)
    random = Random(2)
    assert tree.roundings and tree.prices and tree.sums
    stated = bound_of(model, cases_of(plan))
    assert stated is not None
    lower = 0
    for _ in range(60):
        at = random.randrange(len(tree.roundings))
        row = tree.roundings[at]
        weights = {name: w * random.choice([1.0, 0.5, -1.0, 1.7]) for name, w in row.weights.items()}
        rows = (
            *tree.roundings[:at],
            Rounding(weights, row.down[random.randrange(2) :]),
            *tree.roundings[at + 1 :],
        )
        prices = dict(tree.prices)
        prices[random.choice(list(prices))] *= random.choice([1.0, 0.9, 1.1])
        sums = dict(tree.sums)
        name = random.choice(list(sums))
        sums[name] = sums[name][random.randrange(2) :]
        bound = bound_of(model, (*on, replace(tree, roundings=rows, prices=prices, sums=sums)))
        assert bound is None or bound <= plan.objective_usd * (1 + 1e-6)
        lower += bound is None or bound < stated - 1e-7 * abs(stated)
    assert lower > 40


def test_the_check_names_what_is_lied(proven: tuple[Problem, Plan, RelaxedProblem]) -> None:
    problem, plan, _ = proven
    assert plan.proof is not None
    for lied in [*lies(cases_of(plan), Random(3))][::20]:
        assert verify(problem, replace(plan, proof=replace(plan.proof, cases=lied))).failed() == ("proof",)


def test_rows_are_found_in_another_order_and_in_other_units() -> None:
    """Σ x = 1, 3 x − 2 n ≤ 0 and 5 s − m ≥ 0, of which m is in thousands here."""
    model = RelaxedProblem()
    x, n = model.variable("x", 1.0, usd=2.0), model.variable("n", 9.0, whole=True, usd=1.0)
    s, m = model.variable("s", 7.0, usd=3.0), model.variable("m", 9_000.0)
    model.runs[x] = ("work", 0)
    model.constraint("capacity", [(x, 3.0), (n, -2.0)], upper=0.0)
    model.constraint("least", [(s, 5.0), (m, -1.0)], lower=0.0)
    model.constraint("other", [(x, 3.0), (n, -1.0)], upper=0.0)
    model.constraint("demand", [(x, 1.0)], lower=1.0, upper=1.0)
    program = LinearProgram(
        cost=np.array([1.0, 0.0, 2.0, 3.0]),  # n, m, x, s
        matrix=sparse.csr_array(
            np.array(
                [[0.0, 0.0, 1.0, 0.0], [0.0, -100.0, 0.0, 0.5], [-4.0, 0.0, 6.0, 0.0], [1.0, 0.0, 1.0, 0.0]]
            )
        ),
        row_lower=np.array([1.0, 0.0, -np.inf, 0.0]),
        row_upper=np.array([1.0, np.inf, 0.0, np.inf]),
        col_lower=np.zeros(4),
        col_upper=np.array([9.0, 9.0, 1.0, 7.0]),
        integer=np.array([True, False, False, False]),
    )
    scaled = ScaledRelaxation.of(model)
    place, factor = found_rows(scaled, program, np.array([1, 3, 0, 2]))
    assert place.tolist() == [3, 1, 0, -1]
    assert (factor * scaled.row_scale[place])[:3] == approx([1.0, 0.1, 2.0])


def test_repaired_multipliers_prove_no_less() -> None:
    """Random rows: of what serves an amount, of counts some of which are held at 0, and any others."""
    rng = np.random.default_rng(1)
    better = 0
    for _ in range(300):
        n, pools = 8, 3
        serve = np.zeros((2, n + pools))
        serve[0, :4] = serve[1, 4:n] = 1.0
        carry = np.zeros((pools, n + pools))
        carry[np.arange(n) % pools, np.arange(n)] = rng.uniform(0.1, 2.0, n)
        carry[np.arange(pools), n + np.arange(pools)] = -1.0
        other = rng.choice([0.0, 1.0, -1.0], (1, n + pools))
        program = LinearProgram(
            cost=rng.uniform(-1.0, 5.0, n + pools),
            matrix=sparse.csr_array(np.vstack([serve, carry, other])),
            row_lower=np.array([1.0, 1.0, *[-np.inf] * pools, -9.0]),
            row_upper=np.array([1.0, 1.0, *[0.0] * pools, 9.0]),
            col_lower=np.zeros(n + pools),
            col_upper=np.array([*[1.0] * n, *[5.0] * pools]),
            integer=np.arange(n + pools) >= n,
        )
        upper = np.where(program.integer & (rng.random(n + pools) < 0.5), 0.0, program.col_upper)
        y = rng.normal(0.0, 2.0, program.n_rows)
        bounds, found = SafeBounds(program), Repaired(program).multipliers(y, program.col_lower, upper)
        before, after = (bounds.total(each, program.col_lower, upper) for each in (y, found))
        assert after >= before - 1e-9
        better += after > before + 1e-3
    assert better > 200
