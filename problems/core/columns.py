"""Who owns which column. Index arrays by family; −1 where a thing has no column of its own.

First stage (bought before demand is known, shared by all scenarios): `signed`, `committed`, `active`, horizon-wide
counts and purchases. Recourse (per scenario): flows, hourly counts, bills. Sizes as in `problems.core.instance`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.changes import Changes, changes
from problems.core.counts import CountColumns, Waits, count_columns, pool_label
from problems.core.first_stage import FirstStage, in_force
from problems.core.view import View
from problems.physics.waiting import Capacity
from solvers.core.record import Record


class Columns(Record):
    """All columns that a scenario's rows may touch."""

    first: FirstStage
    flow: Ints  # (N,) share of the cell's work, in the order of View.flows
    unserved: Ints  # (C,) or -1
    pick: Ints  # (N,) or -1: 0/1 per (cell, route) of an unsplittable workload, repeated over its slots
    carries: Ints  # (W, P) or -1: 0/1, the provider carries its least share throughout
    counts: CountColumns  # (Q, T); horizon-wide counts are repeated over the periods
    started: Ints  # (Q, T) or -1
    billed: Ints  # (B, K) own units billed, in commit_scale · month share; -1 where use is the bill
    over: Ints  # (B, K) own units above the commitment, where they have a price of their own
    band_volume: tuple[Ints, ...]  # (B,) of (K, bands): volume in each band of the tiers, scaled as billed
    band_open: tuple[Ints, ...]  # (B,) of (K, bands): 0/1
    capacity: Capacity  # of pools whose waiting is modelled
    changes: Changes | None = None  # against what runs already


def recourse(view: View, space: ColumnSpace, first: FirstStage, limit: Floats, capacity: Capacity) -> Columns:
    """Reserve the columns of one scenario."""
    inst, flows, block = view.inst, view.flows, view.scenario + 1
    cells, workloads, offers = view.cells, inst.workloads, inst.offers

    def flow_label(i: int) -> str:
        r = flows.route[i]
        offer, model = offers.names[view.routes.offer[r]], inst.models.names[view.routes.model[r]]
        return f"{view.label_cell(flows.cell[i])},{offer},{model},{flows.period[i]}"

    flow = space.take("flow", len(flows), flow_label, upper=reachable(view), block=block)
    spare = np.flatnonzero(np.isfinite(workloads.unserved_usd_per_token[cells.workload]))
    unserved = np.full(len(cells), NONE, dtype=np.int64)
    unserved[spare] = space.take(
        "unserved", len(spare), lambda i: view.label_cell(spare[i]), upper=1.0, block=block
    )
    pick = _picks(view, space, flow_label)
    carries = _carriers(view, space)
    counts = _period_counts(view, space, first, limit, waits_of(capacity))
    started = _starts(view, space, counts)
    bills = _bills(view, space)
    running, changed = inst.running, None
    if running is not None and running.tracked:
        changed = changes(view, space, counts, first.ahead.count[:, 0] >= 0, running)
    return Columns(first, flow, unserved, pick, carries, counts, started, *bills, capacity, changed)


def reachable(view: View) -> Floats:
    """1, or 0 where no contract could be in force in the period (it ended inside the month, say)."""
    contracts, time = view.inst.contracts, view.inst.time
    covered = np.zeros((len(contracts.offer) + 1, time.periods), dtype=bool)
    covered[-1] = True  # offers without a contract
    np.logical_or.at(covered, contracts.start_contract, in_force(view.inst))
    return covered[view.flow_contract, view.flows.period].astype(float)


def _picks(view: View, space: ColumnSpace, label: Callable[[int], str]) -> Ints:
    flows = view.flows
    pick = np.full(len(flows), NONE, dtype=np.int64)
    whole = np.flatnonzero(~view.inst.workloads.splittable[view.cells.workload[flows.cell]])
    if len(whole):
        key = flows.cell[whole] * (len(view.routes) + 1) + flows.route[whole]
        _, first, row = np.unique(key, return_index=True, return_inverse=True)
        at = space.take(
            "pick",
            len(first),
            lambda i: label(whole[first[i]]),
            upper=1.0,
            integer=True,
            block=view.scenario + 1,
        )
        pick[whole] = at[row]
    return pick


