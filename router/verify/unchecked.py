"""What a problem may ask for that this verifier does not judge yet. Asking for it fails the verification.

Silence would pass for consent. Each hook names one promise; whoever writes the check removes it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from router.verify.case import Case
from router.verify.checks import Ledger
from router.verify.flows import Flow
from router.verify.rows import PlanRows


def churn(case: Case, plan: PlanRows, flows: Iterable[Flow]) -> Iterator[str]:
    """Moves and count changes against a running plan."""
    if case.problem.reoptimise is not None:
        yield "reoptimise"
    elif any(line.kind == "churn" for line in plan.cost_lines):
        yield "cost of churn"


HOOKS: tuple[Callable[[Case, PlanRows, Iterable[Flow]], Iterator[str]], ...] = (churn,)


def check_unchecked(case: Case, plan: PlanRows, flows: Iterable[Flow], ledger: Ledger) -> None:
    """Fail for everything asked for and not looked at."""
    for hook in HOOKS:
        asked = list(hook(case, plan, flows))
        for what in asked:
            ledger.fault("not checked:", what)
        if not asked:
            ledger.looked_at += 1
