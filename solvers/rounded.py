"""A plan from a relaxation that is kept warm: its whole numbers rounded a part at a time, those nearest first.

    1  the relaxation; then switches (whole columns of at most 1) that are open at all are open
    2  a part of the other whole columns that are not whole yet at the nearest number; the relaxation goes on from there
    3  again, until all are whole; where nothing keeps to the rows any more, the last part is rounded up instead
    4  where plan and bound are farther apart than asked: rows that hold for whole numbers alone, and 1 to 3 again, then
       in more parts and with more of them rounded up

Where there are many pieces, several ways to round are tried in all of them side by side in place of 2 and 3
(solvers.piecewise.roundings), which leave less.

Where counts are large that leaves little between plan and bound, in little more time than the relaxation takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from solvers.capacity_rows import CapacityRows, within_limits
from solvers.core.deadline import clock_s
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.registry import get
from solvers.core.relaxation import GrowingRelaxation, RelaxedAnswer
from solvers.core.result import SimplexBasis, Solution, Stats, Stop
from solvers.core.shell import solve as solve_with
from solvers.first_prices import least_prices
from solvers.piecewise.apart import PiecesApart
from solvers.piecewise.roundings import rounded_pieces
from solvers.rounding.lifted import BasisRows

if TYPE_CHECKING:
    from solvers.highs_relaxation import HighsRelaxation


WHOLE = 1e-6
MOST_PARTS = 40
FIRST, OTHERS = (6, 0.5), ((6, 0.5), (3, 0.3), (6, 0.2), (12, 0.1), (12, 0.2))
"""Parts, and the fraction from which a number is rounded up: what lacks is made up for by what costs more."""

ROUNDS = 3
"""Of rows added."""

MOST_NODES = 200
"""Of the tree over ways to round."""

SMALL = 0.1
"""Counts are small where rounding all of them up costs more than this part of all."""


def solve_rounded(
    program: LinearProgram,
    options: SolveOptions,
    pieces: Callable[[], Ints] | None = None,
    *,
    rounds: int = ROUNDS,
    by_basis: bool = False,
) -> Solution | None:
    """The best such plan and the relaxation's bound; None where there is none, or where counts are small.

    `pieces` gives (n,) the piece of each column, −1 where it spans. `Stop.OPTIMAL` only where the gap asked for is
    reached; else `Stop.TIME_LIMIT` or `Stop.EXHAUSTED`. `rounds` of rows are added; without any there is one way alone.
    `by_basis`: rows of its basis, not of capacities: they say more where several share a load, at whatever counts.
    """
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver
    from solvers.highs_sifted import few_columns, sift

    began, relaxation = clock_s(), HighsRelaxation(program, deadline=options.begun().deadline)
    low, high = (bounds[relaxation.columns] for bounds in program.whole_bounds)
    rows = BasisRows(program, relaxation) if by_basis else CapacityRows(program)
    few = few_columns(program) if pieces is not None and not by_basis else None
    if few is not None:
        sift(relaxation, few)
    bound, best, usd = -np.inf, None, np.inf
    basis: SimplexBasis | None = None
    for k in range(rounds + 1):
        answer = relaxation.solve(low, high)
        point = answer.point
        if point is None or (k == 0 and _small(program, point)):
            break
        bound = max(bound, program.objective(point))
        back = relaxation.way_back()
        broken = rows.violated(point) if k < rounds else None
        last = broken is None or not len(broken)
        ways: list[Callable[[], tuple[Floats, SimplexBasis] | None]] = []
        if pieces is not None and (k == 0 or last):
            ways.append(partial(_by_pieces, program, relaxation, options, answer, pieces(), few is not None))
        parts = (FIRST,) if k == 0 else OTHERS if last else ()
        ways += [_Diving(program, relaxation, options, way, answer).whole_point for way in parts]
        for way in ways:
            whole = way()
            if whole is not None and program.objective(whole[0]) < usd:
                (best, basis), usd = whole, program.objective(whole[0])
            by_pieces = whole is not None and way is ways[0] and pieces is not None
            if options.late or by_pieces or (best is not None and usd - bound <= options.gap * abs(usd)):
                break
        if best is None or usd - bound <= options.gap * abs(usd) or options.late or broken is None or last:
            break
        back()
        relaxation.add_rows(broken.matrix, broken.upper)
    if best is None:
        return None
    reached = usd - bound <= options.gap * abs(usd)
    stop = Stop.OPTIMAL if reached else Stop.TIME_LIMIT if options.late else Stop.EXHAUSTED
    raw, seconds = f"rounded relaxation, {stop.value}", clock_s() - began
    stats = Stats.of(program, raw=raw, solve_s=seconds)
    return Solution(stop=stop, point=best, objective=usd, bound=min(bound, usd), stats=stats, basis=basis)


def whole_point(
    program: LinearProgram, relaxation: HighsRelaxation, options: SolveOptions, answer: RelaxedAnswer
) -> Floats | None:
    """A whole point near an answer of the relaxation, rounded in a few parts; None where none is met."""
    found = _Diving(program, relaxation, options, FIRST, answer).whole_point()
    return None if found is None else found[0]


def _by_pieces(
    program: LinearProgram,
    relaxation: HighsRelaxation,
    options: SolveOptions,
    answer: RelaxedAnswer,
    part: Ints,
    sifted: bool,
) -> tuple[Floats, SimplexBasis] | None:
    """The whole point of ways to round tried in many pieces side by side; None where there are few.

    `sifted`: what nothing uses has the price of what it costs, at which no bound says what one more of it would cost.
    """
    diving = _Diving(program, relaxation, options, FIRST, answer)
    decided = diving.decided(part)
    if decided is None:
        return None
    if sifted and decided.point is not None and decided.multipliers is not None:
        prices = least_prices(program, decided.point, decided.multipliers)
        decided = RelaxedAnswer(decided.stop, decided.point, prices, decided.iterations)
    apart = PiecesApart(program, part, relaxation, (diving.lower, diving.upper), decided)
    return rounded_pieces(apart, _choose, options)


def _choose(program: LinearProgram, options: SolveOptions) -> Solution:
    """A program of choices, within a count of nodes."""
    few = replace(options, native={"mip_max_nodes": MOST_NODES}, watch=None)
    return solve_with(get("highs"), program, few)


def _small(program: LinearProgram, point: Floats) -> bool:
    """Whether rounding up all that is not whole would cost much: then a search finds better plans."""
    whole = program.integer
    more = program.cost[whole] @ (np.ceil(point[whole] - WHOLE) - point[whole])
    return bool(more > SMALL * abs(program.objective(point)))


class _Diving:
    """Bounds of the whole columns, (k,) each, as they are fixed one after the other; `answer` with those so far."""

    def __init__(
        self,
        program: LinearProgram,
        relaxation: GrowingRelaxation,
        options: SolveOptions,
        way: tuple[int, float],
        answer: RelaxedAnswer,
    ) -> None:
        self.program, self.relaxation, self.options, self.answer = program, relaxation, options, answer
        self.parts, self.up_from = way
        low, high = program.whole_bounds
        self.whole = np.flatnonzero(program.integer)
        self.lower, self.upper = low[self.whole], high[self.whole]

    def decided(self, part: Ints) -> RelaxedAnswer | None:
        """The relaxation with switches open or shut, and all that spans pieces `part` (n,) whole."""
        now = self._opened()
        spans = np.flatnonzero((part[self.whole] < 0) & (self.lower < self.upper))
        if now is not None and len(spans):
            near = self._rounded(now, spans, np.round)
            now = self._rounded(now, spans, _up) if near is None else near
        return None if now is None else self.answer

    def whole_point(self) -> tuple[Floats, SimplexBasis] | None:
        """A whole point near one of the relaxation, and its basis; None where none is met."""
        now = self._opened()
        for part in range(MOST_PARTS):
            if now is None or self.options.late:
                return None
            value = now[self.whole]
            off = np.abs(value - np.round(value))
            every = np.flatnonzero(self.lower < self.upper)
            some = every[off[every] > WHOLE]
            if part >= self.parts or not len(some):
                end = self._rounded(now, every, self._near)
                if end is not None:
                    return end, self.relaxation.basis
            many = -(-len(some) // max(self.parts - part, 1))
            some = some[np.argsort(off[some], kind="stable")][:many]
            after = self._rounded(now, some, self._near) if part < self.parts else None
            now = self._rounded(now, some, _up) if after is None else after
        return None

    def _opened(self) -> Floats | None:
        now = point = self.answer.point
        switch = np.flatnonzero(self.upper - self.lower <= 1.0)
        if len(switch) and point is not None:
            opened = point[self.whole[switch]] > self.lower[switch] + WHOLE
            now = self._fixed(switch, np.where(opened, self.upper[switch], self.lower[switch]))
        return now

    def _rounded(self, point: Floats, some: Ints, rounding: Callable[[Floats], Floats]) -> Floats | None:
        value = point.copy()
        value[self.whole[some]] = rounding(point[self.whole[some]])
        value = within_limits(self.program, value, np.floor(point + WHOLE))
        return self._fixed(some, value[self.whole[some]])

    def _fixed(self, some: Ints, value: Floats) -> Floats | None:
        """The relaxation with some whole columns at a value more; bounds stay as they were where it has no point."""
        lower, upper = self.lower.copy(), self.upper.copy()
        lower[some] = upper[some] = np.clip(value, lower[some], upper[some])
        answer = self.relaxation.solve(lower, upper)
        if answer.point is not None:
            self.lower, self.upper, self.answer = lower, upper, answer
        return answer.point

    def _near(self, value: Floats) -> Floats:
        """The whole numbers below, or above from a fraction on."""
        return np.asarray(np.floor(value + (1.0 - self.up_from)))


def _up(value: Floats) -> Floats:
    return np.asarray(np.ceil(value - WHOLE))
