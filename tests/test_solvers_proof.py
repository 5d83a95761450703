"""Bounds of our own: what multipliers prove, in exact fractions too; trees against enumeration; solvers that lie."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import inf, isinf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from solvers import LinearProgram, SolveOptions, Stop, solve
from solvers.core.relaxation import RelaxedAnswer
from solvers.highs_relaxation import HighsRelaxation
from solvers.proof import branch_and_bound, prove, safe_bound
from solvers.proof.safe import refuting
from solvers.proof.tied import first_of, tied
from solvers.proof.tree import WorkLimits


def covering(rng: np.random.Generator, columns: int, rows: int, most: int = 3) -> LinearProgram:
    """min cost · x : A x ≥ demand, x in 0 … most, most of it whole. Feasible at x = most by construction."""
    matrix = rng.choice([0.0, 0.3, 0.7, 1.0, 1.1, 2.5], size=(rows, columns))
    matrix[:, 0] = np.maximum(matrix[:, 0], 0.1)
    return LinearProgram(
        cost=rng.choice([0.5, 1.0, 1.3, 2.0, 3.1], size=columns),
        matrix=sparse.csr_array(matrix),
        row_lower=matrix.sum(axis=1) * most * rng.uniform(0.2, 0.8),
        row_upper=np.full(rows, inf),
        col_lower=np.zeros(columns),
        col_upper=np.full(columns, float(most)),
        integer=rng.random(columns) < 0.8,
    )


def one_row(cost: list[float], least: float, most: list[float], *, whole: bool = False) -> LinearProgram:
    """min cost · x : Σ x ≥ least, 0 ≤ x ≤ most."""
    n = len(cost)
    return LinearProgram(
        cost=np.array(cost),
        matrix=sparse.csr_array(np.ones((1, n))),
        row_lower=np.array([least]),
        row_upper=np.array([inf]),
        col_lower=np.zeros(n),
        col_upper=np.array(most),
        integer=np.full(n, whole),
    )


def exact_bound(program: LinearProgram, y: np.ndarray) -> Fraction | float:
    """L(y) in fractions, term by term from its definition."""
    dense = program.matrix.toarray()
    limit = np.where(y > 0, program.row_lower, program.row_upper)
    price = [Fraction(float(v)) if np.isfinite(end) else Fraction(0) for v, end in zip(y, limit, strict=True)]
    total = Fraction(program.offset)
    total += sum((v * Fraction(float(end)) for v, end in zip(price, limit, strict=True) if v), Fraction(0))
    for j in range(program.n_columns):
        priced = sum((Fraction(float(dense[i, j])) * v for i, v in enumerate(price)), Fraction(0))
        reduced = Fraction(float(program.cost[j])) - priced
        end = float(program.col_lower[j] if reduced > 0 else program.col_upper[j])
        if reduced and isinf(end):
            return -inf
        total += reduced * Fraction(end) if reduced else 0
    return total


@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-6, 1.0, 3e7]))
def test_a_bound_is_never_above_what_its_multipliers_prove(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    program = covering(rng, 6, 4)
    program = program.with_cost(program.cost * scale)
    y = rng.normal(size=program.n_rows) * scale
    exact, ours = exact_bound(program, y), safe_bound(program, y)
    assert ours <= exact
    assert exact - Fraction(ours) <= Fraction(scale) / 10**9


def test_duals_of_an_optimum_prove_it() -> None:
    """min 2x + 3y : x + y ≥ 4, x ≤ 3. Best x = 3, y = 1, cost 9. The row is worth 3: L(3) = 12 + (2 − 3) · 3 = 9."""
    program = one_row([2.0, 3.0], 4.0, [3.0, 10.0])
    assert safe_bound(program, np.array([3.0])) == pytest.approx(9.0, abs=1e-12)
    assert safe_bound(program, np.array([3.0])) <= 9.0
    assert safe_bound(program, np.array([-1.0])) == pytest.approx(0.0, abs=1e-300)  # its limit is not there


def test_a_column_without_end_and_a_price_that_may_be_negative_prove_nothing() -> None:
    program = one_row([1.0], 2.0, [inf])
    assert safe_bound(program, np.array([0.5])) == pytest.approx(1.0)
    assert safe_bound(program, np.array([1.5])) == -inf


def combinations(program: LinearProgram) -> list[tuple[int, ...]]:
    columns = np.flatnonzero(program.integer)
    return list(product(*(range(int(program.col_upper[j]) + 1) for j in columns)))


def enumerated(program: LinearProgram) -> float:
    """The optimum by trying every combination of whole values, the rest as a linear program."""
    columns, best = np.flatnonzero(program.integer), inf
    for values in combinations(program):
        answer = solve(program.fix(columns, np.array(values, dtype=float)), "highs", SolveOptions())
        best = min(best, inf if answer.objective is None else answer.objective)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_tree_proves_the_optimum_and_its_leaves_cover_every_whole_point(seed: int) -> None:
    program = covering(np.random.default_rng(seed), 4, 3, most=2)
    best = enumerated(program)
    tree = branch_and_bound(program, HighsRelaxation)
    assert tree.complete
    assert tree.objective == pytest.approx(best, rel=1e-9)
    assert best * (1 - 1e-6) - 1e-9 <= tree.bound <= best + 1e-9
    columns = np.flatnonzero(program.integer)
    for values in combinations(program):
        inside = [
            leaf for leaf in tree.leaves if (leaf.lower <= values).all() and (values <= leaf.upper).all()
        ]
        assert len(inside) == 1
    for leaf in tree.leaves:
        lower, upper = program.col_lower.copy(), program.col_upper.copy()
        lower[columns], upper[columns] = leaf.lower, leaf.upper
        assert safe_bound(program, leaf.multipliers, lower, upper) >= leaf.bound


@pytest.mark.parametrize("seed", range(6))
def test_a_tree_that_work_ends_still_bounds(seed: int) -> None:
    program = covering(np.random.default_rng(100 + seed), 12, 6)
    whole = branch_and_bound(program, HighsRelaxation)
    cut = branch_and_bound(program, HighsRelaxation, work=WorkLimits(nodes=3))
    assert cut.nodes <= 3
    assert cut.bound <= whole.objective + 1e-9
    assert not cut.complete or cut.bound >= whole.bound * (1 - 1e-6)


def test_equal_programs_give_equal_trees() -> None:
    program = covering(np.random.default_rng(7), 12, 6)
    first, second = (branch_and_bound(program, HighsRelaxation) for _ in range(2))
    assert (first.nodes, first.bound, len(first.leaves)) == (second.nodes, second.bound, len(second.leaves))


def test_a_worse_start_is_bettered() -> None:
    program = covering(np.random.default_rng(3), 8, 4)
    most = program.col_upper.copy()
    tree = branch_and_bound(program, HighsRelaxation, start=most)
    assert tree.objective < program.objective(most)
    assert tree.complete


def test_infeasible_is_proven_by_a_ray() -> None:
    """x + y ≥ 5 with x, y ≤ 2: the row alone proves any cost."""
    program = one_row([1.0, 1.0], 5.0, [2.0, 2.0], whole=True)
    multipliers, bound = refuting(program, np.array([1.0]), 1e6)
    assert bound >= 1e6
    assert safe_bound(program, multipliers) == bound
    assert refuting(program, np.array([-1.0]), 1e6)[1] == -inf
    assert refuting(replace(program, offset=1e9), np.array([1.0]), 2e9)[1] >= 2e9  # whatever is paid anyway


def test_a_column_without_a_limit_that_the_ray_does_not_meet_is_in_no_ones_way() -> None:
    """x ≤ 2 against x ≥ 5, and z ≥ 0 in a row of its own, which has no multiplier: it costs nothing, exactly."""
    program = LinearProgram(
        cost=np.array([1.0, 0.0]),
        matrix=sparse.csr_array(np.eye(2)),
        row_lower=np.array([5.0, 0.0]),
        row_upper=np.array([inf, inf]),
        col_lower=np.zeros(2),
        col_upper=np.array([2.0, inf]),
        integer=np.zeros(2, dtype=bool),
    )
    assert refuting(program, np.array([1.0, 0.0]), 1e6)[1] >= 1e6
    assert refuting(program, np.array([1.0, 1e-9]), 1e6)[1] == -inf  # its part may now be below 0


class Liar(HighsRelaxation):
    """Says that there is no point, or tells duals of nothing, or points that are no optimum."""

    lie = ""

    def solve(self, lower: np.ndarray, upper: np.ndarray) -> RelaxedAnswer:
        true = super().solve(lower, upper)
        rng = np.random.default_rng(int(lower.sum() * 31 + upper.sum()))
        noise = None if true.multipliers is None else rng.normal(size=len(true.multipliers))
        if self.lie == "infeasible":
            return RelaxedAnswer(Stop.INFEASIBLE, None, noise, true.iterations)
        if self.lie == "duals":
            return RelaxedAnswer(true.stop, true.point, noise, true.iterations)
        worse = None if true.point is None else np.minimum(np.round(true.point) + 1.0, 9.0)
        return RelaxedAnswer(true.stop, worse, true.multipliers, true.iterations)


@pytest.mark.parametrize("lie", ["infeasible", "duals", "points"])
@pytest.mark.parametrize("seed", range(8))
def test_a_relaxation_that_lies_may_cost_the_proof_and_never_the_truth(lie: str, seed: int) -> None:
    program = covering(np.random.default_rng(200 + seed), 5, 3, most=2)
    best = enumerated(program)
    tree = branch_and_bound(program, type("Lies", (Liar,), {"lie": lie}), work=WorkLimits(nodes=200))
    assert tree.bound <= best + 1e-9
    assert tree.objective >= best - 1e-6
    if tree.complete:
        assert tree.objective == pytest.approx(best, rel=1e-6)


def test_what_no_ray_proves_is_not_halved_for_ever() -> None:
    """100,000 whole points, of which a relaxation says that there are none, without a proof of it."""
    program = covering(np.random.default_rng(5), 5, 3, most=9)
    tree = branch_and_bound(program, type("Lies", (Liar,), {"lie": "infeasible"}))
    assert not tree.complete
    assert tree.nodes < 1_000


def beside(*programs: LinearProgram) -> LinearProgram:
    """One program of several that share nothing."""
    return LinearProgram(
        cost=np.concatenate([one.cost for one in programs]),
        matrix=sparse.block_diag([one.matrix for one in programs], format="csr"),
        row_lower=np.concatenate([one.row_lower for one in programs]),
        row_upper=np.concatenate([one.row_upper for one in programs]),
        col_lower=np.concatenate([one.col_lower for one in programs]),
        col_upper=np.concatenate([one.col_upper for one in programs]),
        integer=np.concatenate([one.integer for one in programs]),
        offset=1.5,
    )


def test_parts_are_proved_apart_and_like_parts_once() -> None:
    one, other = (covering(np.random.default_rng(seed), 8, 4) for seed in (11, 12))
    single, alone = prove(one, HighsRelaxation), prove(other, HighsRelaxation)
    both = prove(beside(one, other, one, one), HighsRelaxation)
    assert len(both.parts) == 4
    assert both.complete
    assert both.bound == pytest.approx(3 * single.bound + alone.bound + 1.5, rel=1e-9)
    assert both.nodes < 2 * single.nodes + alone.nodes


def test_a_point_that_is_whole_but_for_rounding_is_still_split() -> None:
    """min x : x ≥ 1 − 1e-7, whole. The relaxation's 0.9999999 counts as 1; the bound is 1 only after a split."""
    program = one_row([1.0], 1.0 - 1e-7, [5.0], whole=True)
    tree = branch_and_bound(program, HighsRelaxation, within=(1e-12, 0.0))
    assert tree.bound == pytest.approx(1.0, rel=1e-12)
    assert len(tree.leaves) == 2


