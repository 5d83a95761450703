"""Many pieces that share a limit: ways to round, tried in all of them side by side, one chosen for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, SimplexBasis, SolveOptions, Stop, is_feasible, solve
from solvers.core.registry import get
from solvers.core.shell import solve as solve_with
from solvers.highs_relaxation import HighsRelaxation
from solvers.piecewise import choice, roundings
from solvers.piecewise.apart import PiecesApart
from solvers.piecewise.choice import chosen
from solvers.piecewise.roundings import near_by, rounded_pieces
from solvers.rounded import solve_rounded

type Piece = tuple[float, list[float], list[float]]
"""Work, and of each kind of instance what one carries and costs."""


def market(
    pieces: list[Piece], most: float = np.inf, token_usd: float | None = None
) -> tuple[LinearProgram, np.ndarray]:
    """Each piece serves its work by instances of its kinds; no more than `most` instances in all. By the token too,
    where that has a price. The piece of each column comes with it.
    """
    cost, part, integer, blocks = list[float](), list[int](), list[bool](), []
    for p, (work, carries, usd) in enumerate(pieces):
        k, token = len(carries), 0 if token_usd is None else 1
        cost += [0.0] * k + [token_usd * work] * token + usd if token_usd is not None else [0.0] * k + usd
        part += [p] * (2 * k + token)
        integer += [False] * (k + token) + [True] * k
        serve = np.concatenate([np.ones(k + token), np.zeros(k)])[None, :]
        carry = np.hstack([work * np.eye(k), np.zeros((k, token)), -np.diag(carries)])
        blocks.append(sparse.csr_array(np.vstack([serve, carry])))
    sizes = [block.shape[0] for block in blocks]
    first = np.concatenate([[1.0, *[-np.inf] * (size - 1)] for size in sizes])
    last = np.concatenate([[1.0, *[0.0] * (size - 1)] for size in sizes])
    whole = np.array(integer)
    matrix = sparse.vstack(
        [sparse.block_diag(blocks), sparse.csr_array(whole.astype(float)[None, :])], format="csr"
    )
    program = LinearProgram(
        cost=np.array(cost),
        matrix=matrix,
        row_lower=np.concatenate([first, [-np.inf]]),
        row_upper=np.concatenate([last, [most]]),
        col_lower=np.zeros(len(cost)),
        col_upper=np.where(whole, 1e4, 1.0),
        integer=whole,
    )
    return program, np.array(part)


def drawn(seed: int, number: int = 60) -> list[Piece]:
    """Pieces of two or three kinds."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        k = int(rng.integers(2, 4))
        carries = rng.uniform(5, 30, k).round(1)
        made.append(
            (float(rng.uniform(200, 900)), carries.tolist(), (carries * rng.uniform(0.8, 1.2, k)).tolist())
        )
    return made


def apart(program: LinearProgram, part: np.ndarray) -> PiecesApart:
    relaxation = HighsRelaxation(program)
    bounds = program.col_lower[program.integer], program.col_upper[program.integer]
    return PiecesApart(program, part, relaxation, bounds, relaxation.solve(*bounds))


def by_highs(program: LinearProgram, options: SolveOptions) -> object:
    return solve_with(get("highs"), program, options)


def test_each_piece_has_its_best_way() -> None:
    """Sixty pieces of 95 of work, 9.5 instances of 10 USD that carry 10 each in the relaxation: 10 of them, 100 USD;
    nine and two small ones carry 98 at 98.8. (Eight and four cost 97.6, but four more of one kind are not near by.)
    """
    program, part = market([(95.0, [10.0, 4.0], [10.0, 4.4])] * 60)
    found = rounded_pieces(apart(program, part), by_highs, SolveOptions(gap=1e-9))
    assert found is not None
    assert program.objective(found[0]) == approx(60 * 98.8)


