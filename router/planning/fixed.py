"""What is decided before a search: the first stage, some columns, or all that spans periods."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.decision import Decision, fixed_to
from problems.core.encode import Encoded, exact
from problems.core.steps import steps_of
from solvers import LinearProgram, Solution, SolveOptions, Stop
from solvers.components import content
from solvers.forced import held_out

PROVEN = 0.95  # of what may lie between plan and bound: the rest is for the bound
MOST_LENT = (
    1.9e-6  # relative: beyond, a plan would cost a millionth less than by its own numbers, or lack its proof
)


def spanning_whole(encoded: Encoded) -> Ints:
    """Whole columns that span periods: as many, in the same order, however pools that wait are cut."""
    return np.flatnonzero(encoded.program.integer & (steps_of(encoded) < 0))


@dataclass(frozen=True, eq=False, repr=False)
class Spanning:
    """Whole columns that span periods, held: the rest may fall apart, and is searched again where it has changed."""

    values: Floats
    answers: dict[bytes, Solution] = field(default_factory=dict)  # for parts, by content and gap

    def remembered(
        self, part: LinearProgram, options: SolveOptions, solve: Callable[[], Solution]
    ) -> Solution:
        """The answer for a part, kept where its search came to its end."""
        key = hashlib.sha256(content(part) + repr((options.gap, part.offset)).encode()).digest()
        if key in self.answers:
            return self.answers[key]
        found = solve()
        if found.stop in (Stop.OPTIMAL, Stop.INFEASIBLE):
            self.answers[key] = found
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Fixed:
    """What is decided before the search: the first stage, and some columns at their values."""

    decision: Decision | None = None
    columns: tuple[Ints, Floats] | None = None
    spanning: Spanning | None = None

    def applied(self, encoded: Encoded) -> Encoded:
        """The same program with that fixed."""
        if self.decision is None and self.columns is None and self.spanning is None:
            return encoded
        program = encoded.program if self.decision is None else fixed_to(encoded, self.decision)
        if self.columns is not None:
            program = program.fix(*self.columns)
        if self.spanning is not None:
            program = held_out(program.fix(spanning_whole(encoded), self.spanning.values))
        return replace(encoded, program=program)

    def exact(self, encoded: Encoded, part: float = 0.0) -> Encoded:
        """The same without the allowance at unit boundaries, or with a part of it."""
        return self.applied(exact(encoded, part))


def part_lent(exactly_usd: float, claimed_usd: float, left_usd: float) -> float:
    """So much of the allowance at unit boundaries that a plan costs no more than a proof may leave open; 0: none.

    A pool whose last millionth is worth more than a millionth of all (an API beside it is dear) costs more without the
    allowance than any bound of a problem that allows it says. What flows cost is convex in the allowance: with a part
    of it they cost no more than the line between none and all.

    left_usd   between plan and bound
    """
    more = exactly_usd - claimed_usd
    if not PROVEN * left_usd < more <= MOST_LENT * abs(exactly_usd):
        return 0.0
    return 1.0 - PROVEN * left_usd / more
