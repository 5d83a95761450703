"""Allowances: what may be free of each flow, in parts of what is left of a month's allowance.

charged(w,n,offer,model,t)   share of the cell that is paid for; the rest of the flow is free

charged ≤ flow,  Σ amount · (flow − charged) / left ≤ 1
"""

from __future__ import annotations

from collections import defaultdict

from router.verification.allowances import KINDS, left_of, month_of
from router.verification.base.case import Case
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.serving import PossibleFlow


def add_allowances(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """Rows per flow that may be free, then per allowance and month."""
    by_month: dict[tuple[str, int], list[PossibleFlow]] = defaultdict(list)
    for flow in flows:
        if flow.offer.free is not None:
            model.constraint(f"allowances({flow.name})", [(flow.name, 1.0), (flow.charged, -1.0)], lower=0.0)
            by_month[flow.offer.name, month_of(case, flow.offer.free, flow.period)].append(flow)
    for (name, month), own in by_month.items():
        free = case.offers[name].free
        for kind in KINDS if free is not None else ():
            most = dict(left_of(case, free, kind)).get(month) if free is not None else None
            if most is None:
                continue
            terms = []
            for flow in own:
                amount = flow.tokens if kind == "tokens" else flow.cell.units * (flow.unit.requests or 0.0)
                part = amount / most if most > 0 else amount
                terms += [(flow.name, part), (flow.charged, -part)]
            model.constraint(f"allowances({name},{kind},{month})", terms, upper=1.0 if most > 0 else 0.0)
