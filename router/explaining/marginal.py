"""What binds, and the marginal price of a little more of it: of the flows, with counts and contracts as planned.

    price      Σ over its periods of −dual, in USD per unit by which all its rows are raised together
    range      the cost as a function of the raise δ is convex and piecewise linear; the price holds on its first piece.
               From both sides: the line at 0 and the line at the far end meet at a point nearer to 0 (Newton), again
               until a point lies on the line at 0

A marginal price is no saving: what a whole instance saves is found by solving with it (`savings`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Ints
from problems.core.encode import FAMILIES, fixed_integers
from problems.core.family import Worth
from problems.core.rows import triplets
from router.errors import RouterError
from router.explaining.promises import promises
from router.planning.two_steps import Incumbent, run
from solvers import LinearProgram, Solution, SolveOptions

LIMITS = {family.name: family.worth for family in FAMILIES if family.worth is not None and family.worth.limit}
FAMILY_OF = {promise: family.name for family in FAMILIES for promise in family.promises}
ROUNDS = 12
LEAST = 1e-6  # of a unit: a price that holds for less holds for nothing
FULL = 1 - 1e-7  # of a limit
MOST_RANGES = 12  # of the dearest limits


@dataclass(frozen=True)
class Binding:
    """A limit that is reached, with its marginal price summed over its periods.

    usd_per_unit   what it is worth with counts and contracts as planned; 0: reached, but a little more saves nothing
    from_units     range of the raise in which that price holds, in its unit: from below 0,
    to_units       to above 0; 1 is as far as was looked, 0 both: it holds for no amount; None: not looked into
    unit_usd       what a whole unit more saves, likewise with counts and contracts as planned; None: not looked into
    """

    family: str
    name: str
    periods: int
    usd_per_unit: float
    from_units: float | None = None
    to_units: float | None = None
    unit_usd: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the price is known to hold for some amount."""
        return self.to_units is not None and self.to_units > LEAST

    @property
    def worth(self) -> Worth:
        """What is limited, and what a unit more of it is."""
        return LIMITS[self.family]


def bindings(found: Incumbent, options: SolveOptions) -> list[Binding]:
    """Limits that are reached, the dearest first, with ranges as far as time allows."""
    priced = _priced(found)
    best = sorted(priced, key=lambda key: (-_usd(found, priced[key]), key))
    rows = []
    for k, key in enumerate(best):
        at, usd = priced[key], _usd(found, priced[key])
        binding = Binding(*key, len(at), usd)
        closed = found.encoded.instance.spilling is None  # else more rows would bind as others are raised
        if closed and k < MOST_RANGES and not options.late:
            line = _Line(found, at, usd, options)
            binding = replace(
                binding,
                to_units=line.reach(1.0),
                from_units=line.reach(-1.0),
                unit_usd=line.unit_usd(),
            )
        rows.append(binding)
    known = set(priced)
    full = [binding for binding in _full(found) if (binding.family, binding.name) not in known]
    return rows + full


def _usd(found: Incumbent, at: Ints) -> float:
    return float(-found.row_duals[at].sum()) if found.row_duals is not None else 0.0


def _priced(found: Incumbent) -> dict[tuple[str, str], Ints]:
    """Rows with a price, by family and by what they limit. Where nothing is rented, a capacity of 0 has no price."""
    if found.row_duals is None:
        return {}
    decoded, duals = found.decoded, found.row_duals
    rented = {f"{row.offer},{row.model},{row.period}" for row in decoded.instances}
    rented |= {f"{row.offer},{row.period}" for row in decoded.instances if row.model is None}
    least = 1e-9 * max(float(np.abs(duals).max(initial=0.0)), 1e-9)
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for family, first, end, _ in found.encoded.row_families:
        if family not in LIMITS:
            continue
        for i in (first + np.flatnonzero(duals[first:end] < -least)).tolist():
            label = found.encoded.row_label(i).partition("(")[2].rstrip(")")
            if not LIMITS[family].rented or label in rented:
                rows[family, label.rsplit(",", 1)[0] if "," in label else label].append(i)
    return {key: np.array(at) for key, at in rows.items()}


def _full(found: Incumbent) -> list[Binding]:
    """Limits of the problem file that are reached somewhere, with or without a price."""
    periods: dict[tuple[str, str], int] = defaultdict(int)
    for stated in promises(found.encoded.instance):
        family = FAMILY_OF.get(stated.promise, "")
        if family not in LIMITS:
            continue
        for view, cols in zip(found.encoded.views, found.encoded.columns, strict=True):
            used = stated.used(view, cols)
            if used is None or not used.terms:
                continue
            row, column, value = triplets(used.terms)
            share = np.bincount(row, value * found.point[column], len(used))
            reached = np.flatnonzero(share >= np.asarray(used.upper) * FULL)
            for i in reached.tolist():
                name = used.label(i)
                periods[family, name.rsplit(",", 1)[0] if "," in name else name] += 1
    return [Binding(*key, n, 0.0) for key, n in sorted(periods.items())]


class _Line:
    """The cost of the flows as rows are raised, against the line that its price at 0 makes."""

    def __init__(self, found: Incumbent, at: Ints, usd: float, options: SolveOptions) -> None:
        self.program = fixed_integers(found.encoded.program, found.point)[0]
        self.at, self.usd, self.solver, self.options = at, usd, found.solver, options
        self.start = found.objective_usd

    def unit_usd(self) -> float | None:
        """What a whole unit more saves; None: not known in time."""
        answer = None if self.options.late else self._raised(1.0)
        return None if answer is None or answer.objective is None else max(self.start - answer.objective, 0.0)

    def reach(self, far: float) -> float | None:
        """How far towards `far` the price holds, 0 where for no amount; None: not known in time."""
        delta = far
        for _ in range(ROUNDS):
            if self.options.late:
                return None
            if abs(delta) < LEAST:
                return 0.0
            answer = self._raised(delta)
            if answer is None or answer.objective is None or answer.duals is None:
                delta /= 16.0  # infeasible: rows cannot be lowered so far
                continue
            line = self.start - self.usd * delta
            near = 1e-8 * max(abs(self.start), 1e-9) + 1e-6 * abs(self.usd * delta)
            slope = float(answer.duals.row[self.at].sum())
            if answer.objective <= line + near or abs(slope + self.usd) <= 1e-9 * abs(self.usd):
                return delta
            delta = (answer.objective - slope * delta - self.start) / (-self.usd - slope)
            if delta * far <= 0:
                return 0.0
        return None

    def _raised(self, delta: float) -> Solution | None:
        upper = self.program.row_upper.copy()
        upper[self.at] += delta
        lower = np.minimum(self.program.row_lower, upper)
        try:
            program: LinearProgram = replace(self.program, row_upper=upper, row_lower=lower)
            answer = run(program, self.solver, self.options)
        except RouterError:
            return None
        return answer if answer.point is not None else None
