"""What spills: every limit holds in every minute, by our own minutes, and what is refused is served elsewhere.

carried + spilled = share of a route that spills; Σ spilled = Σ taken of a cell's work; work that moves does not spill
Σ_S carried ≤ mean over minutes of min(C, Σ_S sent · D(m))     every set S of flows into a limit: then some order of
                                                               refusing, or a mixture, carries just that
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from router.verification.base.audit import Audit
from router.verification.base.cells import CellKey
from router.verification.base.flows import Flow
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.quotas import (
    Allowance,
    WholeCell,
    booting_by_minute,
    carried_by_minute,
    first_to_boot,
)

if TYPE_CHECKING:
    from router.verification.minutes import Minutes, Shape

ALL_SETS = 10

type LimitKey = tuple[str, str | None, int, str | None]
"""Offer, model of the pool (None: shared by all, or a quota), period, scenario."""


def check_spilling(audit: Audit, ledger: Ledger) -> None:
    """Every route's shares, every cell's balance, every limit by the minute, and the order of refusing."""
    spilled: dict[CellKey, list[float]] = defaultdict(list)
    taken: dict[CellKey, list[float]] = defaultdict(list)
    for flow in audit.flows:
        row = flow.row
        refused, kept, more = row.spilled_share or 0.0, row.carried_share, row.taken_share or 0.0
        if row.carried_share is not None or row.spilled_share is not None or row.taken_share is not None:
            ledger.at_least(
                min(refused, kept or 0.0, more), 0.0, flow.cell, row.offer, "shares of what spills"
            )
        if flow.offer.spills:
            ledger.require(more == 0.0, flow.cell, row.offer, "spills and takes what spills")
            ledger.equal(
                (row.share - refused if kept is None else kept) + refused, row.share, flow.cell, row.offer
            )
            still = flow.workload.window is None and flow.workload.deferrable_h is None
            ledger.require(still or refused <= RELATIVE, flow.cell, "moves in time, and does not spill")
            spilled[flow.cell.key].append(refused)
        else:
            ledger.require(kept is None and refused == 0.0, flow.cell, row.offer, "does not spill")
            taken[flow.cell.key].append(more)
    for key in spilled.keys() | taken.keys():
        ledger.equal(math.fsum(taken[key]), math.fsum(spilled[key]), *key, "taken of what spills")
    into: dict[LimitKey, list[Flow]] = defaultdict(list)
    for flow in audit.flows:
        if flow.offer.spills and flow.entry is not None and flow.row.share > 0 and flow.cell.units > 0:
            into[_limit_of(audit, flow)].append(flow)
    _check_orders(audit, ledger, into)
    if into:
        _check_minutes(audit, ledger, into)


def _limit_of(audit: Audit, flow: Flow) -> LimitKey:
    row, future = flow.row, audit.case.future(flow.row.scenario)
    model = audit.case.pool_model(row.offer, row.model) if row.offer in audit.case.instances else None
    return row.offer, model, row.period, future.name


def _check_orders(audit: Audit, ledger: Ledger, into: dict[LimitKey, list[Flow]]) -> None:
    stated: dict[LimitKey, tuple[str, ...]] = {}
    for order in audit.plan.spill_order or ():
        key = (order.offer, order.model, order.period, audit.case.future(order.scenario).name)
        ledger.require(key not in stated, *key, "has two orders of refusing")
        stated[key] = order.workloads
    for key in stated.keys() | into.keys():
        sent = sorted({flow.workload.name for flow in into.get(key, [])})
        ledger.require(
            sorted(stated.get(key, ())) == sent, *key, "order of refusing what is sent there:", sent
        )


def _check_minutes(audit: Audit, ledger: Ledger, into: dict[LimitKey, list[Flow]]) -> None:
    from router.verification.minutes import stated_minutes  # here: it loads arrays, and few plans need it

    case, minutes = audit.case, stated_minutes(ledger, audit)
    if minutes is None:
        return
    allowance = Allowance(case)
    for key, flows in into.items():
        capacity = _capacity(audit, allowance, minutes, key)
        sent, wanted = [], []
        for flow in flows:
            whole = WholeCell.of(flow)
            amount, shape = whole.amount(case, allowance), shape_of(whole, minutes)
            sent.append(_minutes_of(minutes, flow.row.share * amount, shape))
            wanted.append((flow.row.share - (flow.row.spilled_share or 0.0)) * amount)
        for carried, most in _sets(sent, wanted, capacity):
            ledger.at_most(carried, most, *key, "carried in the minutes of the period")


def _capacity(audit: Audit, allowance: Allowance, minutes: Minutes, key: LimitKey) -> Shape:
    """(N,) instances that carry in every minute, or the cap over its mean."""
    import numpy as np

    (name, model, period, scenario), case = key, audit.case
    offer, future = case.offers[name], case.future(scenario)
    each = np.array(carried_by_minute(case, allowance, offer, future, period, minutes.real))
    if offer.instances is not None:
        pool = audit.pools.get((name, model, period, scenario))
        count = np.full(minutes.real, 0.0 if pool is None else pool.row.count)
        for since in range(first_to_boot(case, name, period), period + 1):
            begun = audit.pools.get((name, model, since, scenario))
            if begun is not None and begun.row.started > 0:
                count -= begun.row.started * np.array(
                    booting_by_minute(case, name, since, period, minutes.real)
                )
        each *= np.maximum(count, 0.0)
    return minutes.tiled(each)


def shape_of(whole: WholeCell, minutes: Minutes) -> Shape | None:
    """(N,) in which minutes it comes, of mean 1; None: the same in every minute, as work that moves in time comes."""
    load, sized = whole.workload, whole.unit.requests is not None
    if load.window is not None or load.deferrable_h is not None:
        return None
    units = whole.cell.units
    # a step of one: all that it sends for a request come at once
    if load.recipes and len(load.recipes[0].steps) == 1:
        units /= max(load.recipes[0].steps[0].requests, 1.0)
    return minutes.shape(load, whole.period, units, sized=sized)


def _minutes_of(minutes: Minutes, amount: float, shape: Shape | None) -> Shape:
    import numpy as np

    return np.full(minutes.number, amount) if shape is None else amount * shape


def _sets(sent: list[Shape], wanted: list[float], capacity: Shape) -> Iterator[tuple[float, float]]:
    """What is carried of every set of few flows, and the most that fits; of many the same of all, minute by minute."""
    n = len(sent)
    if n > ALL_SETS:
        yield math.fsum(wanted), most_carried(sent, wanted, capacity)
        return
    for size in range(1, n + 1):
        for own in combinations(range(n), size):
            load = sum((sent[i] for i in own[1:]), start=sent[own[0]])
            yield math.fsum(wanted[i] for i in own), float(load.clip(max=capacity).mean())


def most_carried(sent: list[Shape], wanted: list[float], capacity: Shape | float) -> float:
    """How much of what is wanted of each flow fits, by linear programming: as much as all only where every set's does.

    max mean_m Σ_f c[f,m],   0 ≤ c[f,m] ≤ sent[f,m],   Σ_f c[f,m] ≤ capacity,   mean_m c[f,m] ≤ wanted[f]
    """
    import numpy as np
    from scipy.optimize import linprog  # imported here: few problems ask for it
    from scipy.sparse import eye_array, kron, vstack

    n, minutes = len(sent), len(sent[0])
    scale = max(float(np.mean(capacity)), 1e-300)
    limit = np.broadcast_to(np.asarray(capacity) / scale, (minutes,))
    whole = np.array(sent) / scale
    one = np.ones((1, minutes))
    rows = [kron(np.ones((1, n)), eye_array(minutes)), kron(eye_array(n), one / minutes)]
    answer = linprog(
        -np.ones(n * minutes) / minutes,
        A_ub=vstack(rows).tocsr(),
        b_ub=np.concatenate([limit, np.array(wanted) / scale]),
        bounds=np.column_stack([np.zeros(n * minutes), whole.ravel()]),
        method="highs",
    )
    return 0.0 if answer.x is None else float(-answer.fun) * scale
