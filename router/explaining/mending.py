"""Changes of fields that would admit a refused route, each tried: with it, is there a plan?

A change is the least that takes the reasons of one route away; of those of the same fields the least that makes a
plan possible stays. Where waiting asks for more than the service's own time, the change grows until a plan is there,
and is halved back to within a hundredth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from problems.core.encode import encode
from router.errors import Infeasible, RouterError
from router.explaining.admission import Admission, FieldChange
from router.normalise import normalise
from router.planning.optimise import optimise
from router.schema import Problem, Workload
from router.schema.paths import FieldPath, with_value
from solvers import SolveOptions

FURTHEST = 256.0  # times a change is looked further for
NEAR = 0.01  # of a change
MOST_TRIALS = 40
MOST_WAYS = 10_000  # ways to take an offer for each step

type Try = Callable[[Sequence[FieldChange]], bool | None]


@dataclass(frozen=True)
class Mending:
    """Fields that, changed together, make a plan possible."""

    changes: tuple[FieldChange, ...]

    @property
    def size(self) -> float:
        """The largest relative change of a field."""
        return max(change.size for change in self.changes)


def mendings(refused: Sequence[Admission], trials: Trials) -> list[Mending]:
    """The least of each set of fields, smallest change first, as far as time allows."""
    candidates = sorted(
        {row.fields for row in refused if row.fields}, key=lambda changes: max(each.size for each in changes)
    )
    found: dict[tuple[str, ...], Mending] = {}
    for changes in candidates:
        fields = tuple(change.text_path for change in changes)
        if fields not in found and (mended := least_multiple(changes, trials)) is not None:
            found[fields] = Mending(mended)
    return sorted(found.values(), key=lambda each: each.size)


class Trials:
    """Whether a changed problem has a plan; None where that is not known in time."""

    def __init__(self, problem: Problem, solver: str, options: SolveOptions, most: int = MOST_TRIALS) -> None:
        self.problem, self.solver = problem, solver
        self.options = replace(options.begun(), gap=max(options.gap, 0.5))  # any plan will do
        self.left = most

    @property
    def over(self) -> bool:
        """Whether nothing more can be tried."""
        return self.left <= 0 or self.options.late

    def __call__(self, changes: Sequence[FieldChange]) -> bool | None:
        try:
            problem = self.problem
            for change in changes:
                problem = with_value(problem, change.path, change.value)
        except KeyError:  # a field that is not written so
            return None
        return self.possible(problem)

    def possible(self, problem: Problem) -> bool | None:
        """Whether a problem has any plan."""
        if self.over:
            return None
        self.left -= 1
        try:
            optimise(encode(normalise(problem)), self.solver, self.options)
        except Infeasible:
            return False
        except RouterError:
            return None
        return True


def least_multiple(
    changes: Sequence[FieldChange], works: Try, *, grows: bool = False
) -> tuple[FieldChange, ...] | None:
    """The changes, or the least multiple of them, that make a plan possible; those that may not grow as they are."""
    if works(changes):
        return tuple(changes)
    if not (grows or all(change.may_grow for change in changes)):
        return None
    low, high = 1.0, 2.0
    while not works([change.times(high) for change in changes]):
        low, high = high, high * 2
        if high > FURTHEST:
            return None
    while high - low > NEAR * high:
        middle = (low + high) / 2
        low, high = (low, middle) if works([change.times(middle) for change in changes]) else (middle, high)
    return tuple(change.times(high) for change in changes)


def long_enough(problem: Problem, workload: Workload, trials: Try) -> FieldChange | None:
    """The least `deferrable_h` with which there is a plan, where batches of all steps must answer before work is due.

    A run ends its batches so many hours after the arrival: a whole number of periods, and what an offer of each step of
    a recipe takes, one after the other. These are tried by halving: more time is never too little.
    """
    was = workload.deferrable_h or 0.0
    batches = [
        {offer.turnaround_h or 0.0 for offer in problem.offers if set(step.models) & offer.models.keys()}
        for recipe in workload.recipes
        for step in recipe.steps
    ]
    ways = (
        {math.fsum(each) for each in product(*batches)}
        if math.prod(map(len, batches)) <= MOST_WAYS
        else set()
    )
    horizon = problem.horizon
    later = [k * horizon.period_h for k in range(horizon.periods)]
    hours = sorted({round(way + wait, 9) for way in ways for wait in later if way + wait > was + 1e-9})
    path: FieldPath = ("workloads", workload.name, "deferrable_h")

    def works(at: int) -> bool | None:
        return trials([FieldChange(path, hours[at], was)])

    if not hours or not works(len(hours) - 1):
        return None
    low, high = -1, len(hours) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return FieldChange(path, hours[high], was)
