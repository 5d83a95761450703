"""An independent re-check of a plan: plain loops over the problem file and the plan, as if by another team.

    checks           every check by name, in order
    kinds            like workloads, looked at together
    base             the Audit that they look at, and its parts: cells of work, flows, pools, bills, costs
    routes, throughput, instances, limits, bursts, survival, churn, contracts, summary    the promises of a plan
    sizing           the figures of a sized plan

Imports neither `problems` nor `solvers`; numpy in `bound.duality`, `minutes` and `kinds` and scipy's linear programming
in `survival` alone, the generator of futures, which is part of what a problem file means, and `router.plan`, the format
of a plan: what a plan file may say is no promise to work out again. `verify` is the whole interface.
"""

from __future__ import annotations

from router.plan.document import Plan
from router.plan.start import as_planned
from router.schema import Problem
from router.verification.base.audit import Audit
from router.verification.base.ledger import Check, Ledgers, Verification
from router.verification.checks import CHECKS
from router.verification.kinds import NAME, taken_together

__all__ = ["Audit", "Check", "Verification", "audit_of", "verify"]


def verify(problem: Problem, plan: Plan, before: Audit | None = None) -> Verification:
    """Re-check every promise of a plan and recompute its cost. Never raises for what a plan says.

    A failed `fields` check means that rows were left out of the others. `before`: the audit of another plan of the same
    problem, whose reckoning of the problem alone is taken over.
    """
    audit = audit_of(problem, plan, before)
    for check in CHECKS:
        check.look(audit, audit.ledgers[check.name])
    verdict = tuple(audit.ledgers[check.name].check() for check in CHECKS)
    return Verification(all(line.ok for line in verdict), verdict, audit.expected_usd)


def audit_of(problem: Problem, plan: Plan, before: Audit | None = None) -> Audit:
    """The audit of a plan at the start that it states, with workloads together that it says are alike; see `verify`."""
    if plan.kinds is not None:
        return _of_kinds(problem, plan, before)
    same = before is not None and (before.plan.start, before.plan.repeat_daily) == (
        plan.start,
        plan.repeat_daily,
    )
    if before is None or not same:
        return Audit(as_planned(problem, plan), plan)
    return Audit(before.problem, plan, before=before)


def _of_kinds(problem: Problem, plan: Plan, before: Audit | None) -> Audit:
    """`before` is taken over where it was of the very problem that kinds make of this one."""
    ledgers, stated = Ledgers(), as_planned(problem, plan)
    together = taken_together(stated, plan, ledgers[NAME])
    if together is None:
        return Audit(stated, plan, ledgers)
    taken, summed = together
    if before is None or before.problem != taken:
        return Audit(taken, summed, ledgers, whole=stated)
    return Audit(before.problem, summed, ledgers, before=before, whole=stated)
