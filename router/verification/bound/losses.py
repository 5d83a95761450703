"""Losses: where work goes when a provider, or an offer, is gone, on the counts and within the quotas of the plan.

flow(l lost,w,n,offer,model,t)   share of the cell that runs there then, on what is left; unserved(l lost,w,n) as before

demand, recipes, throughput, quota, adapters, when answers are due    as without a loss, with these in place of the
                                                                      flows, at no cost

Contracts that limit what they carry are left out, and waits and shares do not bind in a loss.
"""

from __future__ import annotations

from dataclasses import replace

from router.verification.base.audit import Audit
from router.verification.base.case import Future
from router.verification.bound.adapters import add_adapters
from router.verification.bound.answers import add_due
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.renting import RentedPool
from router.verification.bound.serving import (
    PossibleFlow,
    add_demand,
    add_quotas,
    add_throughput,
    by_pool,
)


def add_losses(
    model: RelaxedProblem,
    audit: Audit,
    flows: list[PossibleFlow],
    rented: list[RentedPool],
    future: Future,
) -> None:
    """The rows of every loss that the problem says is survived."""
    case, of = audit.case, audit.case.problem.policy.survive_loss_of
    if of == "none":
        return
    names = {flow.name: flow.offer.provider if of == "provider" else flow.offer.name for flow in flows}
    for lost in sorted(set(names.values())):
        left = [replace(flow, name=_of(lost, flow.name)) for flow in flows if names[flow.name] != lost]
        rest = RelaxedProblem(variables=dict(model.variables))
        for flow in left:
            rest.variable(flow.name, flow.most)
            rest.runs[flow.name] = (flow.workload.name, flow.period)
        add_demand(rest, audit, left, future, lost)
        add_throughput(rest, case, by_pool(case, left), future)
        add_quotas(rest, case, left, future)
        add_adapters(rest, case, by_pool(case, left), rented, f"{lost} lost,")
        add_due(rest, audit, left, f"{lost} lost,")
        model.twice |= rest.twice
        model.runs |= rest.runs
        model.variables |= rest.variables
        for name, row in rest.constraints.items():
            model.constraint(_of(lost, name), row.terms, lower=row.lower, upper=row.upper)


def _of(lost: str, name: str) -> str:
    """`kind(lost lost,of what)`."""
    kind, _, what = name.partition("(")
    return f"{kind}({lost} lost,{what}"
