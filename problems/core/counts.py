"""Columns of instance counts, and how large a count can be of use."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Bools, Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.contracts import start_label
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.rows import enumerate_keys
from problems.core.stretches import least
from problems.core.view import View, still_work
from problems.physics.waiting import serving_need, waiting_pools
from solvers.core.record import Record

BEYOND = 2e-8
"""Of an instance rented in parts, above whole servers: a solver leaves a billionth, and a server is there or is not."""


class CountColumns(Record):
    """Columns that make up instance counts, all (Q, T) or (Q, 1). count = min · open + step · steps."""

    count: Ints
    paid: Ints  # above what is reserved; the same column as count where nothing is reserved
    open: Ints  # 0/1, where a minimum makes it needed
    steps: Ints
    limit: Floats  # largest count that can be of use: every M comes from here


def count_limit(view: View) -> Floats:
    """(Q, T) largest count of each pool that can be of use: what all work that may come to it could keep busy.

    Where counts are coupled over time the peak of the horizon stands in every period, and booting time is added.
    """
    inst, fleets = view.inst, view.inst.fleets
    need = np.zeros((fleets.pools, inst.time.periods))
    if not fleets.pools:
        return need
    at, pool, load = view.pool_loads
    # a cell loads a pool by at most its heaviest route there
    key = (pool * len(view.cells) + view.flows.cell[at]) * inst.time.periods + view.flows.period[at]
    distinct, row = np.unique(key, return_inverse=True)
    heaviest = np.zeros(len(distinct))
    part = np.maximum(view.flows.end[at] - view.flows.start[at], 1e-12)
    np.maximum.at(heaviest, row, load / part)
    period, q = distinct % inst.time.periods, distinct // inst.time.periods // len(view.cells)
    np.add.at(need, (q, period), heaviest)
    f = fleets.pool_fleet
    usable = np.where(waiting_pools(view)[:, None], view.steady[f], view.usable[f])
    need = np.where(usable > 0, need / np.where(usable > 0, usable, 1.0), 0.0)
    if inst.spilling is not None:  # what spills is carried in the fullest minute at most
        spills = inst.spilling.offer[fleets.offer[f]]
        shapes = (inst.spilling.shape(still_work(inst, view.cells, t), t) for t in range(inst.time.periods))
        peak = np.array([shape.max(initial=1.0) for shape in shapes])
        need = np.where(spills[:, None], need * peak * _over_least(view)[f], need)
    most = _most(inst)
    need = serving_need(view, need, most.max(axis=1, initial=0.0))
    boot = fleets.start_h[f] / inst.time.period_h
    need /= (1.0 - np.minimum(boot % 1.0, 1 - 1e-9))[:, None]  # in the period in which they have just booted
    coupled = (fleets.start_usd + fleets.start_h + fleets.min_up_h + fleets.term_h)[f] > 0
    need = np.where(coupled[:, None], need.max(axis=1, initial=0.0)[:, None], need)
    need = np.maximum(need, _slots_needed(view, coupled))
    for g in range(len(inst.groups.names)):
        weight = inst.groups.weight[g, f]
        some = inst.groups.min_units[g] / np.maximum(weight, 1e-12)
        need = np.maximum(need, np.where(weight > 0, some, 0.0)[:, None])
    integral = fleets.integral[f]
    step = np.where(integral, np.maximum(fleets.pool_step, 1.0), 1.0)[:, None]
    fewest = fleets.pool_min[:, None]
    whole = fewest + np.ceil(np.maximum(need - fewest, 0.0) / step * (1 - 1e-6)) * step
    whole = np.where(need > 0, np.maximum(whole, fewest), 0.0)
    useful = np.where(integral[:, None], whole, np.where(need > 0, np.maximum(need, fewest), 0.0))
    if inst.running is not None:  # what runs may stay, of use or not
        useful = np.maximum(useful, np.maximum(inst.running.count, inst.running.carried))
    most = np.where(integral[:, None] & np.isfinite(most), np.floor(most + 1e-9), most)
    hourly = ~fleets.horizon[f] & (fleets.term_h[f] == 0)
    limit = np.minimum(useful, most)
    limit = np.where(limit > 0, limit + room_beyond(view)[:, None], 0.0)
    return np.where(hourly[:, None] & closed_throughout(inst), 0.0, limit)


@once
def room_beyond(view: View) -> Floats:
    """(Q,) instances that a limit leaves room for: those that lie beyond whole servers, see `latency`."""
    fleets, f = view.inst.fleets, view.inst.fleets.pool_fleet
    boot = np.minimum(fleets.start_h[f] / view.inst.time.period_h % 1.0, 1 - 1e-9)
    return np.where(~fleets.integral[f] & waiting_pools(view), 2.0 * BEYOND / (1.0 - boot), 0.0)


def _over_least(view: View) -> Floats:
    """(F, T) the usable part of an instance over its least in any hour of the period in which some of it is."""
    time, usable_at = view.inst.time, view.usable_at
    some = np.where(usable_at > 0, usable_at, np.inf)
    lowest = least(time.edge_h, some, time.start_h, time.start_h + time.period_h)
    return np.where(np.isfinite(lowest), view.usable / np.where(lowest > 0, lowest, 1.0), 1.0)


def adapted_flows(view: View) -> tuple[Ints, Ints, Ints]:
    """(m,) flows to pools of so many slots, those pools, and the workloads of the file, where these have adapters."""
    loads, fleets, routes = view.inst.workloads, view.inst.fleets, view.routes
    none = np.empty(0, dtype=np.int64)
    if not fleets.pools or not loads.adapters.any():
        return none, none, none
    limited = np.append(np.isfinite(fleets.adapter_slots[fleets.pool_fleet]), False)  # -1 is the last
    workload = loads.first[routes.workload[view.flows.route]]
    flow, pool = [], []
    for of in (routes.pool, routes.decoding):
        there = of[view.flows.route]
        some = np.flatnonzero(limited[there] & (loads.adapters[workload] > 0))
        flow.append(some)
        pool.append(there[some])
    flows = np.concatenate(flow)
    return flows, np.concatenate(pool), workload[flows]


def _slots_needed(view: View, coupled: Bools) -> Floats:
    """(Q, T) instances that hold the adapters of all workloads that may send anything to a pool."""
    fleets, periods = view.inst.fleets, view.inst.time.periods
    need = np.zeros((fleets.pools, periods))
    flow, pool, workload = adapted_flows(view)
    if not len(flow):
        return need
    _, _, (q, t, w) = enumerate_keys(pool, view.flows.period[flow], workload)
    slots = fleets.adapter_slots[fleets.pool_fleet[q]]
    np.add.at(need, (q, t), view.inst.workloads.adapters[w] / slots)
    return np.where(coupled[:, None], need.max(axis=1, initial=0.0)[:, None], need)


@once
def closed_throughout(inst: Instance) -> Bools:
    """(Q, T) periods in which the offer of a pool is closed all the time."""
    offer = inst.fleets.offer[inst.fleets.pool_fleet]
    return np.asarray(inst.time.by_period(inst.offers.open)[offer] <= 0)


@once
def runs(inst: Instance) -> Ints:
    """(Q, T) numbers of the runs of periods without such a one: what has started goes on in its own, not after."""
    return np.cumsum(closed_throughout(inst), axis=1)


@once
def boots_throughout(inst: Instance) -> Bools:
    """(Q, T) periods in which all that could be rented in a pool still boots; none with some that ran before."""
    fleets, time = inst.fleets, inst.time
    f = fleets.pool_fleet
    run, t = runs(inst), np.arange(time.periods)
    first = np.array([np.searchsorted(own, own) for own in run]).reshape(
        run.shape
    )  # of its run: closed, or 0
    hourly = ~fleets.horizon[f] & (fleets.term_h[f] == 0)
    known = (inst.paid_before == 0) & (fleets.reserved[f] == 0).all(axis=1) & ~fleets.pooled[f]
    begun = np.where(first > 0, first + 1, 0)
    through = np.floor(fleets.start_h[f] / time.period_h + 1e-9)
    return np.asarray((known[:, None] & (hourly[:, None] | (first == 0))) & (t - begun < through[:, None]))


def _most(inst: Instance) -> Floats:
    """(Q, T) instances that offers and groups have at most; the least of all periods where a count is for all."""
    fleets, f = inst.fleets, inst.fleets.pool_fleet
    throughout = fleets.horizon[f] & (fleets.term_h[f] == 0)
    most = np.where(throughout[:, None], fleets.max[f].min(axis=1, keepdims=True), fleets.max[f])
    for g in range(len(inst.groups.names)):
        weight = inst.groups.weight[g, f]
        some = inst.groups.max_units[g] / np.maximum(weight, 1e-12)
        most = np.minimum(most, np.where(weight > 0, some, np.inf)[:, None])
    return np.asarray(most)


def count_columns(
    inst: Instance, space: ColumnSpace, pools: Ints, limit: Floats, family: str, block: int
) -> CountColumns:
    """Count columns for some pools over the columns of `limit` (Q, n); −1 for the others.

    Those of pools that wait (Q,) are whole.
    """
    fleets, n = inst.fleets, limit.shape[1]
    f = fleets.pool_fleet[pools]

    def take(name: str, which: Ints, upper: Floats | float, *, integer: np.ndarray | bool) -> Ints:
        at = np.full(limit.shape, NONE, dtype=np.int64)
        if not len(which):
            return at
        at[which] = space.take(
            f"{family}_{name}" if name else family,
            len(which) * n,
            lambda i: f"{pool_label(inst, which[i // n])},{i % n}",
            upper=np.ravel(upper),
            integer=np.repeat(np.broadcast_to(integer, len(which)), n),
            block=block,
        ).reshape(len(which), n)
        return at

    integral, fewest = fleets.integral[f], fleets.pool_min[pools]
    step = np.where(integral, fleets.pool_step[pools], 1.0)
    needs_open = np.where(integral, (fewest > 0) & (fewest != step), fewest > 0)
    needs_steps = integral & (needs_open | (step != 1))
    # whole where its parts are: said again, HiGHS 1.15.1's presolve else finds infeasible what is not (bug-012)
    count = take("", pools, limit[pools], integer=integral)
    opened = take("open", pools[needs_open], np.ones((needs_open.sum(), n)), integer=True)
    span = np.ceil(limit[pools[needs_steps]] / np.maximum(step[needs_steps], 1e-12)[:, None] + 1)
    steps = take("steps", pools[needs_steps], span, integer=True)
    pooled = fleets.pooled[f]  # what is bought for all pools may stand idle in any
    reserved = (fleets.reserved[f] > 0).any(axis=1) | pooled
    # half an instance paid for beside half a reserved one would start, and boot, half an instance
    starting = (fleets.start_usd + fleets.start_h + fleets.min_up_h)[f] > 0
    in_whole = integral & starting & (fleets.reserved[f] % 1.0 == 0).all(axis=1)
    most = np.where(pooled[reserved, None], np.inf, limit[pools[reserved]])
    extra = take("paid", pools[reserved], most, integer=in_whole[reserved])
    return CountColumns(count, np.where(extra == NONE, count, extra), opened, steps, limit)


def purchases(inst: Instance, space: ColumnSpace, peak: Floats) -> Ints:
    """Instances bought for a term, by pool and start of the term; (Q, J), −1 where none may start.

    Those bought for all pools of an offer together stand at the first.
    """
    fleets = inst.fleets
    bought = np.full((fleets.pools, len(fleets.buy_h)), NONE, dtype=np.int64)
    if not fleets.pools:
        return bought
    q, j = np.nonzero(fleets.may_buy[fleets.pool_fleet] & fleets.buys[:, None])
    for first in np.flatnonzero(fleets.pooled[fleets.pool_fleet] & fleets.buys).tolist():
        of_all = peak[fleets.pool_fleet == fleets.pool_fleet[first]].sum(axis=0)
        peak = np.where((np.arange(fleets.pools) == first)[:, None], of_all, peak)
    if len(q):
        bought[q, j] = space.take(
            "bought",
            len(q),
            lambda i: f"{pool_label(inst, int(q[i]))},{start_label(float(fleets.buy_h[j[i]]))}",
            upper=peak[q, 0],
            integer=fleets.integral[fleets.pool_fleet[q]],
        )
    return bought


def bought_for(inst: Instance, fleet: int) -> tuple[Ints, Ints]:
    """(J,) each: the first period that a term of each start covers, and the first one after it."""
    begin = inst.fleets.buy_h
    end = inst.fleets.bought_until_h(fleet)
    start_h = inst.time.start_h
    return np.searchsorted(start_h, begin - 1e-9), np.searchsorted(start_h, end - 1e-9)


def pool_label(inst: Instance, q: int) -> str:
    """`offer,model` of a pool, or the offer alone where its models share the count."""
    offer, model = inst.pool_names[q]
    return offer if model is None else f"{offer},{model}"
