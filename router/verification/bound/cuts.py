"""Cuts: what whole counts make of a promise, worked out here from the promise and the flows that are named.

    promise   Σ_j a_j x_j ≤ u · Σ_k count_k         a, u > 0; each x_j ≤ 1; counts whole and ≥ 0
    cut       Σ_S a_j (1 − x_j) ≥ r · (μ − Σ_k count_k)      μ = ⌈a(S) / u⌉, r = a(S) − u · (μ − 1)

S are the flows named. With μ counts or more nothing is said; with fewer, each that is missing leaves at least r of S
unserved, since r ≤ u. Of one flow alone with a_j ≤ u it says x_j ≤ Σ_k count_k: nothing runs on none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from router.verification.bound.relaxation import Constraint, RelaxedProblem

BAR = "|"
ROUNDING = 1e-12
"""Relative: by how much a cut is looser than worked out, which is more than all rounding in it."""


def cut_name(promise: str, flows: Sequence[str]) -> str:
    """`cut(promise|flow|…)`."""
    return f"cut({BAR.join((promise, *flows))})"


def cut_of(model: RelaxedProblem, name: str) -> Constraint | None:
    """The cut of that name; None where there is no such promise, or none of which a cut can be made."""
    if not (name.startswith("cut(") and name.endswith(")")):
        return None
    promise, *flows = name[4:-1].split(BAR)
    capacity = model.constraints.get(promise)
    if capacity is None or capacity.upper != 0.0 or not flows or len(set(flows)) != len(flows):
        return None
    counts = [(of, -factor) for of, factor in capacity.terms if factor < 0]
    if not counts or any(model.variables[of].lower < 0 for of, _ in capacity.terms):
        return None
    unit = counts[0][1]
    if any(factor != unit or not model.variables[of].whole for of, factor in counts):
        return None
    load = {of: factor for of, factor in capacity.terms if factor > 0}
    if any(flow not in load or model.variables[flow].upper > 1.0 for flow in flows):
        return None
    total = math.fsum(load[flow] for flow in flows)
    most = max(math.ceil(total / unit), 1)
    rest = min(total - unit * (most - 1), unit) * (1.0 - ROUNDING)
    if not rest > 0.0:
        return None
    terms = [*((flow, load[flow]) for flow in flows), *((of, -rest) for of, _ in counts)]
    return Constraint(terms, -math.inf, total - rest * most + ROUNDING * total)
