"""Answer times: which routes the steps of a recipe use, and how long all of them take together.

used(flow)               0/1: anything of the cell goes there
slowest(limit,cell,t,k)  of the routes that step k uses, in parts of the limit

               of batches, of the hours until answers are due
answer_times   flow ≤ used;  time · used ≤ slowest;  Σ_k slowest ≤ 1;  what takes longer alone is never used
"""

from __future__ import annotations

from collections import defaultdict

from router.schema import Recipe
from router.verification.answers import AnswerLimit, answer_limits, batch_h, recipe_of, step_ms
from router.verification.base.audit import Audit
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.serving import PossibleFlow, cell_name

ROUNDING = 1e-6
"""By how much a time may be shorter than worked out, as a plan's check allows."""


def add_answer_times(model: RelaxedProblem, audit: Audit, flows: list[PossibleFlow]) -> None:
    """Variables and rows, where not any choice of routes keeps a limit."""
    steps = _by_answer(audit, flows)
    known = {first: list(answer_limits(audit, first)) for first, _, _ in steps}
    for (first, n, t), own in steps.items():
        for limit in known[first]:
            parts = {k: [(flow, _part(audit, limit, k, flow)) for flow in own[k]] for k in limit.waits}
            _add_limit(model, f"{limit.field},{first}{n},{t}", parts)
    add_due(model, audit, flows)


def add_due(model: RelaxedProblem, audit: Audit, flows: list[PossibleFlow], prefix: str = "") -> None:
    """The same of the time until answers are due, which holds in a loss too."""
    for (first, n, t), own in _by_answer(audit, flows).items():
        recipe = recipe_of(audit, first)
        due = {k: [(flow, _part_due(recipe, k, flow)) for flow in each] for k, each in own.items()}
        _add_limit(model, f"{prefix}due,{first}{n},{t}", due)


def _by_answer(
    audit: Audit, flows: list[PossibleFlow]
) -> dict[tuple[str, str, int], dict[int, list[PossibleFlow]]]:
    """Flows of recipes by first step, cell and period, then by step."""
    steps: dict[tuple[str, str, int], dict[int, list[PossibleFlow]]] = defaultdict(lambda: defaultdict(list))
    for flow in flows:
        part = audit.case.steps.get(flow.workload.name)
        if part is not None:
            n = cell_name(flow.cell).removeprefix(flow.cell.workload)
            steps[part.first, n, flow.period][part.step].append(flow)
    return steps


def _part(audit: Audit, limit: AnswerLimit, k: int, flow: PossibleFlow) -> float:
    """Of a limit; 2 where it is not known."""
    ms = step_ms(audit, flow.workload, flow.offer, flow.model, limit.statistic, limit.waits[k])
    return 2.0 if ms is None else ms / limit.limit_ms / (1.0 + ROUNDING)


def _part_due(recipe: Recipe, k: int, flow: PossibleFlow) -> float:
    """Of the time until answers are due."""
    return batch_h(recipe, k, flow.offer) / flow.cell.left_h(flow.period) / (1.0 + ROUNDING)


def _add_limit(model: RelaxedProblem, at: str, parts: dict[int, list[tuple[PossibleFlow, float]]]) -> None:
    if sum(max((part for _, part in own), default=0.0) for own in parts.values()) <= 1.0:
        return
    together: Terms = []
    for k, own in parts.items():
        slowest = model.variable(f"slowest({at},{k})", 1.0)
        together.append((slowest, 1.0))
        for flow, part in own:
            row = f"answer_times({at},{k},{flow.name})"
            if part > 1.0:
                model.constraint(row, [(flow.name, 1.0)], upper=0.0)
            elif part > 0.0:
                used = f"used({flow.name})"
                if used not in model.variables:
                    model.variable(used, 1.0, whole=True)
                    model.constraint(
                        f"answer_times({flow.name})", [(flow.name, 1.0), (used, -1.0)], upper=0.0
                    )
                model.constraint(row, [(used, part), (slowest, -1.0)], upper=0.0)
    model.constraint(f"answer_times({at})", together, upper=1.0)
