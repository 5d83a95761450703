"""What `policy.survive_loss_of` costs: the plan beside the best one that could not do without anybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from router.errors import RouterError
from router.plan.document import Insurance, Plan
from router.schema import Problem


def with_insurance(plan: Plan, problem: Problem, solve: Callable[[Problem], Plan]) -> Plan:
    """The plan with a section `insurance` {survive_loss_of, usd, without_usd} and a note; unchanged without a policy.

    usd = cost − cost of the best plan known without the policy, this one included.
    """
    kind = problem.policy.survive_loss_of
    if kind == "none":
        return plan
    bare = problem.policy.model_copy(update={"survive_loss_of": "none"})
    try:
        found = solve(problem.model_copy(update={"policy": bare})).cost_usd
    except RouterError as error:
        unknown = (
            f"what surviving the loss of any one {kind} costs is not known: {str(error).splitlines()[0]}"
        )
        return replace(plan, notes=(*plan.notes, unknown))
    without = min(found, plan.cost_usd)  # which this plan is too
    usd = plan.cost_usd - without
    note = (
        f"surviving the loss of any one {kind} costs {usd:,.2f} USD: "
        f"a plan that could not do without anybody costs {without:,.2f}"
    )
    return replace(plan, notes=(*plan.notes, note), insurance=Insurance(kind, usd, without))
