"""Solving by structure: a program that falls apart in its parts, a long one a window of hours at a time.

Small programs go to the solver whole. Only what comes back differs in how it was found, never in what it means: the
bound is proven, and the gap stated is to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from problems.core.steps import steps_of
from solvers import LinearProgram, Solution, SolveOptions, Stop
from solvers.components import parts, solve_parts
from solvers.windows import solve_windows

SMALL = 3_000  # columns: below, the solver alone is as fast
MANY_INTEGERS = 1_500  # in one part: beyond, windows find better plans in the same time

Run = Callable[[LinearProgram, SolveOptions], Solution]


@dataclass(frozen=True)
class Before:
    """A point found for the same columns, and the periods in which the program has changed since."""

    point: Floats
    changed: frozenset[int]


def solve_structured(
    encoded: Encoded, run: Run, options: SolveOptions, before: Before | None = None
) -> Solution:
    """Solve a mixed-integer program with the means that fit its size and shape."""
    program = encoded.program
    if program.n_columns <= SMALL:
        return run(program, options)
    step = steps_of(encoded)
    groups = parts(program)
    if len(groups) == 1:
        return _one(program, step, run, options, before)

    def solve_part(part: LinearProgram, columns: np.ndarray, share: SolveOptions) -> Solution:
        if before is None:
            return _one(part, step[columns], run, share, None)
        point, changed = before.point[columns], before.changed & set(step[columns].tolist())
        if not changed:
            return Solution(Stop.OPTIMAL, point=point, objective=part.objective(point), bound=-np.inf)
        return _one(part, step[columns], run, share, Before(point, changed))

    return solve_parts(program, groups, solve_part, options)


def _one(
    program: LinearProgram, step: np.ndarray, run: Run, options: SolveOptions, before: Before | None
) -> Solution:
    """A program in one piece: whole, or by windows where it has many integers and many periods."""
    if int(program.integer.sum()) <= MANY_INTEGERS or step.max(initial=0) < 1:
        return run(program, options)
    if before is None:
        found = solve_windows(program, step, run, options)
        if (
            found.point is None and found.stop is Stop.UNKNOWN
        ):  # a window's failure, which says nothing of the whole
            return run(program, options)
        return found
    return solve_windows(program, step, run, options, start=before.point, only=before.changed)