@pytest.mark.parametrize("seed", range(5))
def test_no_number_near_by_costs_less(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing shared: each piece by itself, all numbers near by counted out, costs what was found, but for 1e-5."""
    monkeypatch.setattr(roundings, "MOST_WAYS", 200)
    drawn_pieces = drawn(seed)
    program, part = market(drawn_pieces)
    pieces = apart(program, part)
    near, least = near_by(pieces), 0.0
    for p, (work, carries, usd) in enumerate(drawn_pieces):
        numbers = near[:, pieces.of == p]
        least += float((numbers @ usd)[numbers @ carries >= work - 1e-9].min())
    found = rounded_pieces(pieces, by_highs, SolveOptions(gap=1e-9))
    assert found is not None
    assert program.objective(found[0]) == approx(least, rel=2e-5)


def test_one_of_another_kind_makes_up_for_what_is_rounded_down() -> None:
    """Sixty pieces of 91 of work, 9.1 instances of 10 USD in the relaxation: ten cost 100, nine are too few; nine and
    one small one, of which the relaxation has none, carry 95 at 95.6 USD.
    """
    program, part = market([(91.0, [10.0, 5.0], [10.0, 5.6])] * 60)
    found = rounded_pieces(apart(program, part), by_highs, SolveOptions(gap=1e-9))
    assert found is not None
    assert program.objective(found[0]) == approx(60 * 95.6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("token_usd", [None, 3.0], ids=["may lack", "by the token"])
def test_what_was_tried_bounds_what_others_cost(seed: int, token_usd: float | None) -> None:
    """Any numbers, tried: no piece that does with them costs less than others' slopes say, in 20 drawn pairs."""
    free, part = market(drawn(seed), token_usd=token_usd)
    most = float(np.floor(solve(free.relax()).point[free.integer].sum()))
    program, part = market(drawn(seed), most, token_usd=token_usd)
    pieces, rng = apart(program, part), np.random.default_rng(seed)
    middle = np.round(pieces.point[pieces.whole])
    moved = [np.maximum(middle + rng.integers(-2, 3, len(middle)), 0.0) for _ in range(5)]
    may_lack = np.bincount(pieces.of[pieces.open], minlength=pieces.number) > 0
    ways = [pieces.tried(np.where(may_lack[pieces.of], each, middle)) for each in moved]
    for one in ways:
        for other in ways:
            assert one is not None
            assert other is not None
            rise = np.bincount(pieces.of, one.slope * (other.value - one.value), pieces.number)
            least = one.penalised + rise
            assert (other.penalised >= least - 1e-6).all()
            assert (other.usd >= least - 1e-6).all()
    nearest = near_by(pieces)
    assert (nearest[0] == middle).all()
    assert (nearest >= pieces.lower).all()
    assert (nearest == np.round(nearest)).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [np.inf, 1.0, 0.8], ids=["free", "binds", "short"])
def test_a_limit_on_all_pieces_is_kept(seed: int, share: float) -> None:
    """Near to the relaxation: with and without a limit on all instances, which what is left over goes by the token."""
    pieces = drawn(seed)
    free, part = market(pieces, token_usd=3.0)
    most = (
        float(np.floor(share * solve(free.relax()).point[free.integer].sum()))
        if np.isfinite(share)
        else np.inf
    )
    program, part = market(pieces, most, token_usd=3.0)
    least = solve(program.relax()).bound
    found = rounded_pieces(apart(program, part), by_highs, SolveOptions(gap=1e-6))
    assert found is not None
    assert is_feasible(program, found[0], tolerance=1e-6)
    assert least <= program.objective(found[0]) <= 1.02 * least
    answer = solve_rounded(program, SolveOptions(gap=1e-6), lambda: part)
    assert answer is not None
    assert answer.objective is not None
    assert answer.objective <= program.objective(found[0]) + 1e-6
    assert least - 1e-6 <= answer.bound <= answer.objective


def test_what_a_piece_cannot_do_with_is_not_one_of_its_ways() -> None:
    """Work of 91 to 99 on instances of 10, nothing else: whatever is nearest, ten are needed."""
    pieces = [(91.0 + k % 9, [10.0], [7.0]) for k in range(60)]
    program, part = market(pieces)
    tried = apart(program, part)
    nine = tried.tried(np.full(60, 9.0))
    assert nine is not None
    assert not nine.does.any()
    found = rounded_pieces(apart(program, part), by_highs, SolveOptions(gap=1e-9))
    assert found is not None
    assert program.objective(found[0]) == approx(60 * 70.0)


