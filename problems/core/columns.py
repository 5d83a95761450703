"""Who owns which column. Index arrays by family; −1 where a thing has no column of its own.

First stage (bought before demand is known, shared by all scenarios): `signed`, `committed`, `active`, horizon-wide
counts and purchases. Recourse (per scenario): flows, hourly counts, bills. Sizes as in `problems.core.instance`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems.core.adapter_columns import AdapterColumns, adapter_columns
from problems.core.answer_columns import AnswerColumns, answer_columns
from problems.core.arrays import NONE, Floats, Ints
from problems.core.bill_columns import Beyond, bill_columns
from problems.core.bill_points import BillPoints
from problems.core.blocks import ColumnSpace, numbered
from problems.core.changes import Changes, changes
from problems.core.counts import CountColumns, boots_throughout, count_columns, pool_label
from problems.core.coverage import Coverage, Payments, coverage, payments
from problems.core.first_stage import FirstStage, may_be_in_force
from problems.core.host_columns import HostColumns, host_columns
from problems.core.part_columns import Parts, part_columns
from problems.core.payable import Payable, payable, use_bands
from problems.core.queue_columns import QueueColumns, queue_columns
from problems.core.statements import Statements, statements
from problems.core.view import View
from problems.physics.waiting import Capacity
from solvers.core.record import Record


class Planned(Record):
    """What stays as planned after a loss, of contracts that limit what they carry: what is free or billed elsewhere."""

    flow: Ints  # (N,) of the plan, in the order of the flows after the loss
    charged: Ints  # (N,)
    uncovered: tuple[
        Ints, ...
    ]  # (B,) of (T,): use of the offer's own commitment, where some is billed elsewhere
    unit: Floats  # (B,) own units that a column of 1 stands for


class Columns(Record):
    """All columns that a scenario's rows may touch."""

    first: FirstStage
    flow: Ints  # (N,) share of the cell's work, in the order of View.flows
    charged: Ints  # (N,) the part of it that is paid for: the flow itself, but of offers with an allowance
    unserved: Ints  # (C,) or -1
    pick: Ints  # (N,) or -1: 0/1 per (cell, route) of an unsplittable workload, repeated over its slots
    carries: Ints  # (W, P) or -1: 0/1, the provider carries its least share throughout
    counts: CountColumns  # (Q, T); horizon-wide counts are repeated over the periods
    started: Ints  # (Q, T) or -1
    billed: Ints  # (N,) own units billed, in commit_scale · share of the span; -1 where what goes beyond is billed
    over: Ints  # (N,) own units above the commitment, or -1, scaled as billed
    beyond: tuple[Beyond, ...]  # (B,) the same in order of time, where that has a price of its own
    carry: Ints  # (N,) own units left for later spans, or -1, scaled as billed
    exceeds: Ints  # (N,) or -1: 0/1, a span goes beyond what is committed and left, and leaves nothing
    lapses: Ints  # (N,) or -1: 0/1, not all that a span leaves may still be used
    as_due: Ints  # (N,) or -1: 0/1, what is due is billed and not the use; -1 where a solver would not state too much
    by_rests: Ints  # (N,) or -1: 0/1, earlier spans left more than a span uses, so that nothing is billed for its use
    statements: Statements  # bills so far, where they count in spans that end within theirs
    parts: Parts  # use that is counted under one term of several
    band_points: tuple[BillPoints, ...]  # (B,) where volumes are counted against bands
    band_volume: tuple[Ints, ...]
    """(B,) of (points, bands): volume in each band of the tiers up to a point, see `band_scale`"""
    band_open: tuple[Ints, ...]  # (B,) of (points, bands): 0/1, or -1; (points, 0) where none is needed
    use_band: tuple[
        Ints, ...
    ]  # (B,) of (n, bands): volume of use alone, where more may be due and credits pay
    use_open: tuple[Ints, ...]  # (B,) of (n, bands): 0/1
    covered: Coverage  # use of offers that agreements bill
    hosts: HostColumns
    adapters: AdapterColumns
    paid_by: Payments  # use of offers that credits pay
    capacity: Capacity  # of pools whose waiting is modelled
    answers: AnswerColumns
    payable: Payable  # what credits may pay of bills whose prices change with use
    spilled: Ints  # (N,) share of the cell that is sent there first and refused, or -1
    queues: tuple[QueueColumns, ...] = ()  # of pools whose region is written out
    changes: Changes | None = None  # against what runs already
    planned: Planned | None = None  # of columns after a loss


