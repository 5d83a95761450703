"""A bound worked out again: no plan of the problem costs less, whoever proposed the multipliers.

    relaxation   variables and constraints by name
    serving, renting, contracts, links, shares    what the problem file says of each
    duality      what multipliers prove, and whether leaves leave no plan out
    proof        the proof in a plan, part by part

What is left out, so that bounds are lower there and never wrong: waiting, budgets, losses.
Plans for several futures, and against a running plan, have no such bound.
"""

from __future__ import annotations

from router.verification.base.audit import Audit
from router.verification.bound.contracts import add_bills, add_signatures
from router.verification.bound.links import add_links, add_presence
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.renting import add_counts, add_shared_limits
from router.verification.bound.serving import (
    add_flows,
    add_quotas,
    add_throughput,
    by_pool,
    possible_flows,
)
from router.verification.bound.shares import add_shares


def relaxation_of(audit: Audit) -> RelaxedProblem | None:
    """The relaxation that bounds the plan of one certain future; None where there is none yet."""
    case = audit.case
    if len(case.futures) != 1 or audit.earlier is not None or audit.plan.running is not None:
        return None
    model, future = RelaxedProblem(), case.futures[0]
    flows = possible_flows(audit)
    pools = by_pool(case, flows)
    add_flows(model, audit, flows, future)
    rented = add_counts(model, case, pools, future)
    add_throughput(model, case, pools, future)
    add_quotas(model, case, flows)
    add_shared_limits(model, case, rented)
    add_signatures(model, case, future)
    add_bills(model, case, flows, future)
    add_links(model, case, flows)
    add_presence(model, case, pools, future)
    add_shares(model, case, flows)
    if model.twice:
        return None
    model.limited(audit.plan.objective_usd)
    return model
