"""Workloads that a plan says are alike, looked at together: one workload of their volume in place of each kind.

alike      every field but name, volume and remarks is equal, and the volume is stated in the same way
treated    in each cell in which it has work, each has the same routes at the same shares, with its part of what they
           carry: requests, tokens and USD in proportion to volumes

Then work, tokens and money summed over a kind are those of one workload of its volume, and shares are each one's own:
what holds of sums and of shares is looked at once a kind. And a bound on the problem with kinds bounds this one: of any
plan the shares of a kind, weighed by the work of its workloads, are one of the other problem, at the same cost.

Neither is so of what counts workloads, or draws something for each: those stand by themselves (`_alone`). A plan that
takes such together, or what is not alike, fails here, and is looked at as if it had not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import fsum
from operator import attrgetter
from typing import Any

import numpy as np

from router.plan.document import Plan
from router.plan.rows import AlikeWorkloads, RouteRow, UnservedRow
from router.schema import Demand, Generated, Problem, Workload
from router.verification.base.audit import Audit
from router.verification.base.ledger import RELATIVE, Ledger

NAME = "kinds"
REMARKS = ("source", "as_of", "note")
FIELDS = tuple(name for name in Workload.model_fields if name not in ("name", "demand", *REMARKS))
SLACK = 1e-6
_WAYS = attrgetter(*(name for name in Demand.model_fields if name != "completion_share"))

type Row = RouteRow | UnservedRow
type Place = tuple[str, str | None, int | None, int | None]
"""Of a cell: kind, scenario, occurrence, period of work that does not move."""

type Members = dict[str, tuple[float, ...]]
"""Volumes by workload of a kind: one figure, or one for each period."""


def check_kinds(audit: Audit, ledger: Ledger) -> None:
    """Kinds are alike and treated alike: noted when the audit is made."""
    ledger.looked_at += len(audit.plan.kinds or ())


def taken_together(problem: Problem, plan: Plan, ledger: Ledger) -> tuple[Problem, Plan] | None:
    """Problem and plan with one workload, the first, in place of each kind; None where that is not right."""
    kinds = _kinds(problem, plan, ledger)
    if kinds is None:
        return None
    routes = _rows_together(plan.routes, kinds, ledger)
    unserved = _rows_together(plan.unserved, kinds, ledger)
    if ledger.misses:
        return None
    return _with_kinds(problem, kinds), replace(plan, routes=routes, unserved=unserved)


def _kinds(problem: Problem, plan: Plan, ledger: Ledger) -> dict[str, Members] | None:
    loads = {load.name: load for load in problem.workloads}
    why = _of_each(problem, plan)
    if why is not None:
        ledger.fault("workloads are taken together, though", why)
        return None
    named, capped = _named(problem), any(_caps(problem))
    known: set[str] = set()
    kinds: dict[str, Members] = {}
    for kind in plan.kinds or ():
        names = (kind.workload, *kind.alike)
        missing = [name for name in names if name not in loads or name in known]
        known.update(names)
        if missing or len(set(names)) < len(names):
            ledger.fault(kind.workload, "and others: no such workload, or listed twice:", *missing[:1])
            continue
        first = loads[kind.workload]
        alone = _alone(first, capped)
        ledger.require(alone is None, kind.workload, "is not taken together with others:", alone)
        _alike(kind, loads, named, ledger)
        kinds[kind.workload] = {name: _volume(loads[name]) for name in names}
    return None if ledger.misses else kinds


def _of_each(problem: Problem, plan: Plan) -> str | None:
    """What of the problem or the plan is of single workloads."""
    if isinstance(problem.scenarios, Generated):
        return "futures are drawn by workload"
    if problem.policy.survive_loss_of != "none":
        return "each has a way of its own after a loss"
    if any(offer.spills for offer in problem.offers):
        return "an offer spills, by the minutes of each"
    if plan.running is not None or plan.sizing is not None or problem.minutes_of is not None:
        return "the plan follows another, or several futures"
    return None


def _caps(problem: Problem) -> Iterable[bool]:
    """Whether anything caps what is sent: figures by the minute are stated of it."""
    yield bool(problem.quotas)
    for offer in problem.offers:
        for quota in (offer.quota, *(entry.quota for entry in offer.models.values())):
            stated = quota.model_dump(exclude={"max_utilisation"}) if quota is not None else {}
            yield any(cap is not None for cap in stated.values())


def _named(problem: Problem) -> dict[str, list[str]]:
    """Quotas by the workloads that they name, and workloads of which futures have multipliers."""
    named: dict[str, list[str]] = defaultdict(list)
    for quota in problem.quotas:
        for name in quota.workloads:
            named[name].append(quota.name)
    for future in () if isinstance(problem.scenarios, Generated) else problem.scenarios:
        for name in future.demand:
            named[name].append(f"a future's demand of {name}")
    return named


def _alone(load: Workload, capped: bool) -> str | None:
    """What the workload states that is not of shares and sums."""
    demand, routing = load.demand, load.routing
    if load.recipes or load.adapters or demand.trace is not None:
        return "recipes, adapters and traces are its own"
    if not routing.splittable or routing.min_providers > 1:
        return "its routes are counted"
    if capped and load.arrival_cv != 1:
        return "its minutes are drawn beside a quota"
    moves = load.window is not None or load.deferrable_h is not None
    limits = routing.shares.models or routing.shares.offers or routing.shares.providers
    limited = limits or routing.max_share_per_provider < 1 or load.needs.min_mean_quality is not None
    if demand.requests_by_period is not None and moves and (limited or load.window is not None):
        return "its work moves in time, by a list of its own"
    return None


def _alike(
    kind: AlikeWorkloads, loads: Mapping[str, Workload], named: Mapping[str, list[str]], ledger: Ledger
) -> None:
    stated = attrgetter(*FIELDS)
    first = loads[kind.workload]
    fields, volume = stated(first), _unstated(first.demand)
    quotas = named.get(kind.workload)
    for name in kind.alike:
        load = loads[name]
        same = stated(load) == fields and _unstated(load.demand) == volume
        ledger.require(same and named.get(name) == quotas, name, "is not alike to", kind.workload)


def _unstated(demand: Demand) -> tuple[object, ...]:
    """Which ways of stating a volume are not used; of `completion_share` its value."""
    return (*(value is None for value in _WAYS(demand)), demand.completion_share)


def _volume(load: Workload) -> tuple[float, ...]:
    (stated,) = (value for value in _WAYS(load.demand) if value is not None)
    return tuple(stated) if isinstance(stated, list | tuple) else (float(stated),)


def _rows_together(rows: Iterable[Row], kinds: Mapping[str, Members], ledger: Ledger) -> tuple[Any, ...]:
    """One row for those of a kind that are of the same route and cell."""
    first = {name: kind for kind, members in kinds.items() for name in members}
    kept: list[Row] = []
    cells: dict[Place, dict[str, list[Row]]] = {}
    for row in rows:
        kind = first.get(row.workload)
        if kind is None:
            kept.append(row)
        else:
            at = (kind, row.scenario, row.occurrence, None if row.occurrence is not None else row.period)
            cells.setdefault(at, {}).setdefault(row.workload, []).append(row)
    table = _Amounts()
    for (name, _, occurrence, period), by_workload in cells.items():
        volumes = _of_cell(kinds[name], period if occurrence is None else occurrence)
        if by_workload.keys() != volumes.keys():
            other = next(iter(by_workload.keys() ^ volumes.keys()))
            ledger.fault(other, "has other cells with routes than", name, "has, by its work")
            continue
        table.add(name, volumes, by_workload, ledger)
    return (*kept, *table.together(ledger))


def _of_cell(members: Members, at: int | None) -> dict[str, float]:
    """Volumes of a cell, of those that have work in it."""
    some = {
        name: volume[at] if at and 0 < at < len(volume) else volume[0] for name, volume in members.items()
    }
    return {name: volume for name, volume in some.items() if volume > 0}


def _key(row: Row) -> tuple[object, ...]:
    """All that a row states but workload and amounts."""
    at = (row.period, row.occurrence, row.scenario, row.origin, row.requests is None, row.share)
    if isinstance(row, UnservedRow):
        return at
    spilled = (row.carried_share, row.spilled_share, row.taken_share, row.after_loss is None)
    return (*at, row.offer, row.model, row.free_share, row.recipe, row.step, *spilled)


class _Amounts:
    """Rows of kinds, of which amounts are compared and summed all at once."""

    def __init__(self) -> None:
        self.rows: list[Any] = []  # the first of each
        self.kinds: list[str] = []
        self.of: list[int] = []
        self.volume: list[float] = []
        self.amount: list[tuple[float, float, float, float]] = []

    def add(
        self,
        kind: str,
        volumes: Mapping[str, float],
        by_workload: Mapping[str, list[Any]],
        ledger: Ledger,
    ) -> None:
        """The rows of a cell, each workload's like those of the first."""
        number: dict[tuple[object, ...], int] = {}
        for name, rows in by_workload.items():
            keys = [_key(row) for row in rows]
            if not number:
                number = {key: len(self.rows) + i for i, key in enumerate(keys)}
                self.rows += rows
                self.kinds += [kind] * len(rows)
            if number.keys() != set(keys) or len(keys) != len(number):
                ledger.fault(name, "does not have the routes and shares of", kind)
                return
            for key, row in zip(keys, rows, strict=True):
                self.of.append(number[key])
                self.volume.append(volumes[name])
                usd = row.usd if isinstance(row, UnservedRow) else 0.0
                self.amount.append((row.requests or 0.0, row.prompt_tokens, row.completion_tokens, usd))

    def together(self, ledger: Ledger) -> list[Any]:
        """The rows with the amounts of all of a kind, which each has its part of."""
        if ledger.misses or not self.rows:
            return []
        n, of, volume = len(self.rows), np.array(self.of), np.array(self.volume)
        amount = np.array(self.amount)
        whole = np.bincount(of, volume, n)
        sums = np.stack([np.bincount(of, each, n) for each in amount.T], axis=1)
        expected = sums[of] * (volume / whole[of])[:, None]
        off = np.abs(amount - expected) > RELATIVE * np.abs(expected) + SLACK
        for i in np.flatnonzero(off.any(axis=1) | ~np.isfinite(amount).all(axis=1)).tolist():
            ledger.fault(
                self.kinds[self.of[i]], "and others: amounts of a route are not in proportion to volume"
            )
        ledger.looked_at += len(self.of)
        return [
            _with_amounts(row, kind, total)
            for row, kind, total in zip(self.rows, self.kinds, sums.tolist(), strict=True)
        ]


def _with_amounts(row: Row, workload: str, total: list[float]) -> Row:
    requests, prompt, completion, usd = total
    stated = None if row.requests is None else requests
    row = replace(row, workload=workload, requests=stated, prompt_tokens=prompt, completion_tokens=completion)
    return replace(row, usd=usd) if isinstance(row, UnservedRow) else row


def _with_kinds(problem: Problem, kinds: Mapping[str, Members]) -> Problem:
    gone = {name for first, members in kinds.items() for name in members if name != first}
    loads = []
    for load in problem.workloads:
        if load.name in kinds:
            total = [fsum(parts) for parts in zip(*kinds[load.name].values(), strict=True)]
            listed = load.demand.requests_by_period is not None
            update = {load.demand.way: tuple(total) if listed else total[0]}
            load = load.model_copy(update={"demand": load.demand.model_copy(update=update)})
        if load.name not in gone:
            loads.append(load)
    quotas = [
        quota.model_copy(update={"workloads": tuple(each for each in quota.workloads if each not in gone)})
        for quota in problem.quotas
    ]
    return problem.model_copy(update={"workloads": tuple(loads), "quotas": tuple(quotas)})
