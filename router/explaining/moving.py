"""As one input moves: the values at which what is signed, or which offers carry work, changes.

    looked at first    STEPS + 1 values from end to end; then every step at whose ends the plans differ is halved, until
                       it is a thousandth of its value wide
    breakpoint         between the last value with one and the first with the other; counts that grow inside a pool are
                       in the picture, and are no breakpoint

A change that is undone again within a step that was looked at first is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import fsum, isfinite
from pathlib import Path
from typing import Any

from router.errors import Infeasible, InputError, Issue, NoPlanInTime, SolverFailed
from router.loading.catalogue import load
from router.plan.document import Plan
from router.planning.solve import DEFAULT_SOLVER, Search, best_plan
from router.schema import Problem
from router.schema.paths import named, parsed, scales, value_at
from solvers import SolveOptions

STEPS = 12
NEAR = 1e-3  # of the value
KNOWN = 1e-4  # gap up to which a plan counts as the best
CARRIES = 1e-6  # of all tokens


@dataclass(frozen=True)
class Standing:
    """What is signed and who carries work; nobody where no plan keeps every promise."""

    feasible: bool
    signed: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    drops_work: bool = False

    @property
    def text(self) -> str:
        """`on acme and own; signed: acme`."""
        if not self.feasible:
            return "no plan keeps every promise"
        parts = [f"on {' and '.join(self.carriers)}" if self.carriers else "nothing is carried"]
        parts += [f"signed: {', '.join(self.signed)}"] if self.signed else []
        parts += ["some work is dropped"] if self.drops_work else []
        return "; ".join(parts)


@dataclass(frozen=True)
class SolvedAt:
    """The best plan at one value: its cost, its gap, most instances at once by offer."""

    value: float
    standing: Standing
    cost_usd: float | None = None
    gap: float | None = None
    instances: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Breakpoint:
    """Between `low` and `high`, a thousandth apart, the plan changes from one standing to another."""

    value: float
    low: float
    high: float
    before: Standing
    after: Standing
    cost_usd: float | None


@dataclass(frozen=True)
class Moving:
    """One input from end to end. `untried` says what the limit left open: steps in which there is a breakpoint that was
    not found to a thousandth, and values at which no plan was found in time."""

    path: str
    factor: bool
    low: float
    high: float
    points: tuple[SolvedAt, ...]
    breakpoints: tuple[Breakpoint, ...]
    untried: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def vary(
    problem: Problem | str | Path,
    path: str,
    low: float,
    high: float,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
) -> Moving:
    """The breakpoints of a field between two values, each to a thousandth of its value.

    path        a field that holds a number; or workloads.NAME.demand, offers.NAME.prices: then low and high are factors
    low, high   in the unit of the field, low < high
    options     `time_limit_s` holds for all plans together

    Raises InputError for a path or values that the problem cannot have, SolverFailed.
    """
    loaded = load(problem)
    at = _checked(loaded, path, low, high)
    search = Search(solver, (options or SolveOptions()).begun(), scenario)
    return _Halving(loaded, path, scales(at), search).between(low, high)


def _checked(problem: Problem, path: str, low: float, high: float) -> tuple[str, ...]:
    try:
        parts = parsed(path)
        if scales(parts):
            named(problem, parts[:2])
        else:
            value = value_at(problem, named(problem, parts))
            if isinstance(value, bool) or not isinstance(value, int | float | None):
                raise ValueError("holds no number that could move")
    except (KeyError, ValueError) as error:
        raise InputError(Issue((path,), str(error.args[0]))) from error
    if not (isfinite(low) and isfinite(high) and low < high):
        raise InputError(Issue((path,), "must move from a lower to a higher value", f"{low:g}:{high:g}"))
    return parts


class _Halving:
    """Plans by value, each solved once."""

    def __init__(self, problem: Problem, path: str, factor: bool, search: Search) -> None:
        self.problem, self.path, self.factor, self.search = problem, path, factor, search
        self.solved: dict[float, SolvedAt] = {}
        self.late: set[float] = set()

    def between(self, low: float, high: float) -> Moving:
        values = [*(low + (high - low) * k / STEPS for k in range(STEPS)), high]
        for k, value in enumerate(values):
            self._at(value, self.search.within(1.0 / (len(values) - k + 3)))
        breakpoints, untried = list[Breakpoint](), list[str]()
        known = [value for value in values if value in self.solved]
        for left, right in pairwise(known):
            self._split(left, right, breakpoints, untried)
        late = [f"{self._name} at {value:.6g} (no plan known to be the best)" for value in sorted(self.late)]
        points = tuple(self.solved[value] for value in sorted(self.solved))
        return Moving(self.path, self.factor, low, high, points, tuple(breakpoints), (*late, *untried))

    @property
    def _name(self) -> str:
        return self.path + (" (factor)" if self.factor else "")

    def _split(self, left: float, right: float, found: list[Breakpoint], untried: list[str]) -> None:
        """The breakpoints between two values, in order."""
        before, after = self.solved[left], self.solved[right]
        if before.standing == after.standing:
            return
        if right - left <= NEAR * max(abs(left), abs(right)):
            middle = (left + right) / 2
            usd = before.cost_usd if before.cost_usd is not None else after.cost_usd
            found.append(Breakpoint(middle, left, right, before.standing, after.standing, usd))
            return
        middle = (left + right) / 2
        if not self._at(middle, self.search):
            untried.append(f"a breakpoint of {self._name} between {left:.6g} and {right:.6g}")
            return
        self._split(left, middle, found, untried)
        self._split(middle, right, found, untried)

    def _at(self, value: float, search: Search) -> bool:
        """Whether the plan there is known now. Raises InputError for a value that the field cannot have."""
        if value in self.solved:
            return True
        if search.options.late:
            self.late.add(value)
            return False
        changed = self.problem.with_({self.path: f"x{value!r}" if self.factor else value})
        try:
            plan = best_plan(changed, search)
        except Infeasible:
            self.solved[value] = SolvedAt(value, Standing(False))
        except (NoPlanInTime, SolverFailed):
            self.late.add(value)
            return False
        else:
            if plan.gap > KNOWN:  # the best plan may be another
                self.late.add(value)
                return False
            self.solved[value] = SolvedAt(value, standing(plan), plan.cost_usd, plan.gap, _most(plan))
        return True


def standing(plan: Plan) -> Standing:
    """What is signed by the plan, and which offers carry more than nothing."""
    tokens: dict[str, float] = {}
    for row in plan.routes:
        tokens[row.offer] = tokens.get(row.offer, 0.0) + (row.tokens or row.requests or 0.0)
    whole = fsum(tokens.values())
    carriers = sorted(offer for offer, amount in tokens.items() if amount > CARRIES * whole)
    signed = {row.seller for row in plan.contracts if row.signed_by == "plan"}
    signed |= {row.offer for row in plan.purchases}
    drops = fsum(row.share for row in plan.unserved) > CARRIES
    return Standing(True, tuple(sorted(signed)), tuple(carriers), drops)


def _most(plan: Plan) -> dict[str, float]:
    counts: dict[tuple[str, int], float] = {}
    for row in plan.instances:
        counts[row.offer, row.period] = counts.get((row.offer, row.period), 0.0) + row.count
    most: dict[str, float] = {}
    for (offer, _), count in counts.items():
        most[offer] = max(most.get(offer, 0.0), count)
    return most