def bought_once(periods: int) -> LinearProgram:
    """Three kinds bought for all periods; what serves in each is what was bought, and a dear way takes the rest.

    min T · (8.3 A + 6.1 B + 5.2 C) + Σ_t 1.3 y_t :  a_t = A, b_t = B, c_t = C,  9 a_t + 7 b_t + 5.7 c_t + y_t ≥ d_t
    """
    kinds, price, rate = 3, [8.3, 6.1, 5.2], [9.0, 7.0, 5.7]
    n = kinds + periods * (kinds + 1)
    rows, lower, upper = [], [], []
    for t in range(periods):
        first = kinds + t * (kinds + 1)
        for k in range(kinds):
            same = np.zeros(n)
            same[[first + k, k]] = 1.0, -1.0
            rows.append(same)
            lower.append(0.0)
            upper.append(0.0)
        served = np.zeros(n)
        served[first : first + kinds + 1] = *rate, 1.0
        rows.append(served)
        lower.append([61.3, 74.9][t % 2])
        upper.append(inf)
    whole = np.array([k % (kinds + 1) < kinds for k in range(n - kinds)])
    return LinearProgram(
        cost=np.concatenate([np.array(price) * periods, np.tile([0.0, 0.0, 0.0, 1.3], periods)]),
        matrix=sparse.csr_array(np.array(rows)),
        row_lower=np.array(lower),
        row_upper=np.array(upper),
        col_lower=np.zeros(n),
        col_upper=np.concatenate([np.full(kinds, 12.0), np.where(whole, 12.0, 200.0)]),
        integer=np.concatenate([np.ones(kinds, dtype=bool), whole]),
    )


