"""What the schema can say and no plan is made for yet: refused by name, never ignored."""

from __future__ import annotations

from router.catalogue import input_issue
from router.errors import InputError, Issue
from router.schema import Generated, Problem

RULE = "is not yet planned for"


def refuse_pending(problem: Problem) -> None:
    """Raise `InputError` naming every such field in use."""
    found: list[Issue] = []

    def refuse(*path: str | int, value: object = None, hint: str | None = None) -> None:
        found.append(input_issue(problem, path, value, RULE, hint))

    if isinstance(problem.scenarios, Generated):
        refuse("scenarios", "generate", hint="list the scenarios, or plan without them")
    if problem.policy.survive_loss_of != "none":
        refuse("policy", "survive_loss_of", value=problem.policy.survive_loss_of)
    for w, workload in enumerate(problem.workloads):
        if workload.demand.trace is not None:
            refuse("workloads", w, "demand", "trace", hint="state requests_by_period instead")
    found += _waiting(problem)
    if found:
        raise InputError(found)


def _waiting(problem: Problem) -> list[Issue]:
    """An SLO on an offer with instances needs a planned utilisation, until waiting is modelled."""
    found = []
    for o, offer in enumerate(problem.offers):
        if offer.instances is None or offer.instances.max_utilisation is not None:
            continue
        for workload in problem.workloads:
            promises = workload.slo.model_dump(exclude_none=True)
            if promises and any(model in offer.models for model in workload.models):
                rule = f'waiting at instances under the SLO of workload "{workload.name}" {RULE}'
                hint = "state max_utilisation, the share of capacity up to which its latencies hold"
                found.append(input_issue(problem, ("offers", o, "instances"), None, rule, hint))
                break
    return found
