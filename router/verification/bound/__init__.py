"""A bound worked out again: no plan of the problem costs less, whoever proposed the multipliers.

    relaxation   variables and constraints by name
    serving, deferred, queues, renting, contracts, bills, links,
    shares, answers, spilling, losses    what the problem file says of each
    budgets      what may be spent, and what may be committed
    futures      several futures that share what is decided before them
    cuts         what whole counts make of a promise, where a proof names it
    roundings    what they make of a sum of promises, where a proof gives its weights
    duality      what multipliers and prices prove, and whether leaves leave no plan out
    proof        the proof in a plan, part by part and case by case

What is left out, so that bounds are lower there and never wrong: risk, what change costs and how much of it there may
be.
"""

from __future__ import annotations

from router.plan.proof import Proof
from router.verification.base.audit import Audit
from router.verification.base.case import Future
from router.verification.bound.adapters import add_adapters
from router.verification.bound.agreements import add_counted, add_coverage, add_own_use
from router.verification.bound.allowances import add_allowances, add_credits
from router.verification.bound.answers import add_answer_times
from router.verification.bound.bills import add_bills
from router.verification.bound.budgets import add_committed, add_spending
from router.verification.bound.contracts import add_signatures
from router.verification.bound.futures import together
from router.verification.bound.hosts import add_hosts
from router.verification.bound.links import add_capped_links, add_links, add_presence
from router.verification.bound.losses import add_losses
from router.verification.bound.queues.waiting import add_waiting
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.renting import MostOfUse, add_counts, add_shared_limits, most_of_use
from router.verification.bound.serving import (
    PoolAt,
    PossibleFlow,
    add_flows,
    add_quotas,
    add_throughput,
    by_pool,
    possible_flows,
)
from router.verification.bound.shares import add_shares
from router.verification.bound.spilling import add_spilling

WRITTEN = "relaxation"
SAME = 1e-9
"""Relative, of cost: far within `relaxation.ROOM`."""


def relaxation_of(audit: Audit, *, by_arrivals: bool = False) -> RelaxedProblem | None:
    """The relaxation that bounds the plan; None where two things of the problem have one name.

    Where the audit before this one wrote it, and it holds for this plan, it is not written again.

    by_arrivals   work that may run later has flows for each arrival, however large the problem
    """
    handed_on = None if by_arrivals else _handed_on(audit)
    if handed_on is not None:
        return handed_on
    case = audit.case
    flows = [possible_flows(audit, future, by_arrivals=by_arrivals) for future in case.futures]
    pools = [by_pool(case, own) for own in flows]
    uses = [most_of_use(case, own, future) for own, future in zip(pools, case.futures, strict=True)]
    most = {
        pool: [max(counts) for counts in zip(*(use[pool] for use in uses), strict=True)] for pool in uses[0]
    }
    models = [
        _of_future(audit, own, at, most, future)
        for own, at, future in zip(flows, pools, case.futures, strict=True)
    ]
    model = models[0] if len(models) == 1 else together(models, case.futures)
    model.of_plan = any(each.of_plan for each in models)
    add_committed(model, case)
    if model.twice:
        return None
    model.limited(audit.plan.objective_usd)
    if not by_arrivals:
        audit.written[WRITTEN] = model
    return model


def _handed_on(audit: Audit) -> RelaxedProblem | None:
    """What was written for a plan that costs no less and, where that has a say in the rows, runs as this one does."""
    before, plan = audit.alike, audit.plan
    model = None if before is None else before.written.get(WRITTEN)
    if before is None or not isinstance(model, RelaxedProblem):
        return None
    dearer = plan.objective_usd > model.most_usd + SAME * abs(model.most_usd)
    of_it = before.plan
    moved = model.of_plan and (plan.routes, plan.instances) != (of_it.routes, of_it.instances)
    rows = _rows_of(plan.proof) != _rows_of(before.plan.proof)
    return None if dearer or moved or rows else model


def _rows_of(proof: Proof | None) -> tuple[object, object]:
    """Rows that a proof asks for, beside those of the problem."""
    return (None, None) if proof is None else (proof.mixes or None, proof.minutes or None)


def _of_future(
    audit: Audit,
    flows: list[PossibleFlow],
    pools: dict[PoolAt, list[PossibleFlow]],
    most: MostOfUse,
    future: Future,
) -> RelaxedProblem:
    model, case = RelaxedProblem(), audit.case
    add_flows(model, audit, flows, future)
    rented = add_counts(model, case, most, future, audit.earlier)
    add_throughput(model, case, pools, future)
    add_waiting(model, audit, pools, future)
    add_allowances(model, case, flows)
    add_quotas(model, case, flows, future)
    add_shared_limits(model, case, rented)
    add_hosts(model, case, rented, most, future)
    add_adapters(model, case, pools, rented)
    add_signatures(model, case, future)
    add_coverage(model, case, flows, rented, future)
    add_credits(model, case, flows, rented, future)
    add_own_use(model, case, flows, future)
    add_bills(model, case, flows, future)
    add_counted(model, case, flows, rented, future)
    add_links(model, case, flows)
    add_capped_links(model, case, flows)
    add_presence(model, case, pools, future)
    add_shares(model, case, flows)
    add_answer_times(model, audit, flows)
    add_spilling(model, audit, flows, future)
    add_losses(model, audit, flows, rented, future)
    add_spending(model, case)
    return model
