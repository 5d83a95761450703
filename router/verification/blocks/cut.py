"""A block of periods as a problem and a plan of its own: without contracts and fees, which are settled for them all.

requests by period   those of its periods          a rate stays as it is          a total: by its hours
prices, limits, counts                             as they are: nothing changes in time
commitments          none: what they count is priced at their rates, and billed for the horizon as a whole
fees, budgets        none: likewise
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from router.plan.document import NO_PRICES, Plan
from router.schema import Demand, Problem
from router.verification.base.audit import Audit
from router.verification.base.eligibility import Candidate

NO_ROWS = {"routes": (), "instances": (), "quotas": None, "unserved": ()}
"""Of a plan of a block: none that are by period."""

TOTALS = ("requests_total", "tokens_total")


class Block(NamedTuple):
    """Periods from `first` to before `end`."""

    number: int
    first: int
    end: int


def blocks_of(periods: int, size: int) -> Iterator[Block]:
    """All of a horizon, in order; the last may be shorter."""
    for number in range(-(-periods // size)):
        yield Block(number, number * size, min((number + 1) * size, periods))


@dataclass(frozen=True, eq=False, repr=False)
class BlockAudit(Audit):
    """`judged`: reasons against every route, which are those of the whole, judged once for all blocks."""

    judged: Mapping[Candidate, tuple[str, ...]] = field(kw_only=True)

    @cached_property
    def verdicts(self) -> dict[Candidate, tuple[str, ...]]:
        return dict(self.judged)


def problem_of_block(problem: Problem, block: Block) -> Problem:
    """See the module; the problem has counts in place of traces."""
    part = (block.end - block.first) / problem.horizon.periods
    periods = {"periods": block.end - block.first, "start": None}
    offers = tuple(
        offer.model_copy(update={"commitment": None, "fee_usd_per_month": 0.0}) for offer in problem.offers
    )
    loads = tuple(
        load.model_copy(update={"demand": _demand(load.demand, block, part)}) for load in problem.workloads
    )
    return problem.model_copy(
        update={
            "horizon": problem.horizon.model_copy(update=periods),
            "workloads": loads,
            "offers": offers,
            "policy": problem.policy.model_copy(update={"max_spend_usd": None, "max_committed_usd": None}),
        }
    )


def _demand(demand: Demand, block: Block, part: float) -> Demand:
    counts = demand.requests_by_period
    if counts is not None:
        return demand.model_copy(update={"requests_by_period": counts[block.first : block.end]})
    totals = {name: total * part for name in TOTALS if (total := getattr(demand, name)) is not None}
    return demand.model_copy(update=totals)


def plan_of_block(plan: Plan, block: Block, period_h: float, rows: Mapping[str, Any]) -> Plan:
    """Its rows alone, whose periods count from its first one."""
    periods = block.end - block.first
    return replace(
        plan,
        **rows,
        start=None,
        repeat_daily=None,
        tables=None,
        proof=None,
        prices=NO_PRICES,
        periods=periods,
        horizon_h=periods * period_h,
        cost_lines=(),
        contracts=(),
        settlements=(),
        refused=(),
    )
