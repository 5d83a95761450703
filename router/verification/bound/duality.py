"""What multipliers prove about a relaxation, and whether leaves leave no plan out.

For any multipliers y of constraints, every plan costs at least

    L(y) = Σ_i limit_i · y_i + Σ_j min { g_j · x_j : lower_j ≤ x_j ≤ upper_j },   g_j = usd_j − Σ_i a_ij · y_i

    limit_i   the lower limit where y_i > 0, the upper one where y_i < 0

It does not matter who proposed y. Rounding is bounded and taken off: each sum of k terms errs by at most
(k + 40) · 2⁻⁵³ of the sum of their sizes, the 40 for the coefficients, which are some products each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from router.verification.bound.relaxation import RelaxedProblem

UNIT = 2.0**-53
COEFFICIENT = 40

type Ranges = Mapping[str, tuple[float, float]]
"""Variable → from and to, both included."""


def proven(
    relaxation: RelaxedProblem, part: Iterable[str], multipliers: Mapping[str, float], ranges: Ranges
) -> float:
    """L(y) over the variables of a part, rounded down; −inf where the multipliers prove nothing.

    All constraints with a multiplier must be of the relaxation, and speak of variables of the part alone.
    """
    reduced = {name: relaxation.variables[name].usd for name in part}
    size = {name: abs(usd) for name, usd in reduced.items()}
    count = dict.fromkeys(reduced, 1)
    sums: list[float] = []
    for name, y in multipliers.items():
        constraint = relaxation.constraints[name]
        limit = constraint.lower if y > 0 else constraint.upper
        if y and math.isinf(limit):
            return -math.inf
        sums.append(y * limit if y else 0.0)
        for variable, coefficient in constraint.terms:
            term = coefficient * y
            reduced[variable] -= term
            size[variable] += abs(term)
            count[variable] += 1
    for name, g in reduced.items():
        of = relaxation.variables[name]
        lower, upper = ranges.get(name, (of.lower, of.upper))
        lower, upper = max(lower, of.lower), min(upper, of.upper)
        least = g - (count[name] + COEFFICIENT) * UNIT * size[name]
        sums.append(_least(least, g + (g - least), lower, upper))
    total = math.fsum(sums)
    rounding = (len(sums) + COEFFICIENT) * UNIT * math.fsum(map(abs, sums))
    return math.nextafter(total - rounding, -math.inf) if math.isfinite(total) else -math.inf


def _least(low: float, high: float, lower: float, upper: float) -> float:
    """min { g · x } over g in [low, high] and x in [lower, upper]; 0 · inf = 0."""
    if low >= 0.0 and lower >= 0.0:
        return low * lower if low and lower else 0.0
    ends = (lower, max(lower, upper))
    return min(0.0 if end == 0 or g == 0 else g * end for g in (low, high) for end in ends)


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
