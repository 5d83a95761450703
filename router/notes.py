"""What a reader must know before trusting a figure: assumptions that a plan was made under."""

from __future__ import annotations

from collections.abc import Iterator

from problems.core.instance import HOURS_PER_MONTH
from router.scenarios import drawn
from router.schema import Generated, Problem
from router.traces import recorded


def notes_of(problem: Problem) -> tuple[str, ...]:
    """Assumptions of a plan for the problem, in the order of its fields."""
    notes = []
    if problem.policy.p99_over_mean is not None:
        notes.append(
            f"assumed: where no percentile was measured, "
            f"P99 = {problem.policy.p99_over_mean:g} × mean (policy.p99_over_mean)"
        )
    read = recorded(problem)
    if read.problem.horizon.start is None and any(load.window is not None for load in problem.workloads):
        notes.append("assumed: the horizon starts at 00:00 local time (horizon.start is not given)")
    notes += [*_of_terms(problem)]
    made = drawn(problem).notes if isinstance(problem.scenarios, Generated) else ()
    return (*notes, *read.notes, *made)


def _of_terms(problem: Problem) -> Iterator[str]:
    """When contracts may begin, where that was not said and decides what can be planned."""
    horizon_h = problem.horizon.hours
    for offer in problem.offers:
        terms = offer.commitment
        if terms is None or terms.term_months is None or horizon_h <= HOURS_PER_MONTH:
            continue
        if terms.start is None and not terms.signed and not terms.starts_in_any_month(horizon_h):
            yield (
                f"assumed: {offer.name} starts with the horizon, which its term covers "
                "(commitment.start: any lets it begin later)"
            )
        if terms.signed and terms.signed_until is not None and terms.starts_in_any_month(horizon_h):
            yield f"assumed: {offer.name} may be signed again at the same prices when it has ended"
