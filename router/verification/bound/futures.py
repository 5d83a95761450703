"""Several futures at once: each has its own work, routes and counts; what is decided before them is the same in all.

    minimise  Σ_s p_s · usd_s      what is decided before: one variable; the rest of future s: `name@s`

Risk only adds to that: (1 − ω) · expected cost + ω · CVaR is never below the expected cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from router.verification.base.case import Future
from router.verification.bound.relaxation import RelaxedProblem

BEFORE = (
    "signed",
    "committed",
    "commit_steps",
    "active",
    "ahead",
    "ahead_paid",
    "ahead_open",
    "ahead_steps",
    "bought",
    "hosts_ahead",
)
"""Kinds of variables whose values are the same in every future."""


def together(models: Sequence[RelaxedProblem], futures: Sequence[Future]) -> RelaxedProblem:
    """One relaxation of them all. A constraint on what is decided before stands in it once."""
    whole = RelaxedProblem()
    whole.constant = math.fsum(
        future.probability * model.constant for model, future in zip(models, futures, strict=True)
    )
    for model, future in zip(models, futures, strict=True):
        whole.twice |= model.twice
        name_of = {name: name if _before(name) else f"{name}@{future.name}" for name in model.variables}
        for name, each in model.variables.items():
            usd = future.probability * each.usd
            known = whole.variables.get(name) if name_of[name] == name else None
            if known is None:
                whole.variable(name_of[name], each.upper, lower=each.lower, whole=each.whole, usd=usd)
            else:
                known.usd += usd
                known.upper, known.lower = max(known.upper, each.upper), min(known.lower, each.lower)
        for name, row in model.constraints.items():
            terms = [(name_of[variable], factor) for variable, factor in row.terms]
            shared = all(
                variable == renamed for (variable, _), (renamed, _) in zip(row.terms, terms, strict=True)
            )
            if not shared:
                whole.constraint(f"{name}@{future.name}", terms, lower=row.lower, upper=row.upper)
            elif name not in whole.constraints:
                whole.constraint(name, terms, lower=row.lower, upper=row.upper)
            elif whole.constraints[name] != row:
                # it is looser in one of them: that is left out in the others
                whole.constraints[name] = type(row)([], -math.inf, math.inf)
        whole.runs |= {name_of[name]: where for name, where in model.runs.items()}
    return whole


def _before(name: str) -> bool:
    return name.partition("(")[0] in BEFORE
