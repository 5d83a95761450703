"""One plan under audit: the problem, what the plan states, and each part of the reckoning, worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from router.plan.document import Plan
from router.plan.proof import ProofPart
from router.schema import Problem
from router.verification.base.bills import Bill, BillKey, bills_of
from router.verification.base.case import Case, Future, futures_of, of_halves_too
from router.verification.base.cells import Cell, CellKey, cells_of
from router.verification.base.change import EarlierPlan, as_signed, churn_usd, earlier_plan, moved_of
from router.verification.base.costs import NO_SUMS, Costs, Sums, costs_of, mixed
from router.verification.base.eligibility import Candidate, judge
from router.verification.base.flows import Flow, UnservedWork, flows_of, unserved_of
from router.verification.base.ledger import Ledgers
from router.verification.base.parts import (
    of_halves,
    of_parts,
    of_steps,
    split_by_origin,
    split_by_recipe,
    split_by_role,
)
from router.verification.base.pools import Loads, Pool, PoolKey, loads_of, pools_of
from router.verification.base.rows import rows_of
from router.workers import ALONE, Workers

GAPS = "gaps"
"""Of what is written: gaps between requests, as drawn by workload."""


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """What every check looks at. A part is made when it is first asked for.

    problem    as its file states it
    plan       as its document states it
    ledgers    faults by the name of a check; a part whose making meets one notes it with the check it belongs to
    before     of another plan of the same problem: what is of the problem alone is not worked out again
    written    what was written of the problem, for the audit of the next plan
    whole      the problem before like workloads were taken together; None: none were
    sums       what rows come to that were read before, and that the plan is without; see `blocks`
    parts      of a proof by blocks that lie beside the plan, read one by one
    workers    processes that work out a proof by blocks
    """

    problem: Problem
    plan: Plan
    ledgers: Ledgers = field(default_factory=Ledgers)
    before: Audit | None = None
    written: dict[str, Any] = field(default_factory=dict)
    whole: Problem | None = None
    sums: Sums = NO_SUMS
    parts: Callable[[], Iterable[ProofPart]] | None = None
    workers: Workers = ALONE

    @cached_property
    def alike(self) -> Audit | None:
        """The audit before, where both plans are of the same futures and follow the same running plan."""
        before = self.before
        if before is None or before.plan.running != self.plan.running or before._futures != self._futures:
            return None
        return None if any(ledger.misses for ledger in before.ledgers.values()) else before

    @cached_property
    def as_stated(self) -> Case:
        """The problem before traces are read and earlier contracts are in force."""
        return Case(self.problem, self._futures[0])

    @cached_property
    def case(self) -> Case:
        """Counts in place of traces, earlier contracts in force, workloads by origin and step, instances by role."""
        if self.alike is not None:
            self.ledgers["traces"].looked_at += self.alike.ledgers["traces"].looked_at
            return self.alike.case
        recorded = self.problem
        if any(load.demand.trace is not None for load in recorded.workloads):
            from router.verification.base.traces import with_records  # here: most need none

            recorded = with_records(recorded, self.ledgers["traces"])
        signed = as_signed(recorded, self.earlier, self.ledgers["churn"])
        served, steps = split_by_recipe(split_by_origin(signed))
        split, halves = split_by_role(served)
        return Case(split, tuple(of_halves_too(future, halves) for future in self._futures[0]), halves, steps)

    @cached_property
    def _futures(self) -> tuple[tuple[Future, ...], str | None]:
        return futures_of(self.problem, self.plan)

    @property
    def futures_fault(self) -> str | None:
        """What is wrong with the plan's list of scenarios."""
        return self._futures[1]

    @cached_property
    def rows(self) -> Plan:
        """The plan without rows that speak of what the problem does not have, by origin and role."""
        rows = rows_of(self.plan, self.as_stated, self.ledgers["fields"])
        rows = of_parts(rows, self.problem, self.ledgers["fields"])
        rows = of_steps(rows, self.case.steps, self.ledgers["fields"])
        return of_halves(rows, self.problem, self.ledgers["fields"])

    @cached_property
    def earlier(self) -> EarlierPlan | None:
        """The plan that ran before, as this one states it."""
        return earlier_plan(self.plan.running, self.ledgers["churn"])

    @cached_property
    def cells(self) -> dict[CellKey, Cell]:
        """Work to be served; none where it was looked at with the rows that were read before."""
        if self.sums is not NO_SUMS:
            return {}
        return cells_of(self.case) if self.alike is None else self.alike.cells

    @cached_property
    def flows(self) -> list[Flow]:
        return flows_of(self.case, self.cells, self.rows, self.ledgers["fields"])

    @cached_property
    def unserved(self) -> list[UnservedWork]:
        return unserved_of(self.case, self.cells, self.rows, self.ledgers["fields"])

    @property
    def work(self) -> list[Flow | UnservedWork]:
        """All that is routed, and all that is not."""
        return [*self.flows, *self.unserved]

    @cached_property
    def pools(self) -> dict[PoolKey, Pool]:
        return pools_of(self.case, self.rows, self.ledgers["fields"])

    @cached_property
    def verdicts(self) -> dict[Candidate, tuple[str, ...]]:
        """Reasons against every route that might be; none admits it."""
        return judge(self.case) if self.alike is None else self.alike.verdicts

    @cached_property
    def loads(self) -> Loads:
        return loads_of(self.case, self.flows, self.ledgers["throughput"])

    @cached_property
    def bills(self) -> dict[BillKey, Bill]:
        return bills_of(self.case, self.rows, self.flows, self.sums.used)

    @cached_property
    def moved(self) -> dict[CellKey, float]:
        """The share of each cell that runs where it did not run before."""
        return {} if self.earlier is None else moved_of(self.cells, self.flows, self.earlier)

    @cached_property
    def costs(self) -> Costs:
        change = churn_usd(self.case, self.cells, self.moved, self.pools, self.earlier)
        sunk = () if self.earlier is None else self.earlier.purchases
        rows = (self.rows, self.flows, self.unserved, self.pools, self.bills)
        return costs_of(self.case, *rows, change, sunk, self.sums)

    @cached_property
    def expected_usd(self) -> float:
        return math.fsum(future.probability * self.costs.of(future) for future in self.case.futures)

    @cached_property
    def objective_usd(self) -> float:
        """Expected cost and CVaR as the problem's risk mixes them."""
        return mixed(self.case, [self.costs.of(future) for future in self.case.futures])