def recourse(view: View, space: ColumnSpace, first: FirstStage, limit: Floats, capacity: Capacity) -> Columns:
    """Reserve the columns of one scenario."""
    inst, flows, block = view.inst, view.flows, view.scenario + 1
    cells, workloads, offers = view.cells, inst.workloads, inst.offers

    def flow_label(i: int) -> str:
        r = flows.route[i]
        offer, model = offers.names[view.routes.offer[r]], inst.models.names[view.routes.model[r]]
        return f"{view.label_cell(flows.cell[i])},{offer},{model},{flows.period[i]}"

    flow = space.take("flow", len(flows), flow_label, upper=reachable(view), block=block)
    charged = _charged(view, space, flow, flow_label)
    dropped = np.isfinite(workloads.unserved_usd_per_token) & (workloads.steps < 0)
    spare = np.flatnonzero(dropped[cells.workload])
    unserved = np.full(len(cells), NONE, dtype=np.int64)
    unserved[spare] = space.take(
        "unserved", len(spare), lambda i: view.label_cell(spare[i]), upper=1.0, block=block
    )
    pick = _picks(view, space, flow_label)
    carries = _carriers(view, space)
    counts = _period_counts(view, space, first, limit)
    started = _starts(view, space, counts)
    bills, bands = bill_columns(view, space)
    of_use = use_bands(view, space)
    covered = coverage(view, space, charged, counts.paid, limit)
    paid_by = payments(view, space, charged, counts.paid)
    parts = part_columns(view, space, covered)
    names = {q: pool_label(inst, q) for q, _ in capacity.regions}
    queues = queue_columns(space, capacity, names, block)
    spilled = _spilled(view, space, flow_label)
    running, changed = inst.running, None
    if running is not None and running.tracked:
        changed = changes(view, space, counts, first.ahead.count[:, 0] >= 0, spilled)
    return Columns(
        first,
        flow,
        charged,
        unserved,
        pick,
        carries,
        counts,
        started,
        *bills,
        statements(view, space),
        parts,
        *bands,
        *of_use,
        covered,
        host_columns(view, space, counts.count, limit, first.hosts),
        adapter_columns(view, space),
        paid_by,
        capacity,
        answer_columns(view, space),
        payable(view, space, charged, covered, paid_by),
        spilled,
        queues,
        changed,
    )


def reachable(view: View) -> Floats:
    """(N,) the most of its cell that a flow may carry: 0 where no contract could be in force in the period, or where
    all instances that it loads would still boot.
    """
    in_force = may_be_in_force(view.inst)
    limit = np.where(in_force[view.flow_contract, view.flows.period], view.flow_limit, 0.0)
    if (view.inst.fleets.start_h > 0).any():
        flow, pool, load = view.pool_loads
        limit[flow[(load > 0) & boots_throughout(view.inst)[pool, view.flows.period[flow]]]] = 0.0
    return limit


def _charged(view: View, space: ColumnSpace, flow: Ints, label: Callable[[int], str]) -> Ints:
    """A column of its own for what of a flow is paid for, where some of it may be free."""
    charged, allowances = flow.copy(), view.inst.allowances
    some = np.flatnonzero(np.isin(view.routes.offer[view.flows.route], allowances.offer))
    block = view.scenario + 1
    charged[some] = space.take("charged", len(some), lambda i: label(int(some[i])), upper=1.0, block=block)
    return charged


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


def _spilled(view: View, space: ColumnSpace, label: Callable[[int], str]) -> Ints:
    """What spills of each flow to an offer that refuses; work that moves in time does not."""
    spilled, spilling = np.full(len(view.flows), NONE, dtype=np.int64), view.inst.spilling
    if spilling is not None:
        moves = view.inst.workloads.moves[view.cells.workload[view.flows.cell]]
        some = np.flatnonzero(spilling.offer[view.routes.offer[view.flows.route]] & ~moves)
        block = view.scenario + 1
        spilled[some] = space.take(
            "spilled", len(some), lambda i: label(int(some[i])), upper=1.0, block=block
        )
    return spilled


def _carriers(view: View, space: ColumnSpace) -> Ints:
    inst = view.inst
    carries = np.full((len(inst.workloads.names), len(inst.offers.providers)), NONE, dtype=np.int64)
    asks = inst.workloads.min_providers[inst.workloads.whole[view.routes.workload]] > 1
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


def _period_counts(view: View, space: ColumnSpace, first: FirstStage, limit: Floats) -> CountColumns:
    """Counts of the scenario's periods; horizon-wide ones are the first stage's columns, repeated."""
    fleets = view.inst.fleets
    ahead = first.ahead.count[:, 0] >= 0
    own = count_columns(view.inst, space, np.flatnonzero(~ahead), limit, "count", view.scenario + 1)

    def join(hourly: Ints, common: Ints) -> Ints:
        return np.where(ahead[:, None], np.broadcast_to(common, (fleets.pools, limit.shape[1])), hourly)

    return replace(own, count=join(own.count, first.ahead.count), paid=join(own.paid, first.ahead.paid))


def _starts(view: View, space: ColumnSpace, counts: CountColumns) -> Ints:
    """Started instances, where a start costs money or time, or binds for a while."""
    fleets, time = view.inst.fleets, view.inst.time
    started = np.full(counts.count.shape, NONE, dtype=np.int64)
    f = fleets.pool_fleet
    matters = (fleets.start_usd[f] > 0) | (fleets.start_h[f] > 0) | (fleets.min_up_h[f] > time.period_h)
    once = fleets.horizon[f] & (fleets.term_h[f] == 0)
    for q in np.flatnonzero(matters):
        n = 1 if once[q] else time.periods
        label = numbered(pool_label(view.inst, int(q)))
        started[q, :n] = space.take("started", n, label, block=view.scenario + 1)
    return started
