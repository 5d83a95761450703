"""Rows that whole counts make of a sum of promises, worked out here from the weights that are stated.

    sum       Σ_i w_i · promise_i, with what a promise leaves as a variable of its own where w_i has the other sign
    counted   x = lower + x′, or upper − x′ of what is counted down; x′ ≥ 0:      Σ_j a_j x′_j ≤ b,    f = b − ⌊b⌋
    row       Σ_whole (⌊a_j⌋ + (a_j − ⌊a_j⌋ − f)⁺ / (1 − f)) x′_j  −  Σ_others a_j⁻ / (1 − f) x′_j  ≤  ⌊b⌋

Mixed-integer rounding (Nemhauser and Wolsey 1990); of a row of the simplex tableau it is Gomory's cut of 1960. It holds
within the limits of variables that it was counted from. Each sum is taken to be off by `ROUNDING` of the sizes in it
for every 1,000 promises, nine times what all rounding in it may come to, to the side that makes the row say less.

A sum of counts is a count: it is whole too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from router.plan.proof import Rounding
from router.verification.bound.relaxation import Constraint, RelaxedProblem, Variable

ROUNDING, OF_PROMISES = 1e-12, 1_000
LEAST = 1e-3
"""A sum nearer to a whole number than this makes no row."""


def rounding_name(number: int) -> str:
    """`rounding(0)`: what multipliers call it."""
    return f"rounding({number})"


def with_sums(model: RelaxedProblem, sums: Mapping[str, Sequence[str]]) -> RelaxedProblem | None:
    """The problem with sums of counts as counts of their own; None where one is none, or has another's name.

    What is added to it later is not in `model`.
    """
    made = replace(model, variables=dict(model.variables), constraints=dict(model.constraints))
    for name, counts in sums.items():
        of = [model.variables.get(each) for each in counts]
        whole = [each for each in of if each is not None and each.whole]
        if not counts or len(set(counts)) < len(counts) or len(whole) < len(counts):
            return None
        if name in made.variables or name in made.constraints:
            return None
        lower = float(sum(math.ceil(each.lower) for each in whole))
        made.variables[name] = Variable(lower, math.fsum(each.upper for each in whole), True, 0.0)
        made.constraints[name] = Constraint([*((each, 1.0) for each in counts), (name, -1.0)], 0.0, 0.0)
    return made


def rounding_of(model: RelaxedProblem, stated: Rounding) -> Constraint | None:
    """The row; None where a promise is not known, or where no row can be made of such a sum."""
    sums, sizes = defaultdict[str, float](float), defaultdict[str, float](float)
    limits: list[float] = []
    left: list[tuple[Constraint, float, float]] = []
    for promise, weight in stated.weights.items():
        row = model.constraints.get(promise)
        if row is None:
            return None
        limit, other = (row.upper, row.lower) if weight > 0 else (row.lower, row.upper)
        if math.isinf(limit):
            limit = other
            left.append((row, weight, limit))
        limits.append(weight * limit)
        for name, a in row.terms:
            sums[name] += weight * a
            sizes[name] += abs(weight * a)
    down = set(stated.down)
    ends = {
        name: model.variables[name].upper if name in down else model.variables[name].lower for name in sums
    }
    whole = {name: model.variables[name].whole for name in sums}
    if not all(map(math.isfinite, (*limits, *ends.values()))) or not ends.keys() >= down:
        return None
    if any(model.variables[name].lower < 0 or (whole[name] and ends[name] % 1) for name in sums):
        return None
    limits += [-sums[name] * end for name, end in ends.items()]
    rounding = ROUNDING * max(1.0, len(stated.weights) / OF_PROMISES)
    off = math.fsum(map(abs, limits)) + math.fsum(size * abs(ends[name]) for name, size in sizes.items())
    total = math.fsum(limits) + rounding * off
    part = total - math.floor(total)
    if not LEAST <= part <= 1 - LEAST:
        return None
    terms, size_of = defaultdict[str, float](float), defaultdict[str, float](float)
    right = [float(math.floor(total))]

    def add(name: str, a: float) -> None:
        terms[name] += a
        size_of[name] += abs(a)

    for name, a in sums.items():
        counted = (-a if name in down else a) - rounding * sizes[name]
        coefficient = _rounded(counted, part) if whole[name] else min(counted, 0.0) / (1 - part)
        if coefficient or whole[name]:
            coefficient -= rounding * (1 + abs(counted)) / (1 - part)
            coefficient = -coefficient if name in down else coefficient
            add(name, coefficient)
            right.append(coefficient * ends[name])
    for row, weight, limit in left:
        factor = math.copysign(weight / (1 - part) * (1 + rounding), -weight)
        right.append(factor * limit)
        for name, a in row.terms:
            add(name, factor * a)
    less = [(name, a - rounding * size_of[name]) for name, a in terms.items()]  # no variable is below 0
    return Constraint(less, -math.inf, math.fsum(right) + rounding * math.fsum(map(abs, right)))


def _rounded(a: float, part: float) -> float:
    return math.floor(a) + max(a - math.floor(a) - part, 0.0) / (1 - part)
