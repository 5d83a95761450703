"""How much more of a workload each pool can take beside what is planned, hour by hour, within every SLO.

For each pool, period and workload that the plan sends there in some period (of one with origins or recipes what comes
from each, and each step): the largest x, in requests per second (tokens where no size is stated), with which these
checks of `router verify` still hold:

    throughput, waiting     the pool's instances, with every SLO of everybody in it
    quota                   what the offer allows a minute
    provider_shares, shares, min_providers, unsplittable     how the work may be spread
    adapters                the slots of the pool's instances

Each figure stands alone: what one workload takes, the others no longer have. Money is not looked at, budgets included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from router.errors import InputError, Issue
from router.exporters.exported import Exported, belongs, of_scenario
from router.plan.document import Plan
from router.plan.start import stated_time
from router.plan.values import to_json
from router.schema import Problem
from router.verification.base import Audit, Flow
from router.verification.base.cells import Cell
from router.verification.base.ledger import Ledgers
from router.verification.base.pools import loads_of
from router.verification.base.quotas import BY_MINUTE, caps_of
from router.verification.instances import check_adapters
from router.verification.limits import (
    check_min_providers,
    check_provider_shares,
    check_quotas,
    check_shares,
)
from router.verification.throughput import check_throughput, check_waiting

HALVINGS = 30
NONE = 1e-5  # of what the pool could do: below this a figure is the checks' own tolerance


def headroom(
    plan: Plan, problem: Problem, *, period: int | None = None, scenario: str | None = None
) -> Exported:
    """The figures as JSON, one row for each pool, period and workload. Raises InputError."""
    problem = belongs(plan, problem)
    if problem.policy.survive_loss_of != "none":
        rule = "is not looked at here: what is safe beside the plan may be too much after a loss"
        raise InputError(Issue(("policy", "survive_loss_of"), rule, problem.policy.survive_loss_of))
    of_scenario(plan, plan.instances, scenario)
    room = _Room.of(Audit(problem, plan), scenario)
    rows = [room.row(flow) for flow in room.routes(period)]
    remarks = ["each figure stands alone: what one workload takes, the others no longer have"]
    if skipped := sorted({offer.name for offer in problem.offers if offer.commitment and offer.instances}):
        remarks.append(
            f"without figures, as a contract limits or bills what runs there: {', '.join(skipped)}"
        )
    if spilling := sorted({offer.name for offer in problem.offers if offer.spills and offer.instances}):
        remarks.append(
            f"without figures, as more of it may be sent and what is too much in a minute spills: {', '.join(spilling)}"
        )
    if not rows:
        remarks.append("the plan runs no instances then: there is nothing to have room on")
    return Exported(
        to_json({"name": plan.name, "problem_sha256": plan.problem_sha256, "headroom": rows}), tuple(remarks)
    )


Key = tuple[str, str, str, int]  # workload, offer, model, period


@dataclass(frozen=True)
class _Room:
    """A plan under audit in one future; its flows by period."""

    audit: Audit
    flows: Mapping[int, Sequence[Flow]]

    @classmethod
    def of(cls, audit: Audit, scenario: str | None) -> _Room:
        futures = [future.name for future in audit.case.futures]
        name = scenario if len(futures) > 1 else futures[0]
        flows: dict[int, list[Flow]] = defaultdict(list)
        for flow in audit.flows:
            if flow.future.name == name:
                flows[flow.row.period].append(flow)
        return cls(audit, flows)

    def routes(self, period: int | None) -> Iterator[Flow]:
        """Routes that pools carry, and those that they carry in other periods; of several the first in each period."""
        every = [flow for flows in self.flows.values() for flow in flows]
        pooled = [
            flow
            for flow in every
            if flow.offer.instances and flow.entry and not (flow.offer.commitment or flow.offer.spills)
        ]
        by_key: dict[Key, Flow] = {}
        for flow in pooled:
            by_key.setdefault(_key(flow), flow)
        for flow in {_key(flow)[:3]: flow for flow in pooled if flow.workload.routing.splittable}.values():
            for t in range(self.audit.case.periods):
                cell = self.audit.cells.get((flow.row.workload, t, None, flow.future.name))
                if cell is not None and cell.units > 0:
                    row = replace(flow.row, period=t, share=0.0)
                    idle = replace(flow, row=row, cell=cell, units=0.0)
                    by_key.setdefault(_key(idle), idle)
        for _, flow in sorted(by_key.items(), key=lambda item: (item[0][1:], item[0][0])):
            pool = self.audit.pools.get(self._pool(flow))
            if pool is not None and pool.usable > 0 and period in (None, flow.row.period):
                yield flow

    def row(self, flow: Flow) -> dict[str, Any]:
        """The figure of a route."""
        start_h, end_h = flow.cell.runs[flow.row.period]
        seconds, (offer, model, period, _) = 3600.0 * (end_h - start_h), self._pool(flow)
        more = self._most(flow)
        return {
            "pool": offer if model is None else f"{offer}/{model}",
            "offer": offer,
            "model": flow.row.model,
            "workload": flow.row.workload,
            "period": period,
            "from": self._time(start_h),
            "until": self._time(end_h),
            "unit": "tokens/s" if flow.unit.requests is None else "requests/s",
            "planned": flow.units / seconds,
            "more": more / seconds,
        }

    def _pool(self, flow: Flow) -> tuple[str, str | None, int, str | None]:
        model = self.audit.case.pool_model(flow.row.offer, flow.row.model)
        return flow.row.offer, model, flow.row.period, flow.future.name

    def _time(self, hour: float) -> str | float:
        """Local time; hours from the start where the horizon has none."""
        horizon = self.audit.case.problem.horizon
        return hour if horizon.start is None else stated_time(horizon.clock.local(hour))

    def _most(self, flow: Flow) -> float:
        """Units of work: halved down from what the pool's instances could do if nothing else ran there.

        Of replicas in two roles what prefills and what decodes must both do it.
        """
        load = loads_of(self.audit.case, [replace(flow, units=1.0)], Ledgers()["throughput"])
        most = min(
            (
                self.audit.pools[key].usable / each if key in self.audit.pools else 0.0
                for key, pieces in load.items()
                if (each := max(max(piece[2:]) for piece in pieces)) > 0
            ),
            default=0.0,
        )
        low, high = 0.0, most
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._holds(flow, middle) else (low, middle)
        return low if low > NONE * most else 0.0

    def _holds(self, flow: Flow, more: float) -> bool:
        """Whether the checks pass with so much more of a workload in its cell, all of it on this route."""
        cell = replace(flow.cell, units=flow.cell.units + more)
        changed = [_with(flow, more, cell)]
        here = changed + [
            _with(other, 0.0, cell) if other.cell.key == cell.key else other
            for other in self.flows.get(flow.row.period, ())
            if other is not flow
        ]
        ledgers = Ledgers()
        trial = self._trial(here, ledgers)
        for check in (
            check_throughput,
            check_waiting,
            check_provider_shares,
            check_shares,
            check_adapters,
        ):
            check(trial, ledgers["trial"])
        spans = [cap.kind not in BY_MINUTE for cap in caps_of(self.audit.problem)]
        if any(spans):  # a day's or a month's use is that of all its periods
            every = [flow for flows in self.flows.values() for flow in flows]
            trial_of_all = [*here, *(other for other in every if other.row.period != flow.row.period)]
            check_quotas(self._trial(trial_of_all, ledgers), ledgers["trial"])
        elif spans:
            check_quotas(trial, ledgers["trial"])
        if flow.workload.routing.min_providers > 1:
            own = [
                other for flows in self.flows.values() for other in flows if other.workload is flow.workload
            ]
            rest = [other for other in own if other.row.period != flow.row.period]
            check_min_providers(self._trial([*here, *rest], ledgers), ledgers["trial"])
        return not ledgers["trial"].misses

    def _trial(self, flows: Sequence[Flow], ledgers: Ledgers) -> Audit:
        """The audit with other flows, of which the cells and pools that they touch are looked at."""
        trial = Audit(self.audit.problem, self.audit.plan, ledgers)
        cells = {flow.cell.key: flow.cell for flow in flows}
        loads = loads_of(self.audit.case, flows, ledgers["trial"])
        vars(trial).update(
            case=self.audit.case, flows=flows, cells=cells, pools=self.audit.pools, loads=loads
        )
        return trial


def _key(flow: Flow) -> Key:
    return flow.row.workload, flow.row.offer, flow.row.model, flow.row.period


def _with(flow: Flow, more: float, cell: Cell) -> Flow:
    """The flow with more work, as a share of a cell that has more."""
    units = flow.units + more
    row = replace(
        flow.row, share=units / cell.units, carried_share=None, spilled_share=None, taken_share=None
    )  # of what is served
    return replace(flow, cell=cell, units=units, row=row)
