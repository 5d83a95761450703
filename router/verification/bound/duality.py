"""What multipliers prove about a relaxation, and whether leaves leave no plan out.

For any multipliers y of constraints, every plan costs at least

    L(y) = Σ_i limit_i · y_i + Σ_j min { g_j · x_j : lower_j ≤ x_j ≤ upper_j },   g_j = usd_j − Σ_i a_ij · y_i

    limit_i   the lower limit where y_i > 0, the upper one where y_i < 0

It does not matter who proposed y. Rounding is bounded and taken off: each sum of k terms errs by at most
(k + 40) · 2⁻⁵³ of the sum of their sizes, the 40 for the coefficients, which are some products each. Sums are numpy's,
here alone in the verifier: a tree has thousands of leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np

from router.verification.bound.relaxation import Constraint, RelaxedProblem, Variable

UNIT = 2.0**-53
COEFFICIENT = 40

type Ranges = Mapping[str, tuple[float, float]]
"""Variable → from and to, both included."""

type Leaf = tuple[Mapping[str, float], Ranges]
"""Multipliers by constraint, and where they are to prove something."""

type Usd = tuple[float, float]
"""USD per unit, and how far off that may be."""


def priced(
    relaxation: RelaxedProblem, prices: Mapping[str, float]
) -> tuple[dict[str, Usd], list[float], float]:
    """What constraints at a price leave to pay: g_j of each variable they speak of, and Σ limit_i · y_i.

    Of that sum the terms, and how far off they may be; one that needs a limit which is not there is −inf.
    """
    usd: dict[str, list[float]] = {}
    limits = []
    for name, y in prices.items():
        constraint = relaxation.constraints[name]
        limits.append((constraint.lower if y > 0 else constraint.upper) * y if y else 0.0)
        for variable, a in constraint.terms:
            usd.setdefault(variable, []).append(-a * y)
    costs = {}
    for name, terms in usd.items():
        terms.append(relaxation.variables[name].usd)
        costs[name] = math.fsum(terms), 2 * COEFFICIENT * UNIT * math.fsum(map(abs, terms))
    if not all(map(math.isfinite, limits)):
        return costs, [-math.inf], 0.0
    return costs, limits, COEFFICIENT * UNIT * math.fsum(map(abs, limits))


def least(usd: Usd, variable: Variable) -> float:
    """The least of g · x within the variable's limits."""
    corners = [
        g * x if g and x else 0.0  # 0 · inf
        for g in (usd[0] - usd[1], usd[0] + usd[1])
        for x in (variable.lower, variable.upper)
    ]
    return min(corners)


def proven(
    relaxation: RelaxedProblem,
    part: Iterable[str],
    leaves: Sequence[Leaf],
    costs: Mapping[str, Usd] | None = None,
) -> float:
    """The least L(y) over leaves, of the variables of a part, rounded down; −inf where one proves nothing.

    All constraints with a multiplier must be of the relaxation, and speak of variables of the part alone.

    costs   of variables that cost something else here than `usd`
    """
    costs = costs or {}
    variables = {name: j for j, name in enumerate(part)}
    rows = {name: i for i, name in enumerate(dict.fromkeys(chain.from_iterable(y for y, _ in leaves)))}
    of = [relaxation.variables[name] for name in variables]
    stated = [costs.get(name, (each.usd, 0.0)) for name, each in zip(variables, of, strict=True)]
    usd, off = np.array(stated, dtype=float).reshape(-1, 2).T
    whole_range = np.array([(each.lower, each.upper) for each in of], dtype=float).reshape(-1, 2)
    constraints = [relaxation.constraints[name] for name in rows]
    limits = np.array([(each.lower, each.upper) for each in constraints], dtype=float).reshape(-1, 2)
    row = np.repeat(np.arange(len(rows)), [len(each.terms) for each in constraints])
    column = np.array([variables[name] for each in constraints for name, _ in each.terms], dtype=np.intp)
    coefficient = np.array([a for each in constraints for _, a in each.terms], dtype=float)
    unit = (np.bincount(column, minlength=len(of)) + 1 + COEFFICIENT) * UNIT

    def bound(multipliers: Mapping[str, float], ranges: Ranges) -> float:
        y = np.zeros(len(rows))
        y[[rows[name] for name in multipliers]] = list(multipliers.values())
        limit = np.where(y > 0, limits[:, 0], np.where(y < 0, limits[:, 1], 0.0))
        if np.isinf(limit).any():
            return -math.inf
        terms = coefficient * y[row]
        reduced = usd - np.bincount(column, terms, len(of))
        error = off + unit * (np.abs(usd) + np.bincount(column, np.abs(terms), len(of)))
        lower, upper = whole_range.T.copy()
        for name, (start, end) in ranges.items():
            j = variables[name]
            lower[j], upper[j] = max(lower[j], start), min(upper[j], end)
        ends = lower, np.maximum(lower, upper)
        return _rounded_down(np.concatenate([limit * y, _least(reduced, error, ends)]))

    return min(bound(multipliers, ranges) for multipliers, ranges in leaves)