def test_no_choice_keeps_to_a_limit_that_none_can() -> None:
    """Ten instances in each piece, and a limit below that."""
    program, part = market([(95.0, [10.0], [7.0])] * 60, most=590.0)
    assert rounded_pieces(apart(program, part), by_highs, SolveOptions()) is None
    tried = apart(program, part)
    ten = tried.tried(np.full(60, 10.0))
    assert ten is not None
    assert ten.does.all()
    assert chosen(tried, [ten], by_highs, SolveOptions()) is None
    assert tried.together(np.full(60, 10.0)) is None


def test_the_relaxation_is_left_as_it_was() -> None:
    program, part = market(drawn(1), most=1500.0, token_usd=3.0)
    pieces = apart(program, part)
    rounded_pieces(pieces, by_highs, SolveOptions())
    bounds = program.col_lower[program.integer], program.col_upper[program.integer]
    again = pieces.relaxation.solve(*bounds).point
    assert again is not None
    assert len(again) == program.n_columns
    assert program.objective(again) == approx(solve(program.relax()).objective)


def test_a_basis_outlives_the_columns_that_were_added() -> None:
    """Some of them are basic when they are dropped: from what is left HiGHS ends at the same optimum in few steps."""
    program, part = market(drawn(1), most=1500.0, token_usd=3.0)
    found = rounded_pieces(apart(program, part), by_highs, SolveOptions())
    assert found is not None
    point, basis = found
    held = program.fix(np.flatnonzero(program.integer), np.round(point[program.integer]))
    assert (basis.rows, basis.columns) == (program.n_rows, program.n_columns)
    plain, begun = solve(held), solve(held, start=basis)
    assert begun.objective == approx(program.objective(point))
    assert begun.objective == approx(plain.objective)
    assert (begun.stats.iterations or 0) < 30


def test_a_relaxation_goes_on_from_where_it_was_asked_to() -> None:
    """With other numbers held, and back: no step is left to take from where the optimum was."""
    program, _ = market(drawn(1), token_usd=3.0)
    relaxation = HighsRelaxation(program)
    bounds = program.col_lower[program.integer], program.col_upper[program.integer]
    first = relaxation.solve(*bounds)
    back = relaxation.way_back()
    assert first.point is not None
    held = np.ceil(first.point[program.integer])
    assert relaxation.solve(held, held).iterations
    back()
    again = relaxation.solve(*bounds)
    assert again.point is not None
    assert again.iterations == 0
    assert program.objective(again.point) == approx(program.objective(first.point))


@pytest.mark.parametrize("seed", range(3))
def test_choices_that_are_far_are_not_missed(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a limit binds: the choice among all costs no less than the one without those that are far, but for 1e-5."""
    free, part = market(drawn(seed), token_usd=3.0)
    program, part = market(drawn(seed), float(np.floor(solve(free.relax()).point[free.integer].sum())), 3.0)
    usd = []
    for far in (choice.FAR, np.inf):
        monkeypatch.setattr(choice, "FAR", far)
        found = rounded_pieces(apart(program, part), by_highs, SolveOptions(gap=1e-4))
        assert found is not None
        usd.append(program.objective(found[0]))
    assert usd[0] <= usd[1] * (1 + 1e-5)


def test_few_pieces_are_left_to_other_ways() -> None:
    program, part = market(drawn(1, 10))
    assert rounded_pieces(apart(program, part), by_highs, SolveOptions()) is None


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD", "scipy"])
def test_a_basis_changes_the_way_and_not_the_answer(solver: str) -> None:
    """From where the relaxation ended HiGHS takes no step; other solvers, and other programs, make nothing of it."""
    program, _ = market(drawn(2), token_usd=3.0)
    relaxation = HighsRelaxation(program)
    relaxation.solve(program.col_lower[program.integer], program.col_upper[program.integer])
    plain = solve(program.relax(), solver)
    started = solve(program.relax(), solver, start=relaxation.basis)
    assert started.stop is Stop.OPTIMAL
    assert started.objective == approx(plain.objective)
    if solver == "highs":
        assert started.stats.iterations == 0
        assert plain.stats.iterations
    other = replace(relaxation.basis, rows=1)
    assert isinstance(other, SimplexBasis)
    assert solve(program.relax(), solver, start=other).objective == approx(plain.objective)
