"""What a problem may ask for that this verifier does not judge yet. Asking for it fails the verification.

Silence would pass for consent. Each hook names one promise; whoever writes the check removes it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from router.schema import Generated
from router.verify.case import Case
from router.verify.checks import Ledger
from router.verify.flows import Flow
from router.verify.latency import limits
from router.verify.rows import PlanRows


def loss_of_a_provider(case: Case, plan: PlanRows, flows: Iterable[Flow]) -> Iterator[str]:
    """`survive_loss_of`: whether the rest still meets demand is a flow problem of its own per loss."""
    if case.problem.policy.survive_loss_of != "none":
        yield f"policy.survive_loss_of: {case.problem.policy.survive_loss_of}"


def waiting_time(case: Case, plan: PlanRows, flows: Iterable[Flow]) -> Iterator[str]:
    """Waiting under load, where no `max_utilisation` stands in for it."""
    seen = set()
    for flow in flows:
        instances = flow.offer.instances
        if instances is None or instances.max_utilisation is not None or flow.units == 0:
            continue
        key = (flow.workload.name, flow.offer.name)
        if key not in seen and any(part != "tpot" for part, _, _ in limits(flow.workload.slo)):
            seen.add(key)
            yield f"waiting time of {key[0]} at {key[1]}, which states no max_utilisation"


def churn(case: Case, plan: PlanRows, flows: Iterable[Flow]) -> Iterator[str]:
    """Moves and count changes against a running plan."""
    if case.problem.reoptimise is not None:
        yield "reoptimise"
    elif any(line.kind == "churn" for line in plan.cost_lines):
        yield "cost of churn"


def generated_scenarios(case: Case, plan: PlanRows, flows: Iterable[Flow]) -> Iterator[str]:
    """Futures drawn by a generator: their multipliers are not in the problem file."""
    if isinstance(case.problem.scenarios, Generated):
        yield "scenarios.generate"


HOOKS: tuple[Callable[[Case, PlanRows, Iterable[Flow]], Iterator[str]], ...] = (
    loss_of_a_provider,
    waiting_time,
    churn,
    generated_scenarios,
)


def check_unchecked(case: Case, plan: PlanRows, flows: Iterable[Flow], ledger: Ledger) -> None:
    """Fail for everything asked for and not looked at."""
    for hook in HOOKS:
        asked = list(hook(case, plan, flows))
        for what in asked:
            ledger.fault("not checked:", what)
        if not asked:
            ledger.looked_at += 1
