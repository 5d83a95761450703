"""A linear relaxation of the problem: what a plan decides, within limits, and what all plans keep to, by name.

    minimise  constant + Σ usd · variable      lower ≤ variable ≤ upper      lower ≤ Σ coefficient · variable ≤ upper

Names are `kind(of what)`: `count(kind-5,model-3,0)`, `demand(work-1,0)`. Every plan of the problem that costs no more
than the one under audit, or a plan that costs no more than that one, keeps to all of it; what is left out here, of rows
or of cost, makes the bound lower and never wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

type Terms = list[tuple[str, float]]

PASSES = 4
ROOM = 1e-6
"""Relative: by how much more than the plan under audit may cost what the limits from cost still let through."""


@dataclass(slots=True)
class Variable:
    """What a plan decides. `whole`: the problem allows whole numbers only."""

    lower: float
    upper: float
    whole: bool
    usd: float


@dataclass(frozen=True, slots=True)
class Constraint:
    """lower ≤ Σ coefficient · variable ≤ upper."""

    terms: Terms
    lower: float
    upper: float


@dataclass(slots=True)
class RelaxedProblem:
    """Variables and constraints by name."""

    variables: dict[str, Variable] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    constant: float = 0.0
    runs: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Workload and period of each flow."""
    twice: set[str] = field(default_factory=set)
    of_plan: bool = False
    """Whether some rows were cut at what the plan under audit has."""
    most_usd: float = math.inf

    def variable(
        self, name: str, upper: float = math.inf, *, lower: float = 0.0, whole: bool = False, usd: float = 0.0
    ) -> str:
        """A variable more; its name."""
        if name in self.variables:
            self.twice.add(name)
        self.variables[name] = Variable(lower, upper, whole, usd)
        return name

    def constraint(
        self,
        name: str,
        terms: Iterable[tuple[str, float]],
        *,
        lower: float = -math.inf,
        upper: float = math.inf,
    ) -> None:
        """A constraint more. Two things of one name (there may be commas in names) leave nothing to prove."""
        if name in self.constraints:
            self.twice.add(name)
        self.constraints[name] = Constraint([term for term in terms if term[1]], lower, upper)

    def within(self, ranges: Mapping[str, tuple[float, float]]) -> RelaxedProblem:
        """The same with narrower limits of some variables. A cut that is made of one holds for the other, but for those
        that need a limit from `ranges`, at 0 or at 1."""
        variables = dict(self.variables)
        shared = all(
            variables[name].lower >= 0 and (variables[name].upper <= 1 or end > 1)
            for name, (_, end) in ranges.items()
        )
        for name, (start, end) in ranges.items():
            of = variables[name]
            lower = max(of.lower, start)
            variables[name] = replace(of, lower=lower, upper=max(min(of.upper, end), lower))
        return replace(
            self, variables=variables, constraints=self.constraints if shared else {**self.constraints}
        )

    def limited(self, most_usd: float) -> None:
        """Limits from cost: what costs at most `most_usd` in all cannot hold more of one thing than that pays for.

        What is whole ends at a whole number.
        """
        self.most_usd = min(self.most_usd, most_usd)
        self._by_cost(most_usd)
        for _ in range(PASSES):
            if not self._by_constraints():
                break
        for each in self.variables.values():
            if each.whole and math.isfinite(each.upper):
                each.upper = math.floor(each.upper + 1e-9)

    def _by_constraints(self) -> bool:
        """What a constraint leaves for its only variable without end, the others at their least; whether one did."""
        endless = {name for name, each in self.variables.items() if math.isinf(each.upper)}
        found = False
        for constraint in self.constraints.values() if endless else ():
            for sign, limit in ((1.0, constraint.upper), (-1.0, -constraint.lower)):  # sign · Σ ≤ limit
                free = [(name, sign * a) for name, a in constraint.terms if name in endless]
                if len(free) != 1 or free[0][1] <= 0 or math.isinf(limit):
                    continue
                rest = [
                    sign * a * (self.variables[name].lower if sign * a > 0 else self.variables[name].upper)
                    for name, a in constraint.terms
                    if name != free[0][0]
                ]
                room = ROOM * (abs(limit) + math.fsum(map(abs, rest)))
                most = (max(limit - math.fsum(rest), 0.0) + room) / free[0][1]
                self.variables[free[0][0]].upper = min(self.variables[free[0][0]].upper, most)
                found = True
        return found

    def _by_cost(self, most_usd: float) -> None:
        if any(
            each.lower < 0 or (each.usd < 0 and math.isinf(each.upper)) for each in self.variables.values()
        ):
            return
        parts = [
            each.usd * (each.lower if each.usd > 0 else each.upper)
            for each in self.variables.values()
            if each.usd
        ]
        least = self.constant + math.fsum(parts)
        left = max(most_usd - least, 0.0) + ROOM * (abs(most_usd) + abs(least))
        for each in self.variables.values():
            if each.usd > 0:
                each.upper = min(each.upper, each.lower + left / each.usd)