def _carriers(view: View, space: ColumnSpace) -> Ints:
    inst = view.inst
    carries = np.full((len(inst.workloads.names), len(inst.offers.providers)), NONE, dtype=np.int64)
    asks = inst.workloads.min_providers[view.routes.workload] > 1
    asked = np.zeros_like(carries, dtype=bool)
    asked[view.routes.workload[asks], view.routes.provider[asks]] = True
    pairs = np.argwhere(asked)
    carries[pairs[:, 0], pairs[:, 1]] = space.take(
        "carries",
        len(pairs),
        lambda i: f"{inst.workloads.names[pairs[i, 0]]},{inst.offers.providers[pairs[i, 1]]}",
        upper=1.0,
        integer=True,
        block=view.scenario + 1,
    )
    return carries


def waits_of(capacity: Capacity) -> Waits:
    """How the waiting of each pool is written."""
    return Waits(capacity.exact, capacity.waits & ~capacity.exact, capacity.lenient)


def _period_counts(
    view: View, space: ColumnSpace, first: FirstStage, limit: Floats, waits: Waits
) -> CountColumns:
    """Counts of the scenario's periods; horizon-wide ones are the first stage's columns, repeated."""
    fleets = view.inst.fleets
    ahead = first.ahead.count[:, 0] >= 0
    own = count_columns(view.inst, space, np.flatnonzero(~ahead), limit, waits, "count", view.scenario + 1)

    def join(hourly: Ints, common: Ints) -> Ints:
        return np.where(ahead[:, None], np.broadcast_to(common, (fleets.pools, limit.shape[1])), hourly)

    return replace(own, count=join(own.count, first.ahead.count), paid=join(own.paid, first.ahead.paid))


def _starts(view: View, space: ColumnSpace, counts: CountColumns) -> Ints:
    """Started instances, where a start costs money or time, or binds for a while."""
    fleets, time = view.inst.fleets, view.inst.time
    started = np.full(counts.count.shape, NONE, dtype=np.int64)
    f = fleets.pool_fleet
    matters = (fleets.start_usd[f] > 0) | (fleets.start_h[f] > 0) | (fleets.min_up_h[f] > time.period_h)
    once = fleets.horizon[f] & (fleets.term_months[f] == 0)
    for q in np.flatnonzero(matters):
        n = 1 if once[q] else time.periods
        label = _numbered(pool_label(view.inst, int(q)))
        started[q, :n] = space.take("started", n, label, block=view.scenario + 1)
    return started


def _numbered(name: str) -> Callable[[int], str]:
    return lambda i: f"{name},{i}"


def _bills(view: View, space: ColumnSpace) -> tuple[Ints, Ints, tuple[Ints, ...], tuple[Ints, ...]]:
    contracts, months = view.inst.contracts, view.inst.time.months
    shape, block = (len(contracts.offer), months), view.scenario + 1
    billed, over = np.full(shape, NONE, dtype=np.int64), np.full(shape, NONE, dtype=np.int64)
    volumes, opens = [], []
    for b, o in enumerate(contracts.offer):
        label, tiers = _numbered(view.inst.offers.names[o]), contracts.tiers[b]
        if np.isfinite(contracts.overage_usd[b]):
            over[b] = space.take("over", months, label, block=block)
        else:
            billed[b] = space.take("billed", months, label, block=block)
        bands = len(tiers.from_tokens) if tiers is not None else 0
        volumes.append(space.take("band_volume", months * bands, label, block=block).reshape(months, bands))
        ordered = tiers is not None and (tiers.all_units or bool((np.diff(tiers.usd) < 0).any()))
        n_open = months * bands if ordered else 0
        opens.append(
            space.take("band_open", n_open, label, upper=1.0, integer=True, block=block).reshape(months, -1)
            if n_open
            else np.empty((months, 0), dtype=np.int64)
        )
    return billed, over, tuple(volumes), tuple(opens)