def test_columns_that_rows_make_equal_are_tried_once() -> None:
    """Nodes are as many for forty periods as for two, whose counts are bought once; the optimum by trying all 13³."""
    cases = []
    for periods in (2, 40):
        needs = [[61.3, 74.9][t % 2] for t in range(periods)]
        best = min(
            periods * (8.3 * a + 6.1 * b + 5.2 * c)
            + sum(1.3 * max(0.0, need - 9 * a - 7 * b - 5.7 * c) for need in needs)
            for a, b, c in product(range(13), repeat=3)
        )
        cases.append((branch_and_bound(bought_once(periods), HighsRelaxation), best))
    for tree, best in cases:
        assert tree.complete
        assert tree.objective == pytest.approx(best, rel=1e-9)
        assert best * (1.0 - 1e-6) <= tree.bound <= best
    assert cases[0][0].nodes == cases[1][0].nodes


def test_what_is_tied_is_known_by_its_first_column() -> None:
    """x₀ = x₂ = x₃; x₁ alone; x₄ = 2 x₀ is no tie, and neither is x₅ = x₁, which is not whole."""
    rows = [[1, 0, -1, 0, 0, 0], [0, 0, 2, -2, 0, 0], [2, 0, 0, 0, -1, 0], [0, 1, 0, 0, 0, -1]]
    program = LinearProgram(
        cost=np.ones(6),
        matrix=sparse.csr_array(np.array(rows, dtype=float)),
        row_lower=np.zeros(4),
        row_upper=np.zeros(4),
        col_lower=np.zeros(6),
        col_upper=np.full(6, 5.0),
        integer=np.array([True, True, True, True, True, False]),
    )
    assert tied(program).tolist() == [0, 1, 0, 0, 4, 5]
    assert first_of(tied(program)[:5]).tolist() == [True, True, False, False, True]
