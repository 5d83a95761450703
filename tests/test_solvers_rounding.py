"""Rows of a relaxation rounded: no whole point is cut off, and small trees end where hours hang together."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from pytest import approx
from test_solvers_held import OPTIONS, hours, run, tree_of

from solvers import LinearProgram, solve
from solvers.highs_relaxation import HighsRelaxation
from solvers.piecewise.held import within
from solvers.proof import WorkLimits, branch_and_bound
from solvers.rounding import rounded_program, with_sums
from solvers.strengthened import strengthened


def held(seed: int) -> tuple[LinearProgram, np.ndarray]:
    """Hours that hang together by work that may run in the next one alone."""
    program, part = hours(Random(seed))
    spans = np.flatnonzero(program.integer & (part < 0))
    return within(program, spans, np.zeros(len(spans)), np.zeros(len(spans))), part


def counts_alike(program: LinearProgram, part: np.ndarray) -> list[np.ndarray]:
    """The k-th count of every hour."""
    by_hour = [np.flatnonzero(program.integer & (part == t)) for t in range(int(part.max()) + 1)]
    return [np.array(group) for group in zip(*by_hour, strict=True)]


@pytest.mark.parametrize("backend", ["highs", "pulp:COIN_CMD"])
@pytest.mark.parametrize("seed", range(8))
def test_roundings_lift_the_relaxation_and_keep_every_whole_point(seed: int, backend: str) -> None:
    """The optimum costs the same with them; in all directions that are tried no whole point is lost."""
    program, _ = held(seed)
    answer = strengthened(program, OPTIONS)
    best = solve(program, backend, OPTIONS).objective
    assert answer is not None and best is not None
    rounded = rounded_program(program, np.inf, OPTIONS)
    assert rounded is not None and len(rounded.kept) > 0
    assert program.objective(np.zeros(program.n_columns)) < rounded.bound <= best * (1 + 1e-7)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        cost = rng.uniform(0.0, 1.0, program.n_columns)
        plain = solve(LinearProgram(**(vars_of(program) | {"cost": cost})), backend, OPTIONS)
        cut = solve(LinearProgram(**(vars_of(rounded.program) | {"cost": cost})), backend, OPTIONS)
        assert cut.objective == approx(plain.objective, rel=1e-6)


def vars_of(program: LinearProgram) -> dict[str, object]:
    names = ("cost", "matrix", "row_lower", "row_upper", "col_lower", "col_upper", "integer", "offset")
    return {name: getattr(program, name) for name in names}


@pytest.mark.parametrize("seed", range(8))
def test_a_tree_with_roundings_and_sums_ends_at_the_optimum(seed: int) -> None:
    program, part = held(seed)
    best = solve(program, options=OPTIONS).objective
    assert best is not None
    wider = with_sums(program, counts_alike(program, part))
    assert solve(wider, options=OPTIONS).objective == approx(best, rel=1e-7)
    rounded = rounded_program(wider, best, OPTIONS)
    assert rounded is not None
    tree = branch_and_bound(rounded.program, HighsRelaxation, work=WorkLimits(nodes=1_000))
    assert tree.complete and tree.bound == approx(best, rel=1e-6)
    known = branch_and_bound(rounded.program, HighsRelaxation, work=WorkLimits(nodes=1_000), objective=best)
    assert known.bound == approx(best, rel=1e-6)
    assert best * (1 - 1e-6) <= min(leaf.bound for leaf in tree.leaves)


@pytest.mark.parametrize("seed", range(6))
def test_cases_with_sums_are_proven_to_the_optimum(seed: int) -> None:
    """Each case of one value by a tree over all that is whole."""
    program, part = hours(Random(seed))
    best = solve(program, options=OPTIONS).objective
    assert best is not None
    tree = tree_of(program, part)
    tree.sums = counts_alike(program, part)
    leaves = tree.leaves(best, best * (1 - 1e-6))
    assert min(leaf.bound for leaf in leaves) == approx(best, rel=2e-6)
    for leaf in leaves:
        inside = run(within(program, tree.spans, leaf.lower, leaf.upper), OPTIONS)
        assert inside.objective is not None and leaf.bound <= inside.objective * (1 + 1e-6)