class WholeBound:
    """L(y) of all of a relaxation, again and again: its rows are written out once."""

    def __init__(self, relaxation: RelaxedProblem) -> None:
        self.column = {name: j for j, name in enumerate(relaxation.variables)}
        self.row = {name: i for i, name in enumerate(relaxation.constraints)}
        of = relaxation.variables.values()
        self.usd = np.array([each.usd for each in of], dtype=float)
        self.ends = np.array([(each.lower, each.upper) for each in of], dtype=float).reshape(-1, 2).T
        self.cells = self._cells(list(relaxation.constraints.values()))

    def _cells(self, rows: Sequence[Constraint]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Row, column and coefficient of each term, and (m, 2) limits."""
        row = np.repeat(np.arange(len(rows)), [len(each.terms) for each in rows])
        column = np.array([self.column[name] for each in rows for name, _ in each.terms], dtype=np.intp)
        coefficient = np.array([a for each in rows for _, a in each.terms], dtype=float)
        return row, column, coefficient, np.array([(each.lower, each.upper) for each in rows]).reshape(-1, 2)

    def proven(
        self, multipliers: Mapping[str, float], ranges: Ranges, more: Mapping[str, Constraint]
    ) -> tuple[float, float]:
        """What variables of which multipliers speak cost at least, and what the others do, rounded down.

        more   rows beside its own that have a multiplier
        """
        known = [(self.row[name], y) for name, y in multipliers.items() if name in self.row]
        y = np.zeros(len(self.row))
        spoken = np.zeros(len(self.row), dtype=bool)
        at = [i for i, _ in known]
        y[at], spoken[at] = [price for _, price in known], True
        beside = {name: row for name, row in more.items() if name in multipliers}
        sums = [_of_rows(self.cells, y, spoken, len(self.usd))]
        prices = np.array([multipliers[name] for name in beside], dtype=float)
        sums.append(
            _of_rows(
                self._cells(list(beside.values())), prices, np.ones(len(prices), dtype=bool), len(self.usd)
            )
        )
        limits = np.concatenate([each[0] for each in sums])
        spends, sizes, number = (sum(each[k] for each in sums) for k in (1, 2, 3))
        lower, upper = self.ends.copy()
        speaks = np.asarray(number) > 0
        for name, (start, end) in ranges.items():
            j = self.column[name]
            lower[j], upper[j] = max(lower[j], start), min(upper[j], end)
        reduced = self.usd - spends
        unit = (np.asarray(number) + 1 + COEFFICIENT) * UNIT
        error = np.where(speaks, unit * (np.abs(self.usd) + sizes), 0.0)
        least_usd = _least(reduced, error, (lower, np.maximum(lower, upper)))
        return _rounded_down(np.concatenate([limits, least_usd[speaks]])), _rounded_down(least_usd[~speaks])


def _of_rows(
    cells: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], y: np.ndarray, spoken: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """limit · y of each row that is spoken of; of each variable Σ a y, Σ |a y| and how many terms that are."""
    row, column, coefficient, limits = cells
    some = spoken[row]
    column, terms = column[some], coefficient[some] * y[row[some]]
    limit = np.where(y > 0, limits[:, 0], np.where(y < 0, limits[:, 1], 0.0))
    with np.errstate(invalid="ignore"):
        owed = np.where(np.isinf(limit), -math.inf, limit * y)[spoken]
    number = np.bincount(column, minlength=n)
    return owed, np.bincount(column, terms, n), np.bincount(column, np.abs(terms), n), number


def _least(reduced: np.ndarray, error: np.ndarray, ends: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The least of g · x of each variable within its limits."""
    with np.errstate(invalid="ignore"):  # 0 · inf = 0
        corners = [
            np.where((g == 0) | (x == 0), 0.0, g * x)
            for g in (reduced - error, reduced + error)
            for x in ends
        ]
    return np.asarray(np.minimum.reduce(corners))


def _rounded_down(sums: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        total, size = float(sums.sum()), float(np.abs(sums).sum())
    if not math.isfinite(total):
        return -math.inf
    return math.nextafter(total - (len(sums) + COEFFICIENT) * UNIT * size, -math.inf)


def covered(leaves: Sequence[Ranges]) -> bool:
    """Whether every whole point is in a leaf: leaves come from splits `x ≤ v` and `x ≥ v + 1`, found again here.

    A range that a leaf does not state is the whole of it; ±inf are its ends.
    """
    open_regions: list[tuple[list[Ranges], dict[str, tuple[float, float]]]] = [(list(leaves), {})]
    while open_regions:
        inside, region = open_regions.pop()
        narrowed = [_narrowed(leaf, region) for leaf in inside]
        if any(not leaf for leaf in narrowed):
            continue  # one leaf holds all of the region
        pieces = _split(inside, narrowed, region)
        if pieces is None:
            return False
        open_regions += pieces
    return True


def _narrowed(leaf: Ranges, region: Mapping[str, tuple[float, float]]) -> set[str]:
    """Variables of which a leaf leaves a part of the region out."""
    narrowed = set()
    for name, (lower, upper) in leaf.items():
        start, end = region.get(name, (-math.inf, math.inf))
        if lower > start or upper < end:
            narrowed.add(name)
    return narrowed


def _split(
    inside: list[Ranges], narrowed: list[set[str]], region: Mapping[str, tuple[float, float]]
) -> list[tuple[list[Ranges], dict[str, tuple[float, float]]]] | None:
    """The region in pieces along one variable, each leaf in one of them; None where no variable does that."""
    for name in sorted(set.intersection(*narrowed)) if narrowed else ():
        ordered = sorted(inside, key=lambda leaf: leaf[name])
        pieces: list[list[Ranges]] = []
        reach = -math.inf
        whole = True
        for leaf in ordered:
            lower, upper = leaf[name]
            if not pieces:
                whole = lower <= region.get(name, (-math.inf, math.inf))[0]
                pieces.append([leaf])
            elif lower > reach:
                whole = whole and lower <= reach + 1
                pieces.append([leaf])
            else:
                pieces[-1].append(leaf)
            reach = max(reach, upper)
        start, end = region.get(name, (-math.inf, math.inf))
        if len(pieces) < 2 or not whole or reach < end:
            continue
        found = []
        for piece in pieces:
            top = max(leaf[name][1] for leaf in piece)
            found.append((piece, {**region, name: (start, min(top, end))}))
            start = top + 1
        return found
    return None
